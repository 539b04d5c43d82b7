//! Dead letters of bytes that are no event: a verified body that nobody can read, or a record in a raw topic that is not
//! ours. An event that merely could not be finished is a [`super::Token`] in the same topic.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::{Attributes, Data, Extra, Format, Origin, Record, Trail, Verification, encode, source_uri};

/// The `type` of a dead letter whose bytes say nothing that can be trusted.
pub const UNREADABLE_TYPE: &str = "hookstream.unreadable";

const BYTES: &str = "application/octet-stream";

/// Bytes on their way to the dead-letter topic.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    /// An id of our own making: the request id, or the place of the record.
    pub id: &'a str,
    /// The name of the source.
    pub source: &'a str,
    /// The name of its provider.
    pub provider: &'a str,
    /// What the body's authenticity rests on.
    pub verification: Verification,
    /// When the bytes came; also the Kafka timestamp.
    pub received: Timestamp,
    /// The exact bytes.
    pub body: &'a [u8],
    /// The provider's headers that its file keeps, so that the body can be verified again.
    pub extra: Extra<'a>,
    /// For a record that is not ours: what else it had.
    pub foreign: Option<Foreign<'a>>,
    /// Why it is dead.
    pub trail: &'a Trail,
}

/// The rest of a record that is not ours. Its headers ride as `hookstream-origin-header-{name}`, its key as
/// `hookstream-origin-key`: under their own names they would be taken for ours.
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'a> {
    /// The record's key.
    pub key: &'a [u8],
    /// The record's headers.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl DeadLetter<'_> {
    /// The record for the dead-letter topic: a CloudEvent in structured JSON with the bytes in `data_base64`.
    pub fn record(&self, topic: Arc<str>) -> Record {
        let attributes = Attributes {
            id: Cow::Borrowed(self.id),
            source: Cow::Owned(source_uri(self.source)),
            kind: Cow::Borrowed(UNREADABLE_TYPE),
            subject: None,
            time: None,
            dataschema: None,
            provider: Cow::Borrowed(self.provider),
            providertype: None,
            category: None,
            tenant: None,
            origin: Origin::Webhook,
            verification: self.verification,
            run: None,
            recordedtime: self.received,
        };
        let data = Data::Bytes { content_type: Cow::Borrowed(BYTES), body: Cow::Borrowed(self.body) };
        let mut encoded = encode(Format::CloudEvents, &attributes, &data, self.extra);
        if let Some(foreign) = self.foreign {
            let named = |(name, value): &(&str, &[u8])| {
                (format!("hookstream-origin-header-{name}").into(), Bytes::copy_from_slice(value))
            };
            encoded.headers.extend(foreign.headers.iter().map(named));
            encoded.headers.push((Cow::Borrowed("hookstream-origin-key"), Bytes::copy_from_slice(foreign.key)));
        }
        self.trail.write(&mut encoded.headers);
        Record {
            topic,
            partition: None,
            key: attributes.identity().into_bytes(),
            value: encoded.value,
            headers: encoded.headers,
            timestamp_ms: self.received.as_millisecond(),
        }
    }
}
