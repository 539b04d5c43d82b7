//! The rules of a source, which change while it runs when the provider hands a secret over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::answer::Unavailable;
use crate::config::{Secret, SecretsFile, SourceConfig};
use crate::provider::Rules;

/// How often a refused request may make us look whether another gateway stored a secret.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A source's rules. Requests take them as they are when they arrive.
pub(super) struct Live {
    rules: ArcSwap<Rules>,
    stored: Option<Arc<Stored>>,
}

/// Where handed-over secrets are kept, and what is known of the file.
struct Stored {
    file: SecretsFile,
    config: SourceConfig,
    known: Mutex<Known>,
}

struct Known {
    mark: crate::config::SecretsMark,
    looked: Option<Instant>,
}

impl Live {
    pub(super) fn new(config: &SourceConfig) -> Result<Self, String> {
        let stored = config.secrets_file().map(|file| {
            // The mark is older than what is read below: a change in between is noticed later, never missed.
            let known = Mutex::new(Known { mark: file.mark(), looked: None });
            Arc::new(Stored { file: file.clone(), config: config.clone(), known })
        });
        Ok(Self { rules: ArcSwap::from_pointee(config.bind()?), stored })
    }

    /// The rules as they are now.
    pub(super) fn now(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Keep a secret that the provider hands over: durable, and in use, when this returns true. False where the source
    /// takes none, or no further one.
    pub(super) async fn store(&self, source: &str, secret: Secret) -> Result<bool, Unavailable> {
        let Some(stored) = self.stored.clone() else { return Ok(false) };
        let done = tokio::task::spawn_blocking(move || {
            let taken = stored.file.add(&secret)?;
            if taken { stored.read().map(Some) } else { Ok(None) }
        });
        let rules: Result<Option<Rules>, String> = done.await.unwrap_or_else(|error| Err(error.to_string()));
        match rules {
            Ok(None) => Ok(false),
            Ok(Some(rules)) => {
                tracing::info!(source, "a secret was handed over and stored");
                self.replace(rules);
                Ok(true)
            }
            Err(error) => {
                tracing::error!(source, error, "a secret was handed over and could not be stored");
                Err(Unavailable::SecretsFile)
            }
        }
    }

    /// After a refusal: has another gateway stored a secret meanwhile? Looks at the file once a second at most.
    pub(super) async fn refreshed(&self, source: &str) -> bool {
        let Some(stored) = self.stored.clone() else { return false };
        if !stored.is_due() {
            return false;
        }
        let done = tokio::task::spawn_blocking(move || stored.changed().then(|| stored.read()));
        match done.await {
            Ok(Some(Ok(rules))) => {
                self.replace(rules);
                true
            }
            Ok(Some(Err(error))) => {
                tracing::error!(source, error, "the stored secrets cannot be read");
                false
            }
            Ok(None) | Err(_) => false,
        }
    }

    fn replace(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }
}

impl Stored {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self) -> bool {
        let mut known = self.known();
        let due = known.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if due {
            known.looked = Some(Instant::now());
        }
        due
    }

    /// Blocks the thread.
    fn changed(&self) -> bool {
        self.file.mark() != self.known().mark
    }

    /// The rules with what the file holds now. Blocks the thread.
    fn read(&self) -> Result<Rules, String> {
        let mark = self.file.mark();
        let rules = self.config.bind()?;
        self.known().mark = mark;
        Ok(rules)
    }
}
