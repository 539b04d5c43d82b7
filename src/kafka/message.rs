//! A record of ours as librdkafka takes it.

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, OwnedHeaders};
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

/// The offset that the broker named when it acknowledged a record. `None`: it said nothing of this one. librdkafka takes an
/// acknowledgement for every earlier record of the partition as well (`rd_kafka_dr_implicit_ack`), since a broker that has a
/// record must have those before it. But one that remembers nothing of the producer takes a record with any sequence number, and
/// so also the one after a record that it refused a moment ago, with too few replicas in sync: that one is in no log.
pub(super) fn offset(message: &BorrowedMessage<'_>) -> Option<i64> {
    Some(message.offset()).filter(|offset| *offset >= 0)
}
