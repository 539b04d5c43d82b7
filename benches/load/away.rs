//! Kafka's rate and the spool's: the same gateway, first with Kafka, then with Kafka killed under it. `--away`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::client;
use super::sample::{Plan, Sample};
use super::subject::{PARTITIONS, PATH, setup};
use super::support::kafka::{Outage, await_that};
use super::support::serve::Serve;

/// In turns: saturation with Kafka, saturation without, and the time that the drain takes when Kafka is back.
pub(crate) fn run(plan: Plan, rounds: usize, numbers: &Arc<AtomicU64>) {
    let Some(outage) = Outage::begin() else { return };
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("create a directory");
    let spool = directory.path().join("spool").display().to_string();
    // A container's own layer will do for a measurement.
    let serve = setup(outage.kafka).set("spool.dir", spool).set("spool.ephemeral", true).ready();
    let (mut kafka, mut spooled, mut drained) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        client::warm_up(serve.public, &[PATH.to_owned()], serve.process.pid(), plan, numbers);
        kafka.push(saturate(&serve, plan, numbers));
        outage.kill();
        // Nothing opens a breaker but events that Kafka does not take.
        await_that("all partitions are known to be away", || {
            saturate(&serve, Plan { length: plan.warm_up, ..plan }, numbers);
            serve.metrics().sum("hookstream_kafka_breakers_open", &[]) == f64::from(PARTITIONS)
        });
        spooled.push(saturate(&serve, plan, numbers));
        let records = serve.metrics().sum("hookstream_spool_records", &[]);
        outage.restart();
        let start = Instant::now();
        await_that("the spool is drained", || serve.metrics().sum("hookstream_spool_records", &[]) == 0.0);
        drained.push(Sample { rate: records / start.elapsed().as_secs_f64(), ..Sample::default() });
    }
    println!("{:<34} {:>9} {:>7} {:>6} {:>6} {:>6}", "", "events/s", "cpu us", "p50 ms", "p99 ms", "failed");
    for (name, samples) in [("Kafka there", &kafka), ("Kafka away, spooled", &spooled)] {
        let Sample { rate, cpu, p50, p99, failed, .. } = Sample::median(samples);
        println!("{name:<34} {rate:>9.0} {cpu:>7.1} {p50:>6.2} {p99:>6.2} {failed:>6}");
    }
    let [kafka, spooled, drained] = [kafka, spooled, drained].map(|samples| Sample::median(&samples).rate);
    println!("{:<34} {drained:>9.0}", "drained when Kafka is back");
    println!("{:<34} {:>9.2}   aim >= 1.00", "The spool's rate, of Kafka's", spooled / kafka);
}

fn saturate(serve: &Serve, plan: Plan, numbers: &Arc<AtomicU64>) -> Sample {
    client::run(serve.public, &[PATH.to_owned()], serve.process.pid(), plan, numbers)
}
