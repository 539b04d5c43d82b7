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
mod order;
mod rejects;
mod replays;
mod run;
mod source;
mod spooling;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit as Turn};

use crate::config::{Config, ConfigError};
use crate::http::admin::Operations;
use crate::kafka::Producer;
use crate::provider::{Catalogue, Reject, Reply, Request, Rules};
use crate::spool::{Drain, Spool};
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
pub use run::{Listeners, Rest, bind, serve};
use source::Source;
pub use spooling::StartError;

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
    clock: Arc<Clock>,
    spool: Option<Arc<Spool>>,
    drain: Mutex<Option<Drain>>,
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
    /// A source that lacks what its scheme needs, a property that librdkafka does not take, or a spool that cannot be had.
    pub fn start(config: &Config, metrics: &Metrics) -> Result<Arc<Self>, StartError> {
        Self::start_at(config, metrics, Box::new(Timestamp::now))
    }

    /// The same under another clock: requests whose timestamps were signed long ago can then be judged as of their time.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_at(config: &Config, metrics: &Metrics, clock: Clock) -> Result<Arc<Self>, StartError> {
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
    ) -> Result<Arc<Self>, StartError> {
        let wrong = |message: String| ConfigError { origin: config.path.display().to_string(), message };
        let origin = config.path.display().to_string();
        let reopened = config.spool.as_ref().map(|spool| spooling::open(spool, &metrics.spool, &origin)).transpose()?;
        let spool = reopened.as_ref().map(|reopened| Arc::clone(&reopened.spool));
        let clock = Arc::new(clock);
        let mut transport = || match &network {
            Some(network) => Ok(Arc::clone(network)),
            None => Ok(Arc::clone(network.insert(Arc::new(Https::new()?)))),
        };
        let mut sources = HashMap::new();
        let mut topics = BTreeSet::from([config.kafka.topics.dead_letter_topic()]);
        for source in config.sources.values() {
            topics.insert(source.raw_topic.clone());
            let compiled =
                Source::new(source, config, spool.as_ref(), &metrics.gateway, &mut transport).map_err(wrong)?;
            if let Some(reopened) = &reopened {
                reopened.remember(&source.name, &compiled.window);
            }
            sources.insert(source.path.clone(), Arc::new(compiled));
        }
        let mut topics: BTreeSet<Arc<str>> = topics.into_iter().map(Arc::from).collect();
        // What waits may belong to a source that is no longer configured.
        topics.extend(reopened.into_iter().flat_map(|reopened| reopened.topics));
        let topics = topics.into_iter().collect();
        let producer = Producer::start(&config.kafka, topics, metrics.kafka.clone()).map_err(wrong)?;
        let drain = spool.as_ref().map(|spool| spooling::drain(spool, &producer, config.enrich.window, &clock));
        let drain = Mutex::new(drain.transpose().map_err(StartError::Spool)?);
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
            spool,
            drain,
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

    /// Drain the spool and wait for what is under way as long as there is time, then end both. Blocks the thread.
    pub fn close(&self, patience: Duration) -> Rest {
        let end = Instant::now() + patience;
        if let Some(spool) = &self.spool {
            spool.await_empty(patience);
        }
        drop(self.drain.lock().unwrap_or_else(PoisonError::into_inner).take());
        let unsettled = self.producer.close(end.saturating_duration_since(Instant::now()));
        Rest { unsettled, spooled: self.spool.as_ref().map_or(0, |spool| spool.close()) }
    }

    /// Whether nothing can be made durable: Kafka is away, and the spool takes nothing either.
    fn is_stuck(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| self.producer.open_breakers() > 0 && !spool.has_room())
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
            if let Some(spool) = &gateway.spool {
                spool.measure();
            }
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
        if self.is_stuck() {
            return Err("kafka is away and the spool is full or its disk fails".to_owned());
        }
        Ok(())
    }

    fn status(&self) -> Value {
        let (counts, refusals) = self.journal.status();
        json!({
            "ready": self.ready().is_ok(),
            "counts": counts,
            "open_breakers": self.producer.open_breakers(),
            "spool": self.spool.as_ref().map(|spool| json!({ "records": spool.records(), "has_room": spool.has_room() })),
            "sources": self.sources.values().map(|source| source.status()).collect::<Vec<_>>(),
            "recent_rejects": refusals,
        })
    }

    fn explain(&self, request: &str) -> Option<Value> {
        self.explain(request)
    }
}
