//! The only `unsafe` of the crate: calls that rdkafka does not wrap.
#![allow(unsafe_code)]

use rdkafka::bindings as rdsys;
use rdkafka::message::BorrowedMessage;

/// Whether a message stands in the log, as far as the client knows when it reports the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It never left, or the broker refused it.
    NotPersisted,
    /// It was sent and no answer came: it may stand there.
    PossiblyPersisted,
    /// The broker acknowledged it.
    Persisted,
}

/// The persistence of a message inside its delivery callback.
pub(super) fn persistence(message: &BorrowedMessage<'_>) -> Persistence {
    // Sound: `ptr` is the message that librdkafka lent to the callback; it lives as long as the borrow, and the call only reads it.
    let status = unsafe { rdsys::rd_kafka_message_status(message.ptr()) };
    match status {
        rdsys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_PERSISTED => Persistence::Persisted,
        rdsys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED => Persistence::PossiblyPersisted,
        rdsys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED => Persistence::NotPersisted,
    }
}
