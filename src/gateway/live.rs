//! The rules of a source, which change while it runs when the provider hands a secret over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::answer::Unavailable;
use crate::config::{Secret, SecretsFile, SecretsMark, SourceConfig};
use crate::provider::Rules;

/// How often a refused request may make us look whether another gateway stored a secret.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A source's rules. Requests take them as they are when they arrive.
pub(super) struct Live {
    rules: Arc<ArcSwap<Rules>>,
    stored: Option<Arc<Stored>>,
}

/// Where handed-over secrets are kept, and what is known of the file.
struct Stored {
    file: SecretsFile,
    config: SourceConfig,
    rules: Arc<ArcSwap<Rules>>,
    /// Of the file that the rules were made of. Held while it is read: of two who read it, the later one's rules stay.
    mark: Mutex<SecretsMark>,
    looked: Mutex<Option<Instant>>,
}

impl Live {
    pub(super) fn new(config: &SourceConfig) -> Result<Self, String> {
        // The mark is older than what is read: a change in between is noticed later, never missed.
        let file = config.secrets_file().map(|file| (file.clone(), Mutex::new(file.mark())));
        let rules = Arc::new(ArcSwap::from_pointee(config.bind()?));
        let stored = file.map(|(file, mark)| {
            let (config, rules) = (config.clone(), Arc::clone(&rules));
            Arc::new(Stored { file, config, rules, mark, looked: Mutex::default() })
        });
        Ok(Self { rules, stored })
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
            if taken { stored.renew().map(|()| true) } else { Ok(false) }
        });
        let taken: Result<bool, String> = done.await.unwrap_or_else(|error| Err(error.to_string()));
        match taken {
            Ok(taken) => {
                if taken {
                    tracing::info!(source, "a secret was handed over and stored");
                }
                Ok(taken)
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
        let done = tokio::task::spawn_blocking(move || stored.changed().then(|| stored.renew()));
        match done.await {
            Ok(Some(Ok(()))) => true,
            Ok(Some(Err(error))) => {
                tracing::error!(source, error, "the stored secrets cannot be read");
                false
            }
            Ok(None) | Err(_) => false,
        }
    }
}

impl Stored {
    fn mark(&self) -> MutexGuard<'_, SecretsMark> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self) -> bool {
        let mut last = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if due {
            *last = Some(Instant::now());
        }
        due
    }

    /// Blocks the thread.
    fn changed(&self) -> bool {
        self.file.mark() != *self.mark()
    }

    /// Use what the file holds now. Blocks the thread.
    fn renew(&self) -> Result<(), String> {
        let mut known = self.mark();
        let mark = self.file.mark();
        self.rules.store(Arc::new(self.config.bind()?));
        *known = mark;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use hmac::{Hmac, KeyInit, Mac};
    use http::{HeaderMap, Method};
    use jiff::Timestamp;
    use sha2::Sha256;

    use super::*;
    use crate::config::Config;
    use crate::provider::Request;

    fn accepts(live: &Live, secret: &str) -> bool {
        let body = br#"{"events":[]}"#;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        let mut headers = HeaderMap::new();
        headers.insert("x-hook-signature", hex::encode(mac.finalize().into_bytes()).parse().unwrap());
        let request = Request { method: &Method::POST, headers: &headers, query: "", body, now: Timestamp::now() };
        live.now().verify_with(&request, None).is_ok()
    }

    /// The first has read the file and is held up; the second comes and goes meanwhile.
    #[tokio::test]
    async fn of_two_secrets_that_are_handed_over_at_once_both_are_in_use() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("asana.secrets");
        let text = format!(
            "[kafka]\nbootstrap_servers = \"localhost:9092\"\n[sources.asana]\nsecrets_file = {:?}\nmore_secrets = true\n",
            file.display().to_string()
        );
        let config = Config::parse(Path::new("hookstream.toml"), &text, []).unwrap();
        let live = Live::new(&config.sources["asana"]).unwrap();
        let mut first = pin!(live.store("asana", Secret::new(b"fake-first".to_vec())));
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let stored = live.stored.as_ref().unwrap();
        while stored.file.mark().is_none() || stored.changed() {
            tokio::task::yield_now().await;
        }
        assert!(live.store("asana", Secret::new(b"fake-second".to_vec())).await.unwrap());
        assert!(first.await.unwrap());
        assert!(accepts(&live, "fake-first") && accepts(&live, "fake-second"));
        assert!(!accepts(&live, "fake-third"));
    }
}
