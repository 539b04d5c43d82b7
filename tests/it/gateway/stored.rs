//! Secrets that a provider hands over: on disk before the answer, in use at once, by all who share the file, said nowhere.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;

use crate::support::http::{Answer, post};
use crate::support::kafka::await_that;
use crate::support::serve::{Serve, Setup, setup};

const EVENTS: &[u8] = br#"{"events":[{"action":"added","resource":{"gid":"1","resource_type":"task"}}]}"#;

fn asana(file: &Path, more: &str) -> Setup {
    setup().table(&format!("[sources.asana]\nsecrets_file = \"{}\"\n{more}\n", file.display()))
}

fn hand_over(serve: &Serve, secret: &str) -> Answer {
    post(serve.public, "/webhooks/asana", &[("X-Hook-Secret", secret)], b"{}")
}

fn deliver(serve: &Serve, secret: &str) -> u16 {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(EVENTS);
    let signature = hex::encode(mac.finalize().into_bytes());
    post(serve.public, "/webhooks/asana", &[("X-Hook-Signature", &signature)], EVENTS).status
}

#[test]
fn the_first_secret_is_stored_and_then_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("asana.secrets");
    let serve = asana(&file, "").argument("--log-level=trace").on_stand_in();
    assert_eq!(deliver(&serve, "canary-first"), 401, "there is no secret yet");
    assert!(!file.exists());

    let answer = hand_over(&serve, "canary-first");
    assert_eq!((answer.status, answer.header("x-hook-secret")), (200, Some("canary-first")));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "canary-first\n", "on disk before the answer");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(deliver(&serve, "canary-first"), 200);

    assert_eq!(hand_over(&serve, "canary-other").status, 401, "whoever comes second is refused");
    assert_eq!(deliver(&serve, "canary-other"), 401);
    assert_eq!(hand_over(&serve, "canary-first").status, 200, "a repeated handshake is answered again");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "canary-first\n");
    let metrics = serve.metrics();
    assert_eq!((metrics.outcome("asana", "handshake"), metrics.outcome("asana", "rejected")), (2.0, 3.0));
    assert!(!serve.process.log().contains("canary"), "{}", serve.process.log());
    assert!(!serve.status().to_string().contains("canary"));

    let again = asana(&file, "").on_stand_in();
    assert_eq!(deliver(&again, "canary-first"), 200, "it is known after a restart");
}

#[test]
fn further_secrets_are_taken_where_the_operator_says_so_and_gateways_share_them() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("asana.secrets");
    let [one, other] = [(); 2].map(|()| asana(&file, "more_secrets = true").on_stand_in());
    for number in 0..10 {
        let through = if number % 2 == 0 { &one } else { &other };
        assert_eq!(hand_over(through, &format!("fake-secret-{number}")).status, 200, "{number}");
    }
    assert_eq!(hand_over(&one, "fake-secret-10").status, 401, "ten are enough");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 10);
    for number in 0..10 {
        let secret = format!("fake-secret-{number}");
        for gateway in [&one, &other] {
            // A gateway looks at the file once a second at most.
            await_that("the other gateway's secret is known", || deliver(gateway, &secret) == 200);
        }
    }
}

#[test]
fn a_secret_that_cannot_be_stored_is_not_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("there").join("asana.secrets");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    let serve = asana(&file, "").on_stand_in();
    std::fs::remove_dir(file.parent().unwrap()).unwrap();
    let answer = hand_over(&serve, "canary-first");
    assert_eq!((answer.status, answer.header("x-hook-secret")), (503, None));
    let counted = serve.metrics().sum("hookstream_gateway_unavailable_total", &[("reason", "secrets_file")]);
    assert_eq!(counted, 1.0);
    assert!(!serve.process.log().contains("canary"));
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    assert_eq!(hand_over(&serve, "canary-first").status, 200, "the provider's repetition is taken");
}

#[test]
fn a_token_in_an_unsigned_body_is_stored_and_shown_to_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("notion.secrets");
    let table = format!("[sources.notion]\nsecrets_file = \"{}\"\n", file.display());
    let serve = setup().table(&table).argument("--log-level=trace").on_stand_in();
    let token = json!({"verification_token": "secret_canaryOfNotion"}).to_string();
    let answer = post(serve.public, "/webhooks/notion", &[], token.as_bytes());
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "secret_canaryOfNotion\n");
    assert!(!serve.process.log().contains("canary"));
}

#[test]
fn a_file_for_secrets_is_wrong_where_none_are_handed_over() {
    for (table, said) in [
        ("[sources.stripe]\nsecrets_file = \"/tmp/x\"\n", "Stripe hands no secret over"),
        ("[sources.asana]\nsecrets_file = \"/no/such/directory/x\"\n", "must name a file in a directory that exists"),
        ("[sources.asana]\nsecrets_file = \"/tmp/x\"\naccept_unsigned = true\n", "stands beside accept_unsigned"),
        ("[sources.asana]\nmore_secrets = true\n", "says nothing without secrets_file"),
    ] {
        let mut process = setup().table(table).spawn();
        assert_eq!(process.exit_code(), 78, "{}", process.log());
        assert!(process.log().contains(said), "{}", process.log());
    }
}
