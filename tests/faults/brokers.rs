//! Brokers are killed, frozen, and change their minds: R2 to R5, R7.

use std::time::{Duration, Instant};

use crate::rig::{DEADLINE, Dice, Load, Rig, Scale, Trial, say};
use crate::support::kafka::await_that;

/// What is said while Kafka does not take events; 408 where this machine is too busy to send a body in time.
const REFUSALS: [u16; 2] = [408, 503];

/// How a broker goes and comes back.
#[derive(Clone, Copy)]
enum Away {
    Killed,
    Frozen,
}

impl Away {
    fn take(self, rig: &Rig, broker: usize) {
        match self {
            Away::Killed => rig.kill(broker),
            Away::Frozen => rig.freeze(broker),
        }
    }

    fn give_back(self, rig: &Rig, broker: usize) {
        match self {
            Away::Killed => rig.restart(broker),
            Away::Frozen => rig.thaw(broker),
        }
    }
}

#[test]
fn r2_one_broker_after_the_other() {
    let Some(rig) = Rig::begin() else { return };
    one_broker_after_the_other(&rig, Trial::new(&rig, "r2"), |load| {
        assert!(load.refusals().is_subset(&REFUSALS.into()), "{:?}", load.refusals());
    });
}

/// With a spool nobody notices.
#[test]
fn r2_one_broker_after_the_other_and_there_is_a_spool() {
    let Some(rig) = Rig::begin() else { return };
    one_broker_after_the_other(&rig, Trial::new(&rig, "r2-spool").spooling(), |load| {
        assert_eq!(load.refused(), 0, "nobody was turned away");
    });
}

fn one_broker_after_the_other(rig: &Rig, mut trial: Trial<'_>, holds: impl FnOnce(&Load)) {
    trial.ready();
    let load = trial.load(200);
    let mut dice = Dice::new(Scale::of("r2").seed());
    for cycle in 0..trial.scale().cycles(3) {
        let broker = match cycle % 3 {
            0 => rig.kafka.leader(&trial.orders(), 0).expect("a leader"),
            1 => rig.controller(),
            _ => dice.below(rig.brokers()),
        };
        let away = if dice.below(2) == 0 { Away::Killed } else { Away::Frozen };
        let before = load.acknowledged();
        await_that("events are acknowledged", || load.acknowledged() > before + 50);
        away.take(rig, broker);
        std::thread::park_timeout(dice.between(Duration::from_secs(1), Duration::from_secs(8)));
        let before = load.acknowledged();
        await_that("two brokers of three go on", || load.acknowledged() > before + 50);
        away.give_back(rig, broker);
        rig.await_whole();
    }
    assert_eq!(load.unanswered(), 0, "everybody was told something");
    holds(&load);
    // Nobody waited longer than the deadline, too.
    trial.assert_kept(load);
}

#[test]
fn r3_below_the_minimum_in_sync() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r3");
    trial.ready();
    let load = trial.load(100);
    await_that("events are acknowledged", || load.acknowledged() > 50);
    rig.kill(0);
    rig.kill(1);
    await_that("everything is refused", || {
        let before = load.acknowledged();
        std::thread::park_timeout(Duration::from_millis(500));
        load.acknowledged() == before && load.refused() > 0
    });
    let (acknowledged, refused) = (load.acknowledged(), load.refused());
    std::thread::park_timeout(trial.scale().lasting(Duration::from_secs(3)));
    assert_eq!(load.acknowledged(), acknowledged, "no 2xx while fewer than two replicas are in sync");
    assert!(load.refused() > refused + 50, "{} more are refused", load.refused() - refused);
    assert!(load.refusals().is_subset(&REFUSALS.into()) && load.unanswered() == 0, "{:?}", load.refusals());
    rig.restart(0);
    rig.restart(1);
    trial.assert_recovers_after(&load, rig.await_whole());
    trial.assert_kept(load);
}

#[test]
fn r4_one_then_two_frozen() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r4");
    trial.ready();
    let load = trial.load(100);
    for frozen in [&[0][..], &[1, 2]] {
        await_that("events are acknowledged", || load.acknowledged() > 50);
        frozen.iter().for_each(|broker| rig.freeze(*broker));
        std::thread::park_timeout(trial.scale().lasting(Duration::from_secs(10)));
        frozen.iter().for_each(|broker| rig.thaw(*broker));
        trial.assert_recovers_after(&load, rig.await_whole());
    }
    trial.assert_kept(load);
}

#[test]
fn r5_the_whole_cluster_is_away() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r5");
    let all = 0..rig.brokers();
    all.clone().for_each(|broker| rig.kill(broker));
    trial.start();
    let load = trial.load(100);
    await_that("events are refused", || load.refused() > 50);
    assert!(!trial.serve().is_ready(), "it has never seen its topics");
    all.clone().for_each(|broker| rig.restart(broker));
    trial.assert_recovers_after(&load, rig.await_whole());
    all.clone().for_each(|broker| rig.kill(broker));
    await_that("all partitions are known to be away", || {
        trial.metrics().sum("hookstream_kafka_breakers_open", &[]) == 12.0
    });
    assert!(trial.serve().is_ready(), "Kafka is shared: readiness is not bound to it");
    let lasted = Instant::now();
    let before = answered(&trial);
    std::thread::park_timeout(trial.scale().lasting(Duration::from_secs(5)));
    let answers = answered(&trial).since(before);
    answers.assert_at_once(answers.refused);
    // One at a time, the probe, is let through for each of twelve partitions, and librdkafka keeps it for seconds.
    let waits = lasted.elapsed().as_secs_f64() / DEADLINE.as_secs_f64();
    assert!(answers.handed <= 12.0 * (waits + 1.0).ceil(), "of {answers:?} too many went to Kafka");
    all.for_each(|broker| rig.restart(broker));
    trial.assert_recovers_after(&load, rig.await_whole());
    trial.assert_kept(load);
}

/// With a spool nobody notices: events are acknowledged all the time, at once as soon as Kafka is known to be away, and
/// stand in Kafka soon after its return.
#[test]
fn r5_the_whole_cluster_is_away_and_there_is_a_spool() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r5-spool").spooling();
    trial.ready();
    let load = trial.load(100);
    await_that("events are acknowledged", || load.acknowledged() > 50);
    let all = 0..rig.brokers();
    all.clone().for_each(|broker| rig.kill(broker));
    await_that("all partitions are known to be away", || {
        trial.metrics().sum("hookstream_kafka_breakers_open", &[]) == 12.0
    });
    let before = answered(&trial);
    std::thread::park_timeout(trial.scale().lasting(Duration::from_secs(5)));
    let answers = answered(&trial).since(before);
    answers.assert_at_once(answers.every);
    assert!(trial.serve().is_ready(), "there is room");
    all.for_each(|broker| rig.restart(broker));
    trial.assert_recovers_after(&load, rig.await_whole());
    assert_eq!(load.refused(), 0, "nobody was turned away");
    trial.assert_kept(load);
}

/// What was answered so far.
#[derive(Clone, Copy, Debug)]
struct Answers {
    every: f64,
    /// Within five milliseconds, by the gateway's clock.
    quick: f64,
    /// Because Kafka was known to be away. Copies of records that were under way when it went wait with them.
    refused: f64,
    /// Records that were given to librdkafka.
    handed: f64,
}

impl Answers {
    fn since(self, before: Answers) -> Answers {
        Answers {
            every: self.every - before.every,
            quick: self.quick - before.quick,
            refused: self.refused - before.refused,
            handed: self.handed - before.handed,
        }
    }

    /// The median of these is under five milliseconds. Beyond it, how busy the machine is would be what is tested.
    fn assert_at_once(self, these: f64) {
        let share = self.quick / these;
        say(&format!(
            "while Kafka was known to be away, {:.1} % of what it had no part in took under 5 ms",
            share * 100.0
        ));
        assert!(share > 0.5, "what cannot go to Kafka is answered at once: {self:?}");
    }
}

fn answered(trial: &Trial<'_>) -> Answers {
    let family = "hookstream_gateway_request_duration_seconds";
    let metrics = trial.metrics();
    Answers {
        every: metrics.sum(&format!("{family}_count"), &[]),
        quick: metrics.sum(&format!("{family}_bucket"), &[("le", "0.005")]),
        refused: metrics.sum("hookstream_gateway_unavailable_total", &[("reason", "breaker_open")]),
        handed: metrics.sum("hookstream_kafka_deliveries_total", &[])
            + metrics.sum("hookstream_kafka_records_in_flight", &[]),
    }
}
