//! The gateway's spool: opened before anything is accepted, drained as long as the process lives.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::Clock;
use super::delivery::Receipt;
use super::duplicates::{Key, Window};
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
    /// The ids of its records, by source.
    ids: HashMap<String, Vec<Key>>,
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
    let mut ids: HashMap<String, Vec<Key>> = HashMap::new();
    let limits = Limits { max_bytes: config.max_bytes };
    let (spool, opened) = Spool::open(directory, limits, metrics.clone(), |entry| {
        if let Some(id) = &entry.id {
            ids.entry(entry.source.clone()).or_default().push(Key::new(id));
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
        self.ids.get(source).into_iter().flatten().for_each(|key| window.restore(*key, now));
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
