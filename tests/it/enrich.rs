//! The enricher against real Kafka and an API of our own.

mod answers;
mod frozen;
mod kills;
mod kinds;
mod redelivered;
mod twins;
mod zombies;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::api::Api;
use crate::support::stage::{Raw, Stage};

/// One source of the test's own provider, whose API is ours.
fn acme(api: &Api) -> String {
    format!("[sources.acme]\nsecrets = [\"SECRET\"]\napi_key = \"SECRET\"\napi_base = \"{}\"\n", api.url())
}

/// Append event number so-and-so of that source.
fn append(stage: &Stage, number: usize) {
    let id = format!("t-{number}");
    let data = format!(r#"{{"id":"{id}"}}"#);
    stage.append(&Raw { source: "acme", provider: "acme", id: &id, kind: "thing.created", tenant: None, data: &data });
}

/// Wait until `events` events are enriched; each must have exactly one record and one claim, and nothing else happened.
fn assert_each_once(stage: &Stage, events: usize, patience: Duration) {
    let deadline = Instant::now() + patience;
    let counts = loop {
        let mut counts: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for seen in stage.all("webhooks.acme.enriched") {
            *counts.entry(seen.key.unwrap()).or_default() += 1;
        }
        if counts.len() >= events {
            break counts;
        }
        assert!(Instant::now() < deadline, "only {} of {events} events came", counts.len());
        std::thread::park_timeout(Duration::from_millis(500));
    };
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "{} events came more than once: {twice:?}", twice.len());
    assert_eq!(counts.len(), events);
    let ids = stage.all("webhooks.acme.ids");
    let claims = ids.iter().filter(|seen| seen.header("hookstream-barrier").is_none()).count();
    assert_eq!(claims, events, "one claim each");
    assert!(stage.all("hookstream.dead-letter").is_empty() && stage.all("hookstream.retry.30s").is_empty());
}
