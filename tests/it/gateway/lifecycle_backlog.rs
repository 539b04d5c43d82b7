//! The end, with requests that the kernel has accepted and nobody has read yet: they are answered. And with those that never
//! become whole: it does not wait for them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::http::Wire;
use crate::support::kafka::await_that;
use crate::support::serve::{Serve, Setup, setup, signed};

/// How long it goes on accepting after SIGTERM.
const DELAY: Duration = Duration::from_secs(1);

/// Let the process sleep over the end of its drain delay; meanwhile `arrives` happens.
pub(super) fn asleep_at_the_end<T>(serve: &Serve, arrives: impl FnOnce() -> T) -> T {
    serve.signal(Signal::TERM);
    await_that("it drains", || serve.process.log().contains("draining: still accepting"));
    let draining = Instant::now();
    serve.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", serve.process.pid());
    await_that("it sleeps", || std::fs::read_to_string(&stat).expect("it runs").contains(") T "));
    let arrived = arrives();
    await_that("its delay is over", || draining.elapsed() > DELAY);
    serve.signal(Signal::CONT);
    arrived
}

fn event(number: usize) -> Vec<u8> {
    signed("orders", format!(r#"{{"id":"e{number}","type":"t"}}"#).as_bytes())
}

/// So many connections, each with a whole request.
fn crowd(serve: &Serve, size: usize) -> Vec<Wire> {
    let wire = |number| {
        let mut wire = Wire::connect(serve.public);
        assert!(wire.send(event(number)));
        wire
    };
    (0..size).map(wire).collect()
}

/// What they were told, and how many of them; `None` for those who were told nothing.
fn answers(wires: &mut [Wire]) -> BTreeMap<Option<u16>, usize> {
    let mut answers = BTreeMap::new();
    wires.iter_mut().for_each(|wire| *answers.entry(wire.answer().map(|answer| answer.status)).or_default() += 1);
    answers
}

#[test]
fn requests_that_the_kernel_has_taken_are_answered() {
    let mut serve = setup().source("orders", "").set("gateway.drain_delay", "1s").on_stand_in();
    let mut crowd = asleep_at_the_end(&serve, || crowd(&serve, 300));
    assert_eq!(answers(&mut crowd), [(Some(200), 300)].into());
    assert_eq!(serve.ends().0, 0);
}

#[test]
fn requests_that_wait_for_a_place_are_answered() {
    let setup = setup().source("orders", "").set("gateway.drain_delay", "1s").set("gateway.max_connections", 2);
    let mut serve = setup.on_stand_in();
    let holders: Vec<Wire> = (0..2).map(|_| Wire::connect(serve.public)).collect();
    await_that("every place is taken", || serve.metrics().sum("hookstream_gateway_connections", &[]) == 2.0);
    let mut crowd = asleep_at_the_end(&serve, || crowd(&serve, 50));
    assert_eq!(answers(&mut crowd), [(Some(200), 50)].into());
    drop(holders);
    assert_eq!(serve.ends().0, 0);
}

#[test]
fn requests_on_connections_that_rested_are_answered() {
    let mut serve = setup().source("orders", "").set("gateway.drain_delay", "1s").on_stand_in();
    let mut resting = crowd(&serve, 100);
    assert_eq!(answers(&mut resting), [(Some(200), 100)].into());
    let again = |wires: &mut [Wire]| wires.iter_mut().enumerate().all(|(number, wire)| wire.send(event(100 + number)));
    assert!(asleep_at_the_end(&serve, || again(&mut resting)));
    assert_eq!(answers(&mut resting), [(Some(200), 100)].into());
    assert_eq!(serve.ends().0, 0);
}

/// Everything that takes its time at the end, together: the usual delay, heads that never become whole, a record in the spool
/// that Kafka does not take, and a look for topics that nobody answers.
#[test]
fn it_ends_in_time_with_slow_clients_and_kafka_away() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let setup = Setup::with_kafka("127.0.0.1:1").source("orders", "").source("others", "");
    let setup = setup.set("spool.dir", directory.path().join("spool").display().to_string());
    let setup = setup.set("spool.ephemeral", true).set("gateway.drain_delay", "5s").set("log.level", "debug");
    let mut serve = setup.listen();
    assert_eq!(serve.deliver("orders", br#"{"id":"e1","type":"t"}"#).status, 200);
    // Looks for three topics take three seconds each. From here on one of them begins just before the spool is given up.
    let looks = || serve.process.said("kafka is not usable yet").len();
    let before = looks();
    await_that("a look for the last topic is over", || looks() > before && (looks() + 1) % 3 == 0);
    let last = Instant::now();
    await_that("the time has come", || last.elapsed() > Duration::from_millis(900));
    let start = Instant::now();
    serve.signal(Signal::TERM);
    await_that("its delay is nearly over", || start.elapsed() > Duration::from_millis(4_800));
    let slow = |_| {
        let mut wire = Wire::connect(serve.public);
        assert!(wire.send("POST /webhooks/orders HTTP/1.1\r\nHost: localhost\r\n"));
        wire
    };
    let slow: Vec<Wire> = (0..3).map(slow).collect();
    assert_eq!(serve.ends().0, 75, "a record remains");
    assert!(start.elapsed() < Duration::from_secs(19), "{:?}, which is too near to 20 s", start.elapsed());
    drop(slow);
}
