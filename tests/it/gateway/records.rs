//! The records that arrive in real Kafka, to the byte: value, headers, key, partition and timestamp, for readers of both
//! modes, and the dead letters of what nobody can read.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hookstream::event::Encoded;
use hookstream::kafka::partition_for;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cloudevents_reader::read_with_sdk;
use crate::envelope::{DEAD_LETTER, ENVELOPE, assert_valid};
use crate::support::http::post;
use crate::support::kafka::{Cluster, Isolation, Seen, cluster};
use crate::support::serve::{SECRET, Serve, Setup, signature};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// How the simplest senders look; the amount has more digits than a double holds.
const ORDER: &str = "{\"EventType\":\"order.created\",\"Timestamp\":\"2026-11-20T10:00:00.000Z\",\
    \"Data\":{\"OrderId\":\"A-1001\",\"Customer\":\"Ada Lovelace\",\"Amount\":19.900000000000000001}}";

fn start(kafka: &Cluster, sources: &str) -> (Serve, String) {
    let setup = Setup::with_kafka(kafka.bootstrap()).env("SECRET", SECRET).table(sources);
    setup.create_topics(kafka, 6);
    let prefix = setup.prefix().to_owned();
    (setup.ready(), prefix)
}

fn generic(name: &str, more: &str) -> String {
    format!("[sources.{name}]\nprovider = \"generic\"\nsecrets = [\"env:SECRET\"]\n{more}\n")
}

fn deliver(serve: &Serve, source: &str, body: &[u8], headers: &[(&str, &str)]) -> Value {
    let signature = signature(body);
    let headers = [&[("X-Signature", signature.as_str())], headers].concat();
    let answer = post(serve.public, &format!("/webhooks/{source}"), &headers, body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn names(seen: &Seen) -> Vec<&str> {
    seen.headers.iter().map(|(name, _)| name.as_str()).collect()
}

/// What the official SDK makes of the records; empty where it cannot be had.
fn sdk(records: &[Seen]) -> Vec<Value> {
    let encoded = |seen: &Seen| {
        let headers = seen.headers.iter().map(|(name, value)| (name.clone().into(), value.clone().into())).collect();
        let key = String::from_utf8(seen.key.clone().unwrap()).unwrap();
        (key, Encoded { value: seen.value.clone().unwrap(), headers })
    };
    read_with_sdk(&records.iter().map(encoded).collect::<Vec<_>>()).unwrap_or_default()
}

#[test]
fn a_structured_record_is_the_designs_envelope_to_the_byte() {
    let Some(kafka) = cluster() else { return };
    let (serve, prefix) = start(kafka, "[sources.stripe]\nsecrets = [\"env:SECRET\"]\n");
    let body = " {\"id\":\"evt_1PqX\",\"type\":\"invoice.paid\",\"created\":1795168800,\"account\":\"acct_1\",\
        \"data\":{\"object\":{\"id\":\"in_1PqX\",\"total\":12345678901234567890.10}}}\r\n";
    let before = Timestamp::now().as_millisecond();
    let at = before / 1_000;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{at}.{body}").as_bytes());
    let signature = format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()));
    let headers = [
        ("Stripe-Signature", &*signature),
        ("traceparent", TRACE),
        ("Authorization", "Bearer canary"),
        ("Cookie", "c=1"),
    ];
    assert_eq!(post(serve.public, "/webhooks/stripe", &headers, body.as_bytes()).status, 200);
    let after = Timestamp::now().as_millisecond();

    let records = kafka.read(&format!("{prefix}webhooks.stripe"), Isolation::Committed, 1);
    let seen = &records[0];
    assert!((before..=after).contains(&seen.timestamp_ms), "the Kafka timestamp is the time of receipt");
    let recorded = hookstream::event::rfc3339_millis(Timestamp::from_millisecond(seen.timestamp_ms).unwrap());
    let expected = format!(
        "{{\"specversion\":\"1.0\",\"id\":\"evt_1PqX\",\"source\":\"/webhooks/stripe\",\"type\":\"com.stripe.invoice.paid\",\
        \"subject\":\"in_1PqX\",\"time\":\"2026-11-20T10:00:00.000Z\",\"datacontenttype\":\"application/json\",\
        \"provider\":\"stripe\",\"providertype\":\"invoice.paid\",\"category\":\"payment.succeeded\",\"tenant\":\"acct_1\",\
        \"origin\":\"webhook\",\"verification\":\"signature\",\"recordedtime\":\"{recorded}\",\"data\":{body}}}"
    );
    assert_eq!(seen.text(), expected);
    assert_valid(ENVELOPE, seen.value.as_deref().unwrap());
    let headers: Vec<(&str, &str)> =
        seen.headers.iter().map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap())).collect();
    assert_eq!(
        headers,
        [
            ("content-type", "application/cloudevents+json; charset=UTF-8"),
            ("ce_specversion", "1.0"),
            ("ce_id", "evt_1PqX"),
            ("ce_source", "/webhooks/stripe"),
            ("ce_type", "com.stripe.invoice.paid"),
            ("ce_subject", "in_1PqX"),
            ("ce_time", "2026-11-20T10:00:00.000Z"),
            ("ce_provider", "stripe"),
            ("ce_category", "payment.succeeded"),
            ("traceparent", TRACE),
            ("http-stripe-signature", &*signature),
        ]
    );
    assert_eq!(seen.key.as_deref(), Some(&b"evt_1PqX"[..]));
    assert_eq!(seen.partition, partition_for(b"evt_1PqX", 6));
}

#[test]
fn an_order_passes_unchanged_to_the_last_digit_in_both_modes() {
    let Some(kafka) = cluster() else { return };
    let binary = generic("binary", "format = \"cloudevents-binary\"");
    let (serve, prefix) = start(kafka, &(generic("orders", "") + &binary));
    let mut records = Vec::new();
    for source in ["orders", "binary"] {
        let answers = [0, 1].map(|_| deliver(&serve, source, ORDER.as_bytes(), &[]));
        let of_answers = answers.each_ref().map(|answer| {
            assert_eq!(answer["status"], "accepted", "without an id each delivery is an event of its own");
            answer["id"].as_str().expect("the id that it was given").to_owned()
        });
        let stored = kafka.read(&format!("{prefix}webhooks.{source}"), Isolation::Committed, 2);
        let ids: BTreeSet<_> = stored.iter().map(|seen| seen.header("ce_id").unwrap().to_owned()).collect();
        assert_eq!(ids, BTreeSet::from(of_answers));
        records.extend(stored);
    }
    let (structured, binary) = records.split_at(2);
    for seen in structured {
        assert!(seen.text().ends_with(&format!(",\"data\":{ORDER}}}")), "{}", seen.text());
        assert_valid(ENVELOPE, seen.value.as_deref().unwrap());
        assert_eq!(seen.header("ce_id"), seen.key.as_deref().map(|key| std::str::from_utf8(key).unwrap()));
    }
    assert_ne!(structured[0].key, structured[1].key);
    for seen in binary {
        assert_eq!(seen.text(), ORDER);
        assert_eq!(seen.header("content-type"), Some("application/json"));
        for (name, value) in [
            ("ce_specversion", "1.0"),
            ("ce_source", "/webhooks/binary"),
            ("ce_type", "order.created"),
            ("ce_time", "2026-11-20T10:00:00.000Z"),
            ("ce_provider", "generic"),
            ("ce_providertype", "order.created"),
            ("ce_category", "order.created"),
            ("ce_origin", "webhook"),
            ("ce_verification", "signature"),
        ] {
            assert_eq!(seen.header(name), Some(value), "{name}");
        }
        assert!(names(seen).contains(&"ce_recordedtime") && !names(seen).contains(&"ce_data"));
    }
    for event in sdk(&records) {
        assert_eq!(event["attributes"]["type"], "order.created");
        assert_eq!(event["data"]["Data"]["OrderId"], "A-1001");
    }
}

#[test]
fn the_partition_is_the_one_that_kafkas_java_client_chooses() {
    let Some(kafka) = cluster() else { return };
    let (serve, prefix) = start(kafka, &generic("orders", "event = { id = \"/id\" }"));
    let mut keys: Vec<String> =
        (0..40).map(|number| format!("evt_{}", "x".repeat(number) + &number.to_string())).collect();
    keys.extend(["a", "é", "漢字", "🙂", "with space", "0", "ffffffff-ffff-ffff-ffff-ffffffffffff"].map(str::to_owned));
    for key in &keys {
        deliver(&serve, "orders", json!({"id": key, "type": "t"}).to_string().as_bytes(), &[]);
    }
    let java = kafka.create_topic("java", 6);
    if !kafka.produce_with_java(&java, &keys) {
        return;
    }
    let placed = |topic: &str| {
        let mut placed: Vec<_> = kafka
            .read(topic, Isolation::Committed, keys.len())
            .into_iter()
            .map(|seen| (String::from_utf8(seen.key.unwrap()).unwrap(), seen.partition))
            .collect();
        placed.sort();
        placed
    };
    assert_eq!(placed(&format!("{prefix}webhooks.orders")), placed(&java));
}

#[test]
fn a_source_may_be_keyed_by_its_subject() {
    let Some(kafka) = cluster() else { return };
    let event = "key = \"subject\"\nevent = { id = \"/id\", subject = \"/order\" }";
    let (serve, prefix) = start(kafka, &generic("orders", event));
    deliver(&serve, "orders", br#"{"id":"e1","type":"t","order":"o7"}"#, &[]);
    deliver(&serve, "orders", br#"{"id":"e2","type":"t","order":"o7"}"#, &[]);
    deliver(&serve, "orders", br#"{"id":"e3","type":"t"}"#, &[]);
    let mut keys: Vec<_> = kafka
        .read(&format!("{prefix}webhooks.orders"), Isolation::Committed, 3)
        .into_iter()
        .map(|seen| {
            (seen.header("ce_id").unwrap().to_owned(), String::from_utf8(seen.key.unwrap()).unwrap(), seen.partition)
        })
        .collect();
    keys.sort();
    let place = |key: &str| partition_for(key.as_bytes(), 6);
    let expected = [("e1", "o7"), ("e2", "o7"), ("e3", "e3")];
    assert_eq!(keys, expected.map(|(id, key)| (id.to_owned(), key.to_owned(), place(key))));
}

#[test]
fn every_json_value_and_no_body_at_all_can_be_an_event() {
    let Some(kafka) = cluster() else { return };
    let (serve, prefix) =
        start(kafka, &(generic("orders", "") + &generic("binary", "format = \"cloudevents-binary\"")));
    let marked = b"\xEF\xBB\xBF{\"a\":1}";
    for source in ["orders", "binary"] {
        for body in [&b"null"[..], b" [1, 2.50] ", b"\"text\"", b"-0", marked, b""] {
            deliver(&serve, source, body, &[("X-Event-Type", "odd"), ("Content-Type", "text/plain")]);
        }
        let mut records = kafka.read(&format!("{prefix}webhooks.{source}"), Isolation::Committed, 6);
        records.sort_by_key(|seen| seen.timestamp_ms);
        for seen in &records {
            let value = seen.value.as_deref().expect("a value is never null: that would be a tombstone");
            let raw =
                seen.headers.iter().find(|(name, _)| name == "hookstream-raw-body").map(|(_, value)| value.as_slice());
            assert!(raw.is_none_or(|raw| raw == marked), "only where data is not the body");
            if source == "orders" {
                assert_valid(ENVELOPE, value);
            }
        }
        let raw = records.iter().filter(|seen| names(seen).contains(&"hookstream-raw-body"));
        assert_eq!(raw.count(), 1);
        let found: Vec<String> = records.iter().map(|seen| seen.text().to_owned()).collect();
        if source == "binary" {
            for body in ["null", " [1, 2.50] ", "\"text\"", "-0", "{\"a\":1}", ""] {
                assert!(found.iter().any(|value| value == body), "{body:?} is not among {found:?}");
            }
        } else {
            assert_eq!(found.iter().filter(|value| value.contains("\"data\":")).count(), 5);
            assert!(found.iter().any(|value| value.ends_with(",\"data\": [1, 2.50] }")), "{found:?}");
        }
        assert!(sdk(&records).iter().all(|event| event["attributes"]["type"] == "odd"));
    }
}

#[test]
fn verified_and_unreadable_bodies_are_kept_to_the_byte_as_dead_letters() {
    let Some(kafka) = cluster() else { return };
    let (serve, prefix) = start(kafka, &generic("orders", "event = { id = \"/id\" }"));
    let deep = [vec![b'['; 61], vec![b']'; 61]].concat();
    let bodies: &[(&[u8], &str)] = &[
        (b"{\"id\":\"e1\",", "json_cut_short"),
        (b"{\"id\":\"e1\"} trailing", "json_trailing"),
        (b"{\"id\":\"e1\",\"bad\":\"\xff\xfe\"}", "utf8"),
        (b"{\"id\":\"e1\",\"id\":\"e2\"}", "duplicate_name"),
        (b"{\"id\":\"e1\",\"a\":{\"x\":1,\"\\u0078\":2}}", "duplicate_name"),
        (b"{\"id\":\"e1\",\"s\":\"\\ud800\"}", "lone_surrogate"),
        (b"{\"id\":\"e1\",\"n\":1e400}", "number_out_of_range"),
        (b"{\"id\":\"e1\",\"s\":\"a\x01b\"}", "control_character"),
        (&deep, "too_deep"),
        (b"a=1&b=2", "json_syntax"),
        (b"\0", "json_syntax"),
    ];
    for (body, _) in bodies {
        assert_eq!(deliver(&serve, "orders", body, &[]), json!({"status": "accepted", "id": null}));
    }
    let mut letters = kafka.read(&format!("{prefix}hookstream.dead-letter"), Isolation::Committed, bodies.len());
    letters.sort_by_key(|seen| seen.header("ce_id").unwrap().to_owned());
    for (seen, (body, reason)) in letters.iter().zip(bodies) {
        let value: Value = serde_json::from_slice(seen.value.as_deref().unwrap()).unwrap();
        assert_valid(DEAD_LETTER, seen.value.as_deref().unwrap());
        assert_eq!(STANDARD.decode(value["data_base64"].as_str().unwrap()).unwrap(), *body);
        assert_eq!((&value["source"], &value["type"]), (&json!("/webhooks/orders"), &json!("hookstream.unreadable")));
        assert_eq!(seen.header("hookstream-reason"), Some(*reason));
        assert_eq!((seen.header("hookstream-stage"), seen.header("hookstream-attempts")), (Some("read"), Some("0")));
        assert_eq!(seen.header("hookstream-first-failed"), value["recordedtime"].as_str());
        assert_eq!(seen.header("http-x-signature"), Some(&*signature(body)), "it can be verified again");
        assert!(!names(seen).iter().any(|name| name.starts_with("hookstream-origin")), "there is no raw record");
        let key = format!("orders/{}", value["id"].as_str().unwrap());
        assert_eq!(seen.key.as_deref(), Some(key.as_bytes()));
        let received = Timestamp::from_millisecond(seen.timestamp_ms).unwrap();
        assert_eq!(value["recordedtime"], hookstream::event::rfc3339_millis(received));
    }
    for (event, (body, _)) in sdk(&letters).iter().zip(bodies) {
        assert_eq!(event["data_base64"], STANDARD.encode(body));
    }
    assert_eq!(serve.metrics().outcome("orders", "dead_letter"), bodies.len() as f64);
    assert!(kafka.read_all(&format!("{prefix}webhooks.orders"), Isolation::Committed).is_empty());
    serve.assert_conservation();
}
