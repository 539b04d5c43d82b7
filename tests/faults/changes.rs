//! What operators and brokers do to topics under load: R7, R8, R12, R13.

use std::fmt::Write;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use crate::rig::{Fault, PARTITIONS, Rig, Trial, say};
use crate::support::kafka::{await_that, block_on};

const PRODUCE: i16 = 0;

fn admin(rig: &Rig) -> AdminClient<DefaultClientContext> {
    rig.kafka.admin_config().create().expect("an admin client")
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)))
}

/// Every partition gets another order of replicas, and so, with the next election, another leader.
#[test]
fn r7_leaders_move_and_partitions_are_added() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r7");
    trial.ready();
    let load = trial.load(200);
    for cycle in 0..trial.scale().cycles(3) {
        let before = load.acknowledged();
        await_that("events are acknowledged", || load.acknowledged() > before + 50);
        let mut plan = String::new();
        for partition in 0..PARTITIONS {
            let broker = |step: i32| (partition + step + cycle as i32) % 3 + 1;
            let replicas = format!("[{},{},{}]", broker(0), broker(1), broker(2));
            let comma = if partition == 0 { "" } else { "," };
            let topic = trial.orders();
            write!(plan, r#"{comma}{{"topic":"{topic}","partition":{partition},"replicas":{replicas}}}"#).unwrap();
        }
        let file = rig.kafka.directory().join("reassignment.json");
        std::fs::write(&file, format!(r#"{{"version":1,"partitions":[{plan}]}}"#)).unwrap();
        let file = file.display().to_string();
        let reassign = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
        rig.kafka.tool(reassign, &["--execute", "--reassignment-json-file", &file]);
        rig.await_whole();
        let elect = "org.apache.kafka.tools.LeaderElectionCommand";
        rig.kafka.tool(elect, &["--election-type", "preferred", "--all-topic-partitions"]);
    }
    let (topic, more) = (trial.orders(), PARTITIONS as usize + 6);
    block_on(admin(&rig).create_partitions([&NewPartitions::new(&topic, more)], &options())).unwrap();
    let before = load.acknowledged();
    await_that("events are acknowledged", || load.acknowledged() > before + 100);
    trial.assert_kept(load);
}

/// What was acknowledged before is gone with the topic: somebody has deleted it. What is acknowledged afterwards is kept.
#[test]
fn r7_a_topic_is_deleted_and_created_again() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r7-deleted");
    trial.ready();
    let load = trial.load_into("before", 100);
    await_that("events are acknowledged", || load.acknowledged() > 50);
    for topic in trial.topics() {
        block_on(admin(&rig).delete_topics(&[&topic], &options())).unwrap();
    }
    await_that("events are refused", || load.refused() > 50);
    trial.forget(load);
    trial.create_topics();
    let load = trial.load(100);
    await_that("events are acknowledged again", || load.acknowledged() > 100);
    trial.assert_kept(load);
}

/// A broker whose disk takes no more gives itself up; the others go on, and it comes back when there is room.
#[test]
fn r8_a_brokers_disk_is_full() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r8");
    trial.ready();
    let load = trial.load(100);
    await_that("events are acknowledged", || load.acknowledged() > 50);
    // No file of this broker may grow beyond this: writes fail as they do on a full disk.
    rig.kill(2);
    rig.restart_with_largest_file(2, 12 << 20);
    rig.await_whole();
    let before = load.acknowledged();
    rig.fill(2);
    await_that("the broker gives itself up", || rig.kafka.nodes()[2].has_exited());
    await_that("the others go on", || load.acknowledged() > before + 100);
    rig.restart(2);
    trial.assert_recovers_after(&load, rig.await_whole());
    trial.assert_kept(load);
}

/// One leader hangs and the producer has little room: its partitions are refused, the others are not, and memory is bounded.
#[test]
fn r12_one_slow_leader_and_a_full_queue() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r12").with("kafka.producer", toml::toml! { "queue.buffering.max.kbytes" = 1024 });
    trial.ready();
    let load = trial.load(200);
    await_that("events are acknowledged", || load.acknowledged() > 50);
    let slow = rig.kafka.leader(&trial.orders(), 0).expect("a leader");
    rig.path(slow, Fault::Hold(PRODUCE));
    await_that("its partitions are refused", || load.refused() > 20);
    let (taken, refused) = (load.acknowledged(), load.refused());
    std::thread::park_timeout(trial.scale().lasting(Duration::from_secs(4)));
    let (taken, refused) = (load.acknowledged() - taken, load.refused() - refused);
    say(&format!("{taken} events acknowledged, {refused} requests refused while one leader of three hung"));
    // Two of three leaders answer. What is refused comes again, up to six times: two in three of the events is what counts.
    let whole = 200 * trial.scale().lasting(Duration::from_secs(4)).as_secs() as usize;
    assert!(taken * 2 > whole, "the other partitions go on");
    rig.paths(Fault::None);
    trial.assert_recovers(&load);
    trial.assert_kept(load);
}

/// Refused for good while the topic takes less than the event; taken again when it takes more.
#[test]
fn r13_the_topic_takes_less_and_the_quota_is_small() {
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r13");
    trial.ready();
    let load = trial.load(100);
    await_that("events are acknowledged", || load.acknowledged() > 50);
    let orders = trial.orders();
    let limit = |bytes: &'static str| {
        let config = AlterConfig::new(ResourceSpecifier::Topic(&orders)).set("max.message.bytes", bytes);
        let config = config.set("min.insync.replicas", "2");
        block_on(admin(&rig).alter_configs([&config], &options())).unwrap();
    };
    limit("1500");
    await_that("events are refused", || load.refused() > 50);
    let before = load.acknowledged();
    await_that("those that fit are taken all the same", || load.acknowledged() > before + 50);
    limit("1048588");
    // A quota makes brokers answer late. What comes too late is refused, and nothing is lost.
    let quota = |change: &[&str]| {
        let configs = "kafka.admin.ConfigCommand";
        let entity = ["--alter", "--entity-type", "clients", "--entity-name", "hookstream"];
        rig.kafka.tool(configs, &[&entity[..], change].concat());
    };
    let refused = load.refused();
    quota(&["--add-config", "producer_byte_rate=20000"]);
    await_that("events are refused", || load.refused() > refused + 20);
    quota(&["--delete-config", "producer_byte_rate"]);
    let before = load.acknowledged();
    await_that("events are acknowledged again", || load.acknowledged() > before + 100);
    trial.assert_kept(load);
}
