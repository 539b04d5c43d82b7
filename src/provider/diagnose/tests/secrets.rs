//! Secrets that were spoilt, mistaken or are somebody else's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::{Cause, Certainty};
use super::{JSON, PLAIN, Scene, binding, secret};
use crate::provider::Binding;
use crate::provider::verify::{Algorithm, Encoding, Hash, test_key};

#[test]
fn the_secret_holds_what_strayed_in() {
    for (provider, key) in PLAIN {
        for spoilt in [
            format!("\"{key}\""),
            format!("'{key}'"),
            format!("{key}\\n"),
            format!("\u{feff}{key}"),
            format!("WEBHOOK_SECRET={key}"),
            format!("{key};"),
            format!("\"{key}\","),
            format!("{key}%0A"),
            format!("{key}%0d%0a"),
            format!("\u{201c}{key}\u{201d}"),
            format!("\u{2018}{key}\u{2019}"),
            format!("\u{201e}{key}\u{201c}"),
            format!("\u{ab}{key}\u{bb}"),
        ] {
            Scene::new(provider, key, &[&spoilt]).proves(Cause::SecretStray, "env:S0");
        }
        // Such a source does not start; a captured request may still be asked about.
        for spoilt in [format!("{key}\n"), format!("{key}\r")] {
            let diagnosis = Scene::new(provider, key, &[&spoilt]).diagnosis();
            assert_eq!(diagnosis.findings[0].cause, Cause::Configuration);
            assert_eq!(
                (diagnosis.findings[1].cause, diagnosis.findings[1].certainty),
                (Cause::SecretStray, Certainty::Proven)
            );
        }
    }
    Scene::new("twilio", "0123456789abcdef0123456789abcdef", &["\"0123456789abcdef0123456789abcdef\""])
        .proves(Cause::SecretStray, "printf");
}

#[test]
fn the_line_break_is_at_the_provider() {
    // Signed under a key that ends with a line break, which no source may have: made by hand.
    let key = test_key(Algorithm::Hmac(Hash::Sha256), b"it is fake\n");
    let tag = key.tag(&|_, sink| sink(JSON.as_bytes())).unwrap();
    let scene = Scene::new("github", "it is fake", &["it is fake"]);
    let signature = format!("sha256={}", Encoding::Hex.encode(tag.bytes()));
    scene.header("x-hub-signature-256", &signature).proves(Cause::SecretStray, "printf");
}

#[test]
fn the_secret_has_a_prefix_too_many_or_too_few() {
    Scene::new("github", "it is fake", &["sha256=it is fake"]).proves(Cause::SecretPrefix, "`sha256=`");
    Scene::new("stripe", "whsec_fake0123456789", &["fake0123456789"]).proves(Cause::SecretPrefix, "with `whsec_`");
    Scene::new("slack", "0123456789abcdef0123456789abcdef", &["v0=0123456789abcdef0123456789abcdef"])
        .proves(Cause::SecretPrefix, "`v0=`");
    Scene::new("shopify", "fake", &["whsec_fake"]).proves(Cause::SecretPrefix, "`whsec_`");
}

#[test]
fn the_secret_is_decoded_or_not() {
    let key = STANDARD.encode("24 bytes that are fake..");
    Scene::new("shopify", "24 bytes that are fake..", &[&key]).proves(Cause::SecretEncoding, "decoded as base64");
    Scene::new("github", "key", &["6b6579"]).proves(Cause::SecretEncoding, "hexadecimal");
    let padded = STANDARD.encode("25 bytes that are fake...");
    let diagnosis = Scene::new("standard-webhooks", &padded, &[padded.trim_end_matches('=')]).diagnosis();
    assert_eq!(diagnosis.findings[0].cause, Cause::Configuration);
    assert_eq!(diagnosis.findings[1].cause, Cause::SecretEncoding, "{diagnosis:#?}");
    let hex = hex::encode(&key);
    Scene::new("zendesk", &key, &[&hex]).proves(Cause::SecretEncoding, "hexadecimal");
    // A sender that takes a Standard Webhooks secret as it stands.
    let signer = Binding {
        overrides: toml::toml! {
            [verify]
            header = "webhook-signature"
            format = "v1,{signature}"
            signed = "{header:webhook-id}.{timestamp}.{body}"
            encoding = "base64"
            timestamp_header = "webhook-timestamp"
        },
        ..binding(&[&key])
    };
    let scene = Scene::by("generic", &signer, binding(&[&key]));
    Scene { provider: "standard-webhooks", ..scene }.proves(Cause::SecretEncoding, "as it stands");
}

#[test]
fn an_api_key_stands_in_the_secrets_place() {
    for (provider, wrong, what) in [
        ("stripe", "sk_live_fake", "a secret API key"),
        ("stripe", "pk_test_fake", "a publishable key"),
        ("slack", "xoxb-1-fake", "a bot token"),
        ("github", "ghp_fake", "a personal access token"),
        ("twilio", "SK0123456789abcdef0123456789abcdef", "the SID of an API key"),
        ("hubspot", "pat-eu1-fake", "a private app"),
        ("shopify", "shpat_fake", "an Admin API access token"),
    ] {
        Scene::new(provider, "the right one", &[wrong]).finds(Certainty::Likely, Cause::SecretIsOther, what);
    }
    Scene::new("slack", "the right one", &["nonsense"]).finds(
        Certainty::Likely,
        Cause::SecretIsOther,
        "does not look like",
    );
}

#[test]
fn it_was_signed_with_another_secret_that_is_known() {
    let scene = Scene::new("stripe", "whsec_live", &["whsec_test"]).beside("stripe-live", "stripe", "whsec_live");
    scene.proves(Cause::SecretOfAnother, "`stripe-live`");
    let scene = Scene::new("github", "hers", &["his"]).beside("shop", "shopify", "hers");
    scene.proves(Cause::SecretOfAnother, "env:S0");
    let button = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";
    Scene::new("zendesk", button, &["mine"]).proves(Cause::SecretOfAnother, "test button");
    let mut scene = Scene::new("stripe", "whsec_cli", &["whsec_endpoint"]);
    scene.offered.push(("the secret in env:CLI".to_owned(), secret("whsec_cli")));
    scene.proves(Cause::SecretOfAnother, "the secret in env:CLI");
}

#[test]
fn tokens_too() {
    let gitlab = Scene::new("gitlab", "fake token", &["\"fake token\""]);
    gitlab.proves(Cause::SecretStray, "without the white space, quotes");
    let mut scene = Scene::new("gitlab", "hers", &["mine"]).beside("other", "gitlab", "hers");
    scene.proves(Cause::SecretOfAnother, "`other`");
    scene = Scene::new("gitlab", "hers", &["hers"]).header("x-gitlab-token", "Bearer hers");
    scene.proves(Cause::SignatureForm, "Bearer");
    Scene::new("gitlab", "hers", &["hers"]).without("x-gitlab-token").proves(Cause::SignatureMissing, "x-gitlab-token");
}

#[test]
fn two_faults_at_once() {
    Scene::new("github", "fake", &["\"fake\""])
        .body(format!("{JSON}\n"))
        .proves(Cause::BodyRewritten, "and the secret is taken");
    let key = "0123456789abcdef0123456789abcdef";
    let signer = binding(&[key]);
    let source = Binding {
        public_url: Some("https://old.example.com/x".to_owned()),
        ..binding(&["\"0123456789abcdef0123456789abcdef\""])
    };
    Scene::by("twilio", &signer, source).proves(Cause::UrlDiffers, "and the secret is taken");
}
