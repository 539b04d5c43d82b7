//! Kafka. Only this module names rdkafka.
//!
//! `client` holds every setting with its why; `producer` is the way in (raw topic, dead letters), with its bookkeeping
//! in `deliveries`, `breaker` and `partitions`; `ffi` is the one place with `unsafe`.

mod breaker;
pub mod client;
mod context;
mod deliveries;
mod error;
mod ffi;
mod metadata;
mod partitions;
mod producer;

pub use client::Role;
pub use context::LoggingContext;
pub use deliveries::{Delivery, Settle};
pub use error::{DeliveryFailure, ProduceError, Refusal};
pub use ffi::Persistence;
pub use partitions::partition_for;
pub use producer::Producer;
