//! `serve`: webhooks in, events durable in Kafka, an answer in time.
//!
//! `ingest` is the request path; `admission`, `body`, `keys`, `duplicates` and `delivery` are its steps; `call` counts each
//! request exactly once; `journal` remembers what just happened, `explain` says why something was refused.

mod admission;
mod answer;
mod body;
mod call;
mod clock;
mod counters;
mod delivery;
mod duplicates;
mod explain;
mod inflate;
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
mod sources;
mod spooling;
mod trace;
mod under_way;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit as Turn};

use crate::config::{Config, ConfigError};
use crate::http::admin::Operations;
use crate::kafka::Producer;
use crate::provider::{Reject, Request, Rules};
use crate::spool::{Drain, Spool};
use crate::telemetry::{GatewayMetrics, Metrics};
use answer::Answer;
pub use answer::{Outcome, Refused, Unavailable};
use body::Memory;
use call::InFlight;
pub use clock::Clock;
use clock::SystemClock;
use counters::Counters;
use delivery::Receipt;
pub use journal::{Fate, Journal};
use keys::{Network, Transport};
pub use run::{Listeners, Rest, bind, serve};
use sources::Sources;
pub use spooling::StartError;

/// The label of requests to paths that nobody configured. Not a legal source name.
const UNKNOWN_SOURCE: &str = "(unknown)";

/// How long a reload waits for the topics of new sources before it lets their requests in all the same.
const NEW_TOPICS: Duration = Duration::from_secs(5);

/// A gateway: the sources and the producer, without listeners.
pub struct Gateway {
    sources: ArcSwap<Sources>,
    producer: Arc<Producer<Receipt>>,
    memory: Arc<Memory>,
    /// Turns at public-key signatures: half of the processors, so that no flood of them starves the other sources.
    turns: Semaphore,
    /// Where keys are fetched from, and subscriptions confirmed.
    network: Network,
    in_flight: InFlight,
    clock: Arc<dyn Clock>,
    spool: Option<Arc<Spool>>,
    drain: Mutex<Option<Drain>>,
    /// The topics of what was in the spool at the start.
    waiting: Vec<Arc<str>>,
    metrics: GatewayMetrics,
    unknown: Counters,
    draining: AtomicBool,
    /// Every topic was seen once.
    started: AtomicBool,
    /// What just happened.
    pub journal: Journal,
}

impl Gateway {
    /// Compile the sources and start the producer. Does not wait for Kafka.
    ///
    /// # Errors
    /// A source that lacks what its scheme needs, a property that librdkafka does not take, or a spool that cannot be had.
    pub fn start(config: &Config, metrics: &Metrics) -> Result<Arc<Self>, StartError> {
        Self::start_on(config, metrics, Arc::new(SystemClock::new()), None)
    }

    /// The same under another clock (requests whose timestamps were signed long ago can then be judged as of their time), and
    /// on another network for the keys that are fetched.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_on(
        config: &Config,
        metrics: &Metrics,
        clock: Arc<dyn Clock>,
        network: Option<Arc<dyn Transport>>,
    ) -> Result<Arc<Self>, StartError> {
        let wrong = |message: String| ConfigError { origin: config.path.display().to_string(), message };
        let origin = config.path.display().to_string();
        let reopened = config.spool.as_ref().map(|spool| spooling::open(spool, &metrics.spool, &origin)).transpose()?;
        let spool = reopened.as_ref().map(|reopened| Arc::clone(&reopened.spool));
        let network = Network::new(network);
        let sources = Sources::new(config, spool.as_ref(), &network, &metrics.gateway, None).map_err(wrong)?;
        if let Some(reopened) = &reopened {
            sources.by_path.values().for_each(|source| reopened.remember(&source.name, &source.window));
        }
        // What waits may belong to a source that is no longer configured.
        let waiting: Vec<Arc<str>> = reopened.into_iter().flat_map(|reopened| reopened.topics).collect();
        let topics = sources::topics(config, &waiting);
        let producer = Producer::start(&config.kafka, topics, metrics.kafka.clone()).map_err(wrong)?;
        let drain = spool.as_ref().map(|spool| spooling::drain(spool, &producer, config.enrich.window, &clock));
        let drain = Mutex::new(drain.transpose().map_err(StartError::Spool)?);
        let gateway = Arc::new(Self {
            sources: ArcSwap::from_pointee(sources),
            waiting,
            producer,
            memory: Memory::new(config.gateway.max_body_bytes_in_flight),
            turns: Semaphore::new((std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1)),
            network,
            in_flight: InFlight::default(),
            clock,
            spool,
            drain,
            unknown: Counters::new(&metrics.gateway, UNKNOWN_SOURCE, 0),
            metrics: metrics.gateway.clone(),
            draining: AtomicBool::new(false),
            started: AtomicBool::new(false),
            journal: Journal::new(config.admin.keep_rejects),
        });
        gateway.refresh_gauges(metrics);
        Ok(gateway)
    }

    /// Take over another configuration: its sources, limits of admission, and, where `kafka` says that it changed, a new
    /// producer. All of it or nothing; requests under way finish with what they began with. Blocks the thread.
    ///
    /// # Errors
    /// As [`Gateway::start`]; everything then stays as it was.
    pub fn reload(&self, config: &Config, kafka: bool) -> Result<(), ConfigError> {
        let wrong = |message: String| ConfigError { origin: config.path.display().to_string(), message };
        // Noted first: the topics of a new source must not take readiness back.
        let _ = self.ready();
        let before = self.sources.load_full();
        let after =
            Sources::new(config, self.spool.as_ref(), &self.network, &self.metrics, Some(&before)).map_err(wrong)?;
        if kafka {
            self.producer.swap_to(&config.kafka).map_err(wrong)?;
        }
        self.producer.watch(sources::topics(config, &self.waiting));
        if !self.await_topics(NEW_TOPICS) {
            tracing::warn!("not every topic was seen yet; until then events of their sources are answered 503");
        }
        self.memory.set_limit(config.gateway.max_body_bytes_in_flight);
        let gone = before.by_path.values().filter(|source| after.named(&source.name).is_none());
        gone.for_each(|source| self.metrics.forget(&source.name));
        self.sources.store(Arc::new(after));
        Ok(())
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
        self.producer.stop_looking();
        if let Some(spool) = &self.spool {
            spool.await_empty(patience);
        }
        drop(self.drain.lock().unwrap_or_else(PoisonError::into_inner).take());
        let unsettled = self.producer.close(end.saturating_duration_since(Instant::now()));
        Rest { unsettled, spooled: self.spool.as_ref().map_or(0, |spool| spool.close()) }
    }

    /// Whether nothing can be made durable: Kafka answers for no partition, and the spool takes nothing either.
    fn is_stuck(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| !spool.has_room() && self.producer.is_away())
    }

    /// Refused requests beyond an address's allowance are told so. Only failures count: a verified request is never
    /// limited by what others behind the same address do. What begins before a reload counts in the limit after it.
    fn limited(&self, result: Result<Answer, Refused>, address: IpAddr) -> Result<Answer, Refused> {
        match result {
            Err(Refused::Reject(reject)) if matches!(reject.status(), 401 | 404) => {
                let within = self.sources.load().failures.failed(address, Instant::now());
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

    /// Have the gauges set whenever somebody is about to look.
    fn refresh_gauges(self: &Arc<Self>, metrics: &Metrics) {
        let gateway = Arc::downgrade(self);
        let kafka = metrics.kafka.clone();
        metrics.before_scrape(move || {
            let Some(gateway) = gateway.upgrade() else { return };
            let (in_flight, oldest) = gateway.in_flight.survey();
            gateway.metrics.in_flight.set(in_flight.try_into().unwrap_or(i64::MAX));
            #[allow(clippy::cast_precision_loss)] // milliseconds since 1970 fit a double
            gateway.metrics.oldest_request.set(oldest.map_or(0.0, |at| at.as_millisecond() as f64 / 1_000.0));
            gateway.metrics.body_bytes.set(gateway.memory.used().try_into().unwrap_or(i64::MAX));
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
        if !self.started.load(Ordering::Acquire) && !self.producer.topics_seen() {
            return Err("kafka, or one of the topics, was not seen yet; `hookstream check` says which".to_owned());
        }
        self.started.store(true, Ordering::Release);
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
            "sources": self.sources.load().by_path.values().map(|source| source.status()).collect::<Vec<_>>(),
            "recent_rejects": refusals,
        })
    }

    fn explain(&self, request: &str) -> Option<Value> {
        self.explain(request)
    }
}
