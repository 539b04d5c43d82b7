//! What a record of the spool holds: the finished Kafka record and the facts that its drain needs, in a versioned form.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::event::Record;

/// The form written today. A reader that meets a later one keeps the bytes and says so.
const VERSION: u8 = 1;

/// Set where Kafka had the record in hand when it was spooled.
const HANDED: u8 = 1;

/// A record on its way into the spool.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// The source's name.
    pub source: &'a str,
    /// The id under which copies are recognised.
    pub id: Option<&'a str>,
    /// Whether a produce of it is under way.
    pub handed: bool,
    /// The finished record.
    pub record: &'a Record,
}

/// A record read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The source's name.
    pub source: String,
    /// The id under which copies are recognised.
    pub id: Option<String>,
    /// Whether Kafka had it in hand when it was spooled: it may stand in the log already.
    pub handed: bool,
    /// The finished record.
    pub record: Record,
}

/// Why bytes with a right checksum are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Written by a later version.
    #[error("the record has form {0}; this version of hookstream reads form {VERSION}")]
    Version(u8),
    /// Cut short, or a length beyond the end.
    #[error("the record is not what its form says")]
    Malformed,
}

impl Draft<'_> {
    /// The payload of its frame.
    pub fn encode(&self) -> Vec<u8> {
        let record = self.record;
        let headers: usize = record.headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum();
        let mut bytes = Vec::with_capacity(128 + self.source.len() + record.key.len() + record.value.len() + headers);
        bytes.push(VERSION);
        bytes.push(if self.handed { HANDED } else { 0 });
        bytes.extend_from_slice(&record.timestamp_ms.to_le_bytes());
        bytes.extend_from_slice(&record.partition.unwrap_or(-1).to_le_bytes());
        put(&mut bytes, self.source.as_bytes());
        // An id is never empty: the empty text stands for none.
        put(&mut bytes, self.id.unwrap_or_default().as_bytes());
        put(&mut bytes, record.topic.as_bytes());
        put(&mut bytes, &record.key);
        put(&mut bytes, &record.value);
        bytes.extend_from_slice(&u32::try_from(record.headers.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (name, value) in &record.headers {
            put(&mut bytes, name.as_bytes());
            put(&mut bytes, value);
        }
        bytes
    }
}

impl Entry {
    /// Read a frame's payload.
    ///
    /// # Errors
    /// Another form, or bytes that do not keep this one.
    pub fn decode(payload: &[u8]) -> Result<Self, EntryError> {
        let version = *payload.first().ok_or(EntryError::Malformed)?;
        if version != VERSION {
            return Err(EntryError::Version(version));
        }
        let mut rest = Rest(&payload[1..]);
        Self::fields(&mut rest).filter(|_| rest.0.is_empty()).ok_or(EntryError::Malformed)
    }

    fn fields(rest: &mut Rest<'_>) -> Option<Self> {
        let [flags] = rest.array()?;
        let timestamp_ms = i64::from_le_bytes(rest.array()?);
        let partition = i32::from_le_bytes(rest.array()?);
        let source = rest.text()?;
        let id = Some(rest.text()?).filter(|id| !id.is_empty());
        let topic = Arc::from(rest.text()?);
        let (key, value) = (rest.bytes()?.to_vec(), rest.bytes()?.to_vec());
        let count = u32::from_le_bytes(rest.array()?) as usize;
        // No more room than the bytes can fill: each header takes at least its two lengths.
        let mut headers = Vec::with_capacity(count.min(rest.0.len() / 8));
        for _ in 0..count {
            headers.push((Cow::Owned(rest.text()?), Bytes::copy_from_slice(rest.bytes()?)));
        }
        let partition = (partition >= 0).then_some(partition);
        let record = Record { topic, partition, key, value, headers, timestamp_ms };
        Some(Self { source, id, handed: flags & HANDED != 0, record })
    }
}

fn put(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(field);
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            topic: "webhooks.orders".into(),
            partition: None,
            key: b"evt_1".to_vec(),
            value: br#"{"specversion":"1.0"}"#.to_vec(),
            headers: vec![("ce_id".into(), "evt_1".into()), ("http-x".into(), Bytes::from_static(&[0xff, 0]))],
            timestamp_ms: 1_790_000_000_123,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for (id, handed, partition) in [(Some("evt_1"), true, None), (None, false, Some(3))] {
            let record = Record { partition, ..record() };
            let payload = Draft { source: "orders", id, handed, record: &record }.encode();
            let entry = Entry { source: "orders".into(), id: id.map(str::to_owned), handed, record };
            assert_eq!(Entry::decode(&payload), Ok(entry));
        }
    }

    #[test]
    fn other_bytes_are_no_entry() {
        let payload = Draft { source: "orders", id: None, handed: false, record: &record() }.encode();
        for length in 0..payload.len() {
            assert_eq!(Entry::decode(&payload[..length]), Err(EntryError::Malformed), "{length}");
        }
        assert_eq!(Entry::decode(&[&payload[..], b"x"].concat()), Err(EntryError::Malformed));
        let later = [&[2][..], &payload[1..]].concat();
        assert_eq!(Entry::decode(&later), Err(EntryError::Version(2)));
    }
}
