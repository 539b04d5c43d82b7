//! The integration tests: one binary, one line per module.

mod providers;
mod vectors;
