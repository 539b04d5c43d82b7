//! The way into Kafka for everything a 2xx rests on: an idempotent producer whose handle can be replaced while it runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _, PurgeConfig};

use super::breaker::{Breaker, Probe};
use super::client::{Role, client_config};
use super::deliveries::{Deliveries, DeliveryContext, Settle};
use super::error::{self, ProduceError, Refusal};
use super::message::message;
use super::metadata::Metadata;
use super::partitions::{Topics, lock, partition_for};
use crate::config::KafkaConfig;
use crate::event::Record;
use crate::telemetry::KafkaMetrics;

/// How often a polling thread looks up from its queue.
const POLL: Duration = Duration::from_millis(100);

/// How long to wait before the next try to replace a producer that cannot go on.
const SWAP_PAUSE: Duration = Duration::from_secs(1);

/// An idempotent producer. Cheap to share; every method takes `&self`.
pub struct Producer<S: Settle> {
    config: Mutex<KafkaConfig>,
    deliveries: Arc<Deliveries<S>>,
    topics: Arc<Topics>,
    handle: ArcSwap<Handle<S>>,
    metadata: Metadata,
    pollers: Mutex<Vec<JoinHandle<()>>>,
    closing: Arc<AtomicBool>,
    metrics: KafkaMetrics,
}

/// One librdkafka producer with the thread that polls it.
struct Handle<S: Settle> {
    client: BaseProducer<DeliveryContext<S>>,
    retired: AtomicBool,
}

impl<S: Settle> Producer<S> {
    /// Start a producer for these topics. Does not wait for Kafka.
    ///
    /// # Errors
    /// A property that librdkafka does not take, or a secret that cannot be fetched.
    pub fn start(config: &KafkaConfig, topics: Vec<Arc<str>>, metrics: KafkaMetrics) -> Result<Arc<Self>, String> {
        let deliveries = Arc::new(Deliveries::new(metrics.clone()));
        let known = Arc::new(Topics::default());
        let handle = Handle::open(config, &deliveries)?;
        let producer = Arc::new(Self {
            metadata: Metadata::new(topics),
            config: Mutex::new(config.clone()),
            deliveries,
            topics: known,
            handle: ArcSwap::new(Arc::clone(&handle)),
            pollers: Mutex::default(),
            closing: Arc::default(),
            metrics,
        });
        producer.poll(handle)?;
        let this = Arc::clone(&producer);
        let refresher = std::thread::Builder::new()
            .name("kafka-metadata".to_owned())
            .spawn(move || this.metadata.run(&this.topics, || this.handle.load_full(), |handle| handle.client.client()))
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        producer.keep(refresher);
        Ok(producer)
    }

    /// Hand a record to Kafka. `settle` is called exactly once when its fate is known, unless this returns an error;
    /// then it comes back at once. Never blocks. While its partition is away it is taken only as the probe, if it may be.
    ///
    /// # Errors
    /// Why the record was not taken; nothing is kept of it.
    pub fn produce(&self, record: &Record, settle: S, probe: Probe) -> Result<(), (ProduceError, S)> {
        let topics = self.topics.now();
        let Some(partitions) = topics.get(&record.topic) else {
            return Err((ProduceError::TopicUnknown, settle));
        };
        let partition = partition_of(record, partitions.len());
        let Some(breaker) = usize::try_from(partition).ok().and_then(|index| partitions.get(index)) else {
            return Err((ProduceError::Refused(Refusal::NoTopic), settle));
        };
        let now = Instant::now();
        if !lock(breaker).admit(now, probe) {
            return Err((ProduceError::BreakerOpen, settle));
        }
        let ticket = self.deliveries.enter(settle, now, Arc::clone(breaker));
        let message = message(record, ticket).partition(partition);
        match self.handle.load().client.send(message) {
            Ok(()) => Ok(()),
            Err((error, _)) => match self.deliveries.withdraw(ticket) {
                Some(settle) => Err((refused(&error), settle)),
                // Settled in between by a purge; then its fate has been told already.
                None => Ok(()),
            },
        }
    }

    /// Whether every topic was seen at least once.
    pub fn topics_seen(&self) -> bool {
        self.topics.know_all(&self.metadata.topics())
    }

    /// Look for these topics from now on instead.
    pub fn watch(&self, topics: Vec<Arc<str>>) {
        self.metadata.watch(topics);
    }

    /// Wait until every topic was seen, or the time is over.
    pub fn await_topics(&self, patience: Duration) -> bool {
        self.metadata.wait(patience, || self.topics_seen())
    }

    /// The partition that a record belongs to; `None` where its topic was not seen yet.
    pub fn partition(&self, record: &Record) -> Option<i32> {
        Some(partition_of(record, self.topics.get(&record.topic)?.len()))
    }

    /// How many partitions a topic has; `None` where it was not seen yet.
    pub fn partitions(&self, topic: &str) -> Option<i32> {
        Some(count(self.topics.get(topic)?.len()))
    }

    /// Whether a record for this partition would be taken now, be it as the probe.
    pub fn admits(&self, topic: &str, partition: i32) -> bool {
        self.breaker(topic, partition).is_some_and(|breaker| lock(&breaker).admits(Instant::now(), Probe::Allowed))
    }

    /// How often Kafka has answered for a record of this partition, whether it took it or not.
    pub fn answers(&self, topic: &str, partition: i32) -> u64 {
        self.breaker(topic, partition).map_or(0, |breaker| lock(&breaker).answers())
    }

    fn breaker(&self, topic: &str, partition: i32) -> Option<Arc<Mutex<Breaker>>> {
        self.topics.get(topic)?.get(usize::try_from(partition).ok()?).cloned()
    }

    /// For how long Kafka has been saying that there is no such topic.
    pub fn missing(&self, topic: &str) -> Option<Duration> {
        self.metadata.missing(topic)
    }

    /// Records under way.
    pub fn in_flight(&self) -> usize {
        self.deliveries.len()
    }

    /// Whether Kafka answers for no partition, as far as any was asked within the last seconds.
    pub fn is_away(&self) -> bool {
        self.topics.is_away(Instant::now())
    }

    /// Partitions whose breaker is open.
    pub fn open_breakers(&self) -> usize {
        self.topics.open_breakers(Instant::now())
    }

    /// Replace the librdkafka producer: after a fatal error, or when credentials changed. The old one is flushed in
    /// the background; its records keep their tickets.
    ///
    /// # Errors
    /// As [`Producer::start`]; the old handle then stays.
    pub fn swap(self: &Arc<Self>) -> Result<(), String> {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.swap_to(&config)
    }

    /// The same with another configuration.
    ///
    /// # Errors
    /// As [`Producer::swap`].
    pub fn swap_to(self: &Arc<Self>, config: &KafkaConfig) -> Result<(), String> {
        let handle = Handle::open(config, &self.deliveries)?;
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config.clone();
        self.poll(Arc::clone(&handle))?;
        self.handle.swap(handle).retired.store(true, Ordering::Release);
        self.metrics.producer_swaps.inc();
        Ok(())
    }

    /// The end is near: look for no more topics. A look that has begun takes its time while Kafka is away, and the end waits
    /// for it.
    pub fn stop_looking(&self) {
        self.metadata.stop();
    }

    /// Wait until everything under way is settled, or the time is over, and end the threads. Returns how many records
    /// were still unsettled; their `settle` is then told that they may or may not stand in the log.
    pub fn close(&self, patience: Duration) -> usize {
        self.stop_looking();
        let _ = self.handle.load().client.flush(patience);
        let left = self.deliveries.len();
        self.closing.store(true, Ordering::Release);
        let threads = std::mem::take(&mut *self.pollers.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A polling thread that panicked has nothing left to tell.
            let _ = thread.join();
        }
        left
    }

    fn poll(self: &Arc<Self>, handle: Arc<Handle<S>>) -> Result<(), String> {
        let (producer, closing) = (Arc::downgrade(self), Arc::clone(&self.closing));
        let thread = std::thread::Builder::new()
            .name("kafka-poll".to_owned())
            .spawn(move || {
                let closing = || closing.load(Ordering::Acquire);
                while !handle.retired.load(Ordering::Acquire) && !closing() {
                    handle.client.poll(POLL);
                    if let Some((code, reason)) = handle.client.client().fatal_error() {
                        tracing::error!(?code, reason, "the kafka producer met a fatal error; a new one takes over");
                        if let Some(Err(error)) = producer.upgrade().map(|producer| producer.swap()) {
                            tracing::error!(error, "no new producer could be made; trying again");
                            handle.client.poll(SWAP_PAUSE);
                        }
                    }
                }
                // What a replaced handle still holds goes out, or is reported as failed within the message timeout. Whoever
                // is just handing it a record is waited for: the last one to let go of a client runs its callbacks, and
                // that must be this thread, which holds no locks.
                while !closing() && (Arc::strong_count(&handle) > 1 || handle.client.in_flight_count() > 0) {
                    handle.client.poll(POLL);
                }
                handle.client.purge(PurgeConfig::default().queue().inflight());
                let _ = handle.client.flush(POLL);
            })
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        self.keep(thread);
        Ok(())
    }

    fn keep(&self, thread: JoinHandle<()>) {
        let mut threads = self.pollers.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
    }
}

impl<S: Settle> Handle<S> {
    fn open(config: &KafkaConfig, deliveries: &Arc<Deliveries<S>>) -> Result<Arc<Self>, String> {
        let client = client_config(config, Role::Producer)?
            .create_with_context(DeliveryContext(Arc::clone(deliveries)))
            .map_err(|error| format!("kafka producer: {error}"))?;
        Ok(Arc::new(Self { client, retired: AtomicBool::new(false) }))
    }
}

fn partition_of(record: &Record, partitions: usize) -> i32 {
    record.partition.unwrap_or_else(|| partition_for(&record.key, count(partitions)))
}

fn count(partitions: usize) -> i32 {
    i32::try_from(partitions).unwrap_or(i32::MAX)
}

fn refused(error: &KafkaError) -> ProduceError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => ProduceError::QueueFull,
        // Not the record's fault: after a fatal error a client takes nothing more, and another takes over.
        Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::State) => ProduceError::ClientFailed,
        Some(code) => ProduceError::Refused(error::refusal(code).unwrap_or(Refusal::Other)),
        None => ProduceError::Refused(Refusal::Other),
    }
}

#[cfg(test)]
#[path = "producer_tests.rs"]
mod tests;
