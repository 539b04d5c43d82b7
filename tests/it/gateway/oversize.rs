//! Bodies beyond Kafka's default of 1 MB: the largest that GitHub sends arrives to the byte, in every form that it can take.

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::child::Child;
use crate::support::http::{Answer, post};
use crate::support::kafka::{Isolation, await_that, cluster};
use crate::support::serve::{SECRET, Serve, Setup, signature};

const LARGEST: usize = 25 << 20;

/// JSON of exactly so many bytes that hardly compresses, in strings that the envelope allows. `more` goes before its end.
fn body(length: usize, more: &str) -> Vec<u8> {
    const PIECE: usize = 1 << 20;
    let mut state = 1_u64;
    let mut letters = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[(state >> 58) as usize]
    });
    let mut body = br#"{"ref":"refs/heads/main","after":"1","pieces":[""#.to_vec();
    let end = format!("\"]{more}}}");
    while body.len() + end.len() < length {
        let room = length - body.len() - end.len();
        if room > PIECE + 3 {
            body.extend(letters.by_ref().take(PIECE));
            body.extend_from_slice(b"\",\"");
        } else {
            body.extend(letters.by_ref().take(room));
        }
    }
    body.extend_from_slice(end.as_bytes());
    assert_eq!(body.len(), length);
    body
}

fn deliver(serve: &Serve, id: &str, body: &[u8]) -> Answer {
    let signature = format!("sha256={}", signature(body));
    let headers = [("X-Hub-Signature-256", &*signature), ("X-GitHub-Event", "push"), ("X-GitHub-Delivery", id)];
    post(serve.public, "/webhooks/github", &headers, body)
}

/// `hookstream` with these arguments.
fn run(config: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookstream"));
    command.env("SECRET", SECRET).arg("--config").arg(config).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn the_largest_body_of_github_arrives_to_the_byte() {
    let Some(kafka) = cluster() else { return };
    let replication = i64::try_from(kafka.nodes().len().clamp(1, 3)).unwrap();
    let setup = Setup::with_kafka(kafka.bootstrap())
        .set("kafka.topics.partitions", 1)
        .set("kafka.topics.replication", replication)
        .env("SECRET", SECRET)
        // The test's build is slow at hashing.
        .table("[sources.github]\nsecrets = [\"env:SECRET\"]\nmax_body = \"25MiB\"\ndeadline = \"30s\"\n");
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let config = directory.path().join("hookstream.toml");
    std::fs::write(&config, setup.text()).unwrap();
    run(&config, &["topics", "apply"]);
    run(&config, &["check"]);
    let prefix = setup.prefix().to_owned();
    let serve = setup.ready();

    let readable = body(LARGEST, "");
    let answer = deliver(&serve, "d1", &readable);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let marked = [b"\xEF\xBB\xBF".as_slice(), &body(LARGEST - 3, "")].concat();
    assert_eq!(deliver(&serve, "d2", &marked).status, 200, "once as data, once in a header");
    let unreadable = body(LARGEST, ",\"ref\":1");
    assert_eq!(deliver(&serve, "d3", &unreadable).status, 200, "as a dead letter, a third larger");
    let beyond = deliver(&serve, "d4", &body(LARGEST + 1, ""));
    assert_eq!((beyond.status, &beyond.json()["limit_bytes"]), (413, &Value::from(LARGEST)));

    let raw = format!("{prefix}webhooks.github");
    let records = kafka.read(&raw, Isolation::Committed, 2);
    let data = |value: &[u8], body: &[u8]| value.ends_with(&[b"\"data\":", body, b"}"].concat());
    assert!(data(records[0].value.as_ref().unwrap(), &readable));
    assert!(data(records[1].value.as_ref().unwrap(), &marked[3..]));
    assert!(records[1].headers.iter().any(|(name, value)| name == "hookstream-raw-body" && *value == marked));
    let letters = kafka.read(&format!("{prefix}hookstream.dead-letter"), Isolation::Committed, 1);
    let letter: Value = serde_json::from_slice(letters[0].value.as_ref().unwrap()).unwrap();
    assert!(STANDARD.decode(letter["data_base64"].as_str().unwrap()).unwrap() == unreadable);

    let seen = run(&config, &["tail", &raw, "--count", "1", "--json"]);
    assert!(seen.len() > LARGEST, "tail shows {} bytes", seen.len());
    let mut enrich = Command::new(env!("CARGO_BIN_EXE_hookstream"));
    enrich.env("SECRET", SECRET).arg("--config").arg(&config).arg("enrich");
    let enricher = Child::start(&enrich, &directory.path().join("log"));
    let enriched = format!("{prefix}webhooks.github.enriched");
    await_that("both are enriched", || kafka.read_all(&enriched, Isolation::Committed).len() == 2);
    let records = kafka.read_all(&enriched, Isolation::Committed);
    let holds = |value: &[u8], body: &[u8]| {
        value.windows(9).position(|window| window == b"\"event\":{").is_some_and(|at| value[at + 8..].starts_with(body))
    };
    assert!(holds(records[0].value.as_ref().unwrap(), &readable), "the event to the byte");
    drop(enricher);
}
