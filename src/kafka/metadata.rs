//! The thread that keeps the partition counts fresh.

use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rdkafka::ClientContext;
use rdkafka::client::Client;

use super::partitions::Topics;

/// How old a partition count may be.
const REFRESH: Duration = Duration::from_secs(30);

/// How soon to look again while a topic was never seen.
const IMPATIENT: Duration = Duration::from_millis(250);

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(3);

/// What to look for, and the signals to and from the thread.
pub(super) struct Metadata {
    topics: ArcSwap<Vec<Arc<str>>>,
    signals: Mutex<Signals>,
    changed: Condvar,
}

#[derive(Default)]
struct Signals {
    stop: bool,
    /// Somebody wants a look before its time.
    look: bool,
    /// What was said already, so that each trouble is said once.
    complaints: BTreeSet<String>,
    /// Topics that Kafka says do not exist, since when.
    missing: HashMap<Arc<str>, Instant>,
}

impl Metadata {
    pub(super) fn new(topics: Vec<Arc<str>>) -> Self {
        Self { topics: ArcSwap::from_pointee(topics), signals: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn topics(&self) -> Arc<Vec<Arc<str>>> {
        self.topics.load_full()
    }

    /// Look for other topics, at once where one of them is new.
    pub(super) fn watch(&self, topics: Vec<Arc<str>>) {
        self.topics.store(Arc::new(topics));
        self.signals().look = true;
        self.changed.notify_all();
    }

    /// For how long Kafka has been saying that there is no such topic.
    pub(super) fn missing(&self, topic: &str) -> Option<Duration> {
        self.signals().missing.get(topic).map(Instant::elapsed)
    }

    pub(super) fn stop(&self) {
        self.signals().stop = true;
        self.changed.notify_all();
    }

    /// Wait until `done`, looked at after every change, or the time is over.
    pub(super) fn wait(&self, patience: Duration, done: impl Fn() -> bool) -> bool {
        let end = Instant::now() + patience;
        let mut signals = self.signals();
        while !done() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || signals.stop {
                return false;
            }
            signals = self.changed.wait_timeout(signals, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Wake whoever waits. Under the lock: somebody between a look and its sleep would miss it otherwise.
    fn tell(&self) {
        let _held = self.signals();
        self.changed.notify_all();
    }

    /// The thread's body. The client is asked for anew each time, since its handle may have been replaced.
    pub(super) fn run<H, C: ClientContext>(
        &self,
        known: &Topics,
        handle: impl Fn() -> H,
        client: impl for<'a> Fn(&'a <H as Deref>::Target) -> &'a Client<C>,
    ) where
        H: Deref,
    {
        let mut before = self.topics();
        while !self.signals().stop {
            self.signals().look = false;
            let topics = self.topics();
            // Requests under way may still write to a topic that is no longer looked for; by the next look they are gone.
            known.keep(|topic| topics.contains(topic) || before.contains(topic));
            let handle = handle();
            for topic in topics.iter() {
                if self.signals().stop {
                    return;
                }
                self.look(client(&handle), topic, known);
            }
            drop(handle);
            self.tell();
            let usable = known.know_all(&topics);
            before = topics;
            if usable && !std::mem::take(&mut self.signals().complaints).is_empty() {
                tracing::info!("kafka is usable: every topic was seen");
            }
            self.pause(if usable { REFRESH } else { IMPATIENT });
        }
    }

    fn look<C: ClientContext>(&self, client: &Client<C>, topic: &Arc<str>, known: &Topics) {
        let (error, complaint) = match client.fetch_metadata(Some(topic), LOOK) {
            Ok(metadata) => match metadata.topics().first() {
                Some(seen) if !seen.partitions().is_empty() => {
                    known.note(topic, seen.partitions().len());
                    self.signals().missing.remove(topic);
                    return;
                }
                _ => {
                    self.signals().missing.entry(Arc::clone(topic)).or_insert_with(Instant::now);
                    ("the topic does not exist; create it with `hookstream topics apply`".to_owned(), topic.to_string())
                }
            },
            // The same for every topic: the cluster is away.
            Err(error) => (error.to_string(), String::new()),
        };
        if known.get(topic).is_none() {
            // Said once as a warning, then quietly: the state is visible in /readyz and the metrics.
            if self.signals().complaints.insert(complaint) {
                tracing::warn!(%topic, error, "kafka is not usable yet; trying again until it is");
            } else {
                tracing::debug!(%topic, error, "kafka is not usable yet");
            }
        }
    }

    /// Sleep until the time is over or the end is near.
    fn pause(&self, length: Duration) {
        drop(self.changed.wait_timeout_while(self.signals(), length, |signals| !signals.stop && !signals.look));
    }

    fn signals(&self) -> MutexGuard<'_, Signals> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
