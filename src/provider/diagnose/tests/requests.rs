//! Requests that were changed on their way, came late, or were never this provider's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Method};

use super::super::{Cause, Certainty};
use super::{JSON, PLAIN, Scene, binding};
use crate::provider::verify::{Algorithm, Encoding, Hash, test_key};
use crate::provider::{Binding, Reject};

#[test]
fn the_body_was_rewritten() {
    let value: serde_json::Value = serde_json::from_str(JSON).unwrap();
    for (provider, key) in PLAIN {
        // What reaches us; signed was JSON as it stands above.
        for received in [
            format!("{JSON}\n"),
            JSON.replace(",", ", ").replace("\":", "\": "),
            format!("\u{feff}{JSON}"),
            JSON.replace("\\u00e9", "é"),
        ] {
            Scene::new(provider, key, &[key]).body(&received).proves(Cause::BodyRewritten, "written anew");
        }
        Scene::new(provider, key, &[key]).body(STANDARD.encode(JSON)).proves(Cause::BodyRewritten, "base64");
        Scene::new(provider, key, &[key]).body(JSON.replace('/', "\\/")).proves(Cause::BodyRewritten, "anew");
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        assert!(!Scene::new(provider, key, &[key]).body(pretty).diagnosis().is_explained(), "its numbers have changed");
    }
    let key = STANDARD.encode("24 bytes that are fake..");
    Scene::new("standard-webhooks", &key, &[&key])
        .body(format!("{JSON}\r\n"))
        .proves(Cause::BodyRewritten, "without a carriage return");
}

#[test]
fn the_body_arrived_damaged() {
    for (body, what) in [("", "empty"), (&JSON[..30], "breaks off"), ("{\"a\":\"\u{fffd}\"}", "U+FFFD")] {
        let scene = Scene::new("stripe", "whsec_a", &["whsec_a"]).body(body);
        scene.finds(Certainty::Likely, Cause::BodyCut, what);
    }
    let scene = Scene::new("github", "fake", &["fake"]).body("{\"a\":1}").header("content-length", "99");
    scene.finds(Certainty::Likely, Cause::BodyCut, "Content-Length");
}

#[test]
fn it_is_another_providers_request() {
    let scene = Scene::new("github", "theirs", &["mine"]).header("x-github-event", "push");
    Scene { provider: "stripe", ..scene }.finds(Certainty::Likely, Cause::OtherProvider, "which GitHub sends");
    let scene = Scene::new("github", "theirs", &["mine"]);
    Scene { provider: "stripe", ..scene }.finds(Certainty::Likely, Cause::OtherProvider, "GitHub or Meta");
    let scene = Scene::new("github", "theirs", &["mine"]).beside("code", "github", "theirs");
    Scene { provider: "stripe", ..scene }.proves(Cause::OtherProvider, "set the webhook's URL to /webhooks/other");
    let scene = Scene::new("shopify", "one", &["one"]);
    Scene { provider: "slack", ..scene }.proves(Cause::OtherProvider, "provider = \"shopify\"");
    let key = STANDARD.encode("24 bytes that are fake..");
    let scene = Scene::new("svix", &key, &[&key]);
    Scene { provider: "stripe", ..scene }.proves(Cause::OtherProvider, "or \"svix\" in");
}

#[test]
fn the_signature_is_missing_or_malformed() {
    for (provider, header) in
        [("stripe", "stripe-signature"), ("github", "x-hub-signature-256"), ("slack", "x-slack-signature")]
    {
        Scene::new(provider, "fake", &["fake"]).without(header).proves(Cause::SignatureMissing, header);
    }
    let scene = Scene::new("stripe", "fake", &["fake"]);
    let cut = scene.value("stripe-signature")[..60].to_owned();
    scene.header("stripe-signature", &cut).proves(Cause::SignatureForm, "it was cut");
    let scene = Scene::new("github", "fake", &["fake"]);
    let bare = scene.value("x-hub-signature-256")[7..].to_owned();
    scene.header("x-hub-signature-256", &bare).proves(Cause::SignatureForm, "before it stands nothing");
    Scene::new("github", "fake", &["fake"])
        .header("x-hub-signature-256", "")
        .proves(Cause::SignatureForm, "it is empty");
    let scene = Scene::new("slack", "fake", &["fake"]);
    let other = scene.value("x-slack-signature").replace("v0=", "v1=");
    scene.header("x-slack-signature", &other).proves(Cause::SignatureForm, "`v1=`");
    let scene = Scene::new("stripe", "fake", &["fake"]);
    let other = scene.value("stripe-signature").replace("v1=", "v0=");
    scene.header("stripe-signature", &other).proves(Cause::SignatureForm, "`v0=`");
    let scene = Scene::new("stripe", "fake", &["another"]);
    let other = scene.value("stripe-signature").replace("v1=", "v0=");
    scene.header("stripe-signature", &other).proves(Cause::SignatureForm, "`v0=`");
}

#[test]
fn encoding_algorithm_and_header_are_others() {
    let signer = |verify: toml::Table| {
        let overrides = toml::Table::from_iter([("verify".to_owned(), verify.into())]);
        Binding { overrides, ..binding(&["fake"]) }
    };
    let base64 = signer(toml::toml! { encoding = "base64" });
    Scene::by("generic", &base64, binding(&["fake"])).proves(Cause::SignatureForm, "encoding = \"base64\"");
    let sha1 = signer(toml::toml! { scheme = "hmac-sha1" });
    Scene::by("generic", &sha1, binding(&["fake"])).proves(Cause::OtherScheme, "SHA-1");
    let sha512 = signer(toml::toml! { scheme = "hmac-sha512" });
    Scene::by("generic", &sha512, binding(&["fake"])).proves(Cause::OtherScheme, "hmac-sha512");
    let header = signer(toml::toml! { header = "X-Mine" });
    Scene::by("generic", &header, binding(&["fake"])).proves(Cause::OtherScheme, "header = \"x-mine\"");
    // GitHub's older header, the newer one dropped.
    let old = signer(toml::toml! {
        header = "X-Hub-Signature"
        format = "sha1={signature}"
        scheme = "hmac-sha1"
    });
    let scene = Scene::by("generic", &old, binding(&["fake"]));
    Scene { provider: "github", ..scene }.proves(Cause::OtherScheme, "`x-hub-signature`");
}

#[test]
fn a_version_is_judged_by_another() {
    let scene = Scene::new("hubspot", "fake", &["fake"]);
    let v3 = scene.value("x-hubspot-signature-v3").to_owned();
    let scene = scene
        .without("x-hubspot-signature-v3")
        .header("x-hubspot-signature-version", "v2")
        .header("x-hubspot-signature", &v3);
    assert!(!scene.diagnosis().findings.is_empty());
    // Version 1 under the name of version 2.
    let digest = test_key(Algorithm::Digest(Hash::Sha256), b"fake");
    let tag = digest.tag(&|secret, sink| {
        sink(secret);
        sink(JSON.as_bytes());
    });
    let v1 = Encoding::Hex.encode(tag.unwrap().bytes());
    let scene = Scene::new("hubspot", "fake", &["fake"]).without("x-hubspot-signature-v3");
    let scene = scene.header("x-hubspot-signature-version", "v2").header("x-hubspot-signature", &v1);
    scene.proves(Cause::OtherScheme, "another of HubSpot's ways");
}

#[test]
fn signed_headers_and_timestamps_are_missing() {
    let key = STANDARD.encode("24 bytes that are fake..");
    Scene::new("standard-webhooks", &key, &[&key]).without("webhook-id").proves(Cause::HeaderMissing, "`webhook-id`");
    Scene::new("slack", "fake", &["fake"])
        .without("x-slack-request-timestamp")
        .proves(Cause::HeaderMissing, "x-slack-request-timestamp");
}

#[test]
fn a_timestamp_stands_there_twice() {
    let twice = |provider: &'static str, header: &'static str| {
        let mut scene = Scene::new(provider, "fake", &["fake"]);
        let value = scene.headers[header].clone();
        scene.headers.append(header, value);
        scene.proves(Cause::HeaderMissing, "stands there twice");
    };
    twice("slack", "x-slack-request-timestamp");
    twice("hubspot", "x-hubspot-request-timestamp");
    // Beside the signature: two headers, or two in one.
    twice("stripe", "stripe-signature");
    let scene = Scene::new("stripe", "fake", &["fake"]);
    let joined = format!("t=1700000000,{}", scene.value("stripe-signature"));
    scene.header("stripe-signature", &joined).proves(Cause::HeaderMissing, "stands there twice");
}

#[test]
fn a_timestamp_cannot_be_read() {
    for (text, what) in [("yesterday", "as seconds since 1970"), ("", "it is empty")] {
        let scene = Scene::new("slack", "fake", &["fake"]).header("x-slack-request-timestamp", text);
        scene.proves(Cause::TimestampForm, what);
    }
    let scene = Scene::new("stripe", "fake", &["fake"]);
    let other = scene.value("stripe-signature").replace("t=", "t=x");
    scene.header("stripe-signature", &other).proves(Cause::TimestampForm, "`stripe-signature`");
}

#[test]
fn nothing_is_wrong_or_nothing_explains_it() {
    Scene::new("stripe", "whsec_a", &["whsec_a"]).proves(Cause::Verifies, "delivered again");
    let diagnosis = Scene::new("stripe", "whsec_a", &["whsec_b"]).diagnosis();
    assert_eq!(diagnosis.verdict, Err(Reject::SignatureMismatch));
    let [only] = &diagnosis.findings[..] else { panic!("{diagnosis:#?}") };
    assert_eq!((only.cause, only.certainty), (Cause::Unexplained, Certainty::Possible));
    assert!(only.evidence.contains("7 requests") && only.advice.contains("stripe listen"), "{only:?}");
    assert!(diagnosis.tried > 50 && !diagnosis.is_explained());
}

#[test]
fn the_work_is_bounded() {
    let long = format!("{{\"a\":\"{}\"}}", "é".repeat(400_000));
    let scene = Scene::new("github", "fake", &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]).body(long);
    let diagnosis = scene.diagnosis();
    assert!(diagnosis.cut_short && diagnosis.tried < 400, "{}", diagnosis.tried);
    let mut scene = Scene::new("stripe", "whsec_a", &["whsec_b"]);
    for number in 0..500 {
        let value = HeaderValue::from_str(&format!("v1={number:064}")).unwrap();
        scene.headers.append(HeaderName::from_static("x-many"), value);
    }
    assert!(!scene.diagnosis().cut_short, "not every text in a header is tried");
    let ten: Vec<String> = (0..10).map(|number| format!("whsec_{number}")).collect();
    let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
    scene.others = (0..300).map(|_| ("other", "stripe", binding(&ten))).collect();
    let diagnosis = scene.diagnosis();
    assert_eq!((diagnosis.cut_short, diagnosis.tried), (true, 8_000));
}

#[test]
fn what_is_no_post_is_refused_before_its_signature() {
    let mut scene = Scene::new("stripe", "whsec_a", &["whsec_a"]);
    scene.method = Method::GET;
    assert_eq!(scene.diagnosis().verdict, Err(Reject::MethodNotAllowed));
    scene.proves(Cause::Refused, "a GET request");
    let mut scene = scene.without("stripe-signature");
    scene.captured = true;
    scene.proves(Cause::Refused, "--data");
    // Challenges are no events, and have a word that must fit.
    let meta = Binding { params: [("verify_token".to_owned(), "mine".to_owned())].into(), ..binding(&["fake"]) };
    let mut scene = Scene::by("meta", &meta, meta.clone());
    (scene.method, scene.query) = (Method::GET, "hub.mode=subscribe&hub.verify_token=mine&hub.challenge=1".to_owned());
    scene.proves(Cause::Verifies, "a challenge");
    scene.query = scene.query.replace("mine", "another");
    assert_eq!(scene.diagnosis().verdict, Err(Reject::HandshakeRefused));
    scene.proves(Cause::Refused, "verify token");
}

#[test]
fn sorted_keys_are_a_trace_and_no_proof() {
    let sorted = r#"{"a":1,"b":2,"c":{"x":1,"y":2},"d":4,"e":5,"f":6}"#;
    let diagnosis = Scene::new("github", "fake", &["fake"]).body(sorted).diagnosis();
    let [first, last] = &diagnosis.findings[..] else { panic!("{diagnosis:#?}") };
    assert_eq!((first.cause, first.certainty), (Cause::BodyRewritten, Certainty::Possible));
    assert!(first.evidence.contains("alphabetical") && last.cause == Cause::Unexplained, "{diagnosis:#?}");
    assert!(!diagnosis.is_explained(), "a provider may write it so itself");
    for by_chance in [r#"{"a":1,"b":2,"c":3}"#, r#"{"a":1,"b":2,"c":{"y":1,"x":2},"d":4,"e":5,"f":6}"#] {
        let diagnosis = Scene::new("github", "fake", &["fake"]).body(by_chance).diagnosis();
        assert_eq!(diagnosis.findings.len(), 1, "{by_chance}");
    }
}
