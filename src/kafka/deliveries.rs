//! Records under way: who waits for each, and how its delivery report is settled and counted.
//!
//! A report is settled here whether or not anybody still waits: a client that hangs up changes nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use slab::Slab;

use super::breaker::Breaker;
use super::context;
use super::error::{self, DeliveryFailure};
use super::ffi::{self, Persistence};
use super::message;
use super::partitions::lock;
use crate::telemetry::KafkaMetrics;

/// What librdkafka sends again it sends after a pause (`retry.backoff.ms`, 100 ms give or take a fifth). A record that was
/// acknowledged earlier was sent once.
const SENT_ONCE: Duration = Duration::from_millis(80);

/// The metric label of an acknowledged record.
const PERSISTED: &str = "persisted";

/// Where an acknowledged record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

/// What is to happen when a record's fate is known. Runs on the producer's polling thread: short, and never blocking.
pub trait Settle: Send + 'static {
    /// The fate of the record.
    fn settle(self, outcome: Result<Delivery, DeliveryFailure>);
}

/// The records under way of one producer, over all its handles.
pub(super) struct Deliveries<S> {
    slab: Mutex<Slab<Underway<S>>>,
    /// How often librdkafka began a new epoch: after a record was given up, or refused while later ones were under way. It does
    /// so over all partitions, and what it then sends again without knowing whether it arrived, no broker knows for a copy.
    epochs: AtomicU64,
    metrics: KafkaMetrics,
    persisted: IntCounter,
}

struct Underway<S> {
    settle: S,
    since: Instant,
    /// Of the producer, when it was handed over.
    epoch: u64,
    breaker: Arc<Mutex<Breaker>>,
}

impl<S: Settle> Deliveries<S> {
    pub(super) fn new(metrics: KafkaMetrics) -> Self {
        // A counter that first appears at 1 hides that one from rate().
        for outcome in DeliveryFailure::NAMES {
            metrics.deliveries.with_label_values(&[outcome]);
        }
        let slab = Mutex::new(Slab::new());
        Self { slab, epochs: AtomicU64::new(0), persisted: metrics.deliveries.with_label_values(&[PERSISTED]), metrics }
    }

    /// Remember a record; the ticket rides in librdkafka's opaque pointer.
    pub(super) fn enter(&self, settle: S, since: Instant, breaker: Arc<Mutex<Breaker>>) -> usize {
        let epoch = self.epochs.load(Ordering::Relaxed);
        self.slab().insert(Underway { settle, since, epoch, breaker })
    }

    /// Forget a record that librdkafka did not take.
    pub(super) fn withdraw(&self, ticket: usize) -> Option<S> {
        let underway = self.slab().try_remove(ticket)?;
        lock(&underway.breaker).withdraw();
        Some(underway.settle)
    }

    /// How many records are under way.
    pub(super) fn len(&self) -> usize {
        self.slab().len()
    }

    fn slab(&self) -> MutexGuard<'_, Slab<Underway<S>>> {
        // A slab is consistent between its calls; no call of ours panics inside.
        self.slab.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, ticket: usize, outcome: Result<Delivery, DeliveryFailure>) {
        let Some(underway) = self.slab().try_remove(ticket) else { return };
        let now = Instant::now();
        match outcome {
            Ok(_) => lock(&underway.breaker).answered(now),
            Err(failure) if failure.refusal.is_some() => lock(&underway.breaker).answered(now),
            Err(_) => lock(&underway.breaker).failed(now),
        }
        let took = now.saturating_duration_since(underway.since);
        self.metrics.produce_duration.observe(took.as_secs_f64());
        match outcome {
            Ok(_) => {
                self.persisted.inc();
                if took >= SENT_ONCE && underway.epoch != self.epochs.load(Ordering::Relaxed) {
                    self.metrics.perhaps_twice.inc();
                }
            }
            Err(failure) => self.metrics.deliveries.with_label_values(&[failure.as_str()]).inc(),
        }
        underway.settle.settle(outcome);
    }
}

/// The context of one producer handle.
pub(super) struct DeliveryContext<S>(pub(super) Arc<Deliveries<S>>);

impl<S: Settle> ClientContext for DeliveryContext<S> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Nothing else tells: the statistics would have to be asked for all the time.
        if facility == "DRAIN" && message.contains("epoch bump") {
            self.0.epochs.fetch_add(1, Ordering::Relaxed);
        }
        context::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "hookstream::kafka", %error, reason, "producer error");
    }
}

impl<S: Settle> ProducerContext for DeliveryContext<S> {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let outcome = match result {
            Ok(message) => acknowledged(message),
            Err((error, message)) => match ffi::persistence(message) {
                // Reported with an error, and yet in the log: that is an acknowledgement.
                Persistence::Persisted => acknowledged(message),
                persistence => {
                    let refusal = error.rdkafka_error_code().and_then(error::refusal);
                    Err(DeliveryFailure { persistence, refusal })
                }
            },
        };
        self.0.report(ticket, outcome);
    }
}

fn acknowledged(message: &BorrowedMessage<'_>) -> Result<Delivery, DeliveryFailure> {
    let offset = message::offset(message);
    offset
        .map(|offset| Delivery { partition: message.partition(), offset })
        .ok_or(DeliveryFailure { persistence: Persistence::PossiblyPersisted, refusal: None })
}
