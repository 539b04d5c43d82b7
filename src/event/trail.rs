//! What has happened to an event that could not be finished: the `hookstream-*` headers of retry and dead-letter records.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;

use super::decode::last;
use super::{DecodeError, Headers, clean, rfc3339_millis};

/// The longest error text in a header, in bytes.
const MAX_ERROR: usize = 500;

const REASON: &str = "hookstream-reason";
const STAGE: &str = "hookstream-stage";
const ORIGIN_TOPIC: &str = "hookstream-origin-topic";
const ORIGIN_PARTITION: &str = "hookstream-origin-partition";
const ORIGIN_OFFSET: &str = "hookstream-origin-offset";
const ATTEMPTS: &str = "hookstream-attempts";
const FIRST_FAILED: &str = "hookstream-first-failed";
const ERROR: &str = "hookstream-error";
/// The key that the raw record had: a shared topic's own key is `{source}/{id}`.
pub(super) const KEY: &str = "hookstream-key";

/// Every header of a trail: replaced as a whole at each move, so that a token never grows.
const ALL: [&str; 9] =
    [REASON, STAGE, ORIGIN_TOPIC, ORIGIN_PARTITION, ORIGIN_OFFSET, ATTEMPTS, FIRST_FAILED, ERROR, KEY];

/// The history of an unfinished event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    /// Why it is here: a name from a closed list, of [`super::Flaw`], [`DecodeError`] or the enricher.
    pub reason: Cow<'static, str>,
    /// Which stage could not finish it.
    pub stage: Stage,
    /// The raw record, if there is one.
    pub origin: Option<Place>,
    /// How often the provider answered about it, or timed out.
    pub attempts: u32,
    /// When it failed first.
    pub first_failed: Timestamp,
    /// One short sentence for people; never a secret. Cut at 500 bytes.
    pub error: String,
}

/// A place in Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// The stages that can leave an event unfinished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The gateway could not read a verified body.
    Read,
    /// The enricher found a record in a raw topic that is not an event of ours.
    Decode,
    /// The record could not be had from the provider's API.
    Fetch,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Stage; 3] = [Stage::Read, Stage::Decode, Stage::Fetch];

    /// The header's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Read => "read",
            Stage::Decode => "decode",
            Stage::Fetch => "fetch",
        }
    }

    /// The stage of this name.
    pub fn from_name(name: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.as_str() == name)
    }
}

impl Trail {
    /// Read the trail of a retry or dead-letter record.
    ///
    /// # Errors
    /// A header is missing or not what [`Trail::write`] writes.
    pub fn read<N: AsRef<str>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Result<Trail, DecodeError> {
        let text = |name| match last(headers, name) {
            Some(value) => std::str::from_utf8(value).map(Some).map_err(|_| DecodeError::Invalid(name)),
            None => Ok(None),
        };
        let needed = |name| text(name)?.ok_or(DecodeError::Missing(name));
        let origin = match text(ORIGIN_TOPIC)? {
            Some(topic) => Some(Place {
                topic: topic.to_owned(),
                partition: parse(needed(ORIGIN_PARTITION)?, ORIGIN_PARTITION)?,
                offset: parse(needed(ORIGIN_OFFSET)?, ORIGIN_OFFSET)?,
            }),
            None => None,
        };
        Ok(Trail {
            reason: Cow::Owned(needed(REASON)?.to_owned()),
            stage: Stage::from_name(needed(STAGE)?).ok_or(DecodeError::Invalid(STAGE))?,
            origin,
            attempts: parse(needed(ATTEMPTS)?, ATTEMPTS)?,
            first_failed: parse(needed(FIRST_FAILED)?, FIRST_FAILED)?,
            error: text(ERROR)?.unwrap_or_default().to_owned(),
        })
    }

    /// Append the trail to a record's headers.
    pub(super) fn write(&self, headers: &mut Headers) {
        let mut put = |name, value: &str| headers.push((Cow::Borrowed(name), Bytes::copy_from_slice(value.as_bytes())));
        put(REASON, &self.reason);
        put(STAGE, self.stage.as_str());
        if let Some(place) = &self.origin {
            put(ORIGIN_TOPIC, &place.topic);
            put(ORIGIN_PARTITION, &place.partition.to_string());
            put(ORIGIN_OFFSET, &place.offset.to_string());
        }
        put(ATTEMPTS, &self.attempts.to_string());
        put(FIRST_FAILED, &rfc3339_millis(self.first_failed));
        put(ERROR, &short(&self.error));
    }

    /// Whether a header belongs to a trail.
    pub(super) fn owns(header: &str) -> bool {
        ALL.contains(&header)
    }
}

fn parse<T: std::str::FromStr>(text: &str, name: &'static str) -> Result<T, DecodeError> {
    text.parse().map_err(|_| DecodeError::Invalid(name))
}

/// Cut before and after cleaning, which makes it longer: what is read and written again stays as it is.
fn short(error: &str) -> String {
    let end = |text: &str| (0..=text.len().min(MAX_ERROR)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    let cut = |text: &str| text[..end(text)].to_owned();
    cut(&clean(Cow::Owned(cut(error))))
}
