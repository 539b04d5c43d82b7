//! An enricher that is frozen and thaws: the group has moved on meanwhile, and nothing it still holds may be committed.

use std::time::Duration;

use super::{acme, append, assert_each_once};
use crate::support::api::Api;
use crate::support::kafka::{await_that, cluster};
use crate::support::stage::Stage;

const EVENTS: usize = 900;
const ROUNDS: usize = 3;

/// What an enricher logs when a transaction begins, and when the group gives it partitions.
const BEGINS: &str = "a transaction begins";
const CAME: &str = "partitions came";

#[test]
fn a_thawed_enricher_commits_nothing_that_others_own() {
    let Some(kafka) = cluster() else { return };
    let api = Api::start();
    api.slow(Duration::from_millis(15));
    let stage = Stage::new(kafka, 4, &acme(&api), "concurrency = 8");
    let instances = [stage.enricher("a"), stage.enricher("b")];
    for round in 0..ROUNDS {
        for number in EVENTS * round / ROUNDS..EVENTS * (round + 1) / ROUNDS {
            append(&stage, number);
        }
        stage.flush();
        let before = [0, 1].map(|which| instances[which].said(BEGINS));
        let mut frozen = 0;
        await_that("an instance commits", || {
            std::thread::park_timeout(Duration::from_millis(1));
            let busy = [0, 1].into_iter().find(|which| instances[*which].said(BEGINS) >= before[*which] + 2);
            busy.inspect(|busy| frozen = *busy).is_some()
        });
        let other = &instances[1 - frozen];
        let came = other.said(CAME);
        instances[frozen].freeze();
        // The session of the frozen one ends, and the other is given what it owned.
        await_that("the other one takes over", || other.said(CAME) > came);
        instances[frozen].thaw();
    }
    assert_each_once(&stage, EVENTS, Duration::from_secs(120));
}
