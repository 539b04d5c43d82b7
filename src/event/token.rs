//! The token of an event: the one record that stands for it while it moves between retry and dead-letter topics.
//!
//! A token is the raw record, carried unchanged, and a trail that each move replaces. So it can go from the raw topic to
//! a retry topic, to the next, to the dead-letter topic and back to a retry topic without loss and without growing.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::decode::{is_structured, last};
use super::{DecodeError, Encoded, Extra, Format, Headers, RAW_BODY_HEADER, Record, Trail, decode, encode, trail};

/// A raw record on its way, and what has happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The raw record's key: the enriched record will have it too.
    pub key: Vec<u8>,
    /// The raw record's value.
    pub value: Vec<u8>,
    /// The raw record's headers.
    pub headers: Headers,
    /// Its history.
    pub trail: Trail,
}

impl Token {
    /// The token of a raw record that is claimed and cannot be finished now.
    pub fn new<N, V>(key: &[u8], value: &[u8], headers: &[(N, V)], trail: Trail) -> Token
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        let headers = headers
            .iter()
            .filter(|(name, _)| !Trail::owns(name.as_ref()))
            .map(|(name, value)| (Cow::Owned(name.as_ref().to_owned()), Bytes::copy_from_slice(value.as_ref())))
            .collect();
        Token { key: key.to_vec(), value: value.to_vec(), headers, trail }
    }

    /// The token in a record of a retry or dead-letter topic.
    ///
    /// # Errors
    /// The record has no trail, or no key of a raw record: a dead letter of the gateway is no token.
    pub fn read<N, V>(value: &[u8], headers: &[(N, V)]) -> Result<Token, DecodeError>
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        let key = last(headers, trail::KEY).ok_or(DecodeError::Missing(trail::KEY))?;
        Ok(Token::new(key, value, headers, Trail::read(headers)?))
    }

    /// The record that puts the token into a retry topic. `timestamp_ms` is now: it is due at its append time and the
    /// topic's delay.
    ///
    /// # Errors
    /// The token does not hold an event of ours; a [`super::DeadLetter`] can carry any bytes.
    pub fn retry(&self, topic: Arc<str>, timestamp_ms: i64) -> Result<Record, DecodeError> {
        let identity = decode(&self.headers, &self.value)?.attributes.identity();
        Ok(self.finish(topic, identity, self.value.clone(), self.headers.clone(), timestamp_ms))
    }

    /// The record that puts the token into the dead-letter topic, where every value is structured JSON: an event in binary
    /// mode is written anew, its data untouched.
    ///
    /// # Errors
    /// As for [`Token::retry`].
    pub fn dead_letter(&self, topic: Arc<str>, timestamp_ms: i64) -> Result<Record, DecodeError> {
        let event = decode(&self.headers, &self.value)?;
        let identity = event.attributes.identity();
        let (value, headers) = if is_structured(&self.headers) {
            (self.value.clone(), self.headers.clone())
        } else {
            let Encoded { value, mut headers } =
                encode(Format::CloudEvents, &event.attributes, &event.data, Extra::default());
            headers.extend(self.headers.iter().filter(|(name, _)| !is_ours(name)).cloned());
            (value, headers)
        };
        Ok(self.finish(topic, identity, value, headers, timestamp_ms))
    }

    fn finish(
        &self,
        topic: Arc<str>,
        identity: String,
        value: Vec<u8>,
        mut headers: Headers,
        timestamp_ms: i64,
    ) -> Record {
        self.trail.write(&mut headers);
        headers.push((Cow::Borrowed(trail::KEY), self.key.clone().into()));
        Record { topic, partition: None, key: identity.into_bytes(), value, headers, timestamp_ms }
    }
}

/// Whether `encode` writes a header of this name.
fn is_ours(name: &str) -> bool {
    name == "content-type" || name == RAW_BODY_HEADER || name.starts_with("ce_")
}
