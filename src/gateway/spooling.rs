//! The gateway's spool: opened before anything is accepted, drained as long as the process lives.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::Clock;
use super::delivery::Receipt;
use super::duplicates::{Key, Window};
use super::source::REMEMBERED_IDS;
use crate::config::{ConfigError, SpoolConfig};
use crate::kafka::Producer;
use crate::spool::disk::{Directory, DirectoryError};
use crate::spool::{Drain, Limits, Spool};
use crate::telemetry::SpoolMetrics;

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The spool cannot be had now; another try may succeed.
    #[error("{0}")]
    Spool(String),
}

/// What a spool held when it was opened.
pub(super) struct Reopened {
    pub(super) spool: Arc<Spool>,
    pub(super) topics: BTreeSet<Arc<str>>,
    ids: Ids,
}

/// The ids of records, by source, each source's in their order. A spool may hold many times as many as any window: what fits are
/// the newest, and of no source fewer for another's sake than its share.
#[derive(Default)]
struct Ids {
    by_source: HashMap<String, VecDeque<Key>>,
    count: usize,
}

impl Ids {
    fn push(&mut self, source: &str, key: Key, most: usize) {
        match self.by_source.get_mut(source) {
            Some(keys) => keys.push_back(key),
            None => drop(self.by_source.insert(source.to_owned(), VecDeque::from([key]))),
        }
        self.count += 1;
        if self.count > most
            && let Some(longest) = self.by_source.values_mut().max_by_key(|keys| keys.len())
        {
            longest.pop_front();
            self.count -= 1;
        }
    }
}

/// Open the spool and say what was found.
pub(super) fn open(config: &SpoolConfig, metrics: &SpoolMetrics, origin: &str) -> Result<Reopened, StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError::Spool(format!("the spool cannot be used: {error}"));
    let directory = Directory::hold(&config.dir, config.ephemeral).map_err(|error| match error {
        DirectoryError::Ephemeral { .. } => {
            StartError::Config(ConfigError { origin: origin.to_owned(), message: format!("spool.dir: {error}") })
        }
        error => failed(&error),
    })?;
    let mut ids = Ids::default();
    let limits = Limits { max_bytes: config.max_bytes };
    let (spool, opened) = Spool::open(directory, limits, metrics.clone(), |entry| {
        if let Some(id) = &entry.id {
            ids.push(&entry.source, Key::new(id), REMEMBERED_IDS);
        }
    })
    .map_err(|error| failed(&error))?;
    for damage in &opened.damage {
        tracing::error!(file = damage.file, bytes = ?damage.bytes, lost = ?damage.lost,
            "spool: damage; the records in `lost` (their sequences) were acknowledged and cannot be read");
    }
    if opened.torn > 0 {
        tracing::warn!(bytes = opened.torn, "spool: the end of a write that nobody was told of was passed over");
    }
    tracing::info!(dir = %config.dir.display(), records = opened.records, bytes = opened.bytes,
        max_bytes = config.max_bytes, "spool");
    Ok(Reopened { spool, topics: opened.topics, ids })
}

impl Reopened {
    /// Put the ids of a source's records back into its window: they are durable.
    pub(super) fn remember(&self, source: &str, window: &Window) {
        let now = std::time::Instant::now();
        self.ids.by_source.get(source).into_iter().flatten().for_each(|key| window.restore(*key, now));
    }
}

/// Start handing the spool's records to Kafka.
pub(super) fn drain(
    spool: &Arc<Spool>,
    producer: &Arc<Producer<Receipt>>,
    window: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<Drain, String> {
    let clock = Arc::clone(clock);
    Drain::start(Arc::clone(spool), Arc::clone(producer), window, Box::new(move || clock.now().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_ids_are_kept_and_a_busy_source_leaves_the_others_theirs() {
        let mut ids = Ids::default();
        ids.push("quiet", Key::new("q"), 10);
        (0..1_000).for_each(|n| ids.push("busy", Key::new(&n.to_string()), 10));
        let kept = |source| ids.by_source[source].iter().copied().collect::<Vec<_>>();
        assert_eq!(kept("quiet"), [Key::new("q")]);
        assert_eq!(kept("busy"), (991..1_000).map(|n| Key::new(&n.to_string())).collect::<Vec<_>>());
        assert_eq!(ids.count, 10);
    }
}
