//! What operators see: every metric, and the log.

mod config;
pub mod logging;
mod metrics;

pub use config::ConfigMetrics;
pub use metrics::{Description, EnrichMetrics, GatewayMetrics, KafkaMetrics, Metrics, SourceMetrics, SpoolMetrics};
