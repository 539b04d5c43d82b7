//! The spool: what Kafka could not take in time, durable on this machine's disk until it can.
//!
//! `frame` and `entry` are the bytes, pure; `segment`, `reader`, `cursor` and `ledger` the parts of the log; `log` writes
//! it, `survey` reads all of it at the start, `pass` walks what waits; `store` is the spool with its writing thread,
//! `drain` hands its records to Kafka, `hands` settles them as the reports come, `suspects` says which of them are to blame
//! themselves, `absent` which partitions do not exist, `stumbles` which places are damaged; `aside` and `refused` keep what
//! Kafka will never take. `disk` is where faults are injected.
//!
//! It is not a queue between machines and no second copy of Kafka: a record is as durable as one disk, and leaves as soon
//! as Kafka has it.

mod absent;
mod aside;
pub mod cursor;
pub mod disk;
mod drain;
pub mod entry;
pub mod frame;
mod hands;
pub mod ledger;
mod log;
mod pass;
mod reader;
pub mod refused;
pub mod segment;
mod store;
mod stumbles;
pub mod survey;
mod suspects;

#[cfg(test)]
mod faulty;
#[cfg(test)]
mod tests;

pub use drain::{Drain, LATE_HEADER, Now};
pub use entry::{Draft, Entry};
pub use hands::Drained;
pub use store::{Fate, Limits, OpenError, Opened, Receive, Spool, SpoolError};
