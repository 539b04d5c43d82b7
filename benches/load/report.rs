//! The table, and the ratios that the aims are stated in.

use std::fmt;

use super::process;
use super::sample::Sample;
use super::subject::{Name, Subject};

/// Everything that was measured.
pub(crate) struct Report<'s> {
    pub(crate) subjects: &'s [Subject],
    /// Closed loop, in the order of the subjects.
    pub(crate) saturated: Vec<Sample>,
    /// Open loop: the rate, and each subject at it.
    pub(crate) paced: [(f64, Vec<Sample>); 2],
}

impl Report<'_> {
    /// All events of this subject that were answered with a 200.
    pub(crate) fn accepted(&self, name: Name) -> u64 {
        let paced = self.paced.iter().map(|(_, samples)| samples);
        let samples = paced.chain([&self.saturated]).filter_map(|samples| self.of(samples, name));
        samples.map(|sample| sample.accepted).sum()
    }

    fn of<'r>(&self, samples: &'r [Sample], name: Name) -> Option<&'r Sample> {
        samples.get(self.subjects.iter().position(|subject| subject.name == name)?)
    }

    /// This build beside the other one.
    fn other(&self, f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
        let mut results = vec![];
        for (what, samples) in ["at saturation", "at the lower rate", "at the higher rate"].into_iter().zip([
            &self.saturated,
            &self.paced[0].1,
            &self.paced[1].1,
        ]) {
            let ratio = self.of(samples, Name::Hookstream)?.cpu / self.of(samples, Name::Against)?.cpu;
            results.push(line(f, &format!("CPU per event, of the other build's: {what}"), format!("{ratio:.2}"), ""));
        }
        Some(results.into_iter().collect())
    }

    fn ratios(&self, f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
        let of = |name| self.of(&self.saturated, name);
        let [(_, low), (_, high)] = &self.paced;
        let (ours, floor, a, b) = (of(Name::Hookstream)?, of(Name::Floor)?, of(Name::A)?, of(Name::B)?);
        let together = |b: &Sample| 1.0 / (1.0 / a.rate + 1.0 / b.rate);
        let cpu = |samples| Some(self.of(samples, Name::Hookstream)?.cpu / self.of(samples, Name::Floor)?.cpu);
        let mut all = || -> Option<fmt::Result> {
            let ratio = |value: f64| format!("{value:.2}");
            let results = [
                line(
                    f,
                    "CPU per event, of the floor program's: at saturation",
                    ratio(ours.cpu / floor.cpu),
                    "aim <= 1.30",
                ),
                line(f, "  at the lower rate", ratio(cpu(low)?), ""),
                line(f, "  at the higher rate", ratio(cpu(high)?), ""),
                line(f, "Throughput, of 1/(1/A + 1/B)", ratio(ours.rate / together(b)), "aim >= 0.85"),
                line(
                    f,
                    "  with B free",
                    of(Name::BFree).map_or_else(String::new, |b| ratio(ours.rate / together(b))),
                    "",
                ),
                line(f, "Throughput, of the floor program's", ratio(ours.rate / floor.rate), ""),
                line(
                    f,
                    "p50 of the answer above B's delivery, at the lower rate, ms",
                    ratio(self.of(low, Name::Hookstream)?.p50 - self.of(low, Name::B)?.p50),
                    "aim <= 1.00",
                ),
                line(
                    f,
                    "  the gateway's own share, by its own clocks (mean), ms",
                    self.of(low, Name::Hookstream)?.own.map_or_else(String::new, ratio),
                    "",
                ),
                line(
                    f,
                    "p99 of the answer, of the floor program's, at the higher rate",
                    ratio(self.of(high, Name::Hookstream)?.p99 / self.of(high, Name::Floor)?.p99),
                    "aim <= 1.50",
                ),
            ];
            Some(results.into_iter().collect())
        };
        all()
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: f64 = (1 << 20) as f64;
        write!(f, "{:<30} | {:>9} {:>7} {:>6} {:>6}", "", "events/s", "cpu us", "p50 ms", "p99 ms")?;
        for (rate, _) in &self.paced {
            write!(f, " | {:>9} {:>7} {:>6} {:>6}", format!("at {rate:.0}/s"), "cpu us", "p50 ms", "p99 ms")?;
        }
        writeln!(f, " | {:>8} {:>6}", "peak MiB", "failed")?;
        for (index, subject) in self.subjects.iter().enumerate() {
            let windows = [&self.saturated, &self.paced[0].1, &self.paced[1].1].map(|samples| samples[index]);
            write!(f, "{:<30}", subject.name)?;
            for sample in windows {
                let [cpu, p50, p99] = [(sample.cpu, 1), (sample.p50, 2), (sample.p99, 2)].map(figure);
                write!(f, " | {:>9} {cpu:>7} {p50:>6} {p99:>6}", figure((sample.rate, 0)))?;
            }
            let failed: u64 = windows.iter().map(|sample| sample.failed).sum();
            writeln!(f, " | {:>8.0} {failed:>6}", process::peak_memory(subject.pid) as f64 / MIB)?;
        }
        writeln!(f)?;
        self.other(f).unwrap_or(Ok(()))?;
        self.ratios(f).unwrap_or(Ok(()))
    }
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, value: String, aim: &str) -> fmt::Result {
    writeln!(f, "{what:<64} {value:>6}   {aim}")
}

fn figure((value, decimals): (f64, usize)) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.decimals$}") }
}
