//! The table, and the ratios that the aims are stated in.

use std::fmt;

use super::process;
use super::sample::{Sample, Spread};
use super::subject::{Name, Subject};

/// Windows of one kind: of each subject, in their order, one for each round.
pub(crate) struct Windows(pub(crate) Vec<Vec<Sample>>);

/// Everything that was measured.
pub(crate) struct Report<'s> {
    pub(crate) subjects: &'s [Subject],
    /// Closed loop.
    pub(crate) saturated: Windows,
    /// Open loop: the rate, and each subject at it.
    pub(crate) paced: [(f64, Windows); 2],
}

/// The subjects of one round.
struct Round<'r> {
    report: &'r Report<'r>,
    windows: &'r Windows,
    number: usize,
}

impl Round<'_> {
    fn of(&self, name: Name) -> Option<&Sample> {
        self.windows.0[self.report.index(name)?].get(self.number)
    }
}

impl Windows {
    /// The medians of a subject.
    pub(crate) fn median(&self, subject: usize) -> Sample {
        Sample::median(&self.0[subject])
    }
}

impl Report<'_> {
    /// All events of this subject that were answered with a 200.
    pub(crate) fn accepted(&self, name: Name) -> u64 {
        let Some(index) = self.index(name) else { return 0 };
        self.each().map(|windows| windows.median(index).accepted).sum()
    }

    fn index(&self, name: Name) -> Option<usize> {
        self.subjects.iter().position(|subject| subject.name == name)
    }

    fn each(&self) -> impl Iterator<Item = &Windows> {
        [&self.saturated, &self.paced[0].1, &self.paced[1].1].into_iter()
    }

    /// One line: the median of what each round shows, and between what it lies. Within a round the subjects follow each
    /// other, so that a slow spell of the machine meets all of them. Nothing where a subject was left out.
    fn line(
        &self,
        f: &mut fmt::Formatter<'_>,
        (what, aim): (&str, &str),
        windows: &Windows,
        figure: impl Fn(&Round<'_>) -> Option<f64>,
    ) -> fmt::Result {
        let rounds = windows.0.first().map_or(0, Vec::len);
        let round = |number| figure(&Round { report: self, windows, number });
        let Some(figures) = (0..rounds).map(round).collect::<Option<Vec<_>>>() else { return Ok(()) };
        writeln!(f, "{what:<62}  {:.2}  {aim}", Spread::of(figures))
    }

    /// Who had the machine at saturation.
    fn machine(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<30} | {:>9} {:>7} {:>7} {:>6}",
            "at saturation, us per event", "machine", "subject", "others", "idle %"
        )?;
        for (index, subject) in self.subjects.iter().enumerate() {
            let Sample { machine, cpu, idle, .. } = self.saturated.median(index);
            let others = machine - cpu;
            writeln!(f, "{:<30} | {machine:>9.1} {cpu:>7.1} {others:>7.1} {:>6.1}", subject.name, idle * 100.0)?;
        }
        writeln!(f)
    }

    fn ratios(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates = ["at saturation", "  at the lower rate", "  at the higher rate"];
        for (other, of) in [(Name::Against, "the other build's"), (Name::Floor, "the floor program's")] {
            for (rate, windows) in rates.iter().zip(self.each()) {
                let aim = if other == Name::Floor && *rate == rates[0] { "aim <= 1.30" } else { "" };
                self.line(f, (&format!("CPU per event, of {of}: {rate}"), aim), windows, |round| {
                    Some(round.of(Name::Hookstream)?.cpu / round.of(other)?.cpu)
                })?;
            }
        }
        for (b, what, aim) in
            [(Name::B, "Throughput, of 1/(1/A + 1/B)", "aim >= 0.85"), (Name::BFree, "  with B free", "")]
        {
            let together = |round: &Round<'_>| Some(1.0 / (1.0 / round.of(Name::A)?.rate + 1.0 / round.of(b)?.rate));
            for (name, whose) in [(Name::Hookstream, ""), (Name::Floor, ", the floor program's")] {
                self.line(
                    f,
                    (&format!("{what}{whose}"), if whose.is_empty() { aim } else { "" }),
                    &self.saturated,
                    |round| Some(round.of(name)?.rate / together(round)?),
                )?;
            }
        }
        let [(_, low), (_, high)] = &self.paced;
        self.line(f, ("Throughput, of the floor program's", ""), &self.saturated, |round| {
            Some(round.of(Name::Hookstream)?.rate / round.of(Name::Floor)?.rate)
        })?;
        self.line(f, ("p50 of the answer above B's delivery, at the lower rate, ms", "aim <= 1.00"), low, |round| {
            Some(round.of(Name::Hookstream)?.p50 - round.of(Name::B)?.p50)
        })?;
        self.line(f, ("  the gateway's own share, by its own clocks (mean), ms", ""), low, |round| {
            round.of(Name::Hookstream)?.own
        })?;
        self.line(f, ("p99 of the answer, of the floor program's, at the higher rate", "aim <= 1.50"), high, |round| {
            Some(round.of(Name::Hookstream)?.p99 / round.of(Name::Floor)?.p99)
        })
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
            let windows = [&self.saturated, &self.paced[0].1, &self.paced[1].1].map(|windows| windows.median(index));
            write!(f, "{:<30}", subject.name)?;
            for sample in windows {
                let [cpu, p50, p99] = [(sample.cpu, 1), (sample.p50, 2), (sample.p99, 2)].map(figure);
                write!(f, " | {:>9} {cpu:>7} {p50:>6} {p99:>6}", figure((sample.rate, 0)))?;
            }
            let failed: u64 = windows.iter().map(|sample| sample.failed).sum();
            writeln!(f, " | {:>8.0} {failed:>6}", process::peak_memory(subject.pid) as f64 / MIB)?;
        }
        writeln!(f)?;
        self.machine(f)?;
        self.ratios(f)
    }
}

fn figure((value, decimals): (f64, usize)) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.decimals$}") }
}
