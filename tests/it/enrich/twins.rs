//! Two processes under one transactional id: one of them says so and goes, and nothing is lost or doubled.

use std::time::Duration;

use super::{acme, append, assert_each_once};
use crate::support::api::Api;
use crate::support::kafka::{await_that, cluster};
use crate::support::stage::Stage;

const EVENTS: usize = 400;

#[test]
fn a_twin_is_told_from_a_restart() {
    let Some(kafka) = cluster() else { return };
    let api = Api::start();
    // More than there are retry partitions: a new member is given those first, and both are to commit.
    let stage = Stage::new(kafka, 12, &acme(&api), "");
    let mut twins = [stage.enricher("same"), stage.enricher("same")];
    let mut written = 0;
    let mut gone = None;
    await_that("one of the twins goes", || {
        if written < EVENTS {
            append(&stage, written);
            stage.flush();
            written += 1;
        }
        gone = twins.iter_mut().position(|twin| twin.ended().is_some());
        gone.is_some()
    });
    let gone = &mut twins[gone.unwrap()];
    assert_eq!(gone.ended(), Some(1));
    assert!(gone.log().contains("give each instance its own enrich.instance"), "{}", gone.log());
    while written < EVENTS {
        append(&stage, written);
        written += 1;
    }
    stage.flush();
    assert_each_once(&stage, EVENTS, Duration::from_secs(60));
}
