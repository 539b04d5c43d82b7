//! The integration tests: one binary, one line per module.

mod envelope;
mod scan;
