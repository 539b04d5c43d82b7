//! Real Apache Kafka for the tests: one single-node cluster per test binary, others on demand.
//!
//! `HOOKSTREAM_TEST_KAFKA=host:port` uses a cluster that runs already; `HOOKSTREAM_TEST_KAFKA_VERSION`
//! picks the version otherwise (`jars.rs`). A cluster ends with the test binary, however that ends.
#![allow(dead_code, unused_imports, reason = "a tool box: a test that goes takes no tool with it")]

mod cluster;
mod jars;
mod node;
mod outage;
mod records;
mod settings;

use std::sync::OnceLock;

pub(crate) use cluster::{Cluster, block_on};
pub(crate) use jars::as_shipped;
pub(crate) use outage::Outage;
pub(crate) use records::{Isolation, PATIENCE, Seen, await_that, await_within};
use settings::Listener;
pub(crate) use settings::{LARGEST_REQUEST, free_port};

use super::skip::skip;

/// A cluster, or why there is none on this machine; a cluster that fails to start is a panic.
type Shared = OnceLock<Result<Cluster, String>>;

/// The single-node cluster that all tests share. `None`: the reason has been said, the test should return.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static ONE: Shared = OnceLock::new();
    or_skip(ONE.get_or_init(|| match std::env::var("HOOKSTREAM_TEST_KAFKA") {
        Ok(bootstrap) => Ok(Cluster::external(bootstrap)),
        Err(_) => Cluster::start(1, Listener::Plain),
    }))
}

/// Three nodes, for tests that kill, freeze or lose them. Always our own.
pub(crate) fn three_nodes() -> Option<&'static Cluster> {
    static THREE: Shared = OnceLock::new();
    or_skip(THREE.get_or_init(|| Cluster::start(3, Listener::Plain)))
}

/// Three nodes whose clients must come through proxies, see [`Cluster::proxied`]. Always our own.
pub(crate) fn proxied() -> Option<&'static Cluster> {
    static PROXIED: Shared = OnceLock::new();
    or_skip(PROXIED.get_or_init(|| Cluster::start(3, Listener::Proxied)))
}

/// One node for a test that freezes it: no other test uses it. Always our own.
pub(crate) fn freezable() -> Option<&'static Cluster> {
    static FREEZABLE: Shared = OnceLock::new();
    or_skip(FREEZABLE.get_or_init(|| Cluster::start(1, Listener::Plain)))
}

/// One node behind SASL_SSL with ACLs and no rights for anybody, see [`Cluster::client_as`], that closes the connection on a
/// request of more than [`LARGEST_REQUEST`] bytes. Always our own.
pub(crate) fn secured() -> Option<&'static Cluster> {
    static SECURED: Shared = OnceLock::new();
    or_skip(SECURED.get_or_init(|| Cluster::start(1, Listener::Secured)))
}

fn or_skip(cluster: &'static Result<Cluster, String>) -> Option<&'static Cluster> {
    cluster.as_ref().map_err(|reason| skip(reason)).ok()
}
