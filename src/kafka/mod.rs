//! Kafka. Only this module names rdkafka.
//!
//! `client` holds every setting with its why; `producer` is the way in (raw topic, dead letters), with its bookkeeping
//! in `deliveries`, `breaker` and `partitions`; `consumer`, `transaction` and `barrier` are the enricher's side; `reader` reads
//! without a group; `stand_in` is Kafka for `dev`; `topics`, `brokers`,
//! `acl`, `admin` and `print` are about what the cluster must hold; `ffi` is the one place with `unsafe`.

pub mod acl;
pub mod admin;
pub mod barrier;
mod breaker;
pub mod brokers;
pub mod client;
mod consumer;
mod context;
mod deliveries;
mod error;
mod ffi;
mod message;
mod metadata;
mod partitions;
pub mod print;
mod producer;
mod reader;
mod reports;
mod stand_in;
pub mod topics;
mod transaction;

pub use breaker::Probe;
pub use client::Role;
pub use consumer::{Change, GroupConsumer, NotOwner, Partition, Polled, Stored};
pub use deliveries::{Delivery, Settle};
pub use error::{DeliveryFailure, ProduceError, Refusal};
pub use ffi::Persistence;
pub use partitions::partition_for;
pub use producer::Producer;
pub use reader::{Reader, Start};
pub use stand_in::StandIn;
pub use transaction::{Abort, Batch, Outcome as TransactionOutcome, Transactor};
