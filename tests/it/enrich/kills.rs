//! Exactly one read_committed record per event, whoever dies when.

use std::time::{Duration, Instant};

use super::{acme, append, assert_each_once};
use crate::support::api::Api;
use crate::support::kafka::{Isolation, cluster};
use crate::support::stage::Stage;

const KILLS: usize = 10;

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
        let which = kill % 2;
        let victim = &mut instances[which];
        let begins = "a transaction begins";
        let goal = victim.said(begins) + 3;
        let deadline = Instant::now() + Duration::from_secs(60);
        while victim.said(begins) < goal {
            assert!(Instant::now() < deadline, "{which} commits nothing");
            // Work is there at every moment; every third event comes twice, and some copies much later.
            for number in written..written + 4 {
                append(&stage, number);
                if number.is_multiple_of(3) {
                    append(&stage, number);
                }
                if number.is_multiple_of(7) && number > 500 {
                    append(&stage, number - 500);
                }
            }
            written += 4;
            stage.flush();
            victim.await_briefly(begins, goal, Duration::from_millis(20));
        }
        // That transaction is in its first milliseconds, a later one each time.
        std::thread::park_timeout(Duration::from_millis(kill as u64 / 2));
        victim.kill();
        *victim = stage.enricher(["a", "b"][which]);
    }
    assert_each_once(&stage, written, Duration::from_secs(120));
    let visible = kafka.read_all(&stage.topic("webhooks.acme.enriched"), Isolation::Uncommitted).len();
    assert!(visible > written, "no kill hit a transaction in the middle: the test shows less than it should");
}
