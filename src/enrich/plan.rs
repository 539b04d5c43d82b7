//! From decisions to records: what a decided record puts into the transaction. Pure.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::answer::Exchange;
use super::schedule::Delay;
use super::verdict::{Dead, Decision, Retry};
use super::work::{Event, Subject, Work};
use crate::config::TopicsConfig;
use crate::event::{
    DeadLetter, Enrichment, Extra, Foreign, Place, Record, Stage, Status, Token, Trail, Verification, decode, enriched,
};

/// The header of an ids record whose event belongs to a run.
pub(crate) const RUN_HEADER: &str = "hookstream-run";

/// What stands for source and provider of bytes that say nothing about them. Not a legal source name.
const UNKNOWN: &str = "(unknown)";

/// The topics that all sources share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    retry: Vec<(Delay, Arc<str>)>,
    dead_letter: Arc<str>,
}

impl Shared {
    /// Their names.
    pub(crate) fn new(topics: &TopicsConfig) -> Self {
        Self {
            retry: Delay::all().map(|delay| (delay, topics.retry_topic(delay.name()).into())).collect(),
            dead_letter: topics.dead_letter_topic().into(),
        }
    }

    /// The retry topics with their delays.
    pub(crate) fn retry_topics(&self) -> impl Iterator<Item = &(Delay, Arc<str>)> {
        self.retry.iter()
    }

    /// The delay of a retry topic; `None` for other topics.
    pub(crate) fn delay_of(&self, topic: &str) -> Option<Delay> {
        self.retry.iter().find(|(_, name)| **name == *topic).map(|(delay, _)| *delay)
    }

    fn retry_topic(&self, delay: Delay) -> Arc<str> {
        let found = self.retry.iter().find(|(other, _)| *other == delay);
        found.map_or_else(|| Arc::clone(&self.dead_letter), |(_, topic)| Arc::clone(topic))
    }
}

/// Everything that a decided record writes, in order. Exactly one of them is the event's token or its enriched record;
/// a raw record's claim comes with it.
pub(crate) fn records(work: &Work, decision: &Decision, shared: &Shared, now: Timestamp) -> Vec<Record> {
    let mut records = Vec::with_capacity(2);
    match &work.subject {
        Subject::Foreign(_) => match decision {
            Decision::Dead(dead) => records.push(foreign(work, dead, shared, now)),
            // Nothing else is ever decided about it; written all the same, so that it cannot be lost.
            Decision::Duplicate | Decision::Enriched(..) | Decision::Skipped(_) | Decision::Gone(_) | Decision::Retry(_) => {}
        },
        Subject::Event(event) => {
            records.extend(moved(work, event, decision, shared, now));
            if event.claim.is_some() && !matches!(decision, Decision::Duplicate) {
                records.push(claim(work, event, decision, now));
            }
        }
    }
    records
}

fn moved(work: &Work, event: &Event, decision: &Decision, shared: &Shared, now: Timestamp) -> Option<Record> {
    match decision {
        Decision::Duplicate => None,
        Decision::Enriched(fetched, exchange) => {
            let enrichment = Enrichment { etag: fetched.etag.as_deref(), ..asked(Status::Enriched, event, exchange) };
            Some(finished(work, event, Some(&fetched.record), &enrichment, exchange.began))
        }
        Decision::Gone(exchange) => {
            let enrichment = asked(Status::Gone, event, exchange);
            Some(finished(work, event, None, &enrichment, exchange.began))
        }
        Decision::Skipped(skip) => {
            let enrichment = Enrichment {
                status: Status::Skipped,
                reason: Some(skip.as_str()),
                url: None,
                httpstatus: None,
                fetchedat: None,
                etag: None,
                recordversion: None,
                attempts: event.attempts(),
            };
            Some(finished(work, event, None, &enrichment, now))
        }
        Decision::Retry(retry) => Some(waiting(work, event, retry, shared, now)),
        Decision::Dead(dead) => Some(dead_event(work, event, dead, shared, now)),
    }
}

fn asked<'a>(status: Status, event: &Event, exchange: &'a Exchange) -> Enrichment<'a> {
    Enrichment {
        status,
        reason: None,
        url: Some(&exchange.url),
        httpstatus: exchange.status,
        fetchedat: Some(exchange.began),
        etag: None,
        recordversion: None,
        attempts: event.attempts() + 1,
    }
}

/// The enriched record: key and partition of the raw one, so that the two topics join.
fn finished(work: &Work, event: &Event, record: Option<&[u8]>, enrichment: &Enrichment<'_>, at: Timestamp) -> Record {
    let (key, headers) = (key(work), &work.stored.headers);
    let traceparent = headers.iter().find(|(name, _)| name == "traceparent");
    let extra = Extra {
        traceparent: traceparent.and_then(|(_, value)| std::str::from_utf8(value).ok()),
        ..Extra::default()
    };
    // It was read when it came, and has not changed since.
    let encoded = match decode(headers, &work.stored.value) {
        Ok(envelope) => enriched(event.source.format, &envelope, record, enrichment, extra),
        Err(_) => crate::event::Encoded::default(),
    };
    Record {
        topic: Arc::clone(&event.source.enriched_topic),
        partition: Some(origin(work).partition),
        key,
        value: encoded.value,
        headers: encoded.headers,
        timestamp_ms: at.as_millisecond(),
    }
}

fn waiting(work: &Work, event: &Event, retry: &Retry, shared: &Shared, now: Timestamp) -> Record {
    let trail = trail(work, event.trail.as_ref(), Stage::Fetch, retry.reason, String::new(), retry.attempts, now);
    let token = Token::new(&key(work), &work.stored.value, &work.stored.headers, trail);
    match token.retry(shared.retry_topic(retry.delay), now.as_millisecond()) {
        Ok(record) => record,
        Err(error) => bytes(work, &token.trail, Some(event), &error.to_string(), false, shared, now),
    }
}

fn dead_event(work: &Work, event: &Event, dead: &Dead, shared: &Shared, now: Timestamp) -> Record {
    let trail = trail(work, event.trail.as_ref(), Stage::Fetch, dead.reason, dead.error.clone(), dead.attempts, now);
    if dead.without_body {
        return bytes(work, &trail, Some(event), &dead.error, true, shared, now);
    }
    let token = Token::new(&key(work), &work.stored.value, &work.stored.headers, trail);
    match token.dead_letter(Arc::clone(&shared.dead_letter), now.as_millisecond()) {
        Ok(record) => record,
        Err(error) => bytes(work, &token.trail, Some(event), &error.to_string(), false, shared, now),
    }
}

fn foreign(work: &Work, dead: &Dead, shared: &Shared, now: Timestamp) -> Record {
    let trail = trail(work, None, Stage::Decode, dead.reason, dead.error.clone(), dead.attempts, now);
    bytes(work, &trail, None, &dead.error, dead.without_body, shared, now)
}

/// A dead letter of bytes.
fn bytes(
    work: &Work,
    trail: &Trail,
    event: Option<&Event>,
    error: &str,
    without_body: bool,
    shared: &Shared,
    now: Timestamp,
) -> Record {
    let stored = &work.stored;
    let id = format!("{}/{}/{}", stored.partition.topic, stored.partition.number, stored.offset);
    let headers: Vec<(&str, &[u8])> =
        stored.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let trail = Trail { error: error.to_owned(), ..trail.clone() };
    let letter = DeadLetter {
        id: &id,
        source: event.map_or(UNKNOWN, |event| &event.source.name),
        provider: event.map_or(UNKNOWN, |event| event.source.provider.name()),
        verification: Verification::None,
        received: now,
        body: if without_body { &[] } else { &stored.value },
        extra: Extra::default(),
        foreign: (!without_body).then_some(Foreign { key: &stored.key, headers: &headers }),
        trail: &trail,
    };
    letter.record(Arc::clone(&shared.dead_letter))
}

fn trail(
    work: &Work,
    before: Option<&Trail>,
    stage: Stage,
    reason: &'static str,
    error: String,
    attempts: u32,
    now: Timestamp,
) -> Trail {
    Trail {
        reason: Cow::Borrowed(reason),
        stage,
        origin: Some(origin(work)),
        attempts,
        first_failed: before.map_or(now, |trail| trail.first_failed),
        error,
    }
}

/// Where the raw record stands.
fn origin(work: &Work) -> Place {
    let known = work.event().and_then(|event| event.trail.as_ref()).and_then(|trail| trail.origin.clone());
    known.unwrap_or_else(|| Place {
        topic: work.stored.partition.topic.to_string(),
        partition: work.stored.partition.number,
        offset: work.stored.offset,
    })
}

/// The raw record's key: its own, or the one that the token carries.
fn key(work: &Work) -> Vec<u8> {
    if work.event().is_some_and(|event| event.trail.is_some()) {
        if let Ok(token) = Token::read(&work.stored.value, &work.stored.headers) {
            return token.key;
        }
    }
    work.stored.key.clone()
}

/// The record of the ids topic: written to the raw record's partition number, never hashed, so that whoever owns the
/// one reads the other.
fn claim(work: &Work, event: &Event, decision: &Decision, now: Timestamp) -> Record {
    let value = json!({ "outcome": decision.outcome(), "topic": &*work.stored.partition.topic, "offset": work.stored.offset });
    let run = (!event.run.is_empty()).then(|| (Cow::Borrowed(RUN_HEADER), event.run.clone().into_bytes()));
    Record {
        topic: Arc::clone(&event.source.ids_topic),
        partition: Some(work.stored.partition.number),
        key: event.id.clone().into_bytes(),
        value: value.to_string().into_bytes(),
        headers: run.into_iter().collect(),
        timestamp_ms: now.as_millisecond(),
    }
}
