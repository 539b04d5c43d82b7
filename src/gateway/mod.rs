//! `serve`: webhooks in, events durable in Kafka, an answer in time.
//!
//! `ingest` is the request path; `admission`, `body`, `keys`, `duplicates` and `delivery` are its steps; `call` counts each
//! request exactly once; `journal` remembers what just happened, `explain` says why something was refused.

mod admission;
mod answer;
mod body;
mod call;
mod counters;
mod delivery;
mod duplicates;
mod explain;
mod ingest;
mod inquiry;
mod journal;
pub mod keys;
mod live;
mod rejects;
mod replays;
mod run;
mod source;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit as Turn};

use crate::config::{Config, ConfigError};
use crate::http::admin::Operations;
use crate::kafka::Producer;
use crate::provider::{Catalogue, Reject, Reply, Request, Rules};
use crate::telemetry::{GatewayMetrics, Metrics};
use admission::PerSecond;
use answer::Answer;
pub use answer::{Outcome, Refused, Unavailable};
use body::Memory;
use call::InFlight;
use counters::Counters;
use delivery::Receipt;
pub use journal::{Fate, Journal};
use keys::{Confirmations, Https, Transport};
pub use run::{Listeners, bind, serve};
use source::Source;

/// The label of requests to paths that nobody configured. Not a legal source name.
const UNKNOWN_SOURCE: &str = "(unknown)";

/// Tells the time: what signed timestamps are held against, and what records are stamped with.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// A gateway: the sources and the producer, without listeners.
pub struct Gateway {
    sources: HashMap<String, Arc<Source>>,
    producer: Arc<Producer<Receipt>>,
    memory: Arc<Memory>,
    failures: PerSecond<IpAddr>,
    /// Turns at public-key signatures: half of the processors, so that no flood of them starves the other sources.
    turns: Semaphore,
    /// Where a source needs the network for its keys.
    confirmations: Option<Confirmations>,
    trusted_proxies: Vec<IpNet>,
    in_flight: InFlight,
    numbers: AtomicU64,
    clock: Clock,
    metrics: GatewayMetrics,
    unknown: Counters,
    draining: AtomicBool,
    /// For `explain`: what other providers' requests look like.
    catalogue: Catalogue,
    /// What just happened.
    pub journal: Journal,
}

impl Gateway {
    /// Compile the sources and start the producer. Does not wait for Kafka.
    ///
    /// # Errors
    /// A source that lacks what its scheme needs, or a property that librdkafka does not take.
    pub fn start(config: &Config, metrics: &Metrics) -> Result<Arc<Self>, ConfigError> {
        Self::start_at(config, metrics, Box::new(Timestamp::now))
    }

    /// The same under another clock: requests whose timestamps were signed long ago can then be judged as of their time.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_at(config: &Config, metrics: &Metrics, clock: Clock) -> Result<Arc<Self>, ConfigError> {
        Self::start_on(config, metrics, clock, None)
    }

    /// The same on another network for the keys that are fetched.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_on(
        config: &Config,
        metrics: &Metrics,
        clock: Clock,
        mut network: Option<Arc<dyn Transport>>,
    ) -> Result<Arc<Self>, ConfigError> {
        let wrong = |message: String| ConfigError { origin: config.path.display().to_string(), message };
        let mut transport = || match &network {
            Some(network) => Ok(Arc::clone(network)),
            None => Ok(Arc::clone(network.insert(Arc::new(Https::new()?)))),
        };
        let mut sources = HashMap::new();
        let mut topics = BTreeSet::from([config.kafka.topics.dead_letter_topic()]);
        for source in config.sources.values() {
            topics.insert(source.raw_topic.clone());
            let compiled = Source::new(source, config, &metrics.gateway, &mut transport).map_err(wrong)?;
            sources.insert(source.path.clone(), Arc::new(compiled));
        }
        let topics = topics.into_iter().map(Arc::from).collect();
        let producer = Producer::start(&config.kafka, topics, metrics.kafka.clone()).map_err(wrong)?;
        let gateway = Arc::new(Self {
            sources,
            producer,
            memory: Memory::new(config.gateway.max_body_bytes_in_flight, metrics.gateway.body_bytes.clone()),
            failures: PerSecond::new(config.gateway.failed_requests_per_second),
            turns: Semaphore::new((std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1)),
            confirmations: network.map(Confirmations::new),
            trusted_proxies: config.gateway.trusted_proxies.clone(),
            in_flight: InFlight::default(),
            numbers: AtomicU64::new(0),
            clock,
            unknown: Counters::new(&metrics.gateway, UNKNOWN_SOURCE, 0),
            metrics: metrics.gateway.clone(),
            draining: AtomicBool::new(false),
            catalogue: config.catalogue.clone(),
            journal: Journal::new(config.admin.keep_rejects),
        });
        gateway.refresh_gauges(metrics);
        Ok(gateway)
    }

    /// Wait until every topic was seen, or the time is over. Blocks the thread.
    pub fn await_topics(&self, patience: Duration) -> bool {
        self.producer.await_topics(patience)
    }

    /// No longer ready: this instance is about to go.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Wait for what is under way and end the producer. Returns the records whose fate stayed open. Blocks the thread.
    pub fn close(&self, patience: Duration) -> usize {
        self.producer.close(patience)
    }

    /// Refused requests beyond an address's allowance are told so. Only failures count: a verified request is never
    /// limited by what others behind the same address do.
    fn limited(&self, result: Result<Answer, Refused>, address: IpAddr) -> Result<Answer, Refused> {
        match result {
            Err(Refused::Reject(reject)) if matches!(reject.status(), 401 | 404) => {
                let within = self.failures.failed(address, Instant::now());
                Err(Refused::Reject(if within { reject } else { Reject::TooManyRequests }))
            }
            other => other,
        }
    }

    /// Wait for a turn, where verifying the request takes long enough to need one.
    async fn turn(
        &self,
        rules: &Rules,
        request: &Request<'_>,
        until: Instant,
    ) -> Result<Option<Turn<'_>>, Unavailable> {
        if !rules.is_costly(request) {
            return Ok(None);
        }
        let turn = tokio::time::timeout_at(until.into(), self.turns.acquire()).await;
        turn.ok().and_then(Result::ok).map(Some).ok_or(Unavailable::Busy)
    }

    /// What a handshake owes the provider beside its answer.
    fn follow_up(&self, source: &Source, reply: &Reply) {
        if let (Some(confirmations), Some(url)) = (&self.confirmations, &reply.follow_up) {
            confirmations.start(url.clone(), Arc::clone(&source.name), source.counters.metrics.clone());
        }
    }

    fn refresh_gauges(self: &Arc<Self>, metrics: &Metrics) {
        let gateway = Arc::downgrade(self);
        let kafka = metrics.kafka.clone();
        metrics.before_scrape(move || {
            let Some(gateway) = gateway.upgrade() else { return };
            #[allow(clippy::cast_precision_loss)] // milliseconds since 1970 fit a double
            let oldest = gateway.in_flight.oldest().map_or(0.0, |at| at.as_millisecond() as f64 / 1_000.0);
            gateway.metrics.oldest_request.set(oldest);
            kafka.in_flight.set(gateway.producer.in_flight().try_into().unwrap_or(i64::MAX));
            kafka.breakers_open.set(gateway.producer.open_breakers().try_into().unwrap_or(i64::MAX));
        });
    }
}

impl Operations for Gateway {
    fn ready(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Acquire) {
            return Err("draining".to_owned());
        }
        if !self.producer.topics_seen() {
            return Err("kafka, or one of the topics, was not seen yet; `hookstream check` says which".to_owned());
        }
        Ok(())
    }

    fn status(&self) -> Value {
        let (counts, refusals) = self.journal.status();
        json!({
            "ready": self.ready().is_ok(),
            "counts": counts,
            "open_breakers": self.producer.open_breakers(),
            "sources": self.sources.values().map(|source| source.status()).collect::<Vec<_>>(),
            "recent_rejects": refusals,
        })
    }

    fn explain(&self, request: &str) -> Option<Value> {
        self.explain(request)
    }
}
