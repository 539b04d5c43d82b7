//! Another configuration while everything runs: what is taken over, what is not, and that no request notices.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::process::Signal;

use super::admission::split;
use crate::support::http::{Wire, exchange, get, request};
use crate::support::kafka::{await_that, cluster};
use crate::support::load::Load;
use crate::support::serve::{SECRET, Serve, Setup, setup, signature_with, signed};

const RELOADED: [&str; 2] = ["configuration reloaded", "configuration reloaded; these keys need a restart"];

/// How often it has taken over a configuration.
fn reloads(serve: &Serve) -> usize {
    RELOADED.iter().map(|message| serve.process.said(message).len()).sum()
}

/// Have it look at its files now, and await that it has taken them over.
fn reload(serve: &Serve) {
    let before = reloads(serve);
    serve.signal(Signal::HUP);
    await_that("the configuration is taken over", || reloads(serve) > before);
}

fn rewrite(serve: &Serve, setup: Setup) {
    serve.process.rewrite(&setup.text());
    reload(serve);
}

/// A source whose secret stands in this file.
fn with_secret_in(file: &Path) -> Setup {
    setup().table(&format!(
        "[sources.orders]\nprovider = \"generic\"\nsecrets = [\"file:{}\"]\nevent = {{ id = \"/id\" }}\n",
        file.display()
    ))
}

/// The status for an event signed with this secret.
fn sent_with(serve: &Serve, secret: &str, id: &str) -> u16 {
    let body = format!(r#"{{"id":"{id}","type":"t"}}"#).into_bytes();
    let signature = signature_with(secret, &body);
    exchange(serve.public, request("POST", "/webhooks/orders", &[("X-Signature", &signature)], &body)).status
}

fn successful(serve: &Serve) -> f64 {
    serve.metrics().sum("hookstream_config_last_reload_successful", &[])
}

#[test]
fn a_hundred_reloads_under_load_drop_and_leak_nothing() {
    let Some(kafka) = cluster() else { return };
    let prefix = kafka.unique("reloads.");
    let setup = |round: usize| {
        let setup = Setup::with_kafka(kafka.bootstrap()).set("kafka.topics.prefix", prefix.as_str());
        let setup = setup.source("orders", &format!("max_requests_per_second = {}", 1_000_000 + round));
        let setup = setup.set(
            "kafka.properties",
            toml::Table::from_iter([("client.rack".to_owned(), format!("r{}", round / 10).into())]),
        );
        if round % 2 == 1 { setup.source("others", "") } else { setup }
    };
    let topic = setup(1).topics().into_iter().find(|topic| topic.ends_with("orders")).unwrap();
    setup(1).create_topics(kafka, 3);
    let serve = setup(0).ready();
    let load = Load::start(serve.public, 8);
    let acknowledged_another = |count: usize| {
        let before = load.acknowledged();
        await_that("events are acknowledged", || load.acknowledged() >= before + count);
    };
    rewrite(&serve, setup(1));
    acknowledged_another(50);
    let before = serve.process.footprint();
    for round in 2..=101 {
        rewrite(&serve, setup(round));
        acknowledged_another(1);
    }
    let others = |metrics: &crate::support::serve::Metrics| {
        metrics.sum("hookstream_source_last_event_timestamp_seconds", &[("source", "others")])
    };
    assert_eq!(others(&serve.metrics()), 0.0);
    assert_eq!(serve.metrics().sum("hookstream_kafka_producer_swaps_total", &[]), 10.0);
    await_that("threads and descriptors are back where they were", || {
        let now = serve.process.footprint();
        now.threads <= before.threads + 2 && now.descriptors <= before.descriptors + 8
    });
    let now = serve.process.footprint();
    assert!(now.resident < before.resident + (64 << 20), "{before:?} {now:?}");
    assert_eq!(successful(&serve), 1.0);
    let ledger = load.end();
    assert!(ledger.0.iter().all(|entry| entry.status == 200), "a request noticed a reload");
    ledger.assert_nothing_lost(kafka, &topic);
    serve.assert_conservation();
}

#[test]
fn a_secret_that_kubernetes_swaps_holds_without_being_told() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let place = |name: &str| dir.path().join(name);
    for (data, secret) in [("..1", SECRET), ("..2", "the next secret\n")] {
        std::fs::create_dir(place(data)).unwrap();
        std::fs::write(place(data).join("secret"), secret).unwrap();
    }
    symlink("..1", place("..data")).unwrap();
    symlink("..data/secret", place("secret")).unwrap();
    let serve = with_secret_in(&place("secret")).on_stand_in();
    assert_eq!((sent_with(&serve, SECRET, "e1"), sent_with(&serve, "the next secret", "e2")), (200, 401));
    // As a kubelet does it: a new directory, and one rename that swaps the link.
    symlink("..2", place("..data_tmp")).unwrap();
    std::fs::rename(place("..data_tmp"), place("..data")).unwrap();
    await_that("it looks by itself", || reloads(&serve) == 1);
    assert_eq!((sent_with(&serve, SECRET, "e3"), sent_with(&serve, "the next secret", "e4")), (401, 200));
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let setup = || with_secret_in(&secret);
    let serve = setup().on_stand_in();
    let good = serve.process.configuration();
    let complaints = || serve.process.said("the changed configuration cannot be used; the last good one goes on");
    for (count, (text, says)) in [
        ("[sources.orders\n".to_owned(), "line 1"),
        (format!("{good}\n[sources.strype]\n"), "provider `strype`"),
        (good.replace("file:", "file:/not"), "cannot read"),
        (good.replace("[sources.orders]", "[kafka.properties]\n\"no.such\" = \"1\"\n[sources.orders]"), "no.such"),
    ]
    .into_iter()
    .enumerate()
    {
        serve.process.rewrite(&text);
        serve.signal(Signal::HUP);
        await_that("it complains", || complaints().len() > count);
        let said = complaints().pop().unwrap()["error"].as_str().unwrap().to_owned();
        assert!(said.contains(says), "{said}");
        assert_eq!(successful(&serve), 0.0);
        assert_eq!(sent_with(&serve, SECRET, &format!("e{count}")), 200, "the last good one goes on");
        assert!(serve.is_ready());
    }
    std::fs::write(&secret, "").unwrap();
    serve.process.rewrite(&good);
    serve.signal(Signal::HUP);
    await_that("an empty secret is not taken", || complaints().len() > 4);
    assert_eq!(sent_with(&serve, SECRET, "e5"), 200);
    std::fs::write(&secret, SECRET).unwrap();
    serve.signal(Signal::HUP);
    await_that("it is content again", || successful(&serve) == 1.0);
    assert_eq!(reloads(&serve), 0, "what runs has run all the time");
}

#[test]
fn what_needs_a_restart_is_named_until_it_is_gone() {
    let setup = || setup().source("orders", "");
    let serve = setup().on_stand_in();
    let waiting = || serve.metrics().sum("hookstream_config_restart_needed", &[]);
    let good = serve.process.configuration();
    serve
        .process
        .rewrite(&good.replace("gateway.drain_delay = \"0s\"", "gateway.drain_delay = \"1s\"\nlog.level = \"debug\""));
    reload(&serve);
    let said = serve.process.said(RELOADED[1]);
    assert_eq!((said.len(), waiting()), (1, 1.0));
    assert_eq!(said[0]["keys"], "gateway.drain_delay", "the log level is taken over");
    assert_eq!(serve.deliver("orders", br#"{"id":"e1","type":"t"}"#).status, 200);
    let level = || serve.process.said("the log level is another one");
    await_that("it logs more", || level().len() == 1);
    serve.process.rewrite(&good);
    reload(&serve);
    assert_eq!(waiting(), 0.0);
}

#[test]
fn sources_come_and_go_and_what_they_know_stays() {
    let kafka = crate::support::stand_in::stand_in();
    let base = setup().set("kafka.bootstrap_servers", kafka.address().to_string()).source("orders", "");
    let text = base.text();
    let with_others = base.source("others", "");
    with_others.topics().iter().for_each(|topic| kafka.create_topic(topic, 2).unwrap());
    let both = with_others.text();
    let serve = with_others.ready();
    let event = br#"{"id":"e1","type":"t"}"#;
    assert_eq!(serve.deliver("orders", event).json()["status"], "accepted");
    let (head, body) = split(signed("others", event));
    let mut begun = Wire::connect(serve.public);
    begun.send(head);
    await_that("a request has begun", || serve.metrics().sum("hookstream_gateway_requests_in_flight", &[]) == 1.0);

    serve.process.rewrite(&text);
    reload(&serve);
    assert_eq!(serve.deliver("others", event).status, 404, "it is gone");
    begun.send(body);
    assert_eq!(begun.answer().unwrap().json()["status"], "accepted", "what had begun is finished");
    assert_eq!(serve.deliver("orders", event).json()["status"], "duplicate", "the other remembers");

    let moved = format!("{both}path = \"/elsewhere\"\n");
    serve.process.rewrite(&moved);
    reload(&serve);
    let answer = |path: &str| {
        let signature = signature_with(SECRET, event);
        exchange(serve.public, request("POST", path, &[("X-Signature", &signature)], event)).status
    };
    assert_eq!((answer("/webhooks/others"), answer("/elsewhere")), (404, 200));
    assert!(serve.is_ready());
    serve.assert_conservation();
}

#[test]
fn the_secrets_of_dev_are_refused() {
    let known = "hookstream-dev-generic-not-a-secret";
    let mut process = setup().source("orders", "").env("HOOKSTREAM_TEST_SECRET", known).spawn();
    assert_eq!(process.exit_code(), 78);
    let log = process.log();
    assert!(log.contains("[sources.orders]") && log.contains("everybody knows") && !log.contains(known), "{log}");

    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let serve = with_secret_in(&secret).on_stand_in();
    std::fs::write(&secret, known).unwrap();
    serve.signal(Signal::HUP);
    await_that("it is not taken over", || successful(&serve) == 0.0);
    assert_eq!((sent_with(&serve, known, "e1"), sent_with(&serve, SECRET, "e2")), (401, 200));
}

/// `/explain` of an id that nobody has, with this token: 401 where the token is not the one.
fn ask(admin: SocketAddr, token: &str) -> u16 {
    let token = format!("Bearer {token}");
    exchange(admin, request("GET", "/explain/none", &[("Authorization", &token)], b"")).status
}

#[test]
fn the_enrichers_operators_have_a_token_too() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "one").unwrap();
    let token = format!("file:{}", file.display());
    let enricher = setup().source("orders", "").set("admin.token", token).part("enrich").spawn();
    await_that("it runs", || !enricher.said("enriching").is_empty());
    let admin = enricher.said("enriching")[0]["admin"].as_str().unwrap().parse().unwrap();
    assert_eq!((ask(admin, "one"), ask(admin, "two")), (404, 401));
    std::fs::write(&file, "two").unwrap();
    enricher.signal(Signal::HUP);
    await_that("it is taken over", || !enricher.said(RELOADED[0]).is_empty());
    assert_eq!((ask(admin, "one"), ask(admin, "two")), (401, 404));
}

#[test]
fn the_operators_token_is_followed_like_a_secret() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "one\n").unwrap();
    let setup = setup().source("orders", "").set("admin.token", format!("file:{}", file.display()));
    let serve = setup.on_stand_in();
    assert_eq!((ask(serve.admin, "one"), ask(serve.admin, "two"), ask(serve.admin, "")), (404, 401, 401));
    std::fs::write(&file, "two\n").unwrap();
    await_that("it looks by itself", || reloads(&serve) == 1);
    assert_eq!((ask(serve.admin, "one"), ask(serve.admin, "two")), (401, 404));
    assert_eq!(serve.metrics().sum("hookstream_config_restart_needed", &[]), 0.0);

    std::fs::remove_file(&file).unwrap();
    serve.signal(Signal::HUP);
    await_that("what is gone is not taken over", || successful(&serve) == 0.0);
    assert_eq!((ask(serve.admin, "two"), ask(serve.admin, "")), (404, 401), "the last good one goes on");
    let without: String = serve
        .process
        .configuration()
        .lines()
        .filter(|line| !line.contains("admin.token"))
        .flat_map(|line| [line, "\n"])
        .collect();
    serve.process.rewrite(&without);
    reload(&serve);
    assert_eq!(ask(serve.admin, ""), 404, "on loopback, where none is configured, whoever has the machine may ask");
    assert_eq!(serve.metrics().sum("hookstream_config_restart_needed", &[]), 0.0);
}

#[test]
fn explain_knows_the_providers_of_now() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let serve = setup().source("orders", "").set("providers_dir", dir.path().to_str().unwrap()).on_stand_in();
    let explained = || {
        let headers = [("X-Acme-Proof", "0123456789abcdef")];
        let answer = exchange(serve.public, request("POST", "/webhooks/orders", &headers, b"{}"));
        assert_eq!(answer.status, 401);
        let id = answer.header("x-request-id").unwrap().to_owned();
        get(serve.admin, &format!("/explain/{id}")).text().to_owned()
    };
    assert!(!explained().contains("Acme"), "nobody knows it");
    let acme = "name = \"acme\"\ntitle = \"Acme\"\ndocs = \"https://acme.example\"\n[needs]\nsecrets = { min = 1, where = \"the moon\" }\n\
                [verify]\nscheme = \"hmac-sha256\"\nheader = \"X-Acme-Proof\"\n[event]\nid = \"/id\"\ntype = \"/type\"\n";
    std::fs::write(dir.path().join("acme.toml"), acme).unwrap();
    reload(&serve);
    let text = explained();
    assert!(text.contains("\"other_provider\"") && text.contains("Acme"), "{text}");
}
