//! What the provider's answers do to an event, and that no event is lost on the way.

use std::time::{Duration, Instant};

use crate::support::api::{Api, Reply};
use crate::support::kafka::{Isolation, cluster};
use crate::support::stage::{Raw, Stage, json};

fn sources(api: &str) -> String {
    let source = |name: &str| {
        format!(
            "[sources.{name}]\nprovider = \"acme\"\nsecrets = [\"SECRET\"]\napi_key = \"SECRET\"\napi_base = \"{api}/{name}\"\n"
        )
    };
    ["acme", "paused", "refused"].map(source).concat()
}

fn event<'a>(source: &'a str, id: &'a str, kind: &'a str, data: &'a str) -> Raw<'a> {
    Raw { source, provider: "acme", id, kind, tenant: None, data }
}

fn append(stage: &Stage, source: &str, id: &str, kind: &str) {
    stage.append(&event(source, id, kind, &format!(r#"{{"id":"{id}"}}"#)));
}

#[test]
fn every_answer_has_its_fate() {
    let Some(kafka) = cluster() else { return };
    let api = Api::start();
    let stage =
        Stage::new(kafka, 2, &sources(&api.url()), "time_budget = \"2s\"\nmax_record = \"64KiB\"\nmax_attempts = 2");
    let ok = || Reply::Body(r#"{"ok":true}"#.to_owned());
    let away = || Reply::Status(302, vec![("location", "http://169.254.169.254/".to_owned())]);
    for (id, replies) in [
        ("recovers", vec![Reply::status(500), ok()]),
        ("hangs", vec![Reply::Hang, ok()]),
        ("late", vec![Reply::status(404), ok()]),
        ("vanished", vec![Reply::status(404)]),
        ("gone", vec![Reply::status(410)]),
        ("deleted", vec![Reply::status(404)]),
        ("large", vec![Reply::Large { bytes: 70_000, gzip: false }]),
        ("bomb", vec![Reply::Large { bytes: 70_000, gzip: true }]),
        ("packed", vec![Reply::Large { bytes: 1_000, gzip: true }]),
        ("redirects", vec![away()]),
        ("twice", vec![Reply::Body(r#"{"a":1,"a":2}"#.to_owned())]),
    ] {
        api.script(&format!("/acme/things/{id}"), replies);
        append(&stage, "acme", id, if id == "deleted" { "thing.deleted" } else { "thing.created" });
    }
    let busy = |seconds: u32| Reply::Status(429, vec![("retry-after", seconds.to_string())]);
    api.script("/paused/things/p1", [busy(4), ok()]);
    append(&stage, "paused", "p1", "thing.created");
    api.script("/refused/things/r1", [Reply::status(401)]);
    append(&stage, "refused", "r1", "thing.created");
    stage.flush();
    let start = Instant::now();
    let _enricher = stage.enricher("a");

    // At once.
    let first = stage.enriched("acme", 3);
    assert!(start.elapsed() < Duration::from_secs(25), "the first retry delay has not passed");
    let status = |id: &str, seen: &[crate::support::kafka::Seen]| {
        let found = seen.iter().find(|seen| seen.key.as_deref() == Some(id.as_bytes()));
        json(found.unwrap_or_else(|| panic!("no record for {id}")))["data"]["enrichment"].clone()
    };
    for (id, expected) in [("gone", "gone"), ("deleted", "gone"), ("packed", "enriched")] {
        assert_eq!(status(id, &first)["status"], expected, "{id}");
    }
    let dead = kafka.read(&stage.topic("hookstream.dead-letter"), Isolation::Committed, 2);
    for letter in &dead {
        assert_eq!(letter.header("hookstream-reason"), Some("record_too_large"));
        assert_eq!(letter.header("hookstream-attempts"), Some("1"));
        assert_eq!(json(letter)["source"], "/webhooks/acme", "the token is the raw event");
    }

    // A pause is kept, then the record comes, without a retry topic.
    let paused = stage.enriched("paused", 1);
    assert_eq!(status("p1", &paused)["status"], "enriched");
    let asked = api.asked("/paused/things/p1");
    assert!(asked.len() == 2 && asked[1].at - asked[0].at >= Duration::from_secs(4), "{asked:?}");

    // After 30 s: what recovered is there, what did not is gone or dead.
    let second = kafka.read_until(&stage.topic("webhooks.acme.enriched"), Isolation::Committed, |seen| seen.len() >= 3);
    assert_eq!(second.len(), 3, "nothing else before its delay");
    let retry = stage.all("hookstream.retry.30s");
    assert_eq!(retry.len(), 6, "{retry:#?}");
    assert!(retry.iter().all(|seen| seen.header("hookstream-attempts") == Some("1")));
    let all = || stage.all("webhooks.acme.enriched");
    let deadline = Instant::now() + Duration::from_secs(60);
    while all().len() < 7 {
        assert!(Instant::now() < deadline, "{:#?}", all());
    }
    let all = all();
    for (id, expected) in [("recovers", "enriched"), ("hangs", "enriched"), ("late", "enriched"), ("vanished", "gone")]
    {
        assert_eq!(status(id, &all)["status"], expected, "{id}");
        assert_eq!(status(id, &all)["attempts"], 2, "{id}");
    }
    let dead = kafka.read(&stage.topic("hookstream.dead-letter"), Isolation::Committed, 4);
    let mut reasons: Vec<_> = dead.iter().map(|seen| seen.header("hookstream-reason").unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["record_too_large", "record_too_large", "record_unreadable", "redirected"]);
    assert!(
        dead.iter().all(|seen| seen.header("hookstream-origin-topic") == Some(stage.topic("webhooks.acme").as_str()))
    );

    // Refused credentials use up nothing: the raw topic is the queue.
    assert!(stage.all("webhooks.refused.enriched").is_empty());
    assert!(api.asked("/refused/things/r1").len() <= 3, "asked once in a while");
}
