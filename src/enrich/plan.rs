//! From decisions to records: what a decided record puts into the transaction. Pure.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::answer::Exchange;
use super::schedule::Delay;
use super::verdict::{Dead, Decision, Retry, Skip};
use super::work::{Event, Subject, Work};
use crate::config::TopicsConfig;
use crate::event::{
    DeadLetter, DecodeError, Enrichment, Extra, Foreign, Place, Record, Stage, Status, Token, Trail, Verification,
    decode, enriched,
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

/// Everything that a decided record writes: the event's one token or its enriched record and, for a raw record, its
/// claim. A duplicate writes nothing.
pub(crate) fn records(work: &Work, decision: &Decision, shared: &Shared, now: Timestamp) -> Vec<Record> {
    let event = match &work.subject {
        Subject::Event(event) => event,
        Subject::Foreign(error) => return vec![foreign(work, error, decision, shared, now)],
    };
    let moved = match decision {
        Decision::Duplicate => return Vec::new(),
        Decision::Enriched(fetched, exchange) => {
            let enrichment = Enrichment { etag: fetched.etag.as_deref(), ..asked(Status::Enriched, event, exchange) };
            finished(work, event, Some(&fetched.record), &enrichment, exchange.began)
        }
        Decision::Gone(exchange) => finished(work, event, None, &asked(Status::Gone, event, exchange), exchange.began),
        Decision::Skipped(skip) => finished(work, event, None, &skipped(*skip, event), now),
        Decision::Retry(retry) => waiting(work, event, retry, shared, now),
        Decision::Dead(dead) => Ok(dead_event(work, event, dead, shared, now)),
    };
    // Only an event that was read gets here, and reading it again gives the same. Were it otherwise, its bytes are kept.
    let moved = moved.unwrap_or_else(|error| foreign(work, &error, decision, shared, now));
    let claim = event.claim.map(|_| claim(work, event, decision, now));
    std::iter::once(moved).chain(claim).collect()
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

fn skipped<'a>(skip: Skip, event: &Event) -> Enrichment<'a> {
    Enrichment {
        status: Status::Skipped,
        reason: Some(skip.as_str()),
        url: None,
        httpstatus: None,
        fetchedat: None,
        etag: None,
        recordversion: None,
        attempts: event.attempts(),
    }
}

/// The enriched record: key and partition of the raw one, so that the two topics join.
fn finished(
    work: &Work,
    event: &Event,
    record: Option<&[u8]>,
    enrichment: &Enrichment<'_>,
    at: Timestamp,
) -> Result<Record, DecodeError> {
    let headers = &work.stored.headers;
    let traceparent = headers.iter().find(|(name, _)| name == "traceparent");
    let extra =
        Extra { traceparent: traceparent.and_then(|(_, value)| std::str::from_utf8(value).ok()), ..Extra::default() };
    let envelope = decode(headers, &work.stored.value)?;
    let encoded = enriched(event.source.format, &envelope, record, enrichment, extra);
    Ok(Record {
        topic: Arc::clone(&event.source.enriched_topic),
        partition: Some(origin(work).partition),
        key: event.key.clone(),
        value: encoded.value,
        headers: encoded.headers,
        timestamp_ms: at.as_millisecond(),
    })
}

fn waiting(work: &Work, event: &Event, retry: &Retry, shared: &Shared, now: Timestamp) -> Result<Record, DecodeError> {
    let trail = Trail { attempts: retry.attempts, ..trail(work, Stage::Fetch, retry.reason, &retry.error, now) };
    let token = Token::new(&event.key, &work.stored.value, &work.stored.headers, trail);
    token.retry(shared.retry_topic(retry.delay), now.as_millisecond())
}

fn dead_event(work: &Work, event: &Event, dead: &Dead, shared: &Shared, now: Timestamp) -> Record {
    let trail = Trail { attempts: dead.attempts, ..trail(work, Stage::Fetch, dead.reason, &dead.error, now) };
    if dead.without_body {
        return letter(work, &trail, None, shared, now);
    }
    let token = Token::new(&event.key, &work.stored.value, &work.stored.headers, trail);
    let record = token.dead_letter(Arc::clone(&shared.dead_letter), now.as_millisecond());
    record.unwrap_or_else(|_| letter(work, &token.trail, Some(&work.stored.value), shared, now))
}

/// A record that is not an event of ours: its bytes are kept, unless Kafka has refused them as too large.
fn foreign(work: &Work, error: &DecodeError, decision: &Decision, shared: &Shared, now: Timestamp) -> Record {
    let too_large = matches!(decision, Decision::Dead(dead) if dead.without_body);
    let trail = trail(work, Stage::Decode, error.as_str(), &error.to_string(), now);
    letter(work, &trail, (!too_large).then_some(&work.stored.value), shared, now)
}

/// A dead letter of bytes; without them it only says where they stood.
fn letter(work: &Work, trail: &Trail, body: Option<&[u8]>, shared: &Shared, now: Timestamp) -> Record {
    let stored = &work.stored;
    let id = format!("{}/{}/{}", stored.partition.topic, stored.partition.number, stored.offset);
    let source = work.event().map(|event| &event.source);
    let headers: Vec<(&str, &[u8])> =
        stored.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let letter = DeadLetter {
        id: &id,
        source: source.map_or(UNKNOWN, |source| &source.name),
        provider: source.map_or(UNKNOWN, |source| source.provider.name()),
        verification: Verification::None,
        received: now,
        body: body.unwrap_or_default(),
        extra: Extra::default(),
        foreign: body.map(|_| Foreign { key: &stored.key, headers: &headers }),
        trail,
    };
    letter.record(Arc::clone(&shared.dead_letter))
}

/// What happened last; when it failed first is kept.
fn trail(work: &Work, stage: Stage, reason: &'static str, error: &str, now: Timestamp) -> Trail {
    let before = work.event().and_then(|event| event.trail.as_ref());
    Trail {
        reason: Cow::Borrowed(reason),
        stage,
        origin: Some(origin(work)),
        attempts: before.map_or(0, |trail| trail.attempts),
        first_failed: before.map_or(now, |trail| trail.first_failed),
        error: error.to_owned(),
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

/// The record of the ids topic: written to the raw record's partition number, never hashed, so that whoever owns the
/// one reads the other.
fn claim(work: &Work, event: &Event, decision: &Decision, now: Timestamp) -> Record {
    let value =
        json!({ "outcome": decision.outcome(), "topic": &*work.stored.partition.topic, "offset": work.stored.offset });
    let run = (!event.run.is_empty()).then(|| (Cow::Borrowed(RUN_HEADER), event.run.clone().into()));
    Record {
        topic: Arc::clone(&event.source.ids_topic),
        partition: Some(work.stored.partition.number),
        key: event.id.clone().into_bytes(),
        value: value.to_string().into_bytes(),
        headers: run.into_iter().collect(),
        timestamp_ms: now.as_millisecond(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;

    use super::super::answer::Fetched;
    use super::super::source::Sources;
    use super::*;
    use crate::config::Config;
    use crate::event::{Attributes, Data, Format, Origin, encode, source_uri};
    use crate::kafka::{Partition, Stored};

    const DATA: &str = r#"{"data":{"object":{"id":"in_1"}},"n":1.50}"#;

    fn stage() -> (Sources, Shared) {
        let text = "[sources.stripe]\nsecrets = [\"env:PATH\"]\napi_key = \"env:PATH\"\n";
        let config = Config::parse(Path::new("test"), text, []).unwrap();
        (Sources::new(&config).unwrap().0, Shared::new(&config.kafka.topics))
    }

    fn raw() -> Stored {
        let attributes = Attributes {
            id: "evt_1".into(),
            source: source_uri("stripe").into(),
            kind: "com.stripe.invoice.paid".into(),
            subject: None,
            time: None,
            dataschema: None,
            provider: "stripe".into(),
            providertype: Some("invoice.paid".into()),
            category: None,
            tenant: None,
            origin: Origin::Webhook,
            verification: Verification::Signature,
            run: None,
            recordedtime: Timestamp::UNIX_EPOCH,
        };
        let encoded = encode(Format::CloudEvents, &attributes, &Data::Json(DATA.as_bytes()), Extra::default());
        stored("webhooks.stripe", 4, encoded.value, encoded.headers)
    }

    fn stored(topic: &str, number: i32, value: Vec<u8>, headers: crate::event::Headers) -> Stored {
        Stored {
            partition: Partition { topic: topic.into(), number },
            offset: 17,
            timestamp_ms: 0,
            key: b"evt_1".to_vec(),
            value,
            headers: headers.into_iter().map(|(name, value)| (name.into_owned(), value.into())).collect(),
        }
    }

    fn decisions() -> Vec<Decision> {
        let exchange =
            Exchange { url: "https://api.stripe.com/x".to_owned(), began: Timestamp::UNIX_EPOCH, status: Some(200) };
        let retry = Retry { delay: Delay::FIRST, attempts: 1, reason: "timed_out", error: "late".to_owned() };
        let dead = Dead { reason: "forbidden", error: "not for us".to_owned(), attempts: 8, without_body: false };
        vec![
            Decision::Enriched(Fetched { record: Bytes::from_static(b"{\"id\":1}"), etag: None }, exchange.clone()),
            Decision::Gone(exchange),
            Decision::Skipped(Skip::NoRoute),
            Decision::Retry(retry),
            Decision::Dead(Dead { without_body: true, ..dead.clone() }),
            Decision::Dead(dead),
        ]
    }

    #[test]
    fn a_raw_event_becomes_one_token_and_one_claim_whatever_is_decided() {
        let (sources, shared) = stage();
        let work = Work::raw(raw(), &sources);
        let topics = ["webhooks.stripe.enriched", "hookstream.retry.30s", "hookstream.dead-letter"];
        for decision in decisions() {
            let records = records(&work, &decision, &shared, Timestamp::UNIX_EPOCH);
            let [token, claim] = records.as_slice() else { panic!("{decision:?}: {records:?}") };
            assert!(topics.contains(&&*token.topic), "{}", token.topic);
            assert_eq!(
                (&*claim.topic, claim.partition, claim.key.as_slice()),
                ("webhooks.stripe.ids", Some(4), b"evt_1".as_slice())
            );
            let value: serde_json::Value = serde_json::from_slice(&claim.value).unwrap();
            assert_eq!((value["outcome"].as_str(), value["offset"].as_i64()), (Some(decision.outcome()), Some(17)));
        }
        assert!(records(&work, &Decision::Duplicate, &shared, Timestamp::UNIX_EPOCH).is_empty());
    }

    #[test]
    fn a_token_moves_on_without_a_claim_and_ends_where_its_event_began() {
        let (sources, shared) = stage();
        let mut moved = Work::raw(raw(), &sources);
        for _ in 0..5 {
            let again = Retry { delay: Delay::FIRST, attempts: 2, reason: "not_found", error: String::new() };
            let token = records(&moved, &Decision::Retry(again), &shared, Timestamp::UNIX_EPOCH).swap_remove(0);
            assert_eq!(token.key, b"stripe/evt_1");
            let size = moved.stored.bytes();
            moved = Work::token(stored(&token.topic, 0, token.value, token.headers), &sources);
            assert!(moved.event().is_some_and(|event| event.was_not_found() && event.attempts() == 2));
            assert!(moved.stored.bytes() < size + 1_000, "a token does not grow as it moves");
        }
        for decision in decisions() {
            let records = records(&moved, &decision, &shared, Timestamp::UNIX_EPOCH);
            let [token] = records.as_slice() else { panic!("{decision:?}: {records:?}") };
            if *token.topic == *"webhooks.stripe.enriched" {
                assert_eq!((token.partition, token.key.as_slice()), (Some(4), b"evt_1".as_slice()));
                assert!(std::str::from_utf8(&token.value).unwrap().contains(&format!(r#""event":{DATA},"#)));
            }
        }
    }

    #[test]
    fn what_is_not_ours_is_kept_as_it_stands() {
        let (sources, shared) = stage();
        let work = Work::raw(stored("webhooks.stripe", 4, b"\xff\x00".to_vec(), Vec::new()), &sources);
        let decision = work.foregone().unwrap();
        let records = records(&work, &decision, &shared, Timestamp::UNIX_EPOCH);
        let [letter] = records.as_slice() else { panic!("{records:?}") };
        let value: serde_json::Value = serde_json::from_slice(&letter.value).unwrap();
        assert_eq!((&*letter.topic, value["data_base64"].as_str()), ("hookstream.dead-letter", Some("/wA=")));
    }
}
