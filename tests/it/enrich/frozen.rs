//! A transaction whose outcome nobody knows: Kafka freezes in the middle of it and thaws much later.

use std::time::Duration;

use super::{acme, append, assert_each_once};
use crate::support::api::Api;
use crate::support::kafka::freezable;
use crate::support::stage::Stage;

/// Longer than a commit is waited for.
const FROZEN: Duration = Duration::from_secs(17);

const EVENTS: usize = 1_000;
const FREEZES: usize = 3;

#[test]
fn an_unknown_outcome_is_found_out_before_anything_else_is_written() {
    let Some(kafka) = freezable() else { return };
    let [node] = kafka.nodes() else { return };
    let api = Api::start();
    api.slow(Duration::from_millis(30));
    // The session outlives the frost: the same instance has to find out what became of its transaction.
    let stage = Stage::with_session(kafka, 4, &acme(&api), "concurrency = 4", Duration::from_secs(45));
    for number in 0..EVENTS {
        append(&stage, number);
        if number.is_multiple_of(5) {
            append(&stage, number);
        }
    }
    stage.flush();
    let enricher = stage.enricher("a");
    for freeze in 0..FREEZES {
        // In the middle of a transaction, or while its commit is on the way.
        let moment = ["a transaction begins", "a transaction is complete"][freeze % 2];
        enricher.await_said(moment, enricher.said(moment) + 2);
        node.freeze();
        std::thread::park_timeout(FROZEN);
        node.thaw();
        enricher.await_said("the transaction ", enricher.said("the outcome of a transaction is not known"));
    }
    assert_each_once(&stage, EVENTS, Duration::from_secs(90));
    assert!(enricher.said("the outcome of a transaction is not known") > 0, "no freeze hit a transaction");
    assert!(!enricher.log().contains("partitions went"), "the session was to outlive the frost");
}
