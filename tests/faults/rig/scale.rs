//! How much of a row is run: a few seconds of each in `cargo test`, as much as is asked for in a campaign.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The scale of this run, from the environment: `HOOKSTREAM_FAULTS_CYCLES`, `_SECONDS`, `_SEED` and `_LEDGER`.
pub(crate) struct Scale {
    row: &'static str,
}

impl Scale {
    pub(crate) fn of(row: &'static str) -> Scale {
        Scale { row }
    }

    /// Cycles of a row that repeats something: the campaign's number, or the everyday one.
    pub(crate) fn cycles(&self, everyday: usize) -> usize {
        self.asked("CYCLES").map_or(everyday, |cycles| cycles as usize)
    }

    /// How long a fault lasts: the campaign's time, or the everyday one.
    pub(crate) fn lasting(&self, everyday: Duration) -> Duration {
        self.asked("SECONDS").map_or(everyday, Duration::from_secs)
    }

    /// The same seed, the same run.
    pub(crate) fn seed(&self) -> u64 {
        self.asked("SEED").unwrap_or(1)
    }

    /// Where the ledger stands. A campaign that was stopped goes on from it.
    pub(crate) fn ledger(&self, otherwise: &Path, name: &str) -> PathBuf {
        let directory =
            std::env::var_os("HOOKSTREAM_FAULTS_LEDGER").map_or_else(|| otherwise.to_owned(), PathBuf::from);
        std::fs::create_dir_all(&directory).expect("create the ledger's directory");
        directory.join(format!("{}{name}.ledger", self.row))
    }

    fn asked(&self, what: &str) -> Option<u64> {
        let name = format!("HOOKSTREAM_FAULTS_{what}");
        let value = std::env::var(&name).ok()?;
        Some(value.parse().unwrap_or_else(|_| panic!("{name}={value}: a whole number is wanted")))
    }
}
