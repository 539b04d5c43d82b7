//! What an event costs: `hookstream serve` under load on real Kafka, beside floors that do the least that must be done.
//! `cargo bench --bench load` measures and prints; docs/performance.md says how to read it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod away;
mod client;
mod crowd;
mod event;
mod floor;
mod pace;
mod process;
mod report;
mod sample;
mod spread;
mod subject;
#[path = "../../tests/it/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the tests, which use more of it")]
mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use clap::Parser;

use report::{Report, Windows};
use sample::Plan;
use subject::Name;
use support::kafka;

/// As the gateway has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What comes before each window, unmeasured.
const WARM_UP: Duration = Duration::from_millis(500);

/// Shares of the gateway's own saturation at which latency is measured.
const SHARES: [f64; 2] = [0.3, 0.7];

/// Measures `hookstream serve` beside floors, on real Kafka, on loopback.
#[derive(Parser)]
struct Arguments {
    /// Length of each window
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds: each measures every subject once, and the medians count
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these floors
    #[arg(long, value_enum)]
    only: Vec<Name>,
    /// Another hookstream binary, measured beside this one
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Instead: what this many sources cost when one of them has traffic
    #[arg(long, value_name = "COUNT")]
    sources: Option<usize>,
    /// Instead: what traffic over so many topics costs
    #[arg(long, value_delimiter = ',', value_name = "COUNTS")]
    topics: Vec<usize>,
    /// Instead: memory with so many connections that have sent 64 KiB, and what ten times the usual connections do
    #[arg(long, value_name = "COUNT")]
    crowd: Option<usize>,
    /// Instead: the rate of the spool while Kafka is away, beside Kafka's
    #[arg(long)]
    away: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// Be a floor: how the harness starts itself again
    #[arg(long, hide = true)]
    floor: Option<PathBuf>,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(file) = &arguments.floor {
        return floor::run(file);
    }
    let numbers = Arc::new(AtomicU64::new(0));
    let window = Duration::from_secs_f64(arguments.seconds);
    kafka::as_shipped();
    let saturation = Plan { rate: None, connections: client::CONNECTIONS, warm_up: WARM_UP, length: window };
    if arguments.away {
        return away::run(saturation, arguments.rounds, &numbers);
    }
    let Some(kafka) = kafka::cluster() else { return };
    if let Some(count) = arguments.crowd {
        return crowd::run(kafka, count, arguments.against.as_deref(), saturation, arguments.rounds, &numbers);
    }
    if let Some(many) = arguments.sources {
        return spread::sources(kafka, many, saturation, arguments.rounds, &numbers);
    }
    if !arguments.topics.is_empty() {
        return spread::topics(kafka, &arguments.topics, saturation, arguments.rounds, &numbers);
    }
    let subjects = subject::start(kafka, &arguments.only, arguments.against.as_deref(), &numbers);
    let warmed = subject::warm_up(&subjects, saturation, &numbers);
    let measure = |rate: Option<f64>| -> Windows {
        let mut samples = vec![Vec::new(); subjects.len()];
        let mut window = |index: usize| {
            let sample = subjects[index].run(Plan { rate, ..saturation }, &numbers);
            samples[index].push(sample);
        };
        // What writes several times as much as the others comes when these are done: Kafka and the disk are busy with it
        // for longer than it runs, and who came next paid for that.
        let (flood, compared): (Vec<usize>, _) =
            (0..subjects.len()).partition(|&index| subjects[index].name.is_flood());
        for round in 0..arguments.rounds {
            balanced(compared.len(), round).for_each(|turn| window(compared[turn]));
        }
        if rate.is_none() {
            flood.into_iter().cycle().take(arguments.rounds).for_each(window);
        }
        Windows(samples)
    };
    let saturated = measure(None);
    let best = saturated.median(0).rate;
    let paced = SHARES.map(|share| (best * share, measure(Some(best * share))));
    let report = Report { subjects: &subjects, saturated, paced };
    println!("{report}");
    for (subject, warmed) in subjects.iter().zip(warmed) {
        subject.check(report.accepted(subject.name) + warmed);
    }
}

/// The order of a round over so many subjects: over as many rounds as there are subjects each follows each other equally
/// often if their number is even (a Latin square of Williams), and nearly so if it is odd.
fn balanced(subjects: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..subjects).map(move |turn| {
        let zigzag = if turn % 2 == 1 { turn.div_ceil(2) } else { subjects - turn / 2 };
        (zigzag + round) % subjects
    })
}
