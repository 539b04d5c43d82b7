//! What operators see: every metric, and the log.

pub mod logging;
mod metrics;

pub use metrics::{Description, GatewayMetrics, KafkaMetrics, Metrics, SourceMetrics};
