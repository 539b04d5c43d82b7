//! Start and end: signals under load, signals without Kafka, and every configuration that must not start.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::http::{Wire, get, try_get};
use crate::support::kafka::{await_that, cluster, free_port};
use crate::support::load::Load;
use crate::support::serve::{Setup, setup, signed};

/// What SIGTERM promises.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn no_thread_pushes_another_off_its_core() {
    // Field 41 of a thread's `stat`, of which the name (2) may hold anything (proc_pid_stat(5)); SCHED_BATCH (sched.h).
    const BATCH: &str = "3";
    let serve = setup().source("orders", "").on_stand_in();
    assert_eq!(serve.deliver("orders", br#"{"id":"1"}"#).status, 200, "whatever takes part in it runs");
    let threads = std::fs::read_dir(format!("/proc/{}/task", serve.process.pid())).unwrap();
    let policies: Vec<(String, String)> = threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok())
        .map(|stat| {
            let (name, fields) = stat.rsplit_once(") ").unwrap();
            (name.to_owned(), fields.split(' ').nth(41 - 3).unwrap().to_owned())
        })
        .collect();
    assert!(policies.iter().any(|(name, _)| name.contains("rdk:")), "librdkafka's are among them: {policies:?}");
    assert!(policies.iter().all(|(_, policy)| policy == BATCH), "{policies:?}");
}

#[test]
fn sigterm_under_load_loses_nothing_and_ends_in_order() {
    let Some(kafka) = cluster() else { return };
    let setup = Setup::with_kafka(kafka.bootstrap()).source("orders", "").set("gateway.drain_delay", "1s");
    setup.create_topics(kafka, 3);
    let topic = format!("{}webhooks.orders", setup.prefix());
    let mut serve = setup.ready();
    let load = Load::start(serve.public, 8);
    await_that("events are acknowledged", || load.acknowledged() > 100);
    serve.signal(Signal::TERM);
    let start = Instant::now();
    await_that("it says that it is not ready", || !serve.is_ready());
    let while_ready = load.acknowledged();
    let mut late = Wire::connect(serve.public);
    late.send(signed("orders", br#"{"id":"late","type":"t"}"#));
    let answer = late.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "it still accepts");
    assert!(get(serve.admin, "/readyz").text().contains("draining"));
    assert_eq!(get(serve.admin, "/livez").status, 200);
    let (code, _) = serve.ends();
    assert_eq!(code, 0);
    assert!((1_000..6_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert!(load.acknowledged() > while_ready, "senders were served while it drained");
    load.end().assert_nothing_lost(kafka, &topic);
    assert_eq!(serve.process.said("stopped").len(), 1, "{}", serve.process.log());
}

#[test]
fn new_connections_are_served_as_long_as_it_listens() {
    let mut serve = setup().source("orders", "").set("gateway.drain_delay", "2s").on_stand_in();
    assert_eq!(serve.deliver("orders", br#"{"id":"e","type":"t"}"#).status, 200);
    serve.signal(Signal::TERM);
    await_that("it drains", || draining(&serve));
    let start = Instant::now();
    let mut statuses = Vec::new();
    while let Some(mut wire) = Wire::try_connect(serve.public) {
        wire.send(signed("orders", format!(r#"{{"id":"e{}","type":"t"}}"#, statuses.len()).as_bytes()));
        statuses.push(wire.answer().map(|answer| answer.status));
    }
    assert!(start.elapsed() > Duration::from_millis(1_500), "{:?}", start.elapsed());
    // Only the very last may have come between the last accept and the close.
    statuses.pop_if(|status| status.is_none());
    assert!(statuses.len() > 50, "{}", statuses.len());
    assert!(statuses.iter().all(|status| *status == Some(200)), "{statuses:?}");
    assert_eq!(serve.ends().0, 0);
}

#[test]
fn sigint_and_a_second_sigterm_skip_the_delay() {
    let patient = || setup().source("orders", "").set("gateway.drain_delay", "60s").on_stand_in();
    for signals in [&[Signal::INT][..], &[Signal::TERM, Signal::TERM], &[Signal::TERM, Signal::INT]] {
        let mut serve = patient();
        assert_eq!(serve.deliver("orders", br#"{"id":"e1","type":"t"}"#).status, 200);
        for signal in signals {
            serve.signal(*signal);
            await_that("the signal has arrived", || !serve.process.log().is_empty() && draining(&serve));
        }
        let (code, after) = serve.ends();
        assert_eq!(code, 0);
        assert!(after < Duration::from_secs(5), "{signals:?}: {after:?}");
    }
}

/// Whether it has said so, or is gone already.
fn draining(serve: &crate::support::serve::Serve) -> bool {
    serve.process.log().contains("draining: still accepting")
}

#[test]
fn requests_that_have_begun_are_finished() {
    let mut serve = setup().source("orders", "").on_stand_in();
    let (head, body) = super::admission::split(signed("orders", br#"{"id":"e1","type":"t"}"#));
    let mut wire = Wire::connect(serve.public);
    wire.send(head);
    await_that("the request has begun", || serve.metrics().sum("hookstream_gateway_requests_in_flight", &[]) == 1.0);
    let mut idle = Wire::connect(serve.public);
    idle.send(signed("orders", br#"{"id":"e2","type":"t"}"#));
    assert_eq!(idle.answer().unwrap().status, 200);
    serve.signal(Signal::INT);
    assert!(idle.closes_within(Duration::from_secs(3)), "an idle connection is closed at once");
    await_that("it no longer listens", || Wire::try_connect(serve.public).is_none());
    wire.send(body);
    let answer = wire.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(serve.ends().0, 0);
}

#[test]
fn without_kafka_it_ends_in_time_as_well() {
    let mut serve = Setup::with_kafka("127.0.0.1:1").source("orders", "").source("others", "").listen();
    assert_eq!(serve.deliver("orders", br#"{"id":"e1","type":"t"}"#).status, 503);
    assert!(!serve.is_ready());
    serve.signal(Signal::TERM);
    let (code, after) = serve.ends();
    assert_eq!(code, 0);
    assert!(after < LIMIT - Duration::from_secs(5), "without its usual delay of 5 s: {after:?}");
}

/// What the startup and liveness probes of deploy/kubernetes ask: a well-filled spool takes its time to read.
#[test]
fn while_it_reads_its_spool_it_is_alive_and_not_ready() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // Whoever opens it waits until somebody writes.
    let endless = Command::new("mkfifo").arg(directory.path().join("cursor")).status().unwrap();
    assert!(endless.success());
    let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let setup = Setup::with_kafka("127.0.0.1:1").source("orders", "").set("admin.listen", format!("{admin}"));
    let process = setup.set("spool.dir", directory.path().to_str().unwrap()).set("spool.ephemeral", true).spawn();
    await_that("it is alive", || try_get(admin, "/livez").is_some_and(|answer| answer.status == 200));
    let ready = get(admin, "/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("starting"), "{}", ready.text());
    assert!(get(admin, "/metrics").text().contains("hookstream_ready 0"));
    assert_eq!(get(admin, "/status").json()["ready"], false);
    assert_eq!(get(admin, "/explain/anything").status, 404);
    assert!(process.said("serving").is_empty(), "it reads still");
}

#[test]
fn a_wrong_configuration_ends_with_78_and_one_message() {
    let base = || Setup::with_kafka("127.0.0.1:1");
    let stripe = |more: &str| base().table(&format!("[sources.stripe]\n{more}\n"));
    for (setup, says) in [
        (base().set("gateway.lisen", "127.0.0.1:0"), &["hookstream.toml", "line 6", "`lisen`", "`listen`"][..]),
        (base().set("gateway.listen", "here"), &["hookstream.toml", "line 5", "invalid socket address"]),
        (base().table("[sources.stripe\n"), &["hookstream.toml", "line 6"]),
        (
            base().table("[sources.strype]\nsecrets = [\"env:X\"]\n"),
            &["[sources.strype]", "strype", "did you mean `stripe`"],
        ),
        (stripe(r#"secrets = ["env:HOOKSTREAM_NOT_THERE"]"#), &["[sources.stripe]", "HOOKSTREAM_NOT_THERE"]),
        (stripe(r#"secrets = ["file:/not/there"]"#), &["[sources.stripe]", "/not/there"]),
        (stripe(r#"secrets = ["env:EMPTY"]"#).env("EMPTY", ""), &["[sources.stripe]", "EMPTY"]),
        (stripe(""), &["[sources.stripe]", "secrets", "Signing secret"]),
        (stripe(r#"secrets = ["whsec_pasted"]"#), &["hookstream.toml", "line 7", "env:NAME"]),
        (stripe(r#"secrets = "whsec_pasted""#), &["hookstream.toml", "line 7", "expected a sequence"]),
        (
            base().source("orders", r#"verify = { secret = "whsec_pasted" }"#),
            &["[sources.orders]", "verify.secret", "plain"],
        ),
        (stripe("secrets = [\"env:A\"]\nfrmat = \"x\"").env("A", "a"), &["`frmat`", "`format`"]),
        (base().set("kafka.properties", toml::toml! { acks = "1" }), &["kafka.properties", "acks", "2xx"]),
        (base().set("kafka.properties", toml::toml! { "no.such" = "1" }), &["no.such"]),
        (base().env("HOOKSTREAM_GATEWAY__MAX_CONNECTIONS", "many"), &["HOOKSTREAM_GATEWAY__MAX_CONNECTIONS"]),
    ] {
        let text = setup.text();
        let mut process = setup.spawn();
        let code = process.exit_code();
        let log = process.log();
        assert_eq!(code, 78, "{text}\n{log}");
        for part in says {
            assert!(log.contains(part), "{part:?} is not in the message\n{log}");
        }
        assert!(!log.contains("whsec_pasted"), "{log}");
        assert!(!log.contains("panicked") && log.lines().count() <= 9, "{log}");
    }
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for key in ["gateway.listen", "admin.listen"] {
        let mut process = setup().source("orders", "").set(key, address.as_str()).spawn();
        assert_eq!(process.exit_code(), 1, "not the configuration is wrong, and another try may succeed");
        let log = process.log();
        assert!(log.contains(&address) && log.contains("taken"), "{log}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let mut process = setup().argument("--no-such-flag").spawn();
    assert_eq!(process.exit_code(), 2);
    assert!(process.log().contains("--no-such-flag"));
}
