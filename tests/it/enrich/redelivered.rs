//! From the request to the enriched record: what an operator has delivered again passes the gateway with a run of its own,
//! and the enriched topic has one record for each id and run.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use hookstream::config::Config;
use jiff::Timestamp;
use rdkafka::message::{Header, OwnedHeaders};

use super::acme;
use crate::support::api::Api;
use crate::support::http::{exchange, request};
use crate::support::in_process::InProcess;
use crate::support::kafka::{Isolation, PATIENCE, await_that, cluster};
use crate::support::serve::signature_with;
use crate::support::stage::{SECRET, Stage, json};

/// How often each (id, run) stands in these records.
fn counts(records: &[crate::support::kafka::Seen]) -> BTreeMap<(String, Option<String>), usize> {
    let mut counts = BTreeMap::new();
    for record in records.iter().map(json) {
        let run = record["run"].as_str().map(str::to_owned);
        *counts.entry((record["id"].as_str().unwrap().to_owned(), run)).or_default() += 1;
    }
    counts
}

#[test]
fn each_id_and_run_has_one_enriched_record() {
    let Some(kafka) = cluster() else { return };
    let api = Api::start();
    let stage = Stage::new(kafka, 3, &format!("{}redeliveries = \"pass\"\n", acme(&api)), "");
    let start = Timestamp::now().as_second() - 7_200;
    let gateway = InProcess::start(&Config::load(&stage.config_file()).unwrap(), start, None);
    let deliver = |minutes: i64, id: &str| {
        gateway.now.store(start + 60 * minutes, Ordering::Relaxed);
        let body = format!(r#"{{"id":"{id}","type":"thing.created"}}"#).into_bytes();
        let headers = [("X-Acme-Signature", &*signature_with(SECRET, &body))];
        let answer = exchange(gateway.public, request("POST", "/webhooks/acme", &headers, &body));
        answer.json()["status"].as_str().unwrap().to_owned()
    };
    let mut first = stage.enricher("first");
    let events = [(0, "t-1", "accepted"), (0, "t-1", "duplicate"), (0, "t-2", "accepted"), (10, "t-1", "accepted")];
    for (minutes, id, status) in events {
        assert_eq!(deliver(minutes, id), status, "{id} after {minutes} min");
    }
    assert_eq!(stage.enriched("acme", 3).len(), 3);
    // What the one has claimed, the other knows.
    first.kill();
    let _second = stage.enricher("second");
    for (minutes, id, status) in [(10, "t-1", "duplicate"), (96, "t-1", "accepted"), (96, "t-2", "accepted")] {
        assert_eq!(deliver(minutes, id), status, "{id} after {minutes} min");
    }
    // The raw topic may hold copies, also of what was delivered again: a spool's, another gateway's.
    let raw = kafka.read(&stage.topic("webhooks.acme"), Isolation::Committed, 5);
    for record in &raw {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key: key.as_str(), value: Some(value) })
        });
        let key = String::from_utf8(record.key.clone().unwrap()).unwrap();
        stage.append_bytes("acme", &key, record.value.as_ref().unwrap(), headers);
    }
    stage.flush();
    // So that there is something to wait for behind the copies, in every partition.
    for number in 0..12 {
        assert_eq!(deliver(97, &format!("last-{number}")), "accepted");
    }
    await_that("everything is enriched", || counts(&stage.all("webhooks.acme.enriched")).len() >= 17);
    let enriched = counts(&stage.all("webhooks.acme.enriched"));
    assert!(enriched.values().all(|count| *count == 1), "{enriched:?}");
    assert_eq!(enriched.keys().collect::<Vec<_>>(), counts(&stage.all("webhooks.acme")).keys().collect::<Vec<_>>());
    let runs = |id: &str| enriched.keys().filter(|(other, run)| other == id && run.is_some()).count();
    assert_eq!((runs("t-1"), runs("t-2"), runs("last-0")), (2, 1, 0));
    gateway.gateway.close(PATIENCE);
}
