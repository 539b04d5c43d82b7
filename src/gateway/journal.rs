//! What just happened: totals, the latest refusals (see `rejects`), and a live feed for whoever watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::answer::Outcome;
use super::rejects::Rejects;
use crate::kafka::Delivery;

/// How far a watcher may fall behind before it misses something.
const FEED: usize = 4_096;

/// The end of one request, as a watcher sees it. Nothing in it comes from an unverified body.
#[derive(Clone, Debug)]
pub struct Fate {
    /// When it ended.
    pub at: Timestamp,
    /// The source; `None` for a path that nobody configured.
    pub source: Option<Arc<str>>,
    /// The provider's name for the event's type.
    pub kind: Option<String>,
    /// The event's id.
    pub id: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// From headers to answer.
    pub after: Duration,
    /// The topic and place of its first record.
    pub place: Option<(Arc<str>, Delivery)>,
    /// Why it was refused.
    pub reason: Option<&'static str>,
}

/// Totals, refusals and feed of one gateway.
pub struct Journal {
    received: AtomicU64,
    ended: [AtomicU64; Outcome::ALL.len()],
    pub(super) rejects: Rejects,
    feed: broadcast::Sender<Fate>,
}

impl Journal {
    /// With room for so many bytes of refused requests.
    pub(super) fn new(keep_rejects: usize) -> Self {
        Self {
            received: AtomicU64::new(0),
            ended: Default::default(),
            rejects: Rejects::new(keep_rejects),
            feed: broadcast::Sender::new(FEED),
        }
    }

    /// Watch how requests end from now on.
    pub fn watch(&self) -> broadcast::Receiver<Fate> {
        self.feed.subscribe()
    }

    /// Requests that ended so.
    pub fn ended(&self, outcome: Outcome) -> u64 {
        self.ended[outcome as usize].load(Ordering::Relaxed)
    }

    /// Requests whose headers have arrived.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn arrived(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.ended[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Whether somebody watches: only then is a fate worth composing.
    pub(super) fn is_watched(&self) -> bool {
        self.feed.receiver_count() > 0
    }

    pub(super) fn tell(&self, fate: Fate) {
        // Nobody left to hear it is fine.
        let _ = self.feed.send(fate);
    }

    /// Counts and the latest refusals, for /status.
    pub(super) fn status(&self) -> (Value, Value) {
        let ended: u64 = Outcome::ALL.iter().map(|outcome| self.ended(*outcome)).sum();
        let received = self.received();
        let mut counts = json!({ "received": received, "in_flight": received.saturating_sub(ended) });
        for outcome in Outcome::ALL {
            counts[outcome.as_str()] = self.ended(outcome).into();
        }
        (counts, self.rejects.status())
    }
}
