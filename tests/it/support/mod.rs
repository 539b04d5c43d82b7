//! What several integration tests need: real Kafka and its stand-in, `hookstream serve` as a process of its own, a client
//! that can misbehave, and a way to say that a test was skipped.

pub(crate) mod api;
pub(crate) mod child;
pub(crate) mod http;
pub(crate) mod in_process;
pub(crate) mod kafka;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod packages;
pub(crate) mod serve;
pub(crate) mod skip;
pub(crate) mod stage;
pub(crate) mod stand_in;
