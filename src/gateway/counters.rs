//! One source's counters: every child that each request needs is looked up once.

use std::sync::OnceLock;

use prometheus::{Histogram, IntCounter};

use super::answer::{Outcome, Via};
use crate::provider::Reject;
use crate::telemetry::{GatewayMetrics, SourceMetrics};

/// The counters of a source, or of the paths that nobody configured.
pub(super) struct Counters {
    pub(super) metrics: SourceMetrics,
    outcomes: [IntCounter; Outcome::ALL.len()],
    /// The same for what is durable in the spool.
    spooled: [IntCounter; Outcome::ALL.len()],
    secrets: Vec<IntCounter>,
    /// There from the first signed timestamp on: most sources have none.
    signed_age: OnceLock<Histogram>,
}

impl Counters {
    /// With every outcome, and every secret's place, at 0: a counter that first appears at 1 hides that one from rate().
    pub(super) fn new(metrics: &GatewayMetrics, source: &str, secrets: usize) -> Self {
        let metrics = metrics.source(source);
        for result in ["fetched", "failed"] {
            metrics.key_fetch(result);
        }
        for result in ["confirmed", "failed", "dropped"] {
            metrics.confirmation(result);
        }
        for reject in [Reject::TimestampTooOld, Reject::TimestampInFuture] {
            metrics.reject(reject.as_str());
        }
        Self {
            signed_age: OnceLock::new(),
            outcomes: Outcome::ALL.map(|outcome| metrics.request(outcome.as_str(), usual(outcome).as_str())),
            spooled: Outcome::ALL.map(|outcome| match usual(outcome) {
                Via::Kafka => metrics.request(outcome.as_str(), Via::Spool.as_str()),
                usual => metrics.request(outcome.as_str(), usual.as_str()),
            }),
            secrets: (0..secrets).map(|position| metrics.secret_match(position)).collect(),
            metrics,
        }
    }

    /// A request ended so.
    pub(super) fn ended(&self, outcome: Outcome, via: Via) {
        let outcomes = if via == Via::Spool { &self.spooled } else { &self.outcomes };
        outcomes[outcome as usize].inc();
    }

    /// Requests that were verified since the start.
    pub(super) fn verified(&self) -> u64 {
        self.secrets.iter().map(IntCounter::get).sum()
    }

    /// A verified request had been signed so many seconds before, by the gateway's clock.
    pub(super) fn signed(&self, age: f64) {
        self.signed_age.get_or_init(|| self.metrics.signed_age()).observe(age);
    }

    /// A request was verified with the secret at this position.
    pub(super) fn matched(&self, position: usize) {
        if let Some(secret) = self.secrets.get(position) {
            secret.inc();
        }
    }
}

/// Where what ended so is durable, unless it is in the spool.
fn usual(outcome: Outcome) -> Via {
    match outcome {
        Outcome::Accepted | Outcome::DeadLetter => Via::Kafka,
        Outcome::Duplicate | Outcome::Handshake | Outcome::Rejected | Outcome::Unavailable | Outcome::HungUp => {
            Via::Neither
        }
    }
}
