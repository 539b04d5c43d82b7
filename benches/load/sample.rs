//! One window of measurement: what is asked for, and what came out.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A window.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Events per second; `None`: as fast as answers come.
    pub(crate) rate: Option<f64>,
    /// Keep-alive connections of the generator.
    pub(crate) connections: usize,
    /// The same load, not measured.
    pub(crate) warm_up: Duration,
    pub(crate) length: Duration,
}

/// What a window showed.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Events per second that were answered.
    pub(crate) rate: f64,
    /// CPU time of the subject per event, in microseconds.
    pub(crate) cpu: f64,
    /// CPU time of the whole machine per event, in microseconds: of the subject, the generator, and Kafka.
    pub(crate) machine: f64,
    /// The share of the machine's time that nobody used.
    pub(crate) idle: f64,
    /// Half of the answers came within so many milliseconds.
    pub(crate) p50: f64,
    /// 99 of 100 answers came within so many milliseconds.
    pub(crate) p99: f64,
    /// How long the gateway had a request, by its own metrics: mean milliseconds.
    pub(crate) held: Option<f64>,
    /// What the gateway adds to Kafka's delivery, by its own metrics: mean milliseconds per answer.
    pub(crate) own: Option<f64>,
    /// Answers with a 200, warm-up included.
    pub(crate) accepted: u64,
    /// Answers without.
    pub(crate) failed: u64,
}

impl Sample {
    /// From the events' latencies, the length of the window, the subject's CPU time in it, and the machine's with the share
    /// that it was idle.
    pub(crate) fn new(
        mut latencies: Vec<Duration>,
        length: Duration,
        cpu: Duration,
        (machine, idle): (Duration, f64),
    ) -> Sample {
        latencies.sort_unstable();
        let events = latencies.len().max(1);
        let at = |share: f64| {
            latencies.get((events as f64 * share) as usize).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
        };
        Sample {
            rate: latencies.len() as f64 / length.as_secs_f64(),
            cpu: cpu.as_secs_f64() * 1e6 / events as f64,
            machine: machine.as_secs_f64() * 1e6 / events as f64,
            idle,
            p50: at(0.5),
            p99: at(0.99),
            ..Sample::default()
        }
    }

    /// Each figure's median over several windows; what was counted is added up.
    pub(crate) fn median(samples: &[Sample]) -> Sample {
        let median = |figure: fn(&Sample) -> f64| Spread::of(samples.iter().map(figure)).middle;
        Sample {
            rate: median(|sample| sample.rate),
            cpu: median(|sample| sample.cpu),
            machine: median(|sample| sample.machine),
            idle: median(|sample| sample.idle),
            p50: median(|sample| sample.p50),
            p99: median(|sample| sample.p99),
            held: median_of_some(samples, |sample| sample.held),
            own: median_of_some(samples, |sample| sample.own),
            accepted: samples.iter().map(|sample| sample.accepted).sum(),
            failed: samples.iter().map(|sample| sample.failed).sum(),
        }
    }
}

/// Nothing where one of them has no such figure.
fn median_of_some(samples: &[Sample], figure: fn(&Sample) -> Option<f64>) -> Option<f64> {
    samples.iter().map(figure).collect::<Option<Vec<_>>>().map(|figures| Spread::of(figures).middle)
}

/// The middle of several figures, and between what they lie.
pub(crate) struct Spread {
    least: f64,
    middle: f64,
    most: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Spread {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        Spread { least: at(0), middle: at(figures.len() / 2), most: figures.last().copied().unwrap_or(f64::NAN) }
    }
}

/// With as many decimals as asked for.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { least, middle, most } = self;
        let decimals = f.precision().unwrap_or(2);
        write!(f, "{middle:.decimals$} ({least:.decimals$} to {most:.decimals$})")
    }
}

/// Let a window pass.
#[allow(clippy::disallowed_methods, reason = "a measurement lasts as long as it lasts; there is no condition to await")]
pub(crate) fn pause(length: Duration) {
    std::thread::sleep(length);
}
