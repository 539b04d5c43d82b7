//! URLs that are signed, and are not those that the source takes for its own.

use super::super::{Cause, Certainty};
use super::{HOOKS, PLAIN, Scene, binding, secret};
use crate::provider::Binding;

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn at(url: &str) -> Binding {
    Binding { public_url: Some(url.to_owned()), ..binding(&[KEY]) }
}

#[test]
fn the_provider_calls_another_url() {
    let there = HOOKS;
    for configured in [
        "http://hooks.example.com/webhooks/it",
        "https://old.example.com/webhooks/it",
        "https://hooks.example.com/webhooks/it/",
        "https://hooks.example.com/api/webhooks/it",
        "https://10.0.0.1:8080/webhooks/it",
    ] {
        let scene = Scene::by("twilio", &at(there), at(configured));
        scene.proves(Cause::UrlDiffers, &format!("public_url = \"{there}\""));
        let scene = Scene::by("hubspot", &at(there), at(configured));
        scene.proves(Cause::UrlDiffers, configured);
    }
    let mut scene = Scene::by("twilio", &at(there), at(there));
    scene.query = "added=1".to_owned();
    scene.proves(Cause::UrlDiffers, "without its query");
    let scene = Scene::by("twilio", &at("https://edge.example.com/api/webhooks/it"), at(there));
    scene
        .header("x-forwarded-host", "edge.example.com")
        .header("x-forwarded-prefix", "/api")
        .proves(Cause::UrlDiffers, "https://edge.example.com/api/webhooks/it");
}

#[test]
fn the_query_was_changed_on_its_way() {
    for (signed, arrived, how) in [
        ("?foo=1&bar=2", "bar=2&foo=1", "in another order"),
        ("?c=3&a=1&b=2", "a=1&b=2&c=3", "in another order"),
        ("?e=5&d=4&c=3&b=2&a=1", "a=1&b=2&c=3&d=4&e=5", "in another order"),
        ("?a=1&b=2&c=3&d=4&e=5", "c=3&a=1&b=2&e=5&d=4", "sorted"),
        ("?foo=1", "foo=1&utm=2", "without `utm`"),
        ("?a=b+c", "a=b%20c", "its spaces"),
    ] {
        for provider in ["twilio", "hubspot"] {
            let mut scene = Scene::by(provider, &at(&format!("{HOOKS}{signed}")), at(HOOKS));
            scene.query = arrived.to_owned();
            scene.proves(Cause::UrlDiffers, how);
            scene.proves(Cause::UrlDiffers, "pass the query on");
        }
    }
    // Another URL and a query that a proxy added.
    let mut scene = Scene::by("twilio", &at("http://hooks.example.com/webhooks/it"), at(HOOKS));
    scene.query = "added=1".to_owned();
    scene.proves(Cause::UrlDiffers, "public_url = \"http://hooks.example.com/webhooks/it\"");
    scene.proves(Cause::UrlDiffers, "pass the query on");
}

#[test]
fn the_url_that_was_signed_cannot_be_guessed() {
    for (provider, key) in [("twilio", KEY), PLAIN[4]] {
        let at = |url: &str| Binding { secrets: vec![secret(key)], ..at(url) };
        let mut scene = Scene::by(provider, &at("https://a1.example.net/hook"), at(HOOKS));
        scene.query = "token=canary".to_owned();
        let diagnosis = scene.diagnosis();
        let [first, last] = &diagnosis.findings[..] else { panic!("{diagnosis:#?}") };
        assert_eq!((first.cause, first.certainty), (Cause::UrlDiffers, Certainty::Possible));
        assert!(first.evidence.contains(&format!("taken to be {HOOKS}, with the query")), "{first:?}");
        assert!(first.advice.contains("Compare it") && first.advice.contains("public_url"), "{first:?}");
        assert!(last.cause == Cause::Unexplained && last.advice.contains("URL"), "{last:?}");
        assert!(!diagnosis.is_explained() && !diagnosis.cut_short);
        scene.tells_no_secret(&format!("{diagnosis:?}"));
        assert!(!format!("{diagnosis:?}").contains("canary"), "a query may hold a token");
        // Whoever knows the URL gives it with the request.
        scene.query.clear();
        scene.path = "https://a1.example.net/hook";
        scene.proves(Cause::UrlDiffers, "public_url = \"https://a1.example.net/hook\"");
    }
    // Where something else is likely, that is said alone.
    let scene =
        Scene::by("twilio", &at("https://a1.example.net/hook"), binding(&["SK0123456789abcdef0123456789abcdef"]));
    assert_eq!(scene.diagnosis().findings.len(), 1);
}
