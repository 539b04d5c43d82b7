//! What must never be seen, and what must never grow: secrets in anything we say, strangers' words in labels.

use serde_json::json;

use crate::support::http::{Answer, Wire, get, post, request};
use crate::support::kafka::await_that;
use crate::support::serve::{Serve, Setup, setup, signed};

/// Stands in every secret, and in everything a stranger sends.
const CANARY: &str = "canary7f3a";

fn assert_silent(serve: &Serve, answers: &[Answer]) {
    for answer in answers {
        let said = format!("{:?}{}", answer.headers, String::from_utf8_lossy(&answer.body));
        assert!(!said.contains(CANARY), "{said}");
    }
    for path in ["/metrics", "/status", "/readyz"] {
        let page = get(serve.admin, path);
        assert!(!page.text().contains(CANARY), "{path}: {}", page.text());
    }
    let log = serve.process.log();
    let line = log.lines().find(|line| line.contains(CANARY));
    assert!(line.is_none(), "{line:?}");
}

#[test]
fn secrets_and_strangers_words_appear_nowhere() {
    let secret = |name: &str| format!("{CANARY}-{name}");
    let sources = "[sources.stripe]\nsecrets = [\"env:STRIPE\"]\napi_key = \"env:API_KEY\"\n\
        [sources.tokened]\nprovider = \"generic\"\nsecrets = [\"env:TOKEN\"]\n\
        verify = { scheme = \"token\", header = \"X-Token\" }\n\
        [kafka.properties]\n\"sasl.username\" = \"env:USERNAME\"\n\"sasl.password\" = \"env:PASSWORD\"\n";
    let setup = setup()
        .table(sources)
        .source("orders", "")
        .argument("--log-level=trace")
        .env("STRIPE", &secret("stripe"))
        .env("API_KEY", &secret("api-key"))
        .env("TOKEN", &secret("token"))
        .env("USERNAME", &secret("username"))
        .env("PASSWORD", &secret("password"));
    let serve = setup.on_stand_in();
    let word = secret("sent");
    let line = "X-Forwarded-For: \u{1b}[31m\r\nX-Injected";
    let body = json!({"id": "e1", "type": "t", "text": word}).to_string().into_bytes();
    let unreadable = format!("{{\"{word}\":");
    let token = secret("token");
    let headers = [("Authorization", &*word), ("Cookie", &word), ("X-Signature", &word), ("Stripe-Signature", &word)];
    let path = format!("/webhooks/{word}?token={word}");
    let mut answers = vec![
        post(serve.public, "/webhooks/stripe", &headers, &body),
        post(serve.public, "/webhooks/tokened", &[("X-Token", &word)], &body),
        post(serve.public, "/webhooks/tokened", &[("X-Token", &token)], b"{\"type\":\"t\"}"),
        post(serve.public, &path, &headers, &body),
        post(serve.public, &format!("/webhooks/orders?secret={word}"), &headers, &body),
        post(serve.public, "/webhooks/orders", &[("X-Forwarded-For", &word), (line, &word)], &body),
        post(serve.public, "/webhooks/orders", &[("Host", &word), ("User-Agent", &word)], &body),
        serve.deliver("orders", unreadable.as_bytes()),
        serve.deliver("orders", &body),
    ];
    let mut malformed = Wire::connect(serve.public);
    malformed.send(format!("{word} / HTTP/1.1\r\n{word}\r\n\r\n"));
    answers.extend(malformed.answer());
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3, "{answers:?}");
    await_that("refusals are logged", || serve.process.said("refused").len() == 5);
    assert_silent(&serve, &answers);
    assert!(!serve.process.log().contains('\u{1b}'), "nobody writes into the operator's terminal");
    serve.assert_conservation();
}

/// What was read of the environment and of files lies in its memory: no dump of it may come to be.
#[test]
fn no_core_is_dumped_of_what_holds_secrets() {
    let serve = setup().source("orders", "").on_stand_in();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serve.process.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let bounds: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(bounds, ["0", "0"], "the limit, and what it could be raised to");
}

#[test]
fn secrets_in_a_wrong_configuration_appear_nowhere() {
    let key = format!("{CANARY}-key");
    for (name, more) in [
        ("SECRET", "secrets = [\"env:SECRET\"]\nprovider = \"standard-webhooks\""),
        ("SECRET", "secrets = [\"env:SECRET\"]\nparams = { nonsense = \"1\" }"),
        ("SECRET", "secrets = [\"env:SECRET\"]\nverify = { secret = \"hex\" }\nprovider = \"generic\""),
    ] {
        let table = format!("[sources.stripe]\n{more}\n");
        let mut process = Setup::with_kafka("127.0.0.1:1").table(&table).env(name, &key).spawn();
        assert_eq!(process.exit_code(), 78, "{}", process.log());
        assert!(!process.log().contains(CANARY), "{}", process.log());
    }
}

#[test]
fn whatever_strangers_send_the_number_of_series_stays() {
    let serve = setup().source("orders", "").set("gateway.failed_requests_per_second", 1_000_000).on_stand_in();
    let mut wire = Wire::connect(serve.public);
    let mut send = |bytes: Vec<u8>| {
        wire.send(bytes);
        wire.answer().expect("an answer").status
    };
    let mut round = |number: usize| {
        let event =
            json!({"id": format!("id-{number}"), "type": format!("type-{number}"), "subject": number.to_string()});
        assert_eq!(send(signed("orders", event.to_string().as_bytes())), 200);
        assert_eq!(send(request("POST", &format!("/webhooks/path-{number}"), &[], b"")), 404);
        let forwarded = format!("10.0.{}.{}", number / 256, number % 256);
        let headers = [("X-Signature", "00"), ("X-Forwarded-For", &*forwarded)];
        assert_eq!(send(request("POST", "/webhooks/orders", &headers, b"")), 401);
        assert_eq!(send(request(&format!("METHOD{number}"), "/webhooks/orders", &[], b"")), 405);
    };
    round(0);
    let metrics = serve.metrics();
    let before = metrics.series();
    (1..2_500).for_each(&mut round);
    let metrics = serve.metrics();
    let new: Vec<_> = metrics.series().difference(&before).copied().collect();
    assert!(new.is_empty(), "{new:?}");
    assert_eq!(metrics.sum("hookstream_gateway_received_total", &[]), 10_000.0);
    serve.assert_conservation();
}
