//! What is said of the configuration that runs.

use jiff::Timestamp;
use prometheus::{Gauge, IntGauge};

use super::metrics::Families;

/// The metrics of the configuration and its reloads.
#[derive(Clone, Debug)]
pub struct ConfigMetrics {
    /// 1 while what stands in the files is what runs, else 0.
    pub successful: IntGauge,
    /// When a configuration was last taken over, as a Unix timestamp.
    success_time: Gauge,
    /// A number for the text of the file that runs.
    hash: IntGauge,
    /// Changed keys that wait for a restart.
    pub restart_needed: IntGauge,
}

impl ConfigMetrics {
    pub(super) fn new(families: &mut Families) -> Result<Self, prometheus::Error> {
        Ok(Self {
            successful: families.int_gauge(
                "hookstream_config_last_reload_successful",
                "1 while the files' configuration is the one that runs; 0 when the last change could not be used and the one before it goes on.",
            )?,
            success_time: families.gauge(
                "hookstream_config_last_reload_success_timestamp_seconds",
                "When a configuration was last taken over.",
            )?,
            hash: families.int_gauge(
                "hookstream_config_hash",
                "A number made of the configuration file that runs, without secrets: equal on instances that run the same.",
            )?,
            restart_needed: families.int_gauge(
                "hookstream_config_restart_needed",
                "Changed keys that take effect with the next start only; the log names them.",
            )?,
        })
    }

    /// A configuration runs from now on; `number` is [`crate::config::Config::number`].
    pub fn took_over(&self, number: u64) {
        self.successful.set(1);
        #[allow(clippy::cast_precision_loss)] // milliseconds since 1970 fit a double
        self.success_time.set(Timestamp::now().as_millisecond() as f64 / 1_000.0);
        self.hash.set(number.try_into().unwrap_or_default());
    }
}
