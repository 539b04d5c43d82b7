//! What a polled record is, read once: an event to be enriched, a token on its way, or something that is not ours. Pure.

use std::sync::Arc;

use super::answer::NOT_FOUND;
use super::claims::Claim;
use super::source::{Source, Sources, Target};
use super::verdict::{Dead, Decision, Skip};
use crate::event::{DecodeError, Token, Trail, decode};
use crate::kafka::Stored;

/// A record with what is known of it.
#[derive(Debug)]
pub(crate) struct Work {
    /// As it stands in Kafka.
    pub(crate) stored: Stored,
    /// What it is.
    pub(crate) subject: Subject,
}

/// What a record is.
#[derive(Debug)]
pub(crate) enum Subject {
    /// An event out of a raw topic or a retry topic.
    Event(Box<Event>),
    /// Not an event of ours.
    Foreign(DecodeError),
}

/// An event whose source is known.
#[derive(Debug)]
pub(crate) struct Event {
    /// Its source.
    pub(crate) source: Arc<Source>,
    /// Its id.
    pub(crate) id: String,
    /// The run that it belongs to; empty for what came by itself.
    pub(crate) run: String,
    /// The raw record's key; its enriched record will have it too.
    pub(crate) key: Vec<u8>,
    /// What is to be fetched, or why nothing is.
    pub(crate) target: Result<Target, Skip>,
    /// What claims it; absent on a token, which is claimed already.
    pub(crate) claim: Option<Claim>,
    /// Whether the claim was looked up.
    pub(crate) checked: bool,
    /// The history of a token.
    pub(crate) trail: Option<Trail>,
}

impl Event {
    /// Attempts that counted so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.trail.as_ref().map_or(0, |trail| trail.attempts)
    }

    /// Whether it waits for its second look after a 404.
    pub(crate) fn was_not_found(&self) -> bool {
        self.trail.as_ref().is_some_and(|trail| trail.reason == NOT_FOUND)
    }
}

impl Work {
    /// Read a record of a raw topic.
    pub(crate) fn raw(stored: Stored, sources: &Sources) -> Self {
        let key = stored.key.clone();
        Self::read(stored, sources, key, None)
    }

    /// Read a record of a retry topic.
    pub(crate) fn token(stored: Stored, sources: &Sources) -> Self {
        match Token::read(&stored.value, &stored.headers) {
            Ok(token) => Self::read(stored, sources, token.key, Some(token.trail)),
            Err(error) => Self { stored, subject: Subject::Foreign(error) },
        }
    }

    fn read(stored: Stored, sources: &Sources, key: Vec<u8>, trail: Option<Trail>) -> Self {
        let subject = match decode(&stored.headers, &stored.value) {
            Ok(event) => match sources.get(event.attributes.source_name()) {
                // An event of another topic would be claimed in partitions that somebody else has restored.
                Some(source) if trail.is_some() || source.raw_topic == stored.partition.topic => {
                    let run = event.attributes.run.as_deref().unwrap_or_default();
                    let claim = Claim::of(&source.name, run, &event.attributes.id);
                    Subject::Event(Box::new(Event {
                        source: Arc::clone(source),
                        id: event.attributes.id.clone().into_owned(),
                        run: run.to_owned(),
                        key,
                        target: source.target(&event),
                        claim: trail.is_none().then_some(claim),
                        checked: false,
                        trail,
                    }))
                }
                // Of a source that was taken out of the configuration, or somebody else's CloudEvent.
                Some(_) | None => Subject::Foreign(DecodeError::Invalid("source")),
            },
            Err(error) => Subject::Foreign(error),
        };
        Self { stored, subject }
    }

    /// The event, if it is one.
    pub(crate) fn event(&self) -> Option<&Event> {
        match &self.subject {
            Subject::Event(event) => Some(event),
            Subject::Foreign(_) => None,
        }
    }

    /// What is decided without asking anybody.
    pub(crate) fn foregone(&self) -> Option<Decision> {
        match &self.subject {
            Subject::Foreign(error) => Some(Decision::Dead(Dead {
                reason: error.as_str(),
                error: error.to_string(),
                attempts: 0,
                without_body: false,
            })),
            Subject::Event(event) => event.target.as_ref().err().map(|skip| Decision::Skipped(*skip)),
        }
    }
}
