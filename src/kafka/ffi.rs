//! The only `unsafe` of the crate: calls that rdkafka does not wrap.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::net::SocketAddr;

use rdkafka::ClientContext;
use rdkafka::bindings as rdsys;
use rdkafka::client::Client;
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

/// Who this consumer is in its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    /// The group's generation; negative before the first join.
    pub(super) generation: i32,
    /// The id the group gave it; empty before the first join.
    pub(super) member: String,
}

/// Generation and member id, which rdkafka's metadata does not show. `None` where the client has no group.
pub(super) fn membership<C: ClientContext>(client: &Client<C>) -> Option<Membership> {
    // Sound: the client outlives the call; the metadata is ours until it is destroyed below, and the member id is
    // copied out before that.
    unsafe {
        let metadata = rdsys::rd_kafka_consumer_group_metadata(client.native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = rdsys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        let member = rdsys::rd_kafka_consumer_group_metadata_member_id(metadata);
        let member =
            if member.is_null() { String::new() } else { CStr::from_ptr(member).to_string_lossy().into_owned() };
        rdsys::rd_kafka_consumer_group_metadata_destroy(metadata);
        Some(Membership { generation, member })
    }
}

/// Have the mock cluster in this client tell clients `address` for its broker, and let groups begin at once instead of
/// after three seconds. Without a mock cluster nothing happens.
pub(super) fn arrange_mock<C: ClientContext>(client: &Client<C>, broker: i32, address: SocketAddr) {
    let Ok(host) = CString::new(address.ip().to_string()) else { return };
    // Sound: the mock cluster belongs to the client, which outlives the calls; the host is copied by the callee.
    unsafe {
        let cluster = rdsys::rd_kafka_handle_mock_cluster(client.native_ptr());
        if cluster.is_null() {
            return;
        }
        rdsys::rd_kafka_mock_broker_set_host_port(cluster, broker, host.as_ptr(), i32::from(address.port()));
        rdsys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
    }
}

/// Have the client meet a fatal error, as librdkafka offers it for tests.
#[cfg(test)]
pub(super) fn provoke_fatal_error<C: ClientContext>(client: &Client<C>) {
    let code = rdsys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    // Sound: the client outlives the call; the text is static and copied by the callee.
    unsafe { rdsys::rd_kafka_test_fatal_error(client.native_ptr(), code, c"provoked".as_ptr()) };
}
