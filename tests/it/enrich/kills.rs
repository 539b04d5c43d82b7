//! Exactly one read_committed record per event, whoever dies when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::api::Api;
use crate::support::kafka::cluster;
use crate::support::stage::{Raw, Stage};

const EVENTS: usize = 3_000;
const KILLS: usize = 8;

#[test]
fn one_record_per_event_over_kills_of_two_instances() {
    let Some(kafka) = cluster() else { return };
    let api = Api::start();
    api.slow(Duration::from_millis(15));
    let sources =
        format!("[sources.acme]\nsecrets = [\"SECRET\"]\napi_key = \"SECRET\"\napi_base = \"{}\"\n", api.url());
    let stage = Stage::new(kafka, 4, &sources, "concurrency = 8");
    let mut instances = [stage.enricher("a"), stage.enricher("b")];
    let mut written = 0;
    let started = Instant::now();
    for kill in 0..KILLS {
        // Work is there at every moment, every third event twice, some copies much later.
        let goal = EVENTS * (kill + 1) / KILLS;
        while written < goal {
            append(&stage, written);
            if written % 3 == 0 {
                append(&stage, written);
            }
            if written % 7 == 0 && written > 500 {
                append(&stage, written - 500);
            }
            written += 1;
        }
        stage.flush();
        let before = instances[kill % 2].said("a provider answered");
        let victim = &mut instances[kill % 2];
        let patience = Instant::now() + Duration::from_secs(20);
        while victim.said("a provider answered") < before + 40 && Instant::now() < patience {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        victim.kill();
        *victim = stage.enricher(["a", "b"][kill % 2]);
    }
    let deadline = Instant::now() + Duration::from_secs(180);
    let counts = loop {
        let mut counts: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for seen in stage.all("webhooks.acme.enriched") {
            *counts.entry(seen.key.unwrap()).or_default() += 1;
        }
        if counts.len() >= EVENTS {
            break counts;
        }
        assert!(
            Instant::now() < deadline,
            "only {} of {EVENTS} events came\n{}\n{}",
            counts.len(),
            instances[0].log(),
            instances[1].log()
        );
        std::thread::park_timeout(Duration::from_millis(500));
    };
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "{} events came more than once: {twice:?}", twice.len());
    assert_eq!(counts.len(), EVENTS);
    let ids = stage.all("webhooks.acme.ids");
    let claims = ids.iter().filter(|seen| seen.header("hookstream-barrier").is_none()).count();
    assert_eq!(claims, EVENTS, "one claim each");
    assert!(stage.all("hookstream.dead-letter").is_empty() && stage.all("hookstream.retry.30s").is_empty());
    eprintln!("{EVENTS} events over {KILLS} kills in {:?}", started.elapsed());
}

fn append(stage: &Stage, number: usize) {
    let id = format!("t-{number}");
    let data = format!(r#"{{"id":"{id}"}}"#);
    stage.append(&Raw { source: "acme", provider: "acme", id: &id, kind: "thing.created", tenant: None, data: &data });
}
