//! The programs under load.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use rdkafka::admin::{NewTopic, TopicReplication};

use super::client;
use super::event::{Body, Request, Template, id};
use super::floor::{Kind, Order, Task};
use super::sample::{Plan, Sample};
use super::support::child::Child;
use super::support::http;
use super::support::kafka::{Cluster, Isolation, await_that};
use super::support::serve::{Serve, Setup};

/// Partitions of every topic: the default of `hookstream topics apply`.
pub(crate) const PARTITIONS: i32 = 6;

/// Where the source listens; the floors answer everywhere.
pub(crate) const PATH: &str = "/webhooks/stripe";

/// Records under way of the bare producer at saturation: as many as the gateway has connections, and more than it
/// can use.
const IN_FLIGHT: usize = client::CONNECTIONS;
const FREE: usize = 20_000;

/// A subject's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "kebab-case")]
pub(crate) enum Name {
    /// `hookstream serve`.
    Hookstream,
    /// The same of another build, given with --against.
    Against,
    /// axum, HMAC, typed parse, produce, delivery awaited.
    Floor,
    /// axum and HMAC.
    A,
    /// The bare producer, as many records under way as the gateway has connections.
    B,
    /// The bare producer, unbounded for all purposes.
    BFree,
}

impl Name {
    /// Whether it writes far more than the others. At a steady rate it is the same as B and not measured.
    pub(crate) fn is_flood(self) -> bool {
        self == Name::BFree
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Name::Hookstream => "hookstream serve",
            Name::Against => "hookstream serve, other build",
            Name::Floor => "floor program",
            Name::A => "A: axum + HMAC",
            Name::B => "B: producer, 256 under way",
            Name::BFree => "B: producer, 20,000 under way",
        })
    }
}

/// A running program and how it is put under load.
pub(crate) struct Subject {
    pub(crate) name: Name,
    pub(crate) pid: u32,
    address: SocketAddr,
    running: Running,
}

/// Ends with the subject.
enum Running {
    Gateway(Box<Serve>),
    Floor(#[allow(dead_code, reason = "held so that it runs on")] Child),
}

impl Subject {
    fn gateway(name: Name, serve: Serve) -> Subject {
        Subject { name, pid: serve.process.pid(), address: serve.public, running: Running::Gateway(Box::new(serve)) }
    }

    pub(crate) fn run(&self, plan: Plan, numbers: &Arc<AtomicU64>) -> Sample {
        let in_flight = match self.name {
            Name::B => IN_FLIGHT,
            Name::BFree => FREE,
            Name::Hookstream | Name::Against | Name::Floor | Name::A => {
                let before = self.means();
                let sample = client::run(self.address, &[PATH.to_owned()], self.pid, plan, numbers);
                let means = before.zip(self.means()).map(|(before, after)| Means::between(&before, &after));
                let (held, own) = means.map(|(held, kafka)| (held, held - kafka)).unzip();
                return Sample { held, own, ..sample };
            }
        };
        let order = serde_json::to_vec(&Order { plan, in_flight }).expect("JSON");
        let answer = http::post(self.address, "/", &[("Connection", "close")], &order);
        serde_json::from_slice(&answer.body).expect("a sample")
    }

    fn means(&self) -> Option<Means> {
        let Running::Gateway(serve) = &self.running else { return None };
        let metrics = serve.metrics();
        let histogram = |name: &str| {
            let part = |part: &str| metrics.sum(&format!("hookstream_{name}_duration_seconds_{part}"), &[]);
            (part("sum"), part("count"))
        };
        Some(Means { requests: histogram("gateway_request"), deliveries: histogram("kafka_produce") })
    }

    /// What a gateway counted must be what the generator saw: a figure of events that were refused would be worth
    /// nothing. `accepted` are those of the windows.
    pub(crate) fn check(&self, accepted: u64) {
        let Running::Gateway(serve) = &self.running else { return };
        let metrics = serve.metrics();
        // The record that the floors copy was made before any window.
        let before = u64::from(self.name == Name::Hookstream);
        assert_eq!(metrics.outcome("stripe", "accepted"), (accepted + before) as f64);
        assert_eq!(metrics.outcome("stripe", "duplicate"), 0.0);
        serve.assert_conservation();
    }
}

/// A gateway's own clocks: sum in seconds and number of its requests, and of Kafka's deliveries within them.
struct Means {
    requests: (f64, f64),
    deliveries: (f64, f64),
}

impl Means {
    /// Milliseconds of a request, and of its delivery, on average.
    fn between(before: &Means, after: &Means) -> (f64, f64) {
        let mean = |before: (f64, f64), after: (f64, f64)| (after.0 - before.0) / (after.1 - before.1) * 1e3;
        (mean(before.requests, after.requests), mean(before.deliveries, after.deliveries))
    }
}

/// Start the gateway, another build of it, and the floors, or those of them that `only` names.
pub(crate) fn start(
    kafka: &'static Cluster,
    only: &[Name],
    against: Option<&Path>,
    numbers: &AtomicU64,
) -> Vec<Subject> {
    let setup = setup(kafka);
    let (config, raw) = (setup.text(), topic(&setup));
    let gateway = Subject::gateway(Name::Hookstream, setup.ready());
    let template = template(gateway.address, kafka, &raw, numbers);
    let other = against.map(|binary| Subject::gateway(Name::Against, self::setup(kafka).binary(binary).ready()));
    let floors =
        [(Name::Floor, Kind::Both), (Name::A, Kind::Verify), (Name::B, Kind::Produce), (Name::BFree, Kind::Produce)];
    let floors = floors.into_iter().filter(|(name, _)| only.is_empty() || only.contains(name)).map(|(name, kind)| {
        let topic = format!("{raw}.{name:?}");
        let replication = kafka.nodes().len().clamp(1, 3) as i32;
        kafka.create_topic_named(&NewTopic::new(&topic, PARTITIONS, TopicReplication::Fixed(replication)));
        let task = Task { kind, config: config.clone(), topic, template: template.clone() };
        start_floor(name, &task, kafka.directory())
    });
    std::iter::once(gateway).chain(other).chain(floors).collect()
}

/// Load in which Kafka's JVM compiles what is busy, on one subject after the other; how many events each accepted.
pub(crate) fn warm_up(subjects: &[Subject], plan: Plan, numbers: &Arc<AtomicU64>) -> Vec<u64> {
    let plan = Plan { warm_up: Duration::ZERO, length: client::WARM_UP_OF_KAFKA / subjects.len() as u32, ..plan };
    subjects.iter().map(|subject| subject.run(plan, numbers).accepted).collect()
}

/// A gateway with one Stripe source, and its topics.
pub(crate) fn setup(kafka: &Cluster) -> Setup {
    let setup = Setup::with_kafka(kafka.bootstrap());
    let setup = setup.table("[sources.stripe]\nsecrets = [\"env:HOOKSTREAM_TEST_SECRET\"]\n");
    setup.create_topics(kafka, PARTITIONS);
    setup
}

fn topic(setup: &Setup) -> String {
    format!("{}webhooks.stripe", setup.prefix())
}

/// Send one event through the gateway and take its record apart.
fn template(gateway: SocketAddr, kafka: &Cluster, topic: &str, numbers: &AtomicU64) -> Template {
    let number = numbers.fetch_add(1, Ordering::Relaxed);
    let answer = http::exchange(gateway, Request::new(PATH, 0).number(number));
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = kafka.read(topic, Isolation::Uncommitted, 1).remove(0);
    assert_eq!(record.header("ce_id"), Some(id(number).as_str()));
    Template::new(&record, number, Body::new(0).number(number))
}

fn start_floor(name: Name, task: &Task, directory: &Path) -> Subject {
    let file = directory.join(format!("{name:?}.json"));
    std::fs::write(&file, serde_json::to_vec(task).expect("JSON")).expect("write the task");
    let log = file.with_extension("log");
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.arg("--floor").arg(&file).env("HOOKSTREAM_TEST_SECRET", super::support::serve::SECRET);
    let mut process = Child::start(&command, &log);
    let mut address = None;
    await_that("the floor listens", || {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(!process.has_exited(), "it ended:\n{said}");
        address = said.lines().find_map(|line| line.parse().ok());
        address.is_some()
    });
    Subject { name, pid: process.id(), address: address.expect("its address"), running: Running::Floor(process) }
}
