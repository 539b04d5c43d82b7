//! The integration tests: one binary, one line per module.

mod cloudevents_reader;
mod envelope;
mod scan;
mod token;
