//! Kafka away and a spool: every event is answered in time with a 200, nothing is lost, and all of it is in Kafka when
//! Kafka is back, once each or counted.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::admin::{NewTopic, TopicReplication};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::http::{Wire, get};
use crate::support::kafka::{Cluster, Isolation, Outage, await_that, cluster};
use crate::support::load::Load;
use crate::support::serve::{Serve, Setup, signed};

/// The source's deadline of 2 s less what the answer needs for its way, and some grace.
const DEADLINE: Duration = Duration::from_millis(2_000 + 100);

pub(super) fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// One source whose topics exist, a spool, and the raw topic.
pub(super) fn orders(kafka: &Cluster, spool: &Path, more: &str) -> (Setup, String) {
    let setup = Setup::with_kafka(kafka.bootstrap())
        .source("orders", &format!("deadline = \"2s\"\n{more}"))
        .set("spool.dir", spool.to_str().unwrap())
        .set("spool.ephemeral", true);
    if !more.contains("topic") {
        setup.create_topics(kafka, 3);
    }
    let topic = format!("{}webhooks.orders", setup.prefix());
    (setup, topic)
}

pub(super) fn body(id: &str) -> Vec<u8> {
    format!(r#"{{"id":"{id}","type":"t","subject":"s"}}"#).into_bytes()
}

fn accepted(serve: &Serve, via: &str) -> f64 {
    let labels = [("source", "orders"), ("outcome", "accepted"), ("via", via)];
    serve.metrics().sum("hookstream_gateway_requests_total", &labels)
}

pub(super) fn spooled(serve: &Serve, name: &str) -> f64 {
    serve.metrics().sum(&format!("hookstream_spool_{name}"), &[])
}

pub(super) fn await_drained(serve: &Serve) {
    await_that("the spool is empty", || spooled(serve, "records") == 0.0);
}

/// How often each key stands in the topic.
pub(super) fn copies(kafka: &Cluster, topic: &str) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    for stored in kafka.read_all(topic, Isolation::Committed) {
        *copies.entry(String::from_utf8(stored.key.unwrap()).unwrap()).or_default() += 1;
    }
    copies
}

#[test]
fn what_kafka_does_not_take_in_time_is_in_the_spool_and_later_in_kafka() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (setup, topic) = orders(outage.kafka, spool.path(), "");
    let serve = setup.ready();
    assert_eq!(serve.deliver("orders", &body("before")).status, 200);
    outage.freeze();
    let first = serve.deliver("orders", &body("first"));
    assert_eq!((first.status, first.json()["status"].as_str()), (200, Some("accepted")));
    let after = first.after.as_millis();
    assert!((1_000..1_300).contains(&after), "Kafka alone had its second, and the spool was quick: {after} ms");
    let mut number = 0;
    await_that("every partition is known to be away", || {
        number += 1;
        assert_eq!(serve.deliver("orders", &body(&format!("probe-{number}"))).status, 200);
        serve.metrics().sum("hookstream_kafka_breakers_open", &[]) == 3.0
    });
    let mut times: Vec<Duration> = (0..100)
        .map(|number| {
            let answer = serve.deliver("orders", &body(&format!("away-{number}")));
            assert_eq!(answer.status, 200);
            answer.after
        })
        .collect();
    times.sort();
    assert!(times[50] < Duration::from_millis(5), "known to be away: {:?}", times[50]);
    assert_eq!(serve.deliver("orders", &body("first")).json()["status"], "duplicate", "it is durable");
    assert!(serve.is_ready(), "the spool has room");
    assert!(accepted(&serve, "spool") >= 101.0);
    outage.thaw();
    let back = Instant::now();
    await_drained(&serve);
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    let copies = copies(outage.kafka, &topic);
    assert!(copies.contains_key("before") && copies.contains_key("first"));
    assert!((0..100).all(|number| copies.contains_key(&format!("away-{number}"))));
    let twice = copies.values().map(|count| count - 1).sum::<usize>();
    assert!(twice as f64 <= spooled(&serve, "unknown_total"), "{twice} second copies");
    await_that("the disk is given back", || spooled(&serve, "bytes") == 0.0);
    serve.assert_conservation();
}

#[test]
fn under_load_an_outage_loses_nothing_and_no_answer_is_late() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (setup, topic) = orders(outage.kafka, spool.path(), "");
    let serve = setup.ready();
    let load = Load::start(serve.public, 8);
    await_that("events are acknowledged", || load.acknowledged() > 100);
    outage.kill();
    await_that("events go into the spool", || accepted(&serve, "spool") > 500.0);
    outage.restart();
    let back = Instant::now();
    let kafka = accepted(&serve, "kafka");
    await_that("events go to Kafka again", || accepted(&serve, "kafka") > kafka + 100.0);
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    let ledger = load.end();
    await_drained(&serve);
    ledger.assert_kept(outage.kafka, &topic, spooled(&serve, "unknown_total") as usize);
    for entry in &ledger.0 {
        assert!(entry.after < DEADLINE, "{:?}", entry.after);
    }
    serve.assert_conservation();
}

#[test]
fn a_killed_gateway_finds_its_spool_again() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (setup, topic) = orders(outage.kafka, spool.path(), "");
    let again = setup.clone();
    let serve = setup.ready();
    assert_eq!(serve.deliver("orders", &body("before")).status, 200);
    outage.freeze();
    for number in 0..5 {
        assert_eq!(serve.deliver("orders", &body(&format!("kept-{number}"))).status, 200);
    }
    serve.signal(Signal::KILL);
    drop(serve);
    outage.thaw();
    let serve = again.ready();
    let copy = serve.deliver("orders", &body("kept-0"));
    assert_eq!(copy.json()["status"], "duplicate", "the ids of the spool are in the window");
    await_drained(&serve);
    let copies = copies(outage.kafka, &topic);
    assert!((0..5).all(|number| copies.contains_key(&format!("kept-{number}"))), "{copies:?}");
    let twice = copies.values().map(|count| count - 1).sum::<usize>();
    assert!(twice as f64 <= spooled(&serve, "unknown_total"), "{twice} second copies");
}

#[test]
fn sigterm_without_kafka_leaves_the_rest_in_the_spool_and_says_so() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (setup, topic) = orders(outage.kafka, spool.path(), "");
    let again = setup.clone();
    let mut serve = setup.ready();
    outage.freeze();
    assert_eq!(serve.deliver("orders", &body("one")).status, 200);
    let mut wire = Wire::connect(serve.public);
    wire.send(signed("orders", &body("open")));
    // Where its partition is known to be away, it is answered by the time we look.
    await_that("it has arrived", || {
        serve.metrics().sum("hookstream_gateway_received_total", &[("source", "orders")]) == 2.0
    });
    serve.signal(Signal::TERM);
    assert_eq!(wire.answer().unwrap().status, 200, "the spool takes it");
    let (code, after) = serve.ends();
    assert_eq!(code, 75, "records remain");
    assert!(after < Duration::from_secs(15), "without its usual delay of 5 s: {after:?}");
    outage.thaw();
    let mut serve = again.ready();
    await_drained(&serve);
    serve.signal(Signal::TERM);
    assert_eq!(serve.ends().0, 0, "nothing remains");
    let copies = copies(outage.kafka, &topic);
    assert!(copies.contains_key("one") && copies.contains_key("open"), "{copies:?}");
}

#[test]
fn without_kafka_at_the_start_events_go_into_the_spool() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (setup, topic) = orders(outage.kafka, spool.path(), "");
    outage.kill();
    let serve = setup.listen();
    let early = serve.deliver("orders", &body("early"));
    assert_eq!(early.status, 200);
    assert!(!serve.is_ready(), "its topics were never seen");
    outage.restart();
    serve.await_ready();
    await_drained(&serve);
    assert_eq!(copies(outage.kafka, &topic), BTreeMap::from([("early".to_owned(), 1)]));
    assert_eq!(spooled(&serve, "unknown_total"), 0.0, "it was never handed to Kafka before");
}

#[test]
fn a_source_that_refuses_is_answered_503() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (setup, _) = orders(outage.kafka, spool.path(), "when_kafka_is_away = \"refuse\"");
    let serve = setup.ready();
    assert_eq!(serve.deliver("orders", &body("before")).status, 200);
    outage.freeze();
    let answer = serve.deliver("orders", &body("away"));
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(spooled(&serve, "stored_total"), 0.0);
    outage.thaw();
}

/// The first that the tests may have.
const ONE_PROCESSOR: &str =
    "taskset -cp $(grep Cpus_allowed_list /proc/self/status | grep -o '[0-9]*' | head -1) $$ >/dev/null";

#[test]
fn records_of_one_subject_keep_their_order() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (setup, topic) = orders(outage.kafka, spool.path(), "key = \"subject\"");
    // On one processor, and so on one lane: on two, what was received first may be handed over second.
    let serve = setup.shell(ONE_PROCESSOR).ready();
    outage.freeze();
    let mut wires: Vec<Wire> = Vec::new();
    for number in 0..30 {
        // Each has arrived before the next is sent; the first wait for Kafka, the later ones find it away.
        let mut wire = Wire::connect(serve.public);
        wire.send(signed("orders", &body(&format!("{number:02}"))));
        await_that("it has arrived", || {
            serve.metrics().sum("hookstream_gateway_received_total", &[("source", "orders")]) > f64::from(number)
        });
        wires.push(wire);
        if number == 15 {
            wires.iter_mut().for_each(|wire| assert_eq!(wire.answer().unwrap().status, 200));
            wires.clear();
        }
    }
    wires.iter_mut().for_each(|wire| assert_eq!(wire.answer().unwrap().status, 200));
    outage.thaw();
    await_drained(&serve);
    let mut seen: Vec<String> = Vec::new();
    for stored in outage.kafka.read_all(&topic, Isolation::Committed) {
        let value: serde_json::Value = serde_json::from_slice(stored.value.as_ref().unwrap()).unwrap();
        let id = value["id"].as_str().unwrap().to_owned();
        if !seen.contains(&id) {
            seen.push(id);
        }
    }
    assert_eq!(seen, (0..30).map(|number| format!("{number:02}")).collect::<Vec<_>>());
}

#[test]
fn a_full_spool_is_503_and_not_ready() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (setup, _) = orders(outage.kafka, spool.path(), "");
    let serve = setup.set("spool.max_bytes", "1MiB").ready();
    assert_eq!(serve.deliver("orders", &body("before")).status, 200);
    outage.freeze();
    let large = "x".repeat(100_000);
    let mut number = 0;
    await_that("the spool is full", || {
        number += 1;
        let event = format!(r#"{{"id":"large-{number}","type":"t","text":"{large}"}}"#);
        serve.deliver("orders", event.as_bytes()).status == 503
    });
    let full = [("source", "orders"), ("reason", "spool_full")];
    assert!(serve.metrics().sum("hookstream_gateway_unavailable_total", &full) >= 1.0);
    let ready = get(serve.admin, "/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("spool"), "{}", ready.text());
    assert!(spooled(&serve, "bytes") <= f64::from(1 << 20));
    outage.thaw();
    await_drained(&serve);
    serve.await_ready();
    serve.assert_conservation();
}

#[test]
fn what_kafka_refuses_for_good_is_kept_aside_and_blocks_nothing() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let small = outage.kafka.unique("small");
    let (setup, _) = orders(outage.kafka, spool.path(), &format!("topic = {small:?}"));
    let topic = format!("{}{small}", setup.prefix());
    let topic_settings = NewTopic::new(&topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "5000");
    outage.kafka.create_topic_named(&topic_settings);
    outage.kafka.create_topic_named(&NewTopic::new(
        &format!("{}hookstream.dead-letter", setup.prefix()),
        1,
        TopicReplication::Fixed(1),
    ));
    let serve = setup.ready();
    assert_eq!(serve.deliver("orders", &body("before")).status, 200);
    outage.freeze();
    let mut number = 0;
    await_that("Kafka is away", || {
        number += 1;
        assert_eq!(serve.deliver("orders", &body(&format!("probe-{number}"))).status, 200);
        serve.metrics().sum("hookstream_kafka_breakers_open", &[]) == 1.0
    });
    // Nothing that a compressor could make small.
    let noise: String = (0..200_u32).map(|n| crate::support::serve::signature(&n.to_le_bytes())).collect();
    let large = format!(r#"{{"id":"large","type":"t","text":"{noise}"}}"#);
    assert_eq!(serve.deliver("orders", large.as_bytes()).status, 200, "nobody can know yet");
    for number in 0..10 {
        assert_eq!(serve.deliver("orders", &body(&format!("small-{number}"))).status, 200);
    }
    outage.thaw();
    await_drained(&serve);
    let refused = serve.metrics().sum("hookstream_spool_refused_total", &[("reason", "too_large")]);
    assert_eq!(refused, 1.0);
    let copies = copies(outage.kafka, &topic);
    assert!((0..10).all(|number| copies.contains_key(&format!("small-{number}"))));
    assert!(!copies.contains_key("large"));
    let kept = std::fs::read_dir(spool.path())
        .unwrap()
        .any(|file| file.unwrap().file_name().to_string_lossy().ends_with(".kept"));
    assert!(kept, "it is kept");
}

#[test]
fn a_directory_that_cannot_be_had_ends_the_start() {
    let Some(kafka) = cluster() else { return };
    let spool = directory();
    let (setup, _) = orders(kafka, spool.path(), "");
    let again = setup.clone();
    let _first = setup.ready();
    let mut second = again.spawn();
    assert_eq!(second.exit_code(), 1, "another try may succeed");
    assert!(second.log().contains("another running process"), "{}", second.log());
    let shm = Path::new("/dev/shm/hookstream-test-never-made");
    let setup = Setup::with_kafka("127.0.0.1:1").source("orders", "").set("spool.dir", shm.to_str().unwrap());
    let mut refused = setup.spawn();
    if hookstream::spool::disk::forgetful(shm).unwrap() == Some("tmpfs") {
        assert_eq!(refused.exit_code(), 78);
        assert!(refused.log().contains("spool.ephemeral"), "{}", refused.log());
    } else {
        crate::support::skip::skip("/dev/shm is not tmpfs here");
    }
}

#[test]
fn another_instances_directory_is_listed_verified_and_drained() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (setup, topic) = orders(outage.kafka, spool.path(), "");
    let serve = setup.clone().ready();
    outage.freeze();
    for number in 0..5 {
        assert_eq!(serve.deliver("orders", &body(&format!("left-{number}"))).status, 200);
    }
    let dir = spool.path().to_str().unwrap();
    let (code, said) = setup.run(&["spool", "verify", "--dir", dir]);
    assert_eq!(code, 0, "also beside the running instance: {said}");
    let (code, said) = setup.run(&["spool", "drain", "--dir", dir]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("another running process"), "{said}");
    serve.signal(Signal::KILL);
    drop(serve);
    let (code, said) = setup.run(&["spool", "list", "--dir", dir, "--json"]);
    assert_eq!(code, 0, "{said}");
    let row: serde_json::Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!((row["state"].as_str(), row["source"].as_str()), (Some("waiting"), Some("orders")), "{said}");
    assert_eq!((row["records"].as_u64(), row["topic"].as_str()), (Some(5), Some(topic.as_str())), "{said}");
    let (code, said) = setup.run(&["spool", "drain", "--dir", dir, "--timeout", "1s", "--json"]);
    assert_eq!(code, 75, "Kafka is still away: {said}");
    outage.thaw();
    let (code, said) = setup.run(&["spool", "drain", "--dir", dir, "--json"]);
    assert_eq!(code, 0, "{said}");
    let row: serde_json::Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!((row["found"].as_u64(), row["remain"].as_u64()), (Some(5), Some(0)), "{said}");
    let copies = copies(outage.kafka, &topic);
    assert!((0..5).all(|number| copies.contains_key(&format!("left-{number}"))), "{copies:?}");
}

#[test]
fn damage_is_named_and_the_rest_is_drained() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (setup, topic) = orders(outage.kafka, spool.path(), "");
    outage.kill();
    let serve = setup.clone().listen();
    for number in 0..5 {
        assert_eq!(serve.deliver("orders", &body(&format!("kept-{number}"))).status, 200);
    }
    serve.signal(Signal::KILL);
    drop(serve);
    let segment = std::fs::read_dir(spool.path()).unwrap().map(|file| file.unwrap().path());
    let segment = segment.into_iter().find(|path| path.extension().is_some_and(|end| end == "segment")).unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let hit = bytes.windows(6).position(|window| window == b"kept-1").unwrap();
    bytes[hit] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (code, said) = setup.run(&["spool", "verify", "--json"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("DAMAGED") && said.contains("1 acknowledged records are lost"), "{said}");
    outage.restart();
    let serve = setup.ready();
    await_drained(&serve);
    assert_eq!(spooled(&serve, "lost_total"), 1.0);
    assert!(serve.process.log().contains("cannot be read"), "{}", serve.process.log());
    let found: Vec<String> = copies(outage.kafka, &topic).into_keys().collect();
    assert_eq!(found, ["kept-0", "kept-2", "kept-3", "kept-4"]);
}

#[test]
fn what_waited_longer_than_the_enricher_remembers_is_flagged() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (setup, topic) = orders(outage.kafka, spool.path(), "");
    outage.kill();
    let serve = setup.set("enrich.window", "1s").listen();
    assert_eq!(serve.deliver("orders", &body("late")).status, 200);
    let waited = Instant::now();
    outage.restart();
    assert!(waited.elapsed() > Duration::from_secs(1), "Kafka takes longer to start");
    serve.await_ready();
    await_drained(&serve);
    assert_eq!(spooled(&serve, "late_total"), 1.0);
    let stored = outage.kafka.read_all(&topic, Isolation::Committed);
    assert_eq!(stored[0].header("hookstream-late"), Some("true"));
}
