//! What operators see: every metric, and the log.

pub mod logging;
mod metrics;

pub use metrics::{Description, EnrichMetrics, GatewayMetrics, KafkaMetrics, Metrics, SourceMetrics, SpoolMetrics};
