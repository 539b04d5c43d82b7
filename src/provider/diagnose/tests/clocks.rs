//! Clocks that are apart, and timestamps in another unit.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::{Cause, Certainty};
use super::{JSON, PLAIN, Scene, binding};
use crate::provider::Binding;
use crate::provider::verify::{Algorithm, Encoding, Hash, test_key};

#[test]
fn the_clocks_are_apart() {
    let key = STANDARD.encode("24 bytes that are fake..");
    for (provider, key) in [PLAIN[0], PLAIN[3], PLAIN[4], ("standard-webhooks", key.as_str())] {
        Scene::new(provider, key, &[key]).later(372).proves(Cause::ClockOff, "372 s behind this machine's clock");
        Scene::new(provider, key, &[key]).later(-400).proves(Cause::ClockOff, "400 s ahead of this machine's clock");
        let mut scene = Scene::new(provider, key, &[key]).later(86_400);
        scene.captured = true;
        scene.proves(Cause::Verifies, "--at TIME");
    }
    let scene = Scene::new("stripe", "whsec_a", &["\"whsec_a\""]).later(900);
    // Both are said.
    scene.proves(Cause::SecretStray, "900 s behind");
}

#[test]
fn milliseconds_are_read_as_seconds() {
    let signer = |format: &str| {
        let mut verify = toml::toml! {
            header = "X-Slack-Signature"
            format = "v0={signature}"
            signed = "v0:{timestamp}:{body}"
            timestamp_header = "X-Slack-Request-Timestamp"
        };
        verify.insert("timestamp_format".to_owned(), format.into());
        let overrides = toml::Table::from_iter([("verify".to_owned(), verify.into())]);
        Binding { overrides, ..binding(&["fake"]) }
    };
    let scene = Scene::by("generic", &signer("unix_ms"), binding(&["fake"]));
    Scene { provider: "slack", ..scene }.proves(Cause::TimestampForm, "milliseconds since 1970");
    let scene = Scene::by("generic", &signer("rfc3339"), binding(&["fake"]));
    Scene { provider: "slack", ..scene }.proves(Cause::TimestampForm, "RFC 3339");
    let scene = Scene::by("generic", &signer("unix"), signer("unix_ms"));
    scene.proves(Cause::TimestampForm, "timestamp_format = \"unix\"");
    let scene = Scene::by("generic", &signer("unix_ms"), binding(&["0f0f"]));
    Scene { provider: "slack", ..scene }.finds(Certainty::Likely, Cause::TimestampForm, "milliseconds");
}

#[test]
fn what_was_captured_may_be_old_and_not_from_the_future() {
    for (provider, key) in [PLAIN[0], PLAIN[3], PLAIN[4]] {
        let mut scene = Scene::new(provider, key, &[key]).later(-400);
        scene.captured = true;
        scene.proves(Cause::ClockOff, "400 s ahead of this machine's clock");
        // Within what is allowed nothing is said.
        let mut scene = Scene::new(provider, key, &[key]).later(-30);
        scene.captured = true;
        scene.proves(Cause::Verifies, "as they stand here");
    }
    let mut scene = Scene::new("stripe", "whsec_a", &["\"whsec_a\""]).later(-900);
    scene.captured = true;
    scene.proves(Cause::SecretStray, "900 s ahead");
    let mut scene = scene.later(9_000);
    assert!(!scene.diagnosis().findings[0].evidence.contains("behind"), "its age says nothing");
    scene.captured = false;
    scene.proves(Cause::SecretStray, "8100 s behind");
}

#[test]
fn microseconds_and_nanoseconds_are_told() {
    let key = test_key(Algorithm::Hmac(Hash::Sha256), b"fake");
    let tag = |text: String| {
        let tag = key.tag(&|_, sink| sink(text.as_bytes())).unwrap();
        Encoding::Hex.encode(tag.bytes())
    };
    for (zeros, unit) in [("000000", "microseconds"), ("000000000", "nanoseconds")] {
        let time = format!("1700000000{zeros}");
        let slack = |secret| {
            let tag = tag(format!("v0:{time}:{JSON}"));
            let scene = Scene::new("slack", "fake", &[secret]).header("x-slack-request-timestamp", &time);
            scene.header("x-slack-signature", &format!("v0={tag}"))
        };
        slack("fake").proves(Cause::TimestampForm, unit);
        slack("0123456789abcdef0123456789abcdef").finds(Certainty::Likely, Cause::TimestampForm, unit);
        let tag = tag(format!("{time}.{JSON}"));
        let header = format!("t={time}, v1={tag}");
        Scene::new("stripe", "fake", &["fake"])
            .header("stripe-signature", &header)
            .proves(Cause::TimestampForm, "the scheme reads seconds since 1970");
        Scene::new("workos", "fake", &["fake"])
            .header("workos-signature", &header)
            .proves(Cause::TimestampForm, "the scheme reads milliseconds since 1970");
    }
}
