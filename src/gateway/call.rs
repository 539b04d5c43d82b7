//! One request from arrival to answer: its id, its clocks, and the duty to be counted exactly once.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use jiff::Timestamp;
use slab::Slab;

use super::Gateway;
use super::answer::{self, Answer, Outcome, Refused, Via};
use super::counters::Counters;
use super::journal::Fate;
use super::rejects::{Evidence, Refusal};
use super::source::Source;
use crate::http::RequestId;
use crate::kafka::Delivery;
use crate::provider::Reject;

/// What the body must leave of the deadline for Kafka.
const AFTER_BODY: Duration = Duration::from_millis(1_500);

/// What the answer must leave of the deadline for the way back.
const AFTER_ANSWER: Duration = Duration::from_millis(200);

/// How long Kafka alone is waited for where there is a spool.
const KAFKA_ALONE: Duration = Duration::from_secs(1);

/// What the spool is left of the deadline, where the body came late.
const FOR_THE_SPOOL: Duration = Duration::from_millis(300);

/// What the key that verifies it must leave of the deadline for Kafka.
const AFTER_KEY: Duration = Duration::from_millis(1_000);

/// The largest limit that a 413 can name where the source is not known.
const NO_LIMIT: usize = 0;

/// When each request in flight arrived.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<Slab<Timestamp>>);

impl InFlight {
    fn enter(&self, at: Timestamp) -> usize {
        self.all().insert(at)
    }

    fn leave(&self, place: usize) {
        self.all().try_remove(place);
    }

    /// How many there are, and when the oldest of them arrived. Looks at each.
    pub(super) fn survey(&self) -> (usize, Option<Timestamp>) {
        let all = self.all();
        (all.len(), all.iter().map(|(_, at)| *at).min())
    }

    fn all(&self) -> MutexGuard<'_, Slab<Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is learnt on the way, for whoever watches.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    pub(super) kind: Option<String>,
    pub(super) id: Option<String>,
    pub(super) place: Option<(Arc<str>, Delivery)>,
}

/// One request. Dropped without [`Call::end`], it counts as hung up.
pub(super) struct Call<'a> {
    gateway: &'a Gateway,
    pub(super) id: RequestId,
    pub(super) source: Option<&'a Arc<Source>>,
    pub(super) address: IpAddr,
    pub(super) arrived: Instant,
    /// When it came, by the time of day.
    pub(super) now: Timestamp,
    /// The same by the clock that never jumps.
    pub(super) steady: Duration,
    /// Only where somebody watches.
    pub(super) learnt: Option<Learnt>,
    /// The body, once it did not verify.
    pub(super) unverified: Option<Bytes>,
    place: usize,
    ended: bool,
}

impl<'a> Call<'a> {
    /// What it was kept waiting before it was read counts: its deadlines and its duration begin before.
    pub(super) fn begin(
        gateway: &'a Gateway,
        source: Option<&'a Arc<Source>>,
        address: IpAddr,
        waited: Duration,
    ) -> Self {
        let (now, read) = (gateway.clock.now(), Instant::now());
        gateway.journal.arrived();
        source.map_or(&gateway.unknown, |source| &source.counters).metrics.received.inc();
        let place = gateway.in_flight.enter(now);
        let learnt = gateway.journal.is_watched().then(Learnt::default);
        Self {
            steady: gateway.clock.steady(read),
            gateway,
            id: RequestId::at(now),
            source,
            address,
            arrived: read.checked_sub(waited).unwrap_or(read),
            now,
            learnt,
            unverified: None,
            place,
            ended: false,
        }
    }

    /// Until when the body must be there.
    pub(super) fn body_deadline(&self, source: &Source) -> Instant {
        self.arrived + source.deadline.saturating_sub(AFTER_BODY)
    }

    /// Until when the key that verifies it must be there.
    pub(super) fn key_deadline(&self, source: &Source) -> Instant {
        self.arrived + source.deadline.saturating_sub(AFTER_KEY)
    }

    /// Until when the answer must leave.
    pub(super) fn answer_deadline(&self, source: &Source) -> Instant {
        self.arrived + source.deadline.saturating_sub(AFTER_ANSWER)
    }

    /// Until when Kafka alone is waited for, from now on, where there is a spool.
    pub(super) fn kafka_deadline(&self, source: &Source) -> Instant {
        let latest = self.answer_deadline(source).checked_sub(FOR_THE_SPOOL).unwrap_or(self.arrived);
        latest.min(Instant::now() + KAFKA_ALONE)
    }

    /// Count the request, tell whoever watches, and compose its answer. `parts`: of a refused request.
    pub(super) fn end(mut self, result: &Result<Answer, Refused>, parts: Option<&Parts>) -> Response {
        let outcome = match result {
            Ok(answer) => answer.outcome(),
            Err(Refused::Reject(reject)) => {
                self.counters().metrics.reject(reject.as_str()).inc();
                self.refused(*reject, parts);
                Outcome::Rejected
            }
            Err(Refused::Unavailable(unavailable)) => {
                self.counters().metrics.unavailable(unavailable.as_str()).inc();
                Outcome::Unavailable
            }
        };
        let via = result.as_ref().map_or(Via::Neither, Answer::via);
        self.count(outcome, via, result.as_ref().err());
        let max_body = self.source.map_or(NO_LIMIT, |source| source.max_body);
        let wishes = self.source.map(|source| (source.success.as_ref(), source.rejected));
        let (success, rejected) = wishes.unwrap_or_default();
        answer::response(result, self.id, max_body, success, rejected)
    }

    fn counters(&self) -> &Counters {
        self.source.map_or(&self.gateway.unknown, |source| &source.counters)
    }

    fn refused(&self, reject: Reject, parts: Option<&Parts>) {
        let (source, reason) = (self.source.map(|source| &source.name), reject.as_str());
        let rejects = &self.gateway.journal.rejects;
        // What is one too many may be a flood; headers that are too large are not kept either.
        let worth = !matches!(reject, Reject::TooManyRequests | Reject::HeadersTooLarge) && rejects.keeps();
        rejects.add(Refusal {
            id: self.id,
            at: self.now,
            source: source.cloned(),
            reason: reject,
            address: self.address,
            evidence: parts.filter(|_| worth).map(|parts| Arc::new(Evidence::new(parts, self.unverified.as_ref()))),
        });
        tracing::info!(request_id = %self.id, source = source.map(|name| &**name), reason, address = %self.address, "refused");
    }

    fn count(&mut self, outcome: Outcome, via: Via, refused: Option<&Refused>) {
        self.ended = true;
        let after = self.arrived.elapsed();
        let counters = self.counters();
        counters.ended(outcome, via);
        counters.metrics.duration.observe(after.as_secs_f64());
        self.gateway.in_flight.leave(self.place);
        self.gateway.journal.count(outcome);
        if let Some(learnt) = self.learnt.take() {
            self.gateway.journal.tell(Fate {
                at: self.gateway.clock.now(),
                source: self.source.map(|source| Arc::clone(&source.name)),
                kind: learnt.kind,
                id: learnt.id,
                outcome,
                after,
                place: learnt.place,
                reason: refused.map(|refused| match refused {
                    Refused::Reject(reject) => reject.as_str(),
                    Refused::Unavailable(unavailable) => unavailable.as_str(),
                }),
            });
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.count(Outcome::HungUp, Via::Neither, None);
        }
    }
}
