//! The integration tests: one binary, one line per module.

mod data_schemas;
mod providers;
mod vectors;
