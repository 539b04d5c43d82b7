//! The ids topic: barriers, the last stable offset, and finding the place to read from.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;
use rdkafka::{Message, Offset};

use super::{append, keys, now_ms, offsets, plain, transactional};
use crate::support::kafka::{self, Cluster, Isolation, PATIENCE, await_that};

const LONG: Duration = Duration::from_secs(60);

/// Read partition 0 from `start` until the record with this key comes; the keys before it.
fn read_to_barrier(kafka: &Cluster, topic: &str, start: Offset, barrier: &str) -> Vec<String> {
    let reader = kafka.reader(topic, Isolation::Committed);
    reader.assign(&offsets(topic, 0, start)).unwrap();
    let mut before = Vec::new();
    loop {
        match reader.poll(PATIENCE).expect("the barrier comes in time") {
            Ok(message) if message.key() == Some(barrier.as_bytes()) => return before,
            Ok(message) => before.push(String::from_utf8(message.key().unwrap().to_vec()).unwrap()),
            Err(KafkaError::PartitionEOF(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn offset_at(kafka: &Cluster, topic: &str, isolation: Isolation, timestamp_ms: i64) -> Offset {
    let reader = kafka.reader(topic, isolation);
    let found = reader.offsets_for_times(offsets(topic, 0, Offset::Offset(timestamp_ms)), PATIENCE).unwrap();
    found.elements()[0].offset()
}

fn watermarks(reader: &BaseConsumer, topic: &str) -> (i64, i64) {
    reader.fetch_watermarks(topic, 0, PATIENCE).unwrap()
}

/// A record of a plain producer waits, for read_committed readers, behind every earlier open transaction.
#[test]
fn a_barrier_is_seen_only_when_all_before_it_is_decided() {
    let Some(kafka) = kafka::cluster() else { return };
    for commit in [true, false] {
        let topic = kafka.create_topic("barrier", 1);
        let (first, second) = (kafka.unique("first"), kafka.unique("second"));
        let first = transactional(kafka, &first, LONG);
        let second = transactional(kafka, &second, LONG);
        first.begin_transaction().unwrap();
        append(&first, &topic, 0, "of the first");
        second.begin_transaction().unwrap();
        append(&second, &topic, 0, "of the second");
        append(&plain(kafka), &topic, 0, "barrier");
        assert_eq!(keys(kafka, &topic, Isolation::Committed), [""; 0]);
        assert_eq!(keys(kafka, &topic, Isolation::Uncommitted), ["of the first", "of the second", "barrier"]);

        second.commit_transaction(PATIENCE).unwrap();
        assert_eq!(keys(kafka, &topic, Isolation::Committed), [""; 0], "the first is still open");

        let expected: &[&str] = if commit {
            first.commit_transaction(PATIENCE).unwrap();
            &["of the first", "of the second"]
        } else {
            first.abort_transaction(PATIENCE).unwrap();
            &["of the second"]
        };
        assert_eq!(read_to_barrier(kafka, &topic, Offset::Beginning, "barrier"), expected);
    }
}

/// What begins after the barrier does not hold it back.
#[test]
fn a_later_transaction_does_not_hide_a_barrier() {
    let Some(kafka) = kafka::cluster() else { return };
    let topic = kafka.create_topic("later", 1);
    append(&plain(kafka), &topic, 0, "barrier");
    let id = kafka.unique("later");
    let producer = transactional(kafka, &id, LONG);
    producer.begin_transaction().unwrap();
    append(&producer, &topic, 0, "open");
    assert_eq!(read_to_barrier(kafka, &topic, Offset::Beginning, "barrier"), [""; 0]);
    producer.abort_transaction(PATIENCE).unwrap();
}

/// End-of-partition and the high watermark of a read_committed client stop at the last stable offset.
#[test]
fn ends_of_a_committed_reader_are_not_the_end_of_the_log() {
    let Some(kafka) = kafka::cluster() else { return };
    let topic = kafka.create_topic("ends", 1);
    append(&plain(kafka), &topic, 0, "decided");
    let id = kafka.unique("ends");
    let producer = transactional(kafka, &id, LONG);
    producer.begin_transaction().unwrap();
    append(&producer, &topic, 0, "open");

    let committed = kafka.reader(&topic, Isolation::Committed);
    assert_eq!(watermarks(&committed, &topic), (0, 1));
    assert_eq!(watermarks(&kafka.reader(&topic, Isolation::Uncommitted), &topic), (0, 2));
    assert_eq!(keys(kafka, &topic, Isolation::Committed), ["decided"], "end-of-partition came before the open record");

    producer.commit_transaction(PATIENCE).unwrap();
    // The marker that ends a transaction takes an offset too.
    await_that("the marker is written", || watermarks(&committed, &topic) == (0, 3));
    assert_eq!(keys(kafka, &topic, Isolation::Committed), ["decided", "open"]);
}

/// Looked up as read_committed, the time of a record in an open transaction is not found: the answer is "the end",
/// and a reader that starts there misses the record once it is committed. Looked up as read_uncommitted, it is found.
#[test]
fn a_time_within_an_open_transaction_is_found_only_uncommitted() {
    let Some(kafka) = kafka::cluster() else { return };
    let topic = kafka.create_topic("times", 1);
    let since = now_ms() - 60_000;
    let id = kafka.unique("times");
    let producer = transactional(kafka, &id, LONG);
    producer.begin_transaction().unwrap();
    append(&producer, &topic, 0, "claimed");
    append(&plain(kafka), &topic, 0, "barrier");

    assert_eq!(offset_at(kafka, &topic, Isolation::Committed, since), Offset::End);
    let start = offset_at(kafka, &topic, Isolation::Uncommitted, since);
    assert_eq!(start, Offset::Offset(0));
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(read_to_barrier(kafka, &topic, start, "barrier"), ["claimed"]);
}

/// Restoring: barrier, look up, read: yields exactly the committed records of the window, in spite of aborts,
/// of interleaved transactions and of one that is decided only while the restore reads.
#[test]
fn reading_from_a_time_to_a_barrier_gives_all_committed_records() {
    let Some(kafka) = kafka::cluster() else { return };
    let topic = kafka.create_topic("restore", 1);
    let ids = [kafka.unique("a"), kafka.unique("b")];
    let producers = ids.each_ref().map(|id| transactional(kafka, id, LONG));
    append(&plain(kafka), &topic, 0, "before the window");
    let written = now_ms();
    await_that("the clock moves on", || now_ms() > written);
    let since = now_ms();
    let mut expected = BTreeSet::new();
    for round in 0..6 {
        // Both open at once; which of them commits changes from round to round.
        let keys = [format!("a{round}"), format!("b{round}")];
        for (producer, key) in producers.iter().zip(&keys) {
            producer.begin_transaction().unwrap();
            append(producer, &topic, 0, key);
        }
        for (index, (producer, key)) in producers.iter().zip(keys).enumerate() {
            if (round >> index) & 1 == 0 {
                producer.commit_transaction(PATIENCE).unwrap();
                expected.insert(key);
            } else {
                producer.abort_transaction(PATIENCE).unwrap();
            }
        }
    }
    let [last, _] = &producers;
    last.begin_transaction().unwrap();
    append(last, &topic, 0, "decided late");
    expected.insert("decided late".to_owned());
    append(&plain(kafka), &topic, 0, "barrier");
    let start = offset_at(kafka, &topic, Isolation::Uncommitted, since);

    let restored = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read_to_barrier(kafka, &topic, start, "barrier"));
        last.commit_transaction(PATIENCE).unwrap();
        reading.join().unwrap()
    });
    assert_eq!(restored.len(), expected.len(), "each once: {restored:?}");
    assert_eq!(restored.into_iter().collect::<BTreeSet<_>>(), expected);
}
