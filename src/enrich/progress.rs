//! What the enricher tells about itself: ready or not, counts, and a live feed for whoever watches.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::account::Accounts;
use super::holding::WorkSlot;
use super::lane::State;
use super::source::Sources;
use super::verdict::{Decision, OUTCOMES};
use crate::config::Config;
use crate::http::admin::Operations;
use crate::telemetry::EnrichMetrics;

/// A loop that has not come round for so long is stuck. Longer than any wait for Kafka inside it.
const STUCK: Duration = Duration::from_secs(60);

/// How far a watcher may fall behind before it misses something.
const FEED: usize = 4_096;

/// The end of one record, committed.
#[derive(Clone, Debug)]
pub struct Settled {
    /// When it was committed.
    pub at: Timestamp,
    /// The source.
    pub source: Arc<str>,
    /// The event's id.
    pub id: String,
    /// enriched, skipped, gone, duplicate, retry or dead_letter.
    pub outcome: &'static str,
    /// Why it was skipped, waits or is dead.
    pub reason: Option<&'static str>,
    /// When the record that it was came to Kafka, in milliseconds since 1970.
    pub received_ms: i64,
    /// The provider's record.
    pub record: Option<Bytes>,
}

/// The state of a running enricher, shared with whoever asks.
#[derive(Debug)]
pub struct Progress {
    /// When the loop came round; by a clock that nobody sets.
    heartbeat: Mutex<Option<Instant>>,
    member: AtomicBool,
    owned: AtomicUsize,
    restoring: AtomicUsize,
    settled: [AtomicU64; OUTCOMES.len()],
    trouble: Mutex<Option<String>>,
    feed: broadcast::Sender<Settled>,
    /// Accounts with other credentials, until the loop takes them over.
    renewed: Mutex<Option<Accounts>>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            heartbeat: Mutex::default(),
            member: AtomicBool::default(),
            owned: AtomicUsize::default(),
            restoring: AtomicUsize::default(),
            settled: Default::default(),
            trouble: Mutex::default(),
            feed: broadcast::Sender::new(FEED),
            renewed: Mutex::default(),
        }
    }
}

impl Progress {
    /// Have the loop use the credentials that this configuration names, as they are now. Of the rest of it nothing is
    /// taken over.
    ///
    /// # Errors
    /// A credential that is missing or cannot be sent in a header; the ones in use then stay.
    pub fn renew(&self, config: &Config) -> Result<(), String> {
        let (_, accounts) = Sources::new(config)?;
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(accounts);
        Ok(())
    }

    /// What [`Progress::renew`] left for the loop.
    pub(super) fn renewed(&self) -> Option<Accounts> {
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Watch records as they are committed.
    pub fn watch(&self) -> broadcast::Receiver<Settled> {
        self.feed.subscribe()
    }

    /// Whether it owns partitions and reads all of them: what arrives now is enriched at once.
    pub fn reads_all(&self) -> bool {
        self.owned.load(Ordering::Relaxed) > 0 && self.restoring.load(Ordering::Relaxed) == 0
    }

    /// The loop came round.
    pub(super) fn beat(&self, metrics: &EnrichMetrics) {
        *self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        #[allow(clippy::cast_precision_loss)] // milliseconds since 1970 fit a double
        metrics.heartbeat.set(Timestamp::now().as_millisecond() as f64 / 1_000.0);
    }

    pub(super) fn owns(&self, owned: usize, restoring: usize, member: bool) {
        self.owned.store(owned, Ordering::Relaxed);
        self.restoring.store(restoring, Ordering::Relaxed);
        self.member.store(member, Ordering::Relaxed);
    }

    pub(super) fn trouble(&self, why: Option<&str>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why.map(str::to_owned);
    }

    /// A record left its lane with a committed transaction.
    pub(super) fn settled(&self, slot: &WorkSlot, metrics: &EnrichMetrics) {
        let State::Decided(decision) = &slot.state else { return };
        let outcome = decision.outcome();
        let source = slot.item.event().map_or("(unknown)", |event| &event.source.name);
        metrics.settled(source, outcome, decision.reason());
        if let Some(counter) = OUTCOMES.iter().position(|other| *other == outcome).and_then(|at| self.settled.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let Some(event) = slot.item.event().filter(|_| self.feed.receiver_count() > 0) else { return };
        let record = match decision {
            Decision::Enriched(fetched, _) => Some(fetched.record.clone()),
            Decision::Duplicate | Decision::Skipped(_) | Decision::Gone(_) | Decision::Retry(_) | Decision::Dead(_) => {
                None
            }
        };
        let settled = Settled {
            at: Timestamp::now(),
            source: Arc::clone(&event.source.name),
            id: event.id.clone(),
            outcome,
            reason: decision.reason(),
            received_ms: slot.item.stored.timestamp_ms,
            record,
        };
        // Nobody listens any more: that is no loss.
        let _ = self.feed.send(settled);
    }

    fn counts(&self) -> Value {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        OUTCOMES
            .iter()
            .zip(&self.settled)
            .map(|(outcome, counter)| ((*outcome).to_owned(), json!(count(counter))))
            .collect()
    }
}

impl Operations for Progress {
    fn ready(&self) -> Result<(), String> {
        let beat = *self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner);
        if beat.is_none_or(|beat| beat.elapsed() > STUCK) {
            return Err("the loop has not come round for a minute".to_owned());
        }
        if !self.member.load(Ordering::Relaxed) {
            return Err("not a member of the consumer group yet; kafka may be away".to_owned());
        }
        match self.trouble.lock().unwrap_or_else(PoisonError::into_inner).as_deref() {
            Some(why) => Err(format!("nothing could be committed lately: {why}")),
            None => Ok(()),
        }
    }

    fn status(&self) -> Value {
        json!({
            "ready": self.ready().is_ok(),
            "partitions": self.owned.load(Ordering::Relaxed),
            "restoring": self.restoring.load(Ordering::Relaxed),
            "counts": self.counts(),
        })
    }
}
