//! The judge is judged: what is planted must be found.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};

use crate::rig::{Event, Rig, Stored, Told, Trial, batches, judge, stored};
use crate::support::kafka::{await_that, block_on};

fn told(status: u16) -> Told {
    Told { status, millis: 1, id: None, word: "accepted".to_owned() }
}

fn event(told: &[Told]) -> Event {
    Event { source: "orders".to_owned(), sha256: "a".to_owned(), sent: told.len(), told: told.to_vec() }
}

/// An event without an id of its own: its answer names the one that it was given.
fn reading(id: &str) -> Event {
    Event { source: "readings".to_owned(), ..event(&[Told { id: Some(id.to_owned()), ..told(200) }]) }
}

fn record(id: &str, sha256: &str) -> Stored {
    Stored { source: "orders".to_owned(), id: id.to_owned(), sha256: sha256.to_owned(), place: Default::default() }
}

#[test]
fn the_judge_sees_each_kind_of_fault() {
    let ledger = BTreeMap::from([
        ("kept".to_owned(), event(&[told(200)])),
        ("refused".to_owned(), event(&[told(503), told(200)])),
    ]);
    let all = [record("kept", "a"), record("refused", "a")];
    assert!(judge(&ledger, &all, 0).faults.is_empty());
    let faults = |records: &[Stored], unknown| {
        let verdict = judge(&ledger, records, unknown);
        verdict.faults.iter().map(|fault| fault.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let with = |record: Stored| [&all[..], &[record]].concat();
    assert_eq!(faults(&all[1..], 0), ["LOST"]);
    assert_eq!(faults(&[record("kept", "b"), all[1].clone()], 0), ["CHANGED", "INVENTED"]);
    let readings = BTreeMap::from([("1".to_owned(), reading("r1")), ("2".to_owned(), reading("r2"))]);
    let stored = |id| Stored { source: "readings".to_owned(), ..record(id, "a") };
    assert!(judge(&readings, &[stored("r1"), stored("r2")], 0).faults.is_empty());
    let verdict = judge(&readings, &[stored("r1")], 0);
    assert!(matches!(&verdict.faults[..], [one] if one.starts_with("LOST: readings r2")), "{:?}", verdict.faults);
    let nameless = BTreeMap::from([("1".to_owned(), Event { source: "readings".to_owned(), ..event(&[told(200)]) })]);
    assert!(judge(&nameless, &[stored("r1")], 0).faults[0].starts_with("UNKNOWN"), "an answer that cannot be checked");
    assert_eq!(faults(&with(record("never sent", "a")), 0), ["INVENTED"]);
    assert_eq!(faults(&with(record("kept", "a")), 0), ["TWICE"]);
    assert!(faults(&with(record("kept", "a")), 1).is_empty(), "nobody could know");
    assert!(faults(&with(record("refused", "a")), 0).is_empty(), "its sender had a reason to send again");
}

#[test]
fn a_record_that_vanishes_from_kafka_is_found() {
    let Some(rig) = Rig::shared() else { return };
    let mut trial = Trial::new(&rig, "planted");
    trial.ready();
    let load = trial.load(100);
    await_that("events are acknowledged", || load.acknowledged() > 100);
    let ledger = load.end(Duration::from_secs(5)).read();
    let topics = [(trial.orders(), "orders"), (trial.orders().replace("orders", "readings"), "readings")];
    let records = stored(rig.kafka, &topics);
    assert!(judge(&ledger, &records, 0).faults.is_empty());
    let (topic, partition, offset) = &records[0].place;
    let held = batches::holding(rig.kafka, topic, *partition, *offset);
    assert!(held.len() == rig.brokers() && held.iter().all(|batch| batch.contains("sequence: 0")), "{held:?}");
    // The oldest record of one partition goes, as if retention had been too short; then one of those with equal bodies.
    let admin: AdminClient<DefaultClientContext> = rig.kafka.admin_config().create().unwrap();
    for (lost, (topic, source)) in topics.iter().enumerate() {
        let mut first = TopicPartitionList::new();
        first.add_partition_offset(topic, 0, Offset::Offset(1)).unwrap();
        block_on(admin.delete_records(&first, &AdminOptions::new())).unwrap();
        let verdict = judge(&ledger, &stored(rig.kafka, &topics), 0);
        let found = |fault: &String| fault.starts_with(&format!("LOST: {source} "));
        assert!(verdict.faults.len() == lost + 1 && verdict.faults.iter().any(found), "{:?}", verdict.faults);
    }
}
