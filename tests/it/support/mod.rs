//! What several integration tests need: real Kafka, and a way to say that a test was skipped.

pub(crate) mod kafka;
mod skip;
