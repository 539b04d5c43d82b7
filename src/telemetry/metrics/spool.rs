//! The spool's families.

use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge};

use super::Families;

/// The spool's metrics.
#[derive(Clone, Debug)]
pub struct SpoolMetrics {
    /// Records that are not in Kafka yet.
    pub records: IntGauge,
    /// Bytes on disk.
    pub bytes: IntGauge,
    /// What they may grow to.
    pub max_bytes: IntGauge,
    /// When the oldest record was received, as a Unix timestamp; 0 when there is none.
    pub oldest: Gauge,
    /// Records made durable.
    pub stored: IntCounter,
    /// Records that Kafka took from the drain.
    pub drained: IntCounter,
    /// Records drained that may stand in Kafka already.
    pub unknown: IntCounter,
    /// Records drained after the enricher's window.
    pub late: IntCounter,
    /// Acknowledged records that can no longer be read.
    pub lost: IntCounter,
    /// Writes, syncs and reads that failed.
    pub failures: IntCounter,
    /// Writing one batch and syncing it.
    pub sync_duration: Histogram,
    refused: IntCounterVec,
}

impl SpoolMetrics {
    pub(super) fn new(families: &mut Families) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            records: families.int_gauge("hookstream_spool_records", "Records in the spool that are not in Kafka yet.")?,
            bytes: families.int_gauge("hookstream_spool_bytes", "Bytes that the spool takes on disk.")?,
            max_bytes: families.int_gauge("hookstream_spool_max_bytes", "What spool.max_bytes allows; 0 without a spool.")?,
            oldest: families.gauge("hookstream_spool_oldest_timestamp_seconds", "When the oldest record in the spool was received, to a second; 0 when there is none.")?,
            stored: families.counter("hookstream_spool_stored_total", "Records made durable in the spool.")?,
            drained: families.counter("hookstream_spool_drained_total", "Records that Kafka took from the spool; the rate is the drain's speed.")?,
            unknown: families.counter("hookstream_spool_unknown_total", "Records drained that may stand in the raw topic already: a second copy for readers that do not key by (source, id).")?,
            late: families.counter("hookstream_spool_late_total", "Records drained after they had waited longer than the enricher remembers ids; flagged hookstream-late.")?,
            lost: families.counter("hookstream_spool_lost_total", "Acknowledged records that can no longer be read from the spool's disk.")?,
            failures: families.counter("hookstream_spool_failures_total", "Writes, syncs and reads of the spool that failed.")?,
            refused: families.counters("hookstream_spool_refused_total", &["reason"], "Records of the spool that Kafka refused for good, or never answered for; kept aside.")?,
            sync_duration: families.histogram("hookstream_spool_sync_duration_seconds", "Writing one batch to the spool and syncing it.")?,
        };
        // A counter that first appears at 1 hides that one from rate().
        for reason in crate::spool::refused::reasons() {
            metrics.refused.with_label_values(&[reason]);
        }
        Ok(metrics)
    }

    /// A record was kept aside for this reason, which comes from a closed list.
    pub fn refused(&self, reason: &'static str) -> IntCounter {
        self.refused.with_label_values(&[reason])
    }
}
