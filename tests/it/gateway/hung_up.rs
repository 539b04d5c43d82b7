//! Senders that hang up while their event is undecided: the spool has it in time all the same, and so have the copies
//! that wait for it.

use std::path::Path;
use std::time::Duration;

use super::spool::{await_drained, body, directory, spooled};
use crate::support::http::Wire;
use crate::support::kafka::{Isolation, Outage, Seen, await_that};
use crate::support::serve::{Serve, Setup, signed};

/// One source on one partition, with a spool, that has stored one event; and the raw topic.
fn ready(outage: &Outage, spool: &Path, more: &str) -> (Serve, String) {
    let setup = Setup::with_kafka(outage.kafka.bootstrap())
        .source("orders", &format!("deadline = \"3s\"\n{more}"))
        .set("spool.dir", spool.to_str().unwrap())
        .set("spool.ephemeral", true);
    setup.create_topics(outage.kafka, 1);
    let topic = format!("{}webhooks.orders", setup.prefix());
    let serve = setup.ready();
    assert_eq!(serve.deliver("orders", &body("before")).status, 200);
    (serve, topic)
}

/// Send an event, and hang up once it is in Kafka's hands.
fn send_and_hang_up(serve: &Serve, id: &str) {
    let in_kafkas_hands = || serve.metrics().sum("hookstream_kafka_records_in_flight", &[]);
    let (before, hung_up) = (in_kafkas_hands(), serve.metrics().outcome("orders", "hung_up"));
    let mut wire = Wire::connect(serve.public);
    wire.send(signed("orders", &body(id)));
    await_that("it is in Kafka's hands", || in_kafkas_hands() > before);
    drop(wire);
    await_that("its sender has hung up", || serve.metrics().outcome("orders", "hung_up") > hung_up);
}

fn keys(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|seen| std::str::from_utf8(seen.key.as_deref().unwrap()).unwrap()).collect()
}

#[test]
fn a_copy_of_what_its_sender_left_behind_is_answered_in_time() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (serve, topic) = ready(&outage, spool.path(), "");
    outage.freeze();
    send_and_hang_up(&serve, "left");
    let copy = serve.deliver("orders", &body("left"));
    assert_eq!(copy.status, 200);
    assert!(copy.after < Duration::from_millis(1_500), "Kafka's second began with the first: {:?}", copy.after);
    assert_eq!(serve.deliver("orders", &body("left")).json()["status"], "duplicate");
    assert_eq!(spooled(&serve, "stored_total"), 1.0, "once, not once a copy");
    outage.thaw();
    await_drained(&serve);
    let seen = outage.kafka.read_all(&topic, Isolation::Committed);
    let copies = keys(&seen).iter().filter(|key| **key == "left").count();
    assert!(copies >= 1 && (copies - 1) as f64 <= spooled(&serve, "unknown_total"), "{copies} copies");
    await_that("its memory is given back", || serve.metrics().sum("hookstream_gateway_body_bytes", &[]) == 0.0);
    serve.assert_conservation();
}

#[test]
fn what_nobody_waits_for_any_more_is_spooled_in_its_order() {
    let Some(outage) = Outage::begin() else { return };
    let spool = directory();
    let (serve, topic) = ready(&outage, spool.path(), "key = \"subject\"");
    outage.freeze();
    for id in ["1", "2", "3"] {
        send_and_hang_up(&serve, id);
    }
    await_that("all are in the spool", || spooled(&serve, "stored_total") == 3.0);
    assert_eq!(serve.deliver("orders", &body("4")).status, 200);
    assert_eq!(serve.deliver("orders", &body("2")).json()["status"], "duplicate", "it is durable");
    outage.kill();
    outage.restart();
    await_drained(&serve);
    let mut ids = Vec::new();
    for seen in outage.kafka.read_all(&topic, Isolation::Committed) {
        let event: serde_json::Value = serde_json::from_str(seen.text()).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    assert_eq!(ids, ["before", "1", "2", "3", "4"]);
    serve.assert_conservation();
}
