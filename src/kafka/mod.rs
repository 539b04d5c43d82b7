//! Kafka. Only this module names rdkafka.
//!
//! `client` holds every setting with its why; `producer` is the way in (raw topic, dead letters), with its bookkeeping
//! in `deliveries`, `breaker` and `partitions`; `consumer`, `transaction` and `barrier` are the enricher's way through;
//! `ffi` is the one place with `unsafe`.

pub mod barrier;
mod breaker;
pub mod client;
mod consumer;
mod context;
mod deliveries;
mod error;
mod ffi;
mod metadata;
mod partitions;
mod producer;
mod reports;
mod transaction;

pub use client::Role;
pub use consumer::{Change, GroupConsumer, NotOwner, Partition, Polled, Stored};
pub use context::LoggingContext;
pub use deliveries::{Delivery, Settle};
pub use error::{DeliveryFailure, ProduceError, Refusal};
pub use ffi::Persistence;
pub use partitions::partition_for;
pub use producer::Producer;
pub use transaction::{Abort, Batch, Outcome, Transactor};
