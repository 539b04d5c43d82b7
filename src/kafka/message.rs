//! A record of ours as librdkafka takes it.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use crate::event::Record;

/// The message, with a ticket that comes back in its delivery report. Key and value are borrowed, headers copied.
pub(super) fn message(record: &Record, ticket: usize) -> BaseRecord<'_, Vec<u8>, Vec<u8>, usize> {
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for (key, value) in &record.headers {
        headers = headers.insert(Header { key, value: Some(&value[..]) });
    }
    let mut message = BaseRecord::with_opaque_to(&record.topic, ticket)
        .payload(&record.value)
        .headers(headers)
        .timestamp(record.timestamp_ms);
    // A barrier has no key; an empty one would be another thing.
    if !record.key.is_empty() {
        message = message.key(&record.key);
    }
    message.partition = record.partition;
    message
}
