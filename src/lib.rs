//! hookstream: webhooks into Kafka, verified, in one envelope, none lost; the full records beside them.
//!
//! The modules stand in the order of the data.

pub mod config;
pub mod event;
pub mod provider;
