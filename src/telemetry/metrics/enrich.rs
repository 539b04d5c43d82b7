//! The enricher's families.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use prometheus::{Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::Families;

/// The enricher's metrics.
#[derive(Clone, Debug)]
pub struct EnrichMetrics {
    events: IntCounterVec,
    reasons: IntCounterVec,
    lag: GaugeVec,
    fetch_duration: HistogramVec,
    transactions: IntCounterVec,
    transaction_duration: Histogram,
    restores: IntCounterVec,
    restore_duration: Histogram,
    partitions: IntGaugeVec,
    away: IntGaugeVec,
    /// Ids in memory.
    pub ids: IntGauge,
    /// Ids that had to leave memory before their window was over.
    pub ids_dropped: IntCounter,
    /// Requests to providers under way.
    pub fetches_under_way: IntGauge,
    /// When the loop last came round, as a Unix timestamp.
    pub heartbeat: Gauge,
}

impl EnrichMetrics {
    pub(super) fn new(families: &mut Families) -> Result<Self, prometheus::Error> {
        Ok(Self {
            events: families.counters(
                "hookstream_enrich_events_total",
                &["source", "outcome"],
                "Records decided and committed, by outcome.",
            )?,
            reasons: families.counters(
                "hookstream_enrich_reasons_total",
                &["source", "outcome", "reason"],
                "Why events were skipped, wait for a retry or became dead letters.",
            )?,
            lag: families.gauges(
                "hookstream_enrich_lag_seconds",
                &["source"],
                "Age of the oldest event that is polled and not committed; 0 when there is none.",
            )?,
            fetch_duration: families.histograms(
                "hookstream_enrich_fetch_duration_seconds",
                &["source", "status_class"],
                "Requests to the provider's API, body included, by how they were answered.",
            )?,
            transactions: families.counters(
                "hookstream_enrich_transactions_total",
                &["outcome"],
                "Transactions by outcome.",
            )?,
            transaction_duration: families
                .histogram("hookstream_enrich_transaction_duration_seconds", "From begin to commit or abort.")?,
            restores: families.counters(
                "hookstream_enrich_restores_total",
                &["outcome"],
                "Partitions whose claimed ids were read back, by outcome.",
            )?,
            restore_duration: families.histogram(
                "hookstream_enrich_restore_duration_seconds",
                "Reading back the claimed ids of one partition.",
            )?,
            partitions: families.int_gauges(
                "hookstream_enrich_partitions",
                &["state"],
                "Partitions of this instance: owned, and of these restoring and paused (full, or nothing due).",
            )?,
            away: families.int_gauges(
                "hookstream_enrich_accounts_away",
                &["source"],
                "Accounts whose provider is taken for away.",
            )?,
            ids: families.int_gauge("hookstream_enrich_ids", "Claimed ids in memory.")?,
            ids_dropped: families.counter(
                "hookstream_enrich_ids_dropped_total",
                "Claimed ids that left memory before their window was over; copies of their events would pass.",
            )?,
            fetches_under_way: families
                .int_gauge("hookstream_enrich_fetches_in_flight", "Requests to providers' APIs under way.")?,
            heartbeat: families
                .gauge("hookstream_enrich_heartbeat_timestamp_seconds", "When the loop last came round.")?,
        })
    }

    /// Let what alerts watch exist at 0: a counter that first appears at 1 hides that one from rate().
    pub fn begin(&self, sources: &[&str], outcomes: &[&str], transactions: &[&str]) {
        for source in sources {
            for outcome in outcomes {
                self.events.with_label_values(&[*source, *outcome]);
            }
        }
        for outcome in transactions {
            self.transactions.with_label_values(&[*outcome]);
        }
    }

    /// A record was decided and committed. `source`, `outcome` and `reason` come from the configuration and closed lists.
    pub fn settled(&self, source: &str, outcome: &str, reason: Option<&str>) {
        self.events.with_label_values(&[source, outcome]).inc();
        if let Some(reason) = reason {
            self.reasons.with_label_values(&[source, outcome, reason]).inc();
        }
    }

    /// A request to a provider ended.
    pub fn fetched(&self, source: &str, status_class: &str, took: Duration) {
        self.fetch_duration.with_label_values(&[source, status_class]).observe(took.as_secs_f64());
    }

    /// A transaction ended.
    pub fn transaction(&self, outcome: &str, took: Duration) {
        self.transactions.with_label_values(&[outcome]).inc();
        self.transaction_duration.observe(took.as_secs_f64());
    }

    /// The ids of a partition were read back, or not.
    pub fn restored(&self, outcome: &str, took: Duration) {
        self.restores.with_label_values(&[outcome]).inc();
        self.restore_duration.observe(took.as_secs_f64());
    }

    /// The age of each source's oldest open event, in milliseconds.
    pub fn lags(&self, lags: &BTreeMap<Arc<str>, i64>) {
        for (source, ms) in lags {
            #[allow(clippy::cast_precision_loss)] // an age in milliseconds fits a double
            self.lag.with_label_values(&[source]).set(*ms as f64 / 1_000.0);
        }
    }

    /// How many partitions are owned, restoring, and paused for lack of room or because nothing is due.
    pub fn partitions(&self, owned: usize, restoring: usize, paused: usize) {
        for (state, count) in [("owned", owned), ("restoring", restoring), ("paused", paused)] {
            self.partitions.with_label_values(&[state]).set(count.try_into().unwrap_or(i64::MAX));
        }
    }

    /// How many accounts of each source are taken for away.
    pub fn accounts_away(&self, away: HashMap<&Arc<str>, i64>) {
        for (source, count) in away {
            self.away.with_label_values(&[source]).set(count);
        }
    }
}
