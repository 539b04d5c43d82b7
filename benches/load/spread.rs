//! What further sources cost: two gateways beside each other, one of them with more sources or with its traffic spread over
//! more topics. `--sources 1000` and `--topics 10,100,1000`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::client;
use super::process;
use super::sample::{Plan, Sample, Spread};
use super::support::kafka::Cluster;
use super::support::serve::{Serve, Setup};

/// Partitions of each topic when traffic is spread: fewer than usual, for the broker holds thousands of them.
const PARTITIONS: i32 = 1;

/// Why events may be refused.
const REASONS: [&str; 7] =
    ["kafka_slow", "breaker_open", "topic_unknown", "queue_full", "not_persisted", "possibly_persisted", "memory"];

/// A gateway and the paths that get traffic.
struct Gateway {
    name: String,
    serve: Serve,
    paths: Vec<String>,
    samples: Vec<Sample>,
}

impl Gateway {
    fn start(name: String, setup: Setup, paths: Vec<String>) -> Gateway {
        Gateway { name, serve: setup.ready(), paths, samples: Vec::new() }
    }

    fn measure(&mut self, plan: Plan, numbers: &Arc<AtomicU64>) {
        self.samples.push(client::run(self.serve.public, &self.paths, self.serve.process.pid(), plan, numbers));
    }
}

/// One source, and as many as asked for beside it; traffic on one.
pub(crate) fn sources(kafka: &Cluster, many: usize, plan: Plan, rounds: usize, numbers: &Arc<AtomicU64>) {
    let gateway = |count: usize| {
        let setup = Setup::with_kafka(kafka.bootstrap());
        let topic = "webhooks.all";
        let setup =
            (0..count).fold(setup, |setup, number| setup.table(&table(number, &format!("topic = \"{topic}\"\n"))));
        setup.create_topics(kafka, super::subject::PARTITIONS);
        Gateway::start(format!("{count} sources, traffic on one"), setup, vec![path(0)])
    };
    compare(vec![gateway(1), gateway(many)], plan, rounds, numbers);
}

/// Traffic over so many topics, and over one.
pub(crate) fn topics(kafka: &Cluster, counts: &[usize], plan: Plan, rounds: usize, numbers: &Arc<AtomicU64>) {
    let gateway = |&count: &usize| {
        let setup = Setup::with_kafka(kafka.bootstrap());
        let setup = (0..count).fold(setup, |setup, number| setup.table(&table(number, "")));
        setup.create_topics(kafka, PARTITIONS);
        Gateway::start(format!("{count} topics"), setup, (0..count).map(path).collect())
    };
    compare([1].iter().chain(counts).map(gateway).collect(), plan, rounds, numbers);
}

fn table(number: usize, more: &str) -> String {
    format!("[sources.s{number}]\nprovider = \"stripe\"\nsecrets = [\"env:HOOKSTREAM_TEST_SECRET\"]\n{more}")
}

fn path(number: usize) -> String {
    format!("/webhooks/s{number}")
}

/// Each round measures all, the first one with another beginning each time; ratios are to the first gateway in the same
/// round.
fn compare(mut gateways: Vec<Gateway>, plan: Plan, rounds: usize, numbers: &Arc<AtomicU64>) {
    const MIB: f64 = (1 << 20) as f64;
    let first = &gateways[0];
    client::warm_up(first.serve.public, &first.paths, first.serve.process.pid(), plan, numbers);
    for round in 0..rounds {
        for turn in 0..gateways.len() {
            let place = (turn + round) % gateways.len();
            gateways[place].measure(plan, numbers);
        }
    }
    println!(
        "{:<34} {:>9} {:>7} {:>6} {:>6} {:>9}  CPU of the first's",
        "", "events/s", "cpu us", "p50 ms", "p99 ms", "peak MiB"
    );
    for gateway in &gateways {
        let ratios = gateway.samples.iter().zip(&gateways[0].samples).map(|(own, first)| own.cpu / first.cpu);
        let middle = Sample::median(&gateway.samples);
        if middle.failed > 0 {
            let metrics = gateway.serve.metrics();
            let why: Vec<_> = REASONS
                .iter()
                .map(|reason| (reason, metrics.sum("hookstream_gateway_unavailable_total", &[("reason", reason)])))
                .filter(|(_, count)| *count > 0.0)
                .collect();
            println!("{}: {} requests of the windows below were refused: {why:?}", gateway.name, middle.failed);
        }
        println!(
            "{:<34} {:>9.0} {:>7.1} {:>6.2} {:>6.2} {:>9.0}  {:.3}",
            gateway.name,
            middle.rate,
            middle.cpu,
            middle.p50,
            middle.p99,
            process::peak_memory(gateway.serve.process.pid()) as f64 / MIB,
            Spread::of(ratios),
        );
    }
}
