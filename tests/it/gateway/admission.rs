//! The table of admission and refusal: each row by its status, its headers, its body, and its place in the metrics.

use std::time::Duration;

use serde_json::json;

use crate::support::http::{Answer, Wire, exchange, get, post, request};
use crate::support::serve::{Serve, setup, signature, signed};

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

#[test]
fn every_unverified_request_gets_the_same_answer_and_its_own_reason() {
    let serve = setup().source("orders", "").on_stand_in();
    let right = signature(BODY);
    let wrong = signature(b"another body");
    let cut = &right[..10];
    for (headers, reason) in [
        (&[][..], "signature_missing"),
        (&[("X-Signature", "")], "signature_malformed"),
        (&[("X-Signature", cut)], "signature_malformed"),
        (&[("X-Signature", wrong.as_str())], "signature_mismatch"),
    ] {
        let before = serve.metrics().rejects("orders", reason);
        assert_refused(&post(serve.public, "/webhooks/orders", headers, BODY), 401, "unauthorized");
        assert_eq!(serve.metrics().rejects("orders", reason), before + 1.0, "{reason}");
    }
    serve.assert_conservation();
    assert_eq!(serve.metrics().outcome("orders", "rejected"), 4.0);
    let recent = &serve.status()["recent_rejects"];
    assert_eq!(recent[0]["reason"], "signature_mismatch", "the latest first: {recent}");
}

#[test]
fn only_allowed_addresses_may_send_and_only_trusted_proxies_name_them() {
    let allow = r#"allow = ["10.1.0.0/16"]"#;
    let deliver = |serve: &Serve, forwarded: &str| {
        let headers = [("X-Signature", signature(BODY)), ("X-Forwarded-For", forwarded.to_owned())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        post(serve.public, "/webhooks/orders", &headers, BODY)
    };
    let proxied = setup().source("orders", allow).set("gateway.trusted_proxies", vec!["127.0.0.0/8"]).on_stand_in();
    assert_eq!(deliver(&proxied, "10.1.2.3").status, 200);
    assert_eq!(deliver(&proxied, "6.6.6.6, 10.1.2.3").status, 200, "the last one that is not ours");
    for forged in ["10.2.0.1", "10.1.2.3, 6.6.6.6", "10.1.2.3, junk", ""] {
        assert_refused(&deliver(&proxied, forged), 403, "forbidden");
    }
    assert_counted(&proxied, "orders", "address_not_allowed", 4);
    let direct = setup().source("orders", allow).on_stand_in();
    assert_refused(&deliver(&direct, "10.1.2.3"), 403, "forbidden");
    assert_counted(&direct, "orders", "address_not_allowed", 1);
}

#[test]
fn paths_are_compared_as_they_stand() {
    let serve = setup().source("orders", "").source("shop", r#"path = "/shop/hook""#).on_stand_in();
    let to = |path: &str| post(serve.public, path, &[("X-Signature", &signature(BODY))], BODY);
    assert_eq!(to("/webhooks/orders?from=here").status, 200);
    assert_eq!(to("/shop/hook").status, 200);
    assert_eq!(to("http://elsewhere.example/webhooks/orders").status, 200, "absolute form names the same path");
    let unknown = [
        "/",
        "/webhooks",
        "/webhooks/",
        "/webhooks/orders/",
        "/webhooks/ORDERS",
        "/webhooks/shop",
        "//webhooks/orders",
        "/webhooks/./orders",
        "/webhooks/x/../orders",
        "/webhooks/%2e%2e/webhooks/orders",
        "/webhooks/%6frders",
        "/webhooks/orders%00",
        "/metrics",
        "/status",
        "/readyz",
        "/livez",
    ];
    for path in unknown {
        assert_refused(&to(path), 404, "not_found");
    }
    let in_all = u32::try_from(unknown.len()).unwrap();
    assert_counted(&serve, "(unknown)", "unknown_source", in_all);
}

#[test]
fn only_post_is_taken() {
    let serve = setup().source("orders", "").on_stand_in();
    let methods = ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "post"];
    for method in methods {
        let answer = exchange(serve.public, request(method, "/webhooks/orders", &[("X-Signature", "00")], BODY));
        assert_refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    assert_counted(&serve, "orders", "method_not_allowed", u32::try_from(methods.len()).unwrap());
}

#[test]
fn a_slow_body_is_given_up_in_time() {
    let serve = setup().source("orders", r#"deadline = "2s""#).on_stand_in();
    let mut wire = Wire::connect(serve.public);
    let (head, body) = split(signed("orders", BODY));
    wire.send(head);
    wire.send(&body[..4]);
    let answer = wire.answer().unwrap();
    assert_refused(&answer, 408, "request_timeout");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!((400..700).contains(&answer.after.as_millis()), "the deadline less 1.5 s: {:?}", answer.after);
    assert!(wire.closes_within(Duration::from_secs(1)));
    assert_counted(&serve, "orders", "body_timeout", 1);
}

#[test]
fn a_body_may_be_as_large_as_the_source_allows_and_not_a_byte_larger() {
    let serve = setup().source("orders", "max_body = 100\n").on_stand_in();
    let exact = format!("{:<100}", r#"{"id":"exact","type":"t"}"#).into_bytes();
    let chunked = |body: &[u8]| {
        let half = body.len() / 2;
        let mut bytes = Vec::new();
        for part in [&body[..half], &body[half..], &[]] {
            bytes.extend_from_slice(format!("{:x};name=value\r\n", part.len()).as_bytes());
            bytes.extend_from_slice(part);
            bytes.extend_from_slice(b"\r\n");
        }
        let headers = [("X-Signature", signature(body)), ("Transfer-Encoding", "chunked".to_owned())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        request("POST", "/webhooks/orders", &headers, &bytes)
    };
    assert_eq!(serve.deliver("orders", &exact).json()["status"], "accepted");
    assert_eq!(exchange(serve.public, chunked(&exact)).json()["status"], "duplicate", "the same bytes in chunks");
    let over = [exact.as_slice(), b" "].concat();
    for bytes in [signed("orders", &over), chunked(&over)] {
        let mut wire = Wire::connect(serve.public);
        wire.send(bytes);
        let answer = wire.answer().unwrap();
        assert_refused(&answer, 413, "payload_too_large");
        assert_eq!(answer.json()["limit_bytes"], 100);
        assert!(wire.closes_within(Duration::from_secs(1)), "the rest is not read");
    }
    assert_counted(&serve, "orders", "body_too_large", 2);
}

#[test]
fn a_body_that_is_declared_too_large_is_not_asked_for() {
    let serve = setup().source("orders", "max_body = 100").on_stand_in();
    let mut wire = Wire::connect(serve.public);
    wire.send(request("POST", "/webhooks/orders", &[("Content-Length", "101"), ("Expect", "100-continue")], b""));
    assert_refused(&wire.answer().unwrap(), 413, "payload_too_large");
    assert!(wire.closes_within(Duration::from_secs(1)));
    let (head, body) = split(signed("orders", BODY));
    let head = String::from_utf8(head).unwrap().replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let mut wire = Wire::connect(serve.public);
    wire.send(head);
    wire.send(body);
    assert_eq!(wire.answer().unwrap().status, 200, "a body that is welcome is asked for");
}

#[test]
fn compressed_bodies_are_not_taken() {
    let serve = setup().source("orders", "").on_stand_in();
    let with = |encoding: &str| {
        let headers = [("X-Signature", signature(BODY)), ("Content-Encoding", encoding.to_owned())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        post(serve.public, "/webhooks/orders", &headers, BODY)
    };
    assert_eq!(with("Identity").status, 200);
    for encoding in ["gzip", "br", "gzip, gzip", "identity, gzip", ""] {
        assert_refused(&with(encoding), 415, "unsupported_media_type");
    }
    assert_counted(&serve, "orders", "unsupported_encoding", 5);
}

#[test]
fn a_source_may_have_a_rate() {
    let serve = setup().source("orders", "max_requests_per_second = 3").source("other", "").on_stand_in();
    let answers: Vec<Answer> = (0..12).map(|_| serve.deliver("orders", BODY)).collect();
    let (let_in, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!((3..=6).contains(&let_in.len()), "three in each of the one or two seconds that this took");
    for answer in &refused {
        assert_refused(answer, 429, "too_many_requests");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_counted(&serve, "orders", "too_many_requests", u32::try_from(refused.len()).unwrap());
    assert_eq!(serve.deliver("other", BODY).status, 200, "it is the source's own");
}

#[test]
fn failures_are_limited_and_verified_requests_are_not() {
    let serve = setup().source("orders", "").set("gateway.failed_requests_per_second", 2).on_stand_in();
    let mut refused = 0;
    for number in 0..20 {
        let forged = post(serve.public, "/webhooks/orders", &[("X-Signature", "00")], BODY);
        let lost = post(serve.public, "/wp-login.php", &[], b"");
        refused += [forged.status, lost.status].iter().filter(|status| **status == 429).count();
        let event = format!(r#"{{"id":"n{number}","type":"t"}}"#);
        assert_eq!(serve.deliver("orders", event.as_bytes()).json()["status"], "accepted");
    }
    assert!(refused >= 40 - 3 * 2, "{refused} of 40");
    assert_eq!(serve.metrics().outcome("orders", "accepted"), 20.0);
    serve.assert_conservation();
}

#[test]
fn headers_are_bounded_in_size_and_number() {
    let serve = setup().source("orders", "").on_stand_in();
    let send = |extra: String| {
        let (head, body) = split(signed("orders", BODY));
        let head = String::from_utf8(head).unwrap().replace("\r\n\r\n", &format!("\r\n{extra}\r\n"));
        let mut wire = Wire::connect(serve.public);
        wire.send([head.into_bytes(), body].concat());
        (wire.answer(), wire.closes_within(Duration::from_secs(1)))
    };
    assert_eq!(send(format!("X-Long: {}\r\n", "a".repeat(6_500))).0.unwrap().status, 200);
    let (answer, closed) = send(format!("X-Long: {}\r\n", "a".repeat(7_400)));
    assert_refused(&answer.unwrap(), 431, "request_header_fields_too_large");
    assert!(closed);
    assert_counted(&serve, "orders", "headers_too_large", 1);
    // Beyond its read buffer hyper answers by itself.
    for flood in [format!("X-Long: {}\r\n", "a".repeat(1 << 20)), "X-Short: a\r\n".repeat(10_000)] {
        let (answer, closed) = send(flood);
        assert!(answer.is_none_or(|answer| answer.status == 431) && closed);
    }
    assert!(
        serve.metrics().sum("hookstream_gateway_connection_errors_total", &[("reason", "headers_too_large")]) >= 1.0
    );
}

#[test]
fn without_room_for_the_body_it_is_503() {
    let serve = setup().source("orders", "").set("gateway.max_body_bytes_in_flight", "1KiB").on_stand_in();
    let large = format!(r#"{{"id":"large","type":"t","text":"{}"}}"#, "a".repeat(2_000));
    let answer = serve.deliver("orders", large.as_bytes());
    assert_refused(&answer, 503, "service_unavailable");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(serve.deliver("orders", BODY).status, 200);
    let metrics = serve.metrics();
    assert_eq!(metrics.sum("hookstream_gateway_unavailable_total", &[("reason", "memory")]), 1.0);
    assert_eq!(metrics.sum("hookstream_gateway_body_bytes_in_flight", &[]), 0.0, "everything is given back");
    serve.assert_conservation();
}

#[test]
fn the_operators_port_answers_known_hosts_only_and_nothing_else() {
    let serve = setup().source("orders", "").on_stand_in();
    for (path, status) in
        [("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/status", 200), ("/webhooks/orders", 404)]
    {
        assert_eq!(get(serve.admin, path).status, status, "{path}");
    }
    let rebound = exchange(serve.admin, request("GET", "/status", &[("Host", "evil.example")], b""));
    assert_eq!(rebound.status, 403);
}

/// A request's head and body.
pub(super) fn split(request: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let end = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    (request[..end].to_vec(), request[end..].to_vec())
}

/// `allow = ["provider"]`: the addresses that its file publishes, beside networks of the operator's own.
#[test]
fn a_providers_published_addresses_may_send() {
    let directory = tempfile::tempdir().unwrap();
    let file = "name = \"acme\"\ntitle = \"Acme\"\ndocs = \"https://acme.example\"\n\
                [needs]\nsecrets = { min = 1, where = \"the moon\" }\n[verify]\nscheme = \"hmac-sha256\"\nheader = \"X-Signature\"\n\
                [event]\nid = \"/id\"\ntype = \"/type\"\n\
                [addresses]\nranges = [\"192.0.2.0/28\", \"198.51.100.7\", \"2001:db8:1::/48\"]\nsource = \"https://acme.example/ips\"\ndate = \"2026-11-21\"\n";
    std::fs::write(directory.path().join("acme.toml"), file).unwrap();
    let table = "[sources.acme]\nsecrets = [\"env:HOOKSTREAM_TEST_SECRET\"]\nallow = [\"provider\", \"10.1.0.0/16\"]\n";
    let serve = setup()
        .set("providers_dir", directory.path().display().to_string())
        .set("gateway.trusted_proxies", vec!["127.0.0.0/8"])
        .table(table)
        .on_stand_in();
    let deliver = |from: &str| {
        let headers = [("X-Signature", signature(BODY)), ("X-Forwarded-For", from.to_owned())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        post(serve.public, "/webhooks/acme", &headers, BODY)
    };
    for allowed in ["192.0.2.15", "198.51.100.7", "2001:db8:1:2::3", "10.1.2.3", "::ffff:192.0.2.1"] {
        assert_eq!(deliver(allowed).status, 200, "{allowed}");
    }
    for other in ["192.0.2.16", "198.51.100.8", "2001:db8:2::1", "10.2.0.1", "192.0.2.1, 6.6.6.6"] {
        assert_refused(&deliver(other), 403, "forbidden");
    }
    assert_counted(&serve, "acme", "address_not_allowed", 5);
}
