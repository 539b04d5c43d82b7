//! Kafka away: at the start, under traffic, frozen, without a topic, unwilling. Nothing that got a 2xx is lost, every
//! answer comes in time, and the way back needs nobody.

use std::time::{Duration, Instant};

use rdkafka::admin::{NewTopic, TopicReplication};
use rustix::process::Signal;
use serde_json::json;

use crate::support::http::{Wire, get};
use crate::support::kafka::{Cluster, Isolation, Outage, await_that, cluster};
use crate::support::load::Load;
use crate::support::serve::{Serve, Setup, signed};

/// The source's deadline less what the answer needs for its way, and some grace.
const DEADLINE: Duration = Duration::from_millis(2_000 + 100);

/// One source whose topics exist, and the raw topic.
fn orders(kafka: &Cluster) -> (Setup, String) {
    let setup = Setup::with_kafka(kafka.bootstrap()).source("orders", r#"deadline = "2s""#);
    setup.create_topics(kafka, 3);
    let topic = format!("{}webhooks.orders", setup.prefix());
    (setup, topic)
}

fn event(id: &str) -> Vec<u8> {
    signed("orders", format!(r#"{{"id":"{id}","type":"t"}}"#).as_bytes())
}

fn unavailable(serve: &Serve, reason: &str) -> f64 {
    serve.metrics().sum("hookstream_gateway_unavailable_total", &[("source", "orders"), ("reason", reason)])
}

#[test]
fn without_kafka_at_the_start_it_waits_and_says_so() {
    let Some(outage) = Outage::begin() else { return };
    let (setup, topic) = orders(outage.kafka);
    outage.kill();
    let serve = setup.listen();
    let ready = get(serve.admin, "/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("kafka"), "{}", ready.text());
    assert_eq!(get(serve.admin, "/livez").status, 200, "a restart would help nobody");
    let answer = serve.deliver("orders", br#"{"id":"early","type":"t"}"#);
    assert_eq!((answer.status, answer.json()["error"].as_str()), (503, Some("service_unavailable")));
    assert!(answer.header("retry-after").is_some() && answer.header("x-request-id").is_some());
    assert!(answer.after < Duration::from_secs(1), "what cannot work is said at once: {:?}", answer.after);
    assert_eq!(unavailable(&serve, "topic_unknown"), 1.0);
    let said = || serve.process.said("kafka is not usable yet; trying again until it is");
    await_that("it says so", || !said().is_empty());
    let back = outage.restart();
    serve.await_ready();
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    assert_eq!(serve.deliver("orders", br#"{"id":"early","type":"t"}"#).json()["status"], "accepted");
    assert_eq!(outage.kafka.read(&topic, Isolation::Committed, 1).len(), 1);
    assert_eq!(serve.process.said("kafka is usable: every topic was seen").len(), 1);
    assert!(said().len() == 1 && said()[0]["level"] == "WARN", "once, not once a topic or a second: {:?}", said());
    serve.assert_conservation();
}

#[test]
fn kafka_killed_under_traffic() {
    let Some(outage) = Outage::begin() else { return };
    let (setup, topic) = orders(outage.kafka);
    let serve = setup.ready();
    let load = Load::start(serve.public, 8);
    await_that("events are acknowledged", || load.acknowledged() > 100);
    outage.kill();
    let away = Instant::now();
    await_that("every partition is known to be away", || {
        serve.metrics().sum("hookstream_kafka_breakers_open", &[]) == 3.0
    });
    let open = Instant::now();
    assert!(open - away < Duration::from_secs(3), "{:?}", open - away);
    assert!(serve.is_ready(), "readiness is not bound to Kafka once it was seen");
    await_that("quick refusals", || unavailable(&serve, "breaker_open") > 200.0);
    let returning = Instant::now();
    let back = outage.restart();
    let acknowledged = load.acknowledged();
    await_that("events are acknowledged again", || load.acknowledged() > acknowledged + 100);
    await_that("all partitions are back", || serve.metrics().sum("hookstream_kafka_breakers_open", &[]) == 0.0);
    let normal = back.elapsed();
    let ledger = load.end();
    assert!(normal < Duration::from_secs(5), "{normal:?} after its return");
    ledger.assert_nothing_lost(outage.kafka, &topic);
    for entry in &ledger.0 {
        assert!(matches!(entry.status, 200 | 503), "{}", entry.status);
        assert!(entry.after < DEADLINE, "an answer after {:?}", entry.after);
        if (open..returning).contains(&entry.sent) {
            assert_eq!(entry.status, 503);
            assert!(entry.after < Duration::from_secs(1), "a refusal after {:?}", entry.after);
        }
    }
    serve.assert_conservation();
}

#[test]
fn kafka_frozen_and_thawed() {
    let Some(outage) = Outage::begin() else { return };
    let (setup, topic) = orders(outage.kafka);
    let serve = setup.ready();
    let load = Load::start(serve.public, 8);
    await_that("events are acknowledged", || load.acknowledged() > 100);
    outage.freeze();
    await_that("the breakers open", || unavailable(&serve, "breaker_open") > 20.0);
    outage.thaw();
    let back = Instant::now();
    let acknowledged = load.acknowledged();
    await_that("events are acknowledged again", || load.acknowledged() > acknowledged + 100);
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    let ledger = load.end();
    ledger.assert_nothing_lost(outage.kafka, &topic);
    assert!(ledger.0.iter().all(|entry| entry.after < DEADLINE));
    serve.assert_conservation();
}

#[test]
fn copies_in_flight_share_one_outcome_and_whoever_hangs_up_changes_nothing() {
    let Some(outage) = Outage::begin() else { return };
    let (setup, topic) = orders(outage.kafka);
    let serve = setup.ready();
    assert_eq!(serve.deliver("orders", br#"{"id":"before","type":"t"}"#).status, 200);
    outage.freeze();
    let mut copies: Vec<Wire> = (0..3).map(|_| Wire::connect(serve.public)).collect();
    for wire in &mut copies {
        wire.send(event("copied"));
    }
    let mut gone = Wire::connect(serve.public);
    gone.send(event("gone"));
    let in_flight = || serve.metrics().sum("hookstream_gateway_requests_in_flight", &[]);
    await_that("all have arrived", || in_flight() == 4.0);
    assert_eq!(serve.metrics().sum("hookstream_kafka_records_in_flight", &[]), 2.0, "copies are produced once");
    drop(gone);
    await_that("the sender is gone", || serve.metrics().outcome("orders", "hung_up") == 1.0);
    outage.thaw();
    for wire in &mut copies {
        let answer = wire.answer().unwrap();
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "accepted", "id": "copied"})));
    }
    let delivered = || serve.metrics().sum("hookstream_kafka_deliveries_total", &[("outcome", "persisted")]);
    await_that("the record of the one that hung up is counted", || delivered() == 3.0);
    let mut keys: Vec<_> =
        outage.kafka.read_all(&topic, Isolation::Committed).into_iter().map(|s| s.key.unwrap()).collect();
    keys.sort();
    assert_eq!(keys, [&b"before"[..], b"copied", b"gone"]);
    let retry = serve.deliver("orders", br#"{"id":"gone","type":"t"}"#);
    assert_eq!(retry.json()["status"], "duplicate", "it was durable all the same");
    serve.assert_conservation();
}

#[test]
fn a_copy_of_what_is_not_durable_is_no_duplicate() {
    let Some(outage) = Outage::begin() else { return };
    let (setup, topic) = orders(outage.kafka);
    let serve = setup.ready();
    outage.freeze();
    let first = serve.deliver("orders", br#"{"id":"late","type":"t"}"#);
    assert_eq!(first.status, 503);
    assert!((1_500..2_100).contains(&first.after.as_millis()), "{:?}", first.after);
    assert_eq!(unavailable(&serve, "kafka_slow"), 1.0);
    let second = serve.deliver("orders", br#"{"id":"late","type":"t"}"#);
    assert_eq!(second.status, 503, "nothing is known to be durable");
    outage.thaw();
    await_that("the record is stored", || serve.metrics().sum("hookstream_kafka_records_in_flight", &[]) == 0.0);
    assert_eq!(serve.deliver("orders", br#"{"id":"late","type":"t"}"#).json()["status"], "duplicate");
    assert_eq!(outage.kafka.read_all(&topic, Isolation::Committed).len(), 1);
    serve.assert_conservation();
}

#[test]
fn it_ends_in_time_while_records_are_under_way() {
    let Some(outage) = Outage::begin() else { return };
    let (setup, _) = orders(outage.kafka);
    let mut serve = setup.ready();
    assert_eq!(serve.deliver("orders", br#"{"id":"before","type":"t"}"#).status, 200);
    outage.freeze();
    let mut wire = Wire::connect(serve.public);
    wire.send(event("open"));
    await_that("it is under way", || serve.metrics().sum("hookstream_kafka_records_in_flight", &[]) == 1.0);
    serve.signal(Signal::TERM);
    assert_eq!(wire.answer().unwrap().status, 503, "nobody is left without an answer");
    let (code, after) = serve.ends();
    assert_eq!(code, 0);
    assert!(after < Duration::from_secs(15), "without its usual delay of 5 s: {after:?}");
    let stopped = "stopped; kafka had not acknowledged these records, and nobody got a 2xx for them";
    assert_eq!(serve.process.said(stopped)[0]["unsettled"], 1);
}

#[test]
fn a_missing_topic_is_named_and_the_other_sources_work() {
    let Some(kafka) = cluster() else { return };
    let (setup, _) = orders(kafka);
    let missing = kafka.unique("missing");
    let setup = setup.source("late", &format!("topic = {missing:?}"));
    let named = format!("{}{missing}", setup.prefix());
    let serve = setup.listen();
    await_that("the other source works", || serve.deliver("orders", br#"{"id":"e1","type":"t"}"#).status == 200);
    assert!(!serve.is_ready());
    assert_eq!(serve.deliver("late", br#"{"id":"e1","type":"t"}"#).status, 503);
    let unknown = [("source", "late"), ("reason", "topic_unknown")];
    assert_eq!(serve.metrics().sum("hookstream_gateway_unavailable_total", &unknown), 1.0);
    await_that("the topic is named", || {
        let said = serve.process.said("kafka is not usable yet; trying again until it is");
        said.iter()
            .any(|line| line["topic"] == named.as_str() && line["error"].as_str().unwrap().contains("does not exist"))
    });
    kafka.create_topic_named(&NewTopic::new(&named, 1, TopicReplication::Fixed(1)));
    serve.await_ready();
    assert_eq!(serve.deliver("late", br#"{"id":"e1","type":"t"}"#).status, 200);
    serve.assert_conservation();
}

#[test]
fn what_the_topic_does_not_take_is_503_and_opens_no_breaker() {
    let Some(kafka) = cluster() else { return };
    let small = kafka.unique("small");
    let setup = Setup::with_kafka(kafka.bootstrap()).source("orders", &format!("topic = {small:?}"));
    let named = format!("{}{small}", setup.prefix());
    let topic = NewTopic::new(&named, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "2000");
    kafka.create_topic_named(&topic);
    setup.create_topics(kafka, 1);
    let serve = setup.ready();
    // Nothing that a compressor could make small.
    let noise: String = (0..400)
        .map(|number| crate::support::serve::signature(&[(number % 256) as u8, (number / 256) as u8]))
        .collect();
    for number in 0..5 {
        let large = format!(r#"{{"id":"large-{number}","type":"t","text":"{noise}"}}"#);
        assert_eq!(serve.deliver("orders", large.as_bytes()).status, 503);
        let small = format!(r#"{{"id":"small-{number}","type":"t"}}"#);
        assert_eq!(serve.deliver("orders", small.as_bytes()).status, 200, "the partition is not away");
    }
    assert_eq!(unavailable(&serve, "too_large"), 5.0);
    assert_eq!(serve.metrics().sum("hookstream_kafka_deliveries_total", &[("outcome", "too_large")]), 5.0);
    assert_eq!(kafka.read_all(&named, Isolation::Committed).len(), 5);
    serve.assert_conservation();
}
