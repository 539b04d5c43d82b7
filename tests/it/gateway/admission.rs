//! The table of admission and refusal: each row by its status, its headers, its body, and its place in the metrics.

use std::time::Duration;

use serde_json::json;

use crate::support::http::{Answer, Wire, exchange, get, post, request};
use crate::support::serve::{SECRET, Serve, setup, signature, signed};

const BODY: &[u8] = br#"{"id":"e1","type":"t"}"#;

/// One body for all reasons: the caller learns the status and a number to quote.
fn assert_refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let id = answer.header("x-request-id").expect("every answer has an id");
    assert_eq!(id.len(), 26, "a ULID: {id}");
    let mut body = answer.json();
    if status == 413 {
        body.as_object_mut().unwrap().remove("limit_bytes").expect("a 413 names the limit");
    }
    assert_eq!(body, json!({"status": "rejected", "error": error, "request_id": id}));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

/// One more refusal for this reason than before, and nothing else.
fn assert_counted(serve: &Serve, source: &str, reason: &str, count: u32) {
    let metrics = serve.metrics();
    assert_eq!(metrics.rejects(source, reason), f64::from(count), "{source} {reason}: {metrics:#?}");
    serve.assert_conservation();
}

#[test]
fn a_verified_event_is_accepted_and_its_copy_is_a_duplicate() {
    let serve = setup().source("orders", "").on_stand_in();
    let first = serve.deliver("orders", BODY);
    assert_eq!((first.status, first.json()), (200, json!({"status": "accepted", "id": "e1"})));
    assert!(first.header("x-request-id").is_some());
    let copy = serve.deliver("orders", BODY);
    assert_eq!((copy.status, copy.json()), (200, json!({"status": "duplicate", "id": "e1"})));
    assert_ne!(first.header("x-request-id"), copy.header("x-request-id"));
    let metrics = serve.metrics();
    assert_eq!((metrics.outcome("orders", "accepted"), metrics.outcome("orders", "duplicate")), (1.0, 1.0));
    serve.assert_conservation();
}
