//! Records that the drain steps over: kept aside for a reason, listed, and put back once the reason is gone. What another
//! version wrote is kept as it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use hookstream::event::Record;
use hookstream::spool::Draft;
use hookstream::spool::cursor::{self, Cursor};
use hookstream::spool::disk::{Directory, Disk};
use hookstream::spool::frame::{self, Mark};
use hookstream::spool::refused::Refused;
use hookstream::spool::segment::Segment;
use rdkafka::admin::{NewTopic, TopicReplication};
use rustix::process::Signal;
use serde_json::Value;

use super::spool::{await_drained, body, copies, directory, orders, spooled};
use crate::support::kafka::{Isolation, LARGEST_REQUEST, await_within, cluster, secured};
use crate::support::serve::Setup;

/// A record as the spool has it.
fn payload(topic: &str, id: &str) -> Vec<u8> {
    with_value(topic, id, body(id))
}

/// The same with a value of its own.
fn with_value(topic: &str, id: &str, value: Vec<u8>) -> Vec<u8> {
    let key = id.as_bytes().to_vec();
    let record = Record { topic: topic.into(), partition: None, key, value, headers: vec![], timestamp_ms: 1 };
    Draft { source: "orders", id: Some(id), handed: false, record: &record }.encode()
}

/// The same as a version to come may write it.
fn of_a_later_version(mut payload: Vec<u8>) -> Vec<u8> {
    payload[0] = 2;
    payload
}

/// A spool that holds these records.
fn write_segment(spool: &Path, records: &[Vec<u8>]) {
    let disk = Directory::hold(spool, true).unwrap();
    let segment = Segment { generation: 0, first: 0, mark: Mark(*b"a mark!!"), length: 0, closed: true };
    let mut bytes = Vec::new();
    for (sequence, payload) in records.iter().enumerate() {
        frame::write(&mut bytes, segment.mark, sequence as u64, payload);
    }
    disk.create(&segment.name()).unwrap().append(&bytes).unwrap();
    disk.replace(cursor::NAME, &Cursor { next: records.len() as u64, ..Cursor::default() }.encode()).unwrap();
}

/// The rows of `spool list`: state, topic and number of records.
fn listed(setup: &Setup) -> Vec<(String, String, u64)> {
    let (code, said) = setup.run(&["spool", "list", "--json"]);
    assert_eq!(code, 0, "{said}");
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        (text("state"), text("topic"), row["records"].as_u64().unwrap())
    };
    said.lines().map(row).collect()
}

fn kept_files(spool: &Path) -> usize {
    let files = std::fs::read_dir(spool).unwrap().map(|file| file.unwrap().file_name());
    files.filter(|name| name.to_string_lossy().ends_with(".kept")).count()
}

/// What `spool drain` says of this number.
fn number(said: &str, name: &str) -> u64 {
    let line = said.lines().find(|line| line.contains("\"remain\"")).unwrap_or_else(|| panic!("{said}"));
    serde_json::from_str::<Value>(line).unwrap()[name].as_u64().unwrap()
}

fn once(ids: &[&str]) -> BTreeMap<String, usize> {
    ids.iter().map(|id| ((*id).to_owned(), 1)).collect()
}

#[test]
fn a_topic_that_stays_away_blocks_nothing_and_its_records_are_put_back() {
    let Some(kafka) = cluster() else { return };
    let spool = directory();
    let missing = kafka.unique("missing");
    let (setup, topic) = orders(kafka, spool.path(), "");
    let setup = setup.source("late", &format!("topic = {missing:?}"));
    let missing = format!("{}{missing}", setup.prefix());
    let mut serve = setup.clone().listen();
    for id in ["a", "b"] {
        assert_eq!(serve.deliver("late", &body(id)).status, 200, "the topic may be seen yet");
    }
    let no_topic = [("reason", "no_topic")];
    let given_up = || serve.metrics().sum("hookstream_spool_refused_total", &no_topic);
    assert_eq!(given_up(), 0.0);
    assert_eq!(serve.deliver("orders", &body("other")).status, 200);
    await_within(Duration::from_secs(60), "they are kept aside", || given_up() == 2.0);
    await_drained(&serve);
    assert_eq!(copies(kafka, &topic), once(&["other"]));
    serve.signal(Signal::TERM);
    assert_eq!(serve.ends().0, 0, "nothing remains");
    assert_eq!(listed(&setup), [("no_topic".to_owned(), missing.clone(), 2)]);

    kafka.create_topic_named(&NewTopic::new(&missing, 1, TopicReplication::Fixed(1)));
    let (code, said) = setup.run(&["spool", "drain", "--json"]);
    assert_eq!((code, number(&said, "drained")), (0, 0), "only when it is asked for: {said}");
    let (code, said) = setup.run(&["spool", "drain", "--refused", "--json"]);
    assert_eq!((code, number(&said, "drained"), number(&said, "refused")), (0, 2, 0), "{said}");
    assert_eq!(copies(kafka, &missing), once(&["a", "b"]));
    assert_eq!((kept_files(spool.path()), listed(&setup)), (0, vec![]));
    let (code, said) = setup.run(&["spool", "drain", "--refused", "--json"]);
    assert_eq!((code, number(&said, "found")), (0, 0), "{said}");
}

#[test]
fn what_is_refused_again_is_kept_again() {
    let Some(kafka) = cluster() else { return };
    let spool = directory();
    let small = kafka.unique("small");
    let (setup, _) = orders(kafka, spool.path(), &format!("topic = {small:?}"));
    let topic = format!("{}{small}", setup.prefix());
    let settings = NewTopic::new(&topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "5000");
    kafka.create_topic_named(&settings);
    // Nothing that a compressor could make small.
    let noise: String = (0..200_u32).map(|n| crate::support::serve::signature(&n.to_le_bytes())).collect();
    let disk = Directory::hold(spool.path(), true).unwrap();
    let mut kept = Refused::default();
    kept.keep(&disk, 0, "too_large", &payload(&topic, &noise)).unwrap();
    kept.keep(&disk, 1, "too_large", &payload(&topic, "small")).unwrap();
    drop((kept, disk));
    let (code, said) = setup.run(&["spool", "drain", "--refused", "--json"]);
    assert_eq!((code, number(&said, "drained"), number(&said, "refused")), (0, 1, 1), "{said}");
    assert_eq!(number(&said, "late"), 1, "one went to Kafka, however often it was tried: {said}");
    assert_eq!(copies(kafka, &topic), once(&["small"]));
    assert_eq!(listed(&setup), [("too_large".to_owned(), topic, 1)]);
}

/// Kafka never refuses what is beyond a broker's `socket.request.max.bytes`: it closes the connection, each time.
#[test]
fn what_a_broker_closes_the_connection_on_is_kept_aside_and_blocks_nothing() {
    let Some(kafka) = secured() else { return };
    let spool = directory();
    let setup = Setup::with_kafka(kafka.internal_bootstrap())
        .source("orders", "max_body = \"8MiB\"")
        .set("spool.dir", spool.path().to_str().unwrap())
        .set("spool.ephemeral", true);
    let (topic, beside) = (format!("{}webhooks.orders", setup.prefix()), format!("{}beside", setup.prefix()));
    for name in setup.topics().iter().chain([&beside]) {
        // The records are of 1970, and it takes longer here than Kafka waits before it deletes what is old.
        let settings = NewTopic::new(name, 1, TopicReplication::Fixed(1)).set("retention.ms", "-1");
        kafka.create_topic_named(&settings.set("max.message.bytes", "9000000"));
    }
    // The same letter each time would be compressed to nothing.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let large = |length| with_value(&topic, "large", std::iter::repeat_with(&mut noise).take(length).collect());
    let [fits, beyond] = [LARGEST_REQUEST - 10_000, LARGEST_REQUEST + 1].map(large);
    let behind = [(&topic, "large"), (&topic, "a"), (&beside, "b"), (&topic, "c")];
    let records: Vec<_> = [fits, beyond].into_iter().chain(behind.map(|(topic, id)| payload(topic, id))).collect();
    write_segment(spool.path(), &records);

    // What comes meanwhile is what the broker answers for: without any of it nobody could tell it from one that is away.
    let mut serve = setup.clone().ready();
    let (mut sent, mut last) = (0, Instant::now());
    await_within(Duration::from_secs(300), "it is kept aside", || {
        if last.elapsed() > Duration::from_secs(1) {
            (sent, last) = (sent + 1, Instant::now());
            assert_eq!(serve.deliver("orders", &body(&format!("live-{sent}"))).status, 200);
        }
        serve.metrics().sum("hookstream_spool_refused_total", &[("reason", "unanswered")]) == 1.0
    });
    await_drained(&serve);
    serve.signal(Signal::TERM);
    assert_eq!(serve.ends().0, 0, "nothing remains");
    assert_eq!(listed(&setup), [("unanswered".to_owned(), topic.clone(), 1)]);
    assert_eq!(copies(kafka, &beside), once(&["b"]));
    let stored = kafka.read_all(&topic, Isolation::Committed);
    let of_its_key = stored.iter().filter(|stored| stored.key.as_deref() == Some(b"large"));
    let sizes: Vec<usize> = of_its_key.map(|stored| stored.value.as_ref().unwrap().len()).collect();
    assert_eq!(sizes, [LARGEST_REQUEST - 10_000, body("large").len()], "what just fits, and what came behind it");
    let place = |key: &str| stored.iter().rposition(|stored| stored.key.as_deref() == Some(key.as_bytes())).expect(key);
    assert!(place("large") > place("a").max(place("c")), "its own key waited for it, and no other");
}

#[test]
fn what_a_later_version_wrote_is_kept_and_the_rest_is_drained() {
    let Some(kafka) = cluster() else { return };
    let spool = directory();
    let (setup, topic) = orders(kafka, spool.path(), "");
    let later = of_a_later_version(payload(&topic, "later"));
    write_segment(spool.path(), &[payload(&topic, "first"), later, payload(&topic, "last")]);

    let (code, said) = setup.run(&["spool", "verify", "--json"]);
    let why = "record 1: the record has form 2; this version of hookstream reads form 1";
    assert!(code == 1 && said.contains("UNREADABLE") && said.contains(why), "{code} {said}");
    let waiting = |topic: &str, count| ("waiting".to_owned(), topic.to_owned(), count);
    assert_eq!(listed(&setup), [waiting("", 1), waiting(&topic, 2)]);
    let mut serve = setup.clone().ready();
    await_drained(&serve);
    let unreadable = serve.metrics().sum("hookstream_spool_refused_total", &[("reason", "unreadable")]);
    assert_eq!((unreadable, spooled(&serve, "lost_total")), (1.0, 0.0));
    serve.signal(Signal::TERM);
    assert_eq!(serve.ends().0, 0, "nothing remains");
    assert_eq!(copies(kafka, &topic), once(&["first", "last"]));

    let aside = [("unreadable".to_owned(), String::new(), 1)];
    assert_eq!(listed(&setup), aside);
    // One that can be read beside it, in a file of this version.
    let disk = Directory::hold(spool.path(), true).unwrap();
    let mut kept = Refused::default();
    kept.keep(&disk, 7, "refused", &payload(&topic, "beside")).unwrap();
    kept.keep(&disk, 8, "refused", &of_a_later_version(payload(&topic, "later too"))).unwrap();
    drop((kept, disk));
    for (drained, count) in [(1, 2), (0, 2)] {
        let (code, said) = setup.run(&["spool", "drain", "--refused", "--json"]);
        assert_eq!((code, number(&said, "drained")), (0, drained), "put back once: {said}");
        assert_eq!(listed(&setup).iter().map(|row| row.2).sum::<u64>(), count, "what cannot be read stays");
    }
    assert_eq!(copies(kafka, &topic), once(&["beside", "first", "last"]));
}
