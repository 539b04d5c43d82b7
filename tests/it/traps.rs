//! The traps that providers set, each by the vectors that walk into it. That a vector gets its verdict, `vectors` proves.

use std::collections::BTreeSet;

use hookstream::provider::embedded_vectors;
use hookstream::provider::vectors::{Expect, Vector, Vectors};

/// What people fall into, the provider, the vector, its verdict.
const TRAPS: &[(&str, &str, &str, &str)] = &[
    ("whsec_ is part of Stripe's secret", "stripe", "the secret decoded as base64", "signature_mismatch"),
    ("whsec_ is not part of it elsewhere", "standard-webhooks", "known answer of the reference library", "ok"),
    ("colliding delivery ids", "woocommerce", "same second, one delivery id: the first event", "ok"),
    ("colliding delivery ids", "woocommerce", "same second, one delivery id: the second event", "ok"),
    ("colliding delivery ids", "woocommerce", "same second, one delivery id: a third of another topic", "ok"),
    (
        "an HTML-escaped secret",
        "woocommerce",
        "known answer: secret stored HTML-escaped (wp_specialchars_decode)",
        "ok",
    ),
    ("an unsigned ping", "woocommerce", "known answer: ping on save (unsigned form)", "handshake"),
    ("a ping is no way in", "woocommerce", "a ping that says it is JSON", "signature_missing"),
    ("the body is not signed", "mailgun", "the event changed: Mailgun does not sign it", "ok"),
    ("a batch is signed by item 0", "segment", "a batch, signed by its first event", "ok"),
    ("a batch is signed by item 0", "segment", "a batch with another first event", "signature_mismatch"),
    ("item 0 by its raw bytes", "segment", "an object whose member 0 is a signed event", "signature_mismatch"),
    (
        "two headers of one name",
        "mollie",
        "known answer: rotation: two X-Mollie-Signature headers, second matches",
        "ok",
    ),
    ("two headers of one name", "mollie", "two signature headers, none good", "signature_mismatch"),
    ("several signatures in one header", "stripe", "two signatures, the second one good", "ok"),
    ("several signatures in one header", "paddle", "known answer: rotation two h1, first matches", "ok"),
    ("several signatures in one header", "paddle", "two signatures, the second one good", "ok"),
    ("numbered headers", "docusign", "known answer: second key matches", "ok"),
    ("probes with bad signatures", "discord", "Discord's own probe: a signature of zeros", "signature_mismatch"),
    (
        "probes with bad signatures",
        "xero",
        "known answer: intent to receive, wrong signature -> 401",
        "signature_mismatch",
    ),
    ("probes with good signatures", "xero", "known answer: intent to receive, right signature -> 200", "ok"),
    ("three versions", "hubspot", "known answer, version 1", "ok"),
    ("three versions", "hubspot", "known answer, version 2", "ok"),
    ("three versions", "hubspot", "known answer, version 3", "ok"),
    (
        "no way down to a weaker one",
        "hubspot",
        "no way down from a bad version 3 to a good version 1",
        "signature_mismatch",
    ),
    ("a timestamp is no event id", "slack", "sent again: another timestamp, the same event", "ok"),
    ("a timestamp is no event id", "slack", "in the same second: another event", "ok"),
    ("an event header is no event id", "github", "another delivery of the same event type", "ok"),
    ("a secret that looks like base64", "zendesk", "the secret decoded as base64", "signature_mismatch"),
    ("a bad signature wants a 2xx", "youtube", "signed with another secret", "signature_mismatch"),
    ("only the expected topic", "youtube", "the challenge for another topic", "handshake_refused"),
    ("a challenge must sign no event", "x", "a challenge that is an event is not signed", "handshake_refused"),
    ("an unsigned header picks no reader", "github", "JSON that says it is a form", "ok"),
    ("the form is what is signed", "github", "the JSON of a form under the form's signature", "signature_mismatch"),
    ("a revocation is no event", "twitch", "a revocation that calls itself a notification", "ok"),
    ("a secret is handed over once", "asana", "another secret, where there is one", "signature_missing"),
    ("an id leads nowhere else", "mollie-classic", "an id that leads elsewhere: nobody is asked", "unconfirmed"),
    ("interactions of one application", "discord", "an interaction", "ok"),
    ("interactions of one application", "discord", "another interaction of the application", "ok"),
    ("one post for two subscribed users", "x", "valid", "ok"),
    ("one post for two subscribed users", "x", "the same post for another subscribed user", "ok"),
    ("two of a kind in one entry", "meta", "two templates change their status", "ok"),
    ("two of a kind in one entry", "meta", "one template is approved and then disabled", "ok"),
    ("two of a kind in one entry", "meta", "two reviews", "ok"),
    ("two of a kind in one entry", "meta", "two people like one post", "ok"),
    ("two of a kind in one entry", "meta", "two reactions at once in messaging", "ok"),
    ("two of a kind in one entry", "meta", "two messages, as standby", "ok"),
    ("two of a kind in one entry", "meta", "a message and its deletion", "ok"),
    ("two of a kind in one entry", "meta", "two changes of a kind that names nothing", "ok"),
    ("no id is better than a shared one", "twilio", "a Gather that says nothing of its own has no id", "ok"),
    ("requests of one call", "twilio", "the first Gather of a call", "ok"),
    ("requests of one call", "twilio", "the second Gather of a call", "ok"),
    ("requests of one call", "twilio", "a third Gather with the digits of the first", "ok"),
    ("requests of one call", "twilio", "a recording that is in-progress", "ok"),
    ("requests of one call", "twilio", "a recording that is completed", "ok"),
    ("an unsigned token makes no second event", "twilio", "a delivery report under one token", "ok"),
    ("an unsigned token makes no second event", "twilio", "the same delivery report under another token", "ok"),
    ("an unsigned token takes no other event's id", "twilio", "a token that is the id of a delivery report", "ok"),
    ("a HEAD before the first event", "intercom", "the HEAD request", "handshake"),
    ("an event is no ping", "woocommerce", "an event that says it is a form", "ok"),
    ("an event is no ping", "woocommerce", "an event that says it is a form with a character set", "ok"),
    ("an event is no ping", "woocommerce", "a ping with a bad signature", "signature_mismatch"),
    ("an event is no ping", "woocommerce", "an event without a signature that says it is a form", "signature_missing"),
    ("the ping's character set", "woocommerce", "ping with a character set in small letters and no space", "handshake"),
    ("another family of headers", "shopify", "Events: valid", "ok"),
    ("another family of headers", "svix", "webhook headers: valid", "ok"),
    ("another family of headers", "resend", "webhook headers: valid", "ok"),
    ("another family of headers", "replicate", "svix headers: valid", "ok"),
    (
        "no way round a bad signature",
        "shopify",
        "no way round a bad classic signature to a good one of Events",
        "signature_mismatch",
    ),
];

/// Traps whose vectors are events of their own, and were one event where the id rested on too little.
const APART: [&str; 4] = [
    "colliding delivery ids",
    "interactions of one application",
    "one post for two subscribed users",
    "requests of one call",
];

fn all() -> Vec<Vectors> {
    embedded_vectors().iter().map(|(file, text)| Vectors::parse(file, text).unwrap()).collect()
}

fn vector<'a>(all: &'a [Vectors], provider: &str, name: &str) -> &'a Vector {
    let file = all.iter().find(|file| file.provider == provider).unwrap();
    let found = file.vectors.iter().find(|vector| vector.name == name);
    found.unwrap_or_else(|| panic!("{provider} has no vector `{name}`"))
}

fn word(expect: Expect) -> String {
    match expect {
        Expect::Ok => "ok".to_owned(),
        Expect::Handshake => "handshake".to_owned(),
        Expect::Unreadable => "unreadable".to_owned(),
        Expect::Reject(reject) => reject.to_string(),
    }
}

#[test]
fn every_trap_has_its_vector() {
    let all = all();
    for (trap, provider, name, expect) in TRAPS {
        assert_eq!(word(vector(&all, provider, name).expect), *expect, "{trap}: {provider}: {name}");
    }
}

fn walking_into(trap: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    TRAPS.iter().filter(move |(known, ..)| *known == trap).map(|(_, provider, name, _)| (*provider, *name))
}

#[test]
fn different_events_have_different_ids() {
    let all = all();
    for trap in APART {
        let ids: Vec<_> = walking_into(trap).map(|(provider, name)| vector(&all, provider, name).id.clone()).collect();
        assert!(ids.len() > 1 && ids.iter().all(Option::is_some), "{trap}: {ids:?}");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{trap}: {ids:?}");
    }
    for (provider, name) in walking_into("two of a kind in one entry") {
        let events = vector(&all, provider, name).events.clone().unwrap();
        let ids: BTreeSet<_> = events.iter().map(|event| event.id.clone().unwrap()).collect();
        assert_eq!(ids.len(), 2, "{provider}: {name}");
    }
}

#[test]
fn what_cannot_be_told_apart_has_no_id() {
    let all = all();
    for (provider, name) in walking_into("no id is better than a shared one") {
        let vector = vector(&all, provider, name);
        let mut ids = vector.events.iter().flatten().map(|event| &event.id).chain([&vector.id]);
        assert!(ids.all(Option::is_none), "{provider}: {name}");
    }
}

#[test]
fn an_unsigned_token_neither_doubles_nor_replaces_an_event() {
    let all = all();
    let id = |name| vector(&all, "twilio", name).id.clone().unwrap();
    let report = id("a delivery report under one token");
    assert_eq!(report, id("the same delivery report under another token"));
    assert_ne!(report, id("a token that is the id of a delivery report"));
}

#[test]
fn neither_a_timestamp_nor_an_event_header_is_an_id() {
    let all = all();
    let id = |provider, name| vector(&all, provider, name).id.clone().unwrap();
    assert_eq!(id("slack", "sent again: another timestamp, the same event"), id("slack", "valid"));
    assert_ne!(id("slack", "in the same second: another event"), id("slack", "valid"));
    assert_ne!(id("github", "another delivery of the same event type"), id("github", "valid"));
}
