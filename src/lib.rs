//! hookstream: webhooks into Kafka, verified, in one envelope, none lost; the full records beside them, once each.
//!
//! The modules stand in the order of the data: a provider's rules (`provider`) read a request into an event (`event`);
//! the gateway (`gateway`, on `http`) makes it durable (`kafka`, or `spool` while that is away); the enricher (`enrich`) puts the full record beside
//! it. `command` composes these, `config` and `telemetry` serve all.

pub mod cli;
pub mod command;
pub mod config;
pub mod dev;
pub mod enrich;
pub mod event;
pub mod gateway;
pub mod http;
pub mod kafka;
pub mod provider;
pub mod shutdown;
pub mod spool;
pub mod telemetry;
