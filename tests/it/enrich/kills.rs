//! Exactly one read_committed record per event, whoever dies when.

use std::time::Duration;

use super::{acme, append, assert_each_once};
use crate::support::api::Api;
use crate::support::kafka::{Isolation, await_that, cluster};
use crate::support::stage::Stage;

const EVENTS: usize = 3_000;
const KILLS: usize = 10;

/// What an enricher logs when a transaction begins.
const BEGINS: &str = "a transaction begins";

#[test]
fn one_record_per_event_over_kills_of_two_instances() {
    let Some(kafka) = cluster() else { return };
    let api = Api::start();
    api.slow(Duration::from_millis(15));
    // More than there are retry partitions: a new member is given those first, and both are to own some of these.
    let stage = Stage::new(kafka, 12, &acme(&api), "concurrency = 8");
    let mut instances = [stage.enricher("a"), stage.enricher("b")];
    let mut written = 0;
    for kill in 0..KILLS {
        // Work is there at every moment; every third event comes twice, and some copies much later.
        let goal = EVENTS * (kill + 1) / KILLS;
        while written < goal {
            append(&stage, written);
            if written.is_multiple_of(3) {
                append(&stage, written);
            }
            if written.is_multiple_of(7) && written > 500 {
                append(&stage, written - 500);
            }
            written += 1;
        }
        stage.flush();
        // The third transaction from now is in its first milliseconds, a later one each time.
        // Whoever owns the raw partitions: the group decides that, and after a kill it is mostly the other one.
        let before = [0, 1].map(|which| instances[which].said(BEGINS));
        let mut which = 0;
        await_that("an instance begins three transactions", || {
            std::thread::park_timeout(Duration::from_millis(1));
            let busy = [0, 1].into_iter().find(|which| instances[*which].said(BEGINS) >= before[*which] + 3);
            busy.inspect(|busy| which = *busy).is_some()
        });
        let victim = &mut instances[which];
        std::thread::park_timeout(Duration::from_millis(kill as u64 / 2));
        victim.kill();
        *victim = stage.enricher(["a", "b"][which]);
    }
    assert_each_once(&stage, EVENTS, Duration::from_secs(120));
    let written = kafka.read_all(&stage.topic("webhooks.acme.enriched"), Isolation::Uncommitted).len();
    assert!(written > EVENTS, "no kill hit a transaction in the middle: the test shows less than it should");
}
