//! What breaks on purpose: rows of faults against a real gateway on three real brokers, and an outside ledger that says what
//! was promised. `cargo test` runs each row for seconds; `tests/faults/campaign` runs the same rows for as long as it is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod brokers;
mod changes;
mod clock;
mod disk;
mod gateway;
mod network;
mod planted;
mod rig;
#[path = "../it/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the other tests, which use more of it")]
mod support;
