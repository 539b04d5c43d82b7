//! The network between the gateway and the brokers: R6.

use std::time::{Duration, Instant};

use hookstream::kafka::client::MESSAGE_TIMEOUT_MS;

use crate::rig::{Fault, Load, Rig, Trial};
use crate::support::kafka::await_that;

const PRODUCE: i16 = 0;

/// Each fault on the way to the leader of a partition, then on all ways, and the way back.
#[test]
fn r6_partitions_storms_and_delays() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r6");
    trial.ready();
    let load = trial.load(150);
    let moment = trial.scale().lasting(Duration::from_secs(3));
    for fault in [
        Fault::Blackhole,
        Fault::AnswersLost,
        Fault::Hold(PRODUCE),
        Fault::Reset,
        Fault::Latency(Duration::from_millis(200)),
        Fault::Loss { per_mille: 50, stall: Duration::from_millis(250) },
    ] {
        let leader = rig.kafka.leader(&trial.orders(), 0).expect("a leader");
        goes_on(&load);
        rig.path(leader, fault);
        std::thread::park_timeout(moment);
        rig.paths(Fault::None);
        trial.assert_recovers(&load);
        rig.paths(fault);
        std::thread::park_timeout(moment);
        rig.paths(Fault::None);
        trial.assert_recovers(&load);
    }
    trial.assert_kept(load);
}

/// Slower than the patience of the breaker, and slower than the deadline.
#[test]
fn r6_slower_than_the_deadline() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r6-slow");
    trial.ready();
    let load = trial.load(50);
    for latency in [500, 3_000] {
        goes_on(&load);
        rig.paths(Fault::Latency(Duration::from_millis(latency)));
        std::thread::park_timeout(trial.scale().lasting(Duration::from_secs(5)));
        rig.paths(Fault::None);
        trial.assert_recovers(&load);
    }
    trial.assert_kept(load);
}

/// Records that wait for one broker are given up while the answers of the others come and go: librdkafka then begins a new
/// epoch and sends again, with other sequence numbers, what it had no answer for. Whatever stands twice for it was counted.
#[test]
fn r6_records_are_given_up_while_answers_are_lost() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r6-epoch").spooling();
    trial.ready();
    let load = trial.load(150);
    goes_on(&load);
    let away = rig.kafka.leader(&trial.orders(), 0).expect("a leader");
    rig.path(away, Fault::Blackhole);
    let given_up = || {
        let (metrics, deliveries) = (trial.metrics(), "hookstream_kafka_deliveries_total");
        metrics.sum(deliveries, &[]) - metrics.sum(deliveries, &[("outcome", "persisted")])
    };
    let before_it = Duration::from_millis(MESSAGE_TIMEOUT_MS) - Duration::from_secs(1);
    std::thread::park_timeout(before_it);
    assert_eq!(given_up(), 0.0);
    let others = (0..rig.brokers()).filter(|broker| *broker != away);
    let until = Instant::now() + trial.scale().lasting(Duration::from_secs(4));
    while Instant::now() < until {
        for fault in [Fault::AnswersLost, Fault::Reset, Fault::None] {
            others.clone().for_each(|broker| rig.path(broker, fault));
            std::thread::park_timeout(Duration::from_millis(150));
        }
    }
    rig.paths(Fault::None);
    trial.assert_recovers(&load);
    assert!(given_up() > 0.0, "nothing was given up: the run proves nothing");
    assert_eq!(load.refused(), 0, "nobody was turned away");
    trial.assert_kept(load);
}

fn goes_on(load: &Load) {
    let before = load.acknowledged();
    await_that("events are acknowledged", || load.acknowledged() > before + 20);
}
