//! A transaction as the enricher commits it: outputs, ids and offsets together, or nothing of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::producer::Producer;
use rdkafka::types::RDKafkaErrorCode;

use super::{append, await_assignment, committed, keys, member, outsider, send_offsets, transactional};
use crate::support::kafka::{self, Cluster, Isolation, PATIENCE};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

#[test]
fn outputs_and_offsets_are_committed_together_or_not_at_all() {
    let Some(kafka) = kafka::cluster() else { return };
    let (raw, enriched, ids) =
        (kafka.create_topic("raw", 1), kafka.create_topic("enriched", 2), kafka.create_topic("ids", 2));
    let (group, id) = (kafka.unique("group"), kafka.unique("atomic"));
    let consumer = member(kafka, &group, &raw);
    await_assignment(&[&consumer]);
    let producer = transactional(kafka, &id, LONG);
    let asking = outsider(kafka, &group, Isolation::Committed);

    for (key, next, commit) in [("first", 7, false), ("second", 8, true)] {
        producer.begin_transaction().unwrap();
        append(&producer, &enriched, 1, key);
        append(&producer, &ids, 1, key);
        send_offsets(&producer, &consumer.group_metadata().unwrap(), &raw, next).unwrap();
        assert_eq!(keys(kafka, &enriched, Isolation::Committed), [""; 0]);
        if commit {
            producer.commit_transaction(PATIENCE).unwrap();
        } else {
            producer.abort_transaction(PATIENCE).unwrap();
            assert_eq!(committed(&asking, &raw, PATIENCE).unwrap(), Offset::Invalid);
        }
    }
    assert_eq!(committed(&asking, &raw, PATIENCE).unwrap(), Offset::Offset(8));
    for topic in [&enriched, &ids] {
        let seen = kafka.read(topic, Isolation::Committed, 1);
        assert_eq!((seen.len(), seen[0].partition, seen[0].key.as_deref()), (1, 1, Some(&b"second"[..])));
        assert_eq!(keys(kafka, topic, Isolation::Uncommitted), ["first", "second"]);
    }
}

/// KIP-447: a read_committed client that asks for committed offsets waits for the transaction that would change them.
#[test]
fn committed_offsets_wait_for_an_open_transaction() {
    let Some(kafka) = kafka::cluster() else { return };
    for commit in [true, false] {
        let raw = kafka.create_topic("raw", 1);
        let (group, id) = (kafka.unique("group"), kafka.unique("unstable"));
        let consumer = member(kafka, &group, &raw);
        await_assignment(&[&consumer]);
        let producer = transactional(kafka, &id, LONG);
        for next in [3, 5] {
            producer.begin_transaction().unwrap();
            send_offsets(&producer, &consumer.group_metadata().unwrap(), &raw, next).unwrap();
            if next == 3 {
                producer.commit_transaction(PATIENCE).unwrap();
            }
        }

        let hasty = outsider(kafka, &group, Isolation::Uncommitted);
        assert_eq!(committed(&hasty, &raw, PATIENCE).unwrap(), Offset::Offset(3), "read_uncommitted does not wait");
        let patient = outsider(kafka, &group, Isolation::Committed);
        let error = committed(&patient, &raw, SHORT).unwrap_err();
        assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::OperationTimedOut), "{error}");

        let answer = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| committed(&patient, &raw, PATIENCE));
            if commit {
                producer.commit_transaction(PATIENCE).unwrap();
            } else {
                producer.abort_transaction(PATIENCE).unwrap();
            }
            waiting.join().unwrap()
        });
        assert_eq!(answer.unwrap(), Offset::Offset(if commit { 5 } else { 3 }));
    }
}

/// Set for the process that opens a transaction and is killed in it.
const VICTIM: &str = "HOOKSTREAM_TEST_VICTIM";
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(2);

fn open_a_transaction_and_wait(bootstrap: &str, topics: &str) {
    let kafka = Cluster::external(bootstrap.to_owned());
    let [raw, enriched, group, id] = topics.split(' ').collect::<Vec<_>>()[..] else { panic!("{topics}") };
    let consumer = member(&kafka, group, raw);
    await_assignment(&[&consumer]);
    let producer = transactional(&kafka, id, TRANSACTION_TIMEOUT);
    producer.begin_transaction().unwrap();
    append(&producer, enriched, 0, "never decided");
    send_offsets(&producer, &consumer.group_metadata().unwrap(), raw, 9).unwrap();
    std::io::stdout().write_all(b"opened\n").unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}

/// After SIGKILL in a transaction others see neither outputs nor a stable offset until the broker ends it.
#[test]
fn a_killed_producers_transaction_ends_with_its_timeout() {
    if let Ok(given) = std::env::var(VICTIM) {
        let (bootstrap, topics) = given.split_once(' ').unwrap();
        return open_a_transaction_and_wait(bootstrap, topics);
    }
    let Some(kafka) = kafka::cluster() else { return };
    let (raw, enriched) = (kafka.create_topic("raw", 1), kafka.create_topic("enriched", 1));
    let (group, id) = (kafka.unique("group"), kafka.unique("killed"));
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["a_killed_producers_transaction_ends_with_its_timeout"])
        .env(VICTIM, format!("{} {raw} {enriched} {group} {id}", kafka.bootstrap()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(victim.stdout.take().unwrap());
    assert!(said.lines().any(|line| line.unwrap().contains("opened")), "the victim opened its transaction");
    let opened = Instant::now();
    victim.kill().unwrap();
    victim.wait().unwrap();

    let asking = outsider(kafka, &group, Isolation::Committed);
    assert_eq!(committed(&asking, &raw, PATIENCE).unwrap(), Offset::Invalid);
    let waited = opened.elapsed();
    assert!(waited > TRANSACTION_TIMEOUT / 2, "the answer waited for the timeout: {waited:?}");
    assert_eq!(keys(kafka, &enriched, Isolation::Committed), [""; 0]);
    assert_eq!(keys(kafka, &enriched, Isolation::Uncommitted), ["never decided"]);
}
