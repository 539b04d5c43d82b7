//! Keys that must be fetched before a request can be verified: asked for once, kept, renewed while they serve on.

mod cache;
mod confirm;
mod https;
mod transport;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use confirm::Confirmations;
pub use https::Https;
pub use transport::{Ask, Failure, Fetching, Transport};

use super::answer::Unavailable;
use super::source::Source;
use crate::provider::{KeyRequest, Material, Reply};
use crate::telemetry::SourceMetrics;
use cache::{Cache, Step};

/// What one fetch may take. Whoever waits for it has less as a rule: the next delivery then finds the key.
const FETCH: Duration = Duration::from_secs(4);

/// A gateway's way to the hosts of keys, made when the first source needs it.
pub(super) struct Network {
    transport: OnceLock<Arc<dyn Transport>>,
    confirmations: OnceLock<Confirmations>,
}

impl Network {
    /// The real one, or another.
    pub(super) fn new(given: Option<Arc<dyn Transport>>) -> Self {
        let transport = given.map_or_else(OnceLock::new, OnceLock::from);
        Self { transport, confirmations: OnceLock::new() }
    }

    /// What keys are fetched with.
    ///
    /// # Errors
    /// The client cannot be made.
    pub(super) fn transport(&self) -> Result<Arc<dyn Transport>, String> {
        if let Some(known) = self.transport.get() {
            return Ok(Arc::clone(known));
        }
        let made: Arc<dyn Transport> = Arc::new(Https::new()?);
        Ok(Arc::clone(self.transport.get_or_init(|| made)))
    }

    /// Send what a handshake wants beside its answer.
    pub(super) fn follow_up(&self, source: &Source, reply: &Reply) {
        if let (Some(transport), Some(url)) = (self.transport.get(), &reply.follow_up) {
            let confirmations = self.confirmations.get_or_init(|| Confirmations::new(Arc::clone(transport)));
            confirmations.start(url.clone(), Arc::clone(&source.name), source.counters.metrics.clone());
        }
    }
}

/// One source's keys. Sources share none: a flood on one cannot displace another's.
pub(super) struct KeyRing {
    cache: Mutex<Cache>,
    transport: Arc<dyn Transport>,
    source: Arc<str>,
    metrics: SourceMetrics,
}

impl KeyRing {
    pub(super) fn new(transport: Arc<dyn Transport>, source: Arc<str>, metrics: SourceMetrics) -> Arc<Self> {
        Arc::new(Self { cache: Mutex::new(Cache::new(Instant::now())), transport, source, metrics })
    }

    /// The key, from memory or from its host.
    ///
    /// # Errors
    /// It cannot be had until then. That says nothing about the request: the provider shall send it again.
    pub(super) async fn material(
        self: &Arc<Self>,
        wanted: &KeyRequest,
        until: Instant,
    ) -> Result<Arc<Material>, Unavailable> {
        let id = wanted.identity();
        loop {
            let (step, begun) = self.next(&id, wanted);
            if let Some(ending) = begun {
                self.fetch(wanted, ending);
            }
            let mut ended = match step {
                Step::Use(material) | Step::Refresh(material) => return Ok(material),
                Step::Wait(ended) => ended,
                Step::Fetch => continue,
                Step::Away => return Err(Unavailable::Key),
            };
            // The sender's end is the end of the fetch, whatever became of it.
            if timeout_at(until.into(), ended.changed()).await.is_err() {
                return Err(Unavailable::Key);
            }
        }
    }

    /// The step to take. A fetch that it wants has begun by then, so that nobody else begins it too.
    fn next(self: &Arc<Self>, id: &str, wanted: &KeyRequest) -> (Step, Option<Ending>) {
        let mut cache = self.cache();
        let step = cache.next(id, wanted.kid.as_deref(), Instant::now());
        if !matches!(step, Step::Fetch | Step::Refresh(_)) {
            return (step, None);
        }
        let (sender, ended) = tokio::sync::watch::channel(());
        cache.begun(id, ended, Instant::now());
        drop(cache);
        let ending = Ending { keys: Arc::clone(self), id: id.to_owned(), material: None, _sender: sender };
        (step, Some(ending))
    }

    /// In a task of its own: a client that hangs up changes nothing of this.
    fn fetch(&self, wanted: &KeyRequest, ending: Ending) {
        let (kind, url) = (wanted.kind, wanted.url.clone());
        let fetching = self.transport.fetch(Ask { url: url.clone(), body: wanted.body.clone() });
        tokio::spawn(async move {
            let source = Arc::clone(&ending.keys.source);
            let answer = tokio::time::timeout(FETCH, fetching).await.unwrap_or(Err(Failure::TimedOut));
            match answer.map_err(Failure::as_str).and_then(|bytes| Material::parse(kind, &bytes)) {
                Ok(material) => {
                    tracing::info!(source = &*source, %url, "key fetched");
                    ending.with(material);
                }
                Err(problem) => tracing::warn!(source = &*source, %url, problem, "key not fetched"),
            }
        });
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the cache how a fetch ended, also when its task does not come that far; then those who wait.
struct Ending {
    keys: Arc<KeyRing>,
    id: String,
    material: Option<Arc<Material>>,
    _sender: tokio::sync::watch::Sender<()>,
}

impl Ending {
    /// It ended with a key.
    fn with(mut self, material: Material) {
        self.material = Some(Arc::new(material));
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let result = if self.material.is_some() { "fetched" } else { "failed" };
        self.keys.metrics.key_fetch(result).inc();
        self.keys.cache().ended(&self.id, self.material.take(), Instant::now());
    }
}
