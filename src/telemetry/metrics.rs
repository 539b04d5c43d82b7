//! Every metric, defined once. Labels are bounded: source names and closed lists, never a type, id, path or address.
//!
//! docs/reference/metrics.md is written from the descriptions collected here.

mod enrich;
mod spool;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use super::config::ConfigMetrics;
pub use enrich::EnrichMetrics;
pub use spool::SpoolMetrics;

/// Upper bounds of the latency histograms, in seconds: fine below 5 ms, where an answer normally lies, and a bound at
/// the usual deadlines.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 4.0, 5.0, 10.0, 30.0];

/// Upper bounds of the age of a signed timestamp, in seconds: below zero lies what no delay makes, only a clock, and no
/// usual window is wider than five minutes.
const AGES: [f64; 14] = [-240.0, -120.0, -60.0, -30.0, -5.0, -1.0, 1.0, 5.0, 30.0, 60.0, 120.0, 240.0, 300.0, 600.0];

/// One family, as the reference page shows it.
#[derive(Clone, Debug)]
pub struct Description {
    /// The full name.
    pub name: &'static str,
    /// counter, gauge or histogram.
    pub kind: &'static str,
    /// The label names.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

/// All metrics of the process. Built once and handed down.
#[derive(Clone)]
pub struct Metrics {
    /// The gateway's.
    pub gateway: GatewayMetrics,
    /// The Kafka producer's.
    pub kafka: KafkaMetrics,
    /// The spool's.
    pub spool: SpoolMetrics,
    /// The enricher's.
    pub enrich: EnrichMetrics,
    /// The configuration's.
    pub config: ConfigMetrics,
    /// 1 while /readyz says 200, else 0.
    pub ready: IntGauge,
    registry: Registry,
    descriptions: Arc<[Description]>,
    refreshers: Arc<Mutex<Vec<Refresher>>>,
}

type Refresher = Box<dyn Fn() + Send>;

/// The gateway's metrics.
#[derive(Clone)]
pub struct GatewayMetrics {
    received: IntCounterVec,
    requests: IntCounterVec,
    rejects: IntCounterVec,
    unavailable: IntCounterVec,
    key_fetches: IntCounterVec,
    confirmations: IntCounterVec,
    duration: HistogramVec,
    last_event: GaugeVec,
    secret_matches: IntCounterVec,
    possible_replays: IntCounterVec,
    signed_age: HistogramVec,
    /// Requests whose headers have arrived and whose answer has not left.
    pub in_flight: IntGauge,
    /// Arrival of the oldest request in flight, as a Unix timestamp; 0 when there is none.
    pub oldest_request: Gauge,
    /// Bytes of request bodies in memory.
    pub body_bytes: IntGauge,
    /// Open connections.
    pub connections: IntGauge,
    /// Connections that ended with an error, by reason.
    pub connection_errors: IntCounterVec,
    certificate_expires: Gauge,
}

/// One source's children of the gateway's families, looked up once.
#[derive(Clone)]
pub struct SourceMetrics {
    name: Arc<str>,
    families: GatewayMetrics,
    /// Requests, counted when their headers have arrived.
    pub received: IntCounter,
    /// Time from headers to answer.
    pub duration: Histogram,
    /// When the last verified event came, as a Unix timestamp.
    pub last_event: Gauge,
    /// The same signature under another id.
    pub possible_replays: IntCounter,
}

/// The producer's metrics.
#[derive(Clone)]
pub struct KafkaMetrics {
    /// From hand-over to delivery report.
    pub produce_duration: Histogram,
    /// Delivery reports by outcome.
    pub deliveries: IntCounterVec,
    /// Records handed over and not yet reported.
    pub in_flight: IntGauge,
    /// Partitions taken for away.
    pub breakers_open: IntGauge,
    /// Records acknowledged that may stand twice.
    pub perhaps_twice: IntCounter,
    /// Producer handles replaced.
    pub producer_swaps: IntCounter,
}

impl Metrics {
    /// Register every family.
    ///
    /// # Errors
    /// Only a programming error: a name used twice or not allowed.
    pub fn new() -> Result<Self, prometheus::Error> {
        let mut families = Families { registry: Registry::new(), descriptions: Vec::new() };
        let gateway = GatewayMetrics::new(&mut families)?;
        let kafka = KafkaMetrics::new(&mut families)?;
        let spool = SpoolMetrics::new(&mut families)?;
        let enrich = EnrichMetrics::new(&mut families)?;
        let config = ConfigMetrics::new(&mut families)?;
        let ready = families.int_gauge("hookstream_ready", "1 while /readyz says 200, else 0.")?;
        let build = families.int_gauges(
            "hookstream_build_info",
            &["version", "revision"],
            "Always 1; the labels say what is running.",
        )?;
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), option_env!("HOOKSTREAM_REVISION").unwrap_or("unknown")])
            .set(1);
        #[cfg(target_os = "linux")]
        families.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self {
            gateway,
            kafka,
            spool,
            enrich,
            config,
            ready,
            registry: families.registry,
            descriptions: families.descriptions.into(),
            refreshers: Arc::default(),
        })
    }

    /// The families, for the reference page and the dashboards' tests.
    pub fn descriptions(&self) -> &[Description] {
        &self.descriptions
    }

    /// Have a gauge set right before each scrape.
    pub fn before_scrape(&self, refresh: impl Fn() + Send + 'static) {
        self.refreshers.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(refresh));
    }

    /// The text exposition.
    pub fn render(&self) -> Vec<u8> {
        for refresh in self.refreshers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            refresh();
        }
        let mut text = Vec::new();
        // Writing to memory does not fail; a family that cannot be encoded is left out.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("families", &self.descriptions.len()).finish_non_exhaustive()
    }
}

impl GatewayMetrics {
    fn new(families: &mut Families) -> Result<Self, prometheus::Error> {
        Ok(Self {
            received: families.counters("hookstream_gateway_received_total", &["source"], "Requests, counted when their headers have arrived.")?,
            requests: families.counters("hookstream_gateway_requests_total", &["source", "outcome", "via"], "Requests by how they ended, and where what was accepted is durable: kafka, spool, or none where nothing new was. Received = the sum over all outcomes + in flight.")?,
            rejects: families.counters("hookstream_gateway_rejects_total", &["source", "reason"], "Requests refused with a 4xx, by reason.")?,
            unavailable: families.counters("hookstream_gateway_unavailable_total", &["source", "reason"], "Requests answered 503, by reason.")?,
            duration: families.histograms("hookstream_gateway_request_duration_seconds", &["source"], "From the last header to the answer.")?,
            last_event: families.gauges("hookstream_source_last_event_timestamp_seconds", &["source"], "When the last verified event came.")?,
            secret_matches: families.counters("hookstream_source_secret_matches_total", &["source", "secret"], "Verified requests by the position of the secret that matched. When the old one stays at rest, it can go.")?,
            possible_replays: families.counters("hookstream_source_possible_replays_total", &["source"], "Events whose signature was seen before under another id, where the provider does not sign the id. Accepted; identical bodies do occur.")?,
            signed_age: families.histograms_of(AGES.to_vec(), "hookstream_source_signed_age_seconds", &["source"], "How long before its arrival a verified request had been signed, by this machine's clock and the provider's. Below zero one of the two is wrong.")?,
            key_fetches: families.counters("hookstream_gateway_key_fetches_total", &["source", "result"], "Fetches of keys and certificates that requests are verified with, by result.")?,
            confirmations: families.counters("hookstream_gateway_confirmations_total", &["source", "result"], "Subscriptions confirmed by a request of ours, by result.")?,
            in_flight: families.int_gauge("hookstream_gateway_requests_in_flight", "Requests whose headers have arrived and whose answer has not left.")?,
            oldest_request: families.gauge("hookstream_gateway_oldest_request_timestamp_seconds", "Arrival of the oldest request in flight; 0 when there is none.")?,
            body_bytes: families.int_gauge("hookstream_gateway_body_bytes_in_flight", "Bytes of request bodies in memory.")?,
            connections: families.int_gauge("hookstream_gateway_connections", "Open connections on the public port.")?,
            connection_errors: families.counters("hookstream_gateway_connection_errors_total", &["reason"], "Connections on the public port that ended with an error.")?,
            certificate_expires: families.gauge("hookstream_gateway_certificate_expiry_timestamp_seconds", "When the certificate of the public port expires; 0 where it has none.")?,
        })
    }

    /// The certificate in use expires then.
    pub fn certificate_expires(&self, at: Timestamp) {
        #[allow(clippy::cast_precision_loss)] // seconds since 1970 fit a double
        self.certificate_expires.set(at.as_second() as f64);
    }

    /// A source is no longer configured: nobody waits for its next event.
    pub fn forget(&self, name: &str) {
        // An error means that it had none.
        let _ = self.last_event.remove_label_values(&[name]);
    }

    /// The children of one source. `name` must come from the configuration or a closed list.
    pub fn source(&self, name: &str) -> SourceMetrics {
        SourceMetrics {
            received: self.received.with_label_values(&[name]),
            duration: self.duration.with_label_values(&[name]),
            last_event: self.last_event.with_label_values(&[name]),
            possible_replays: self.possible_replays.with_label_values(&[name]),
            name: name.into(),
            families: self.clone(),
        }
    }
}

impl SourceMetrics {
    /// How a request ended.
    pub fn request(&self, outcome: &'static str, via: &'static str) -> IntCounter {
        self.families.requests.with_label_values(&[&*self.name, outcome, via])
    }

    /// A request refused, by its reason.
    pub fn reject(&self, reason: &'static str) -> IntCounter {
        self.families.rejects.with_label_values(&[&*self.name, reason])
    }

    /// A request answered 503, by its reason.
    pub fn unavailable(&self, reason: &'static str) -> IntCounter {
        self.families.unavailable.with_label_values(&[&*self.name, reason])
    }

    /// A fetch of a key, by its result.
    pub fn key_fetch(&self, result: &'static str) -> IntCounter {
        self.families.key_fetches.with_label_values(&[&*self.name, result])
    }

    /// A confirmation of a subscription, by its result.
    pub fn confirmation(&self, result: &'static str) -> IntCounter {
        self.families.confirmations.with_label_values(&[&*self.name, result])
    }

    /// The ages of signed timestamps.
    pub fn signed_age(&self) -> Histogram {
        self.families.signed_age.with_label_values(&[&*self.name])
    }

    /// A request verified with the secret at this position.
    pub fn secret_match(&self, position: usize) -> IntCounter {
        self.families.secret_matches.with_label_values(&[&*self.name, &position.to_string()])
    }
}

impl KafkaMetrics {
    fn new(families: &mut Families) -> Result<Self, prometheus::Error> {
        Ok(Self {
            produce_duration: families.histogram(
                "hookstream_kafka_produce_duration_seconds",
                "From handing a record to the producer to its delivery report.",
            )?,
            deliveries: families.counters(
                "hookstream_kafka_deliveries_total",
                &["outcome"],
                "Delivery reports by outcome.",
            )?,
            in_flight: families.int_gauge(
                "hookstream_kafka_records_in_flight",
                "Records handed to the producer and not yet reported.",
            )?,
            breakers_open: families
                .int_gauge("hookstream_kafka_breakers_open", "Partitions that are taken for away.")?,
            perhaps_twice: families.counter(
                "hookstream_kafka_perhaps_twice_total",
                "Records that the client may have sent again under a new epoch, which it begins when others are given up or refused: each may stand in the raw topic twice.",
            )?,
            producer_swaps: families.counter(
                "hookstream_kafka_producer_swaps_total",
                "Producers replaced, after a fatal error or for new credentials.",
            )?,
        })
    }
}

/// Registers families and remembers their descriptions.
pub(super) struct Families {
    registry: Registry,
    descriptions: Vec<Description>,
}

impl Families {
    fn add<C: Collector + Clone + 'static>(
        &mut self,
        collector: C,
        kind: &'static str,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(collector.clone()))?;
        self.descriptions.push(Description { name, kind, labels, help });
        Ok(collector)
    }

    fn counters(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?, "counter", name, labels, help)
    }

    fn counter(&mut self, name: &'static str, help: &'static str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::new(name, help)?, "counter", name, &[], help)
    }

    fn int_gauges(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?, "gauge", name, labels, help)
    }

    pub(super) fn int_gauge(&mut self, name: &'static str, help: &'static str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::new(name, help)?, "gauge", name, &[], help)
    }

    fn gauges(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Result<GaugeVec, prometheus::Error> {
        self.add(GaugeVec::new(Opts::new(name, help), labels)?, "gauge", name, labels, help)
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> Result<Gauge, prometheus::Error> {
        self.add(Gauge::new(name, help)?, "gauge", name, &[], help)
    }

    fn histograms(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Result<HistogramVec, prometheus::Error> {
        self.histograms_of(SECONDS.to_vec(), name, labels, help)
    }

    fn histograms_of(
        &mut self,
        bounds: Vec<f64>,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(bounds);
        self.add(HistogramVec::new(options, labels)?, "histogram", name, labels, help)
    }

    fn histogram(&mut self, name: &'static str, help: &'static str) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.add(Histogram::with_opts(options)?, "histogram", name, &[], help)
    }
}
