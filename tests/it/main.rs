//! The integration tests: one binary, one line per module.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod batches;
mod broker_facts;
mod check;
mod cloudevents_reader;
mod compose;
mod dashboards;
mod data_schemas;
mod deploy;
mod differential;
mod enrich;
mod envelope;
mod gateway;
mod grammar;
mod help;
mod init;
mod key_requests;
mod payments;
mod providers;
mod real_payloads;
mod reference;
mod scan;
mod secured;
mod signing;
mod support;
mod tidy;
mod token;
mod topics;
mod traps;
mod use_cases;
mod vectors;
