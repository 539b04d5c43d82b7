//! The gateway itself is killed, stopped, starved: R1, R11, R15.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::rig::{Dice, Fault, Rig, Scale, Trial};
use crate::support::http::{self, Wire};
use crate::support::kafka::await_that;

/// What SIGTERM promises.
const END: Duration = Duration::from_secs(20);

#[test]
fn r1_killed_again_and_again() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r1");
    trial.ready();
    let load = trial.load(200);
    let mut dice = Dice::new(Scale::of("r1").seed());
    for _ in 0..trial.scale().cycles(6) {
        let before = load.acknowledged();
        await_that("events are acknowledged", || load.acknowledged() > before);
        std::thread::park_timeout(dice.between(Duration::from_millis(100), Duration::from_secs(2)));
        trial.kill();
        let start = Instant::now();
        trial.ready();
        // A client takes half a second for its first metadata on a busy machine; the process itself a few milliseconds.
        assert!(start.elapsed() < Duration::from_secs(3), "{:?} from the start to ready", start.elapsed());
    }
    trial.assert_kept(load);
}

#[test]
fn r11_restarted_in_order_again_and_again() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r11-rolling").with("gateway.drain_delay", "200ms");
    trial.ready();
    let load = trial.load(200);
    for _ in 0..trial.scale().cycles(5) {
        let before = load.acknowledged();
        await_that("events are acknowledged", || load.acknowledged() > before + 50);
        let (code, after) = trial.terminate();
        assert_eq!(code, 0);
        assert!(after < END, "{after:?}");
        trial.ready();
    }
    trial.assert_kept(load);
}

#[test]
fn r11_stopped_while_kafka_is_away() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r11-away").with("gateway.drain_delay", "1s");
    trial.ready();
    let load = trial.load(100);
    await_that("events are acknowledged", || load.acknowledged() > 50);
    rig.paths(Fault::Blackhole);
    await_that("Kafka is known to be away", || load.refused() > 20);
    for signals in [&[Signal::TERM][..], &[Signal::TERM, Signal::TERM], &[Signal::INT]] {
        for signal in signals {
            trial.serve().signal(*signal);
        }
        let (code, after) = trial.ended();
        assert_eq!(code, 0, "{signals:?}");
        assert!(after < END, "{signals:?}: {after:?}");
        trial.start();
    }
    rig.paths(Fault::None);
    trial.serve().await_ready();
    trial.assert_kept(load);
}

/// With few descriptors it refuses connections and goes on; with more of them free again everything is as before.
#[test]
fn r15_out_of_descriptors() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r15-files").limited("ulimit -n 100").crowded();
    trial.ready();
    let load = trial.load(50);
    await_that("events are acknowledged", || load.acknowledged() > 20);
    let greedy: Vec<_> = (0..200).filter_map(|_| Wire::try_connect(trial.serve().public)).collect();
    await_that("it says so", || trial.serve().process.log().contains("Too many open files"));
    let cpu = trial.cpu();
    std::thread::park_timeout(Duration::from_secs(2));
    assert!(trial.cpu() - cpu < Duration::from_secs(1), "it does not spin on what it cannot accept");
    drop(greedy);
    let before = load.acknowledged();
    await_that("events are acknowledged", || load.acknowledged() > before + 50);
    trial.assert_kept(load);
}

/// Nobody reads its log: it goes on, and says what it left out when somebody reads again.
#[test]
fn r15_nobody_reads_the_log() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial =
        Trial::new(&rig, "r15-log").limited("exec > >(sed -u 400q; exec sleep 120) 2>&1").with("log.level", "debug");
    trial.ready();
    let load = trial.load(200);
    let refused = || {
        let answer = http::post(trial.serve().public, "/webhooks/orders", &[], b"{}");
        answer.status
    };
    // Far more lines than a pipe holds.
    for _ in 0..3_000 {
        assert!(matches!(refused(), 401 | 429));
    }
    let before = load.acknowledged();
    await_that("events are acknowledged", || load.acknowledged() > before + 100);
    trial.assert_kept(load);
}
