//! The gateway itself is killed, stopped, starved: R1, R11, R15.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::rig::{Dice, Fault, Rig, Scale, Trial, say};
use crate::support::http::{self, Wire};
use crate::support::kafka::await_that;
use crate::support::serve::Serve;

/// From the start of a process after a kill until it is ready, with Kafka there; a second is what it takes on a machine with
/// nothing else to do.
const RESTART: Duration = Duration::from_secs(5);

/// What SIGTERM promises.
const END: Duration = Duration::from_secs(20);

#[test]
fn r1_killed_again_and_again() {
    let Some(rig) = Rig::shared() else { return };
    killed_again_and_again(Trial::new(&rig, "r1"), Serve::await_ready, || ());
}

/// Kafka is away for moments as well, so that kills find records in the spool, in Kafka, in both and in neither.
#[test]
fn r1_killed_with_a_spool_while_kafka_comes_and_goes() {
    let Some(rig) = Rig::begin() else { return };
    let (stop, stopped) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let rig = &rig;
        scope.spawn(move || {
            let mut dice = Dice::new(Scale::of("r1-spool").seed());
            for fault in [Fault::Blackhole, Fault::None, Fault::AnswersLost, Fault::None].into_iter().cycle() {
                rig.paths(fault);
                let rest = dice.between(Duration::from_millis(500), Duration::from_secs(4));
                if stopped.recv_timeout(rest) != Err(RecvTimeoutError::Timeout) {
                    return rig.paths(Fault::None);
                }
            }
        });
        let trial = Trial::new(rig, "r1-spool").spooling();
        // Whether it is ready is also Kafka's matter here; that it listens, with its spool read, is its own.
        killed_again_and_again(trial, |_| (), move || drop(stop));
    });
}

fn killed_again_and_again(mut trial: Trial<'_>, is_back: impl Fn(&Serve), at_the_end: impl FnOnce()) {
    trial.ready();
    let load = trial.load(200);
    let mut dice = Dice::new(trial.scale().seed());
    let mut slowest = Duration::ZERO;
    for _ in 0..trial.scale().cycles(6) {
        let before = load.acknowledged();
        await_that("events are acknowledged", || load.acknowledged() > before);
        std::thread::park_timeout(dice.between(Duration::from_millis(100), Duration::from_secs(2)));
        trial.kill();
        let start = Instant::now();
        trial.start();
        is_back(trial.serve());
        slowest = slowest.max(start.elapsed());
    }
    say(&format!("the slowest start took {slowest:?}"));
    assert!(slowest < RESTART, "{slowest:?} until it was back");
    at_the_end();
    trial.serve().await_ready();
    trial.assert_kept(load);
}

#[test]
fn r11_restarted_in_order_again_and_again() {
    let Some(rig) = Rig::shared() else { return };
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
    let Some(rig) = Rig::shared() else { return };
    let mut trial = Trial::new(&rig, "r15-files").limited("ulimit -n 100").crowded();
    trial.ready();
    let load = trial.load(50);
    await_that("events are acknowledged", || load.acknowledged() > 20);
    let greedy: Vec<_> = (0..200).filter_map(|_| Wire::try_connect(trial.serve().public)).collect();
    await_that("it says so", || trial.serve().process.log().contains("Too many open files"));
    let cpu = trial.serve().process.cpu();
    std::thread::park_timeout(Duration::from_secs(2));
    assert!(trial.serve().process.cpu() - cpu < Duration::from_secs(1), "it does not spin on what it cannot accept");
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

/// What Kafka has not taken when it must end stays in the spool: it says so with its exit code, and the next one drains it.
#[test]
fn r11_stopped_with_a_spool_while_kafka_is_away() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r11-spool").spooling().with("gateway.drain_delay", "1s");
    trial.ready();
    let load = trial.load(100);
    await_that("events are acknowledged", || load.acknowledged() > 50);
    rig.paths(Fault::Blackhole);
    await_that("events are in the spool", || trial.metrics().sum("hookstream_spool_records", &[]) > 50.0);
    let (code, after) = trial.terminate();
    assert_eq!(code, 75, "records remain");
    assert!(after < END, "{after:?}");
    trial.start();
    await_that("events are in the spool again", || load.acknowledged() > 100);
    rig.paths(Fault::None);
    trial.serve().await_ready();
    trial.assert_kept(load);
}

/// The disk under the spool takes no more: what is acknowledged is kept, the rest is refused, and room brings it back.
#[test]
fn r8_the_spools_disk_is_full() {
    let Some(rig) = Rig::begin() else { return };
    // No file may grow beyond a mebibyte: writes fail as on a full disk.
    let mut trial = Trial::new(&rig, "r8-spool").spooling().limited("trap '' XFSZ; ulimit -f 1024");
    trial.ready();
    let load = trial.load(200);
    await_that("events are acknowledged", || load.acknowledged() > 50);
    rig.paths(Fault::Blackhole);
    await_that("a write fails", || trial.metrics().sum("hookstream_spool_failures_total", &[]) > 0.0);
    std::thread::park_timeout(trial.scale().lasting(Duration::from_secs(3)));
    rig.paths(Fault::None);
    trial.assert_recovers(&load);
    trial.assert_kept(load);
}
