//! Requests that nobody sends by mistake: half-sent, never-ending, contradictory, malformed. Each gets at most one answer
//! and a closed connection, and the good neighbour does not notice.

use std::time::{Duration, Instant};

use crate::support::http::{Wire, exchange, request};
use crate::support::kafka::await_that;
use crate::support::serve::{Serve, Setup, setup, signed};

use super::admission::split;

const BODY: &[u8] = br#"{"id":"e1","type":"t"}"#;
const HEADER_TIMEOUT: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(3);

fn quick() -> Setup {
    setup().source("orders", r#"deadline = "2s""#).set("gateway.header_timeout", "1s").set("gateway.idle_timeout", "1s")
}

/// The reasons of connections that ended with an error, from a closed list, and how often.
fn connection_errors(serve: &Serve, reason: &str) -> f64 {
    serve.metrics().sum("hookstream_gateway_connection_errors_total", &[("reason", reason)])
}

#[test]
fn whoever_does_not_finish_the_headers_is_cut_off() {
    let serve = quick().on_stand_in();
    let start = Instant::now();
    let mut silent = Wire::connect(serve.public);
    let mut half = Wire::connect(serve.public);
    half.send("POST /webhooks/orders HTTP/1.1\r\nHost: localhost\r\n");
    let mut idle = Wire::connect(serve.public);
    idle.send(signed("orders", BODY));
    assert_eq!(idle.answer().unwrap().status, 200);
    let mut dripping = Wire::connect(serve.public);
    dripping.send("POST /webhooks/orders HTTP/1.1\r\nX: ");
    while start.elapsed() < SOON && dripping.send("a") {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let dripped = start.elapsed();
    assert!(dripped < HEADER_TIMEOUT * 2, "every byte resets nothing: {dripped:?}");
    for (what, wire) in [("silent", &mut silent), ("half", &mut half), ("idle", &mut idle)] {
        assert!(wire.closes_within(SOON), "{what}");
    }
    assert!(start.elapsed() < HEADER_TIMEOUT * 2 + Duration::from_millis(500), "{:?}", start.elapsed());
    assert!(connection_errors(&serve, "header_timeout") >= 2.0);
    serve.assert_conservation();
}

#[test]
fn a_connection_may_rest_longer_than_a_head_may_take() {
    let serve = quick().set("gateway.idle_timeout", "30s").on_stand_in();
    let mut kept = Wire::connect(serve.public);
    for _ in 0..2 {
        kept.send(signed("orders", BODY));
        assert_eq!(kept.answer().unwrap().status, 200);
        assert!(!kept.closes_within(HEADER_TIMEOUT * 3 / 2), "as a load balancer keeps it");
    }
    kept.send("P");
    assert!(kept.closes_within(HEADER_TIMEOUT * 2), "from the first byte on a head has its time");
    assert_eq!(connection_errors(&serve, "header_timeout"), 1.0);
}

/// More than fits what was read with its head: its rest comes when the answer is on its way.
#[test]
fn an_answer_before_the_end_of_a_body_is_the_last() {
    let serve = quick().set("gateway.idle_timeout", "30s").on_stand_in();
    for length in [10_000, 1_000_000] {
        let mut early = Wire::connect(serve.public);
        early.send(request("POST", "/nowhere", &[], &vec![b'a'; length]));
        let answer = early.answer().unwrap();
        assert_eq!((answer.status, answer.header("connection")), (404, Some("close")));
        assert!(early.closes_within(HEADER_TIMEOUT / 2), "{length}");
    }
    let mut kept = Wire::connect(serve.public);
    for _ in 0..2 {
        kept.send(request("POST", "/nowhere", &[], b"with its head"));
        let answer = kept.answer().unwrap();
        assert_eq!((answer.status, answer.header("connection")), (404, None));
    }
    assert!(!kept.closes_within(HEADER_TIMEOUT * 3 / 2), "it rests");
    assert_eq!(connection_errors(&serve, "header_timeout"), 0.0);
}

#[test]
fn the_length_of_a_body_is_taken_at_its_word() {
    let serve = quick().on_stand_in();
    let (head, body) = split(signed("orders", BODY));
    let head = String::from_utf8(head).unwrap();
    let declared =
        |length: usize| head.replace(&format!("Content-Length: {}", body.len()), &format!("Content-Length: {length}"));

    let mut short = Wire::connect(serve.public);
    short.send(declared(body.len() + 10));
    short.send(&body);
    short.finish_sending();
    assert!(short.answer().is_none_or(|answer| answer.status == 400), "the rest never comes");
    assert!(short.closes_within(SOON));
    assert_eq!(serve.metrics().rejects("orders", "body_incomplete"), 1.0);

    let mut long = Wire::connect(serve.public);
    long.send(declared(body.len() - 1));
    long.send(&body);
    assert_eq!(long.answer().unwrap().status, 401, "the signature is of other bytes");
    assert_eq!(long.answer().map(|answer| answer.status), Some(400), "the rest is no request");
    assert!(long.closes_within(SOON));
    serve.assert_conservation();
}

#[test]
fn contradictory_framing_is_never_read_two_ways() {
    let serve = quick().on_stand_in();
    // What a proxy in front might take for a body, and a careless gateway for a second request.
    let smuggled = String::from_utf8(request("POST", "/webhooks/orders", &[("X-Smuggled", "1")], b"")).unwrap();
    let body = format!("0\r\n\r\n{smuggled}");
    let length = body.len().to_string();
    let cases: &[&[(&str, &str)]] = &[
        &[("Content-Length", &length), ("Transfer-Encoding", "chunked")],
        &[("Transfer-Encoding", "chunked"), ("Content-Length", &length)],
        &[("Content-Length", &length), ("Content-Length", "5")],
        &[("Content-Length", "5, 6")],
        &[("Content-Length", "+5")],
        &[("Content-Length", "-1")],
        &[("Content-Length", "99999999999999999999")],
        &[("Transfer-Encoding", "xchunked")],
        &[("Transfer-Encoding", "chunked, identity")],
        &[("Transfer-Encoding", "identity")],
        &[("Transfer-Encoding ", "chunked")],
    ];
    for headers in cases {
        let mut wire = Wire::connect(serve.public);
        wire.send(request("POST", "/webhooks/orders", headers, body.as_bytes()));
        let answers: Vec<u16> = std::iter::from_fn(|| wire.answer().map(|answer| answer.status)).collect();
        assert!(matches!(answers.as_slice(), [] | [400..=413]), "{headers:?}: {answers:?}");
    }
    let metrics = serve.metrics();
    assert_eq!(metrics.outcome("orders", "accepted"), 0.0);
    assert!(metrics.sum("hookstream_gateway_received_total", &[]) <= 2.0, "no smuggled request was looked at");
    let twice = request("POST", "/webhooks/orders", &[("Content-Length", "22"), ("Content-Length", "22")], BODY);
    assert_eq!(exchange(serve.public, twice).status, 401, "the same length twice is one length");
    serve.assert_conservation();
}

#[test]
fn what_is_not_http_gets_one_answer_at_most_and_a_closed_connection() {
    let serve = quick().on_stand_in();
    let head = "POST /webhooks/orders HTTP/1.1\r\nHost: localhost\r\n";
    let long_path = format!("POST /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(70_000));
    let cases: &[&[u8]] = &[
        b"GET /\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"PO ST /webhooks/orders HTTP/1.1\r\n\r\n",
        b"P\xc3\x96ST /webhooks/orders HTTP/1.1\r\n\r\n",
        b"POST /webhooks/orders\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /webhooks/orders HTTP/1.1\r\nHost: localhost\r\nX\0: a\r\n\r\n",
        b"POST /webhooks/orders HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
        b"POST /webhooks/orders HTTP/1.1\r\nHost: localhost\r\n folded: yes\r\n\r\n",
        b"POST /webhooks/orders HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
        b"POST /webhooks/orders HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
        b"POST /webhooks/orders HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /webhooks/orders HTTP/9.9\r\n\r\n",
        long_path.as_bytes(),
    ];
    for bytes in cases {
        let mut wire = Wire::connect(serve.public);
        wire.send(bytes);
        let answers: Vec<u16> = std::iter::from_fn(|| wire.answer().map(|answer| answer.status)).collect();
        assert!(matches!(answers.as_slice(), [] | [400 | 404 | 414 | 431]), "{}: {answers:?}", bytes.escape_ascii());
    }
    for chunk in ["zz\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "5\r\nabcdeXX\r\n0\r\n\r\n"] {
        let mut wire = Wire::connect(serve.public);
        wire.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}"));
        let answers: Vec<u16> = std::iter::from_fn(|| wire.answer().map(|answer| answer.status)).collect();
        assert!(matches!(answers.as_slice(), [] | [400]), "{chunk:?}: {answers:?}");
    }
    assert!(connection_errors(&serve, "malformed") >= 8.0);
    assert_eq!(serve.metrics().outcome("orders", "accepted"), 0.0);
    assert!(!serve.process.log().contains("panicked"));
    serve.assert_conservation();
}

#[test]
fn a_chunked_body_without_an_end_is_cut_at_the_limit() {
    let serve = quick().on_stand_in();
    let mut wire = Wire::connect(serve.public);
    wire.send(request("POST", "/webhooks/orders", &[("Transfer-Encoding", "chunked")], b""));
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x1_0000));
    let mut sent = 0;
    while sent < 64 << 20 && wire.send(&chunk) {
        sent += 0x1_0000;
    }
    assert!(sent < 16 << 20, "it read {sent} bytes of a body that may have 1 MiB");
    let metrics = serve.metrics();
    assert_eq!(metrics.rejects("orders", "body_too_large"), 1.0);
    assert_eq!(metrics.sum("hookstream_gateway_body_bytes_in_flight", &[]), 0.0);
    serve.assert_conservation();
}

#[test]
fn a_client_that_sends_on_without_reading_is_held_back_and_counted() {
    let serve = quick().on_stand_in();
    let mut wire = Wire::connect(serve.public);
    let (one, count) = (signed("orders", BODY), 200);
    wire.send(one.repeat(count));
    for _ in 0..count {
        assert_eq!(wire.answer().unwrap().status, 200);
    }
    serve.assert_conservation();
    assert_eq!(serve.metrics().sum("hookstream_gateway_received_total", &[]), count as f64);
}

#[test]
fn whoever_reads_no_answer_is_cut_off() {
    let serve = quick().on_stand_in();
    let mut wire = Wire::connect(serve.public);
    wire.give_up_sending_after(Duration::from_millis(200));
    let open = || serve.metrics().sum("hookstream_gateway_connections", &[]);
    await_that("it is there", || open() == 1.0);
    let many = request("POST", "/nowhere", &[], b"").repeat(1_000);
    let mut written = 0;
    // Until both sides' buffers are full.
    while wire.send(&many) {
        written += many.len();
        assert!(written < 256 << 20, "nothing holds the sender back");
    }
    await_that("its place is free again", || open() == 0.0);
    serve.assert_conservation();
}

#[test]
fn the_good_neighbour_stays_quick() {
    let serve = setup().source("orders", "").on_stand_in();
    let mut deliver = {
        let mut wire = Wire::connect(serve.public);
        let mut number = 0;
        move || {
            number += 1;
            wire.send(signed("orders", format!(r#"{{"id":"good-{number}","type":"t"}}"#).as_bytes()));
            let answer = wire.answer().expect("an answer");
            assert_eq!(answer.json()["status"], "accepted");
            answer.after
        }
    };
    let alone = slowest_but_one_percent((0..200).map(|_| deliver()).collect());
    let hostile: Vec<Wire> = (0..300)
        .map(|number| {
            let mut wire = Wire::connect(serve.public);
            match number % 3 {
                0 => wire.send(""),
                1 => wire.send("POST /webhooks/orders HTTP/1.1\r\nX: "),
                _ => wire.send("POST /webhooks/orders HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n{\"half"),
            };
            wire
        })
        .collect();
    let among = slowest_but_one_percent((0..200).map(|_| deliver()).collect());
    assert!(among < alone * 2 + Duration::from_millis(50), "alone {alone:?}, among the hostile {among:?}");
    drop(hostile);
    serve.assert_conservation();
}

/// Scaled down from ten thousand: they send nothing, they cost little, and they are gone in time.
#[test]
fn thousands_of_silent_connections_cost_little_and_are_cut_off() {
    const SILENT: u64 = 3_000;
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let wanted = rustix::process::Rlimit { current: files.maximum.map(|most| most.min(16_384)), ..files };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, wanted).unwrap();
    if files.maximum.is_some_and(|most| most < SILENT + 1_000) {
        return crate::support::skip::skip("so many files may not be open here");
    }
    let serve = setup().source("orders", "").set("gateway.header_timeout", "5s").on_stand_in();
    let mut good = Wire::connect(serve.public);
    let mut deliver = |number: u64| {
        good.send(signed("orders", format!(r#"{{"id":"good-{number}","type":"t"}}"#).as_bytes()));
        let answer = good.answer().expect("an answer");
        assert_eq!(answer.json()["status"], "accepted");
        answer.after
    };
    let alone = slowest_but_one_percent((0..200).map(&mut deliver).collect());
    let before = serve.process.footprint().resident;
    let start = Instant::now();
    let mut silent: Vec<Wire> = (0..SILENT).map(|_| Wire::connect(serve.public)).collect();
    let open = || serve.metrics().sum("hookstream_gateway_connections", &[]);
    await_that("all are taken in", || open() > SILENT as f64);
    let each = serve.process.footprint().resident.saturating_sub(before) as u64 / SILENT;
    assert!(each < 48 << 10, "{each} bytes (unoptimised) for a connection that says nothing");
    let among = slowest_but_one_percent((200..400).map(&mut deliver).collect());
    assert!(among < alone * 2 + Duration::from_millis(50), "alone {alone:?}, among the silent {among:?}");
    await_that("all but the good one are gone", || open() == 1.0);
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    assert!(silent.iter_mut().all(|wire| wire.closes_within(SOON)));
    serve.assert_conservation();
}

fn slowest_but_one_percent(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}
