//! Many connections: the memory they hold when each has sent a body of 64 KiB, and throughput when ten times as many as
//! usual send as fast as they are answered. `--crowd 10000`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::client;
use super::process;
use super::sample::{Plan, Sample, Spread};
use super::subject::{self, Name, PARTITIONS, PATH, Subject};
use super::support::kafka::Cluster;
use super::support::serve::{Setup, signed};

const MIB: f64 = (1 << 20) as f64;

/// Each connection's one body, in bytes.
const BODY: usize = 64 << 10;

/// Requests under way at one time while the crowd comes in.
const AT_ONCE: usize = 256;

/// How many times the usual connections are an overload.
const TIMES: usize = 10;

pub(crate) fn run(
    kafka: &'static Cluster,
    count: usize,
    against: Option<&Path>,
    plan: Plan,
    rounds: usize,
    numbers: &Arc<AtomicU64>,
) {
    idle(kafka, count, numbers);
    let subjects = subject::start(kafka, &[Name::Floor], against, numbers);
    subject::warm_up(&subjects, plan, numbers);
    overload(&subjects, plan, rounds, numbers);
}

fn idle(kafka: &Cluster, count: usize, numbers: &Arc<AtomicU64>) {
    let setup = Setup::with_kafka(kafka.bootstrap())
        .source("crowd", "")
        .table("[sources.stripe]\nsecrets = [\"env:HOOKSTREAM_TEST_SECRET\"]\n")
        .set("gateway.max_connections", count as i64 + 100);
    setup.create_topics(kafka, PARTITIONS);
    let serve = setup.ready();
    let before = serve.process.footprint().resident;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let crowd = runtime.block_on(async {
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let senders: Vec<_> =
            (0..count).map(|number| tokio::spawn(once(serve.public, number, Arc::clone(&slots)))).collect();
        let mut crowd = Vec::with_capacity(count);
        for sender in senders {
            crowd.push(sender.await.expect("a sender"));
        }
        crowd
    });
    let full = serve.process.footprint().resident;
    // Later, with a few events beside the crowd, as every gateway has them: allocators give back when they are used.
    let few = Plan { rate: Some(100.0), connections: 10, warm_up: Duration::ZERO, length: Duration::from_secs(5) };
    client::run(serve.public, &[PATH.to_owned()], serve.process.pid(), few, numbers);
    let after = serve.process.footprint().resident;
    assert!(serve.metrics().sum("hookstream_gateway_connections", &[]) >= count as f64);
    println!(
        "{count} connections that have sent {} KiB each: {:.0} MiB resident ({:.0} before, {:.0} when the last was answered)   aim <= 256",
        BODY >> 10,
        after as f64 / MIB,
        before as f64 / MIB,
        full as f64 / MIB,
    );
    drop(crowd);
}

/// Send one event and keep the connection.
async fn once(to: SocketAddr, number: usize, slots: Arc<Semaphore>) -> TcpStream {
    let _slot = slots.acquire().await.expect("a slot");
    let body = format!(r#"{{"id":"crowd-{number}","pad":"{}"}}"#, "x".repeat(BODY - 64));
    let mut stream = TcpStream::connect(to).await.expect("connect");
    stream.write_all(&signed("crowd", body.as_bytes())).await.expect("send");
    let mut answer = [0; 4_096];
    let count = stream.read(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..count]);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stream
}

fn overload(subjects: &[Subject], plan: Plan, rounds: usize, numbers: &Arc<AtomicU64>) {
    let overload = Plan { connections: plan.connections * TIMES, ..plan };
    let mut samples = vec![[const { Vec::new() }; 2]; subjects.len()];
    for _ in 0..rounds {
        for (subject, samples) in subjects.iter().zip(&mut samples) {
            for (samples, plan) in samples.iter_mut().zip([plan, overload]) {
                samples.push(subject.run(plan, numbers));
            }
        }
    }
    for (subject, samples) in subjects.iter().zip(&samples) {
        println!("{}", subject.name);
        for (plan, samples) in [plan, overload].iter().zip(samples) {
            let Sample { rate, cpu, machine, p50, p99, held, failed, .. } = Sample::median(samples);
            let held =
                held.map(|held| format!(" (the gateway had a request for {held:.1} on average)")).unwrap_or_default();
            println!(
                "{:>6} connections at saturation: {rate:.0} events/s, {cpu:.1} us (the machine {machine:.1}), p50 {p50:.1} ms, p99 {p99:.1} ms{held}, {failed} refused",
                plan.connections
            );
        }
        let [usual, crowd] = samples;
        println!(
            "  Throughput under {TIMES} times the connections: {:.2}   {}; {:.0} MiB at most",
            Spread::of(crowd.iter().zip(usual).map(|(crowd, usual)| crowd.rate / usual.rate)),
            if subject.name == Name::Hookstream { "aim >= 0.90" } else { "nothing is asked" },
            process::peak_memory(subject.pid) as f64 / MIB
        );
    }
}
