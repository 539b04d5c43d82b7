//! Who may commit: group generations fence members, transactional ids fence producers.

use std::time::Duration;

use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;
use rdkafka::types::RDKafkaErrorCode;

use super::{append, await_assignment, committed, keys, member, outsider, plain, send_offsets, transactional};
use crate::support::kafka::{self, Isolation, PATIENCE};

const LONG: Duration = Duration::from_secs(60);

fn code(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or_else(|| panic!("an error of librdkafka: {error:?}"))
}

/// A member that slept through a rebalance, and one that is no longer in the group, cannot commit with what they knew.
#[test]
fn an_old_generation_and_a_former_member_are_refused() {
    let Some(kafka) = kafka::cluster() else { return };
    let raw = kafka.create_topic("raw", 2);
    let (group, id) = (kafka.unique("group"), kafka.unique("zombie"));
    let zombie = member(kafka, &group, &raw);
    await_assignment(&[&zombie]);
    let before = zombie.group_metadata().unwrap();
    let successor = member(kafka, &group, &raw);
    await_assignment(&[&zombie, &successor]);

    let producer = transactional(kafka, &id, LONG);
    producer.begin_transaction().unwrap();
    let error = send_offsets(&producer, &before, &raw, 5).unwrap_err();
    assert_eq!(code(&error), RDKafkaErrorCode::IllegalGeneration);
    producer.abort_transaction(PATIENCE).unwrap();

    let last = zombie.group_metadata().unwrap();
    drop(zombie);
    producer.begin_transaction().unwrap();
    let error = send_offsets(&producer, &last, &raw, 6).unwrap_err();
    assert_eq!(code(&error), RDKafkaErrorCode::UnknownMemberId);
    producer.abort_transaction(PATIENCE).unwrap();

    let asking = outsider(kafka, &group, Isolation::Committed);
    assert_eq!(committed(&asking, &raw, PATIENCE).unwrap(), Offset::Invalid);
    await_assignment(&[&successor]);
    producer.begin_transaction().unwrap();
    send_offsets(&producer, &successor.group_metadata().unwrap(), &raw, 7).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(committed(&asking, &raw, PATIENCE).unwrap(), Offset::Offset(7));
}

/// Metadata of a consumer that is in no group (generation -1, no member id) is accepted while the group has live
/// members: the broker does not fence it, so the enricher must refuse to send it.
#[test]
fn an_empty_generation_is_accepted_unfenced() {
    let Some(kafka) = kafka::cluster() else { return };
    let raw = kafka.create_topic("raw", 1);
    let (group, id) = (kafka.unique("group"), kafka.unique("unfenced"));
    let owner = member(kafka, &group, &raw);
    await_assignment(&[&owner]);
    let stranger = outsider(kafka, &group, Isolation::Committed);

    let producer = transactional(kafka, &id, LONG);
    producer.begin_transaction().unwrap();
    send_offsets(&producer, &stranger.group_metadata().unwrap(), &raw, 99).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(committed(&stranger, &raw, PATIENCE).unwrap(), Offset::Offset(99));
}

/// `init_transactions` under the same transactional.id ends what the predecessor left open, at once, and fences it.
#[test]
fn a_successor_ends_the_open_transaction_of_its_id() {
    let Some(kafka) = kafka::cluster() else { return };
    let (raw, enriched) = (kafka.create_topic("raw", 1), kafka.create_topic("enriched", 1));
    let (group, id) = (kafka.unique("group"), kafka.unique("successor"));
    let consumer = member(kafka, &group, &raw);
    await_assignment(&[&consumer]);
    let metadata = consumer.group_metadata().unwrap();
    let predecessor = transactional(kafka, &id, LONG);
    predecessor.begin_transaction().unwrap();
    append(&predecessor, &enriched, 0, "open");
    send_offsets(&predecessor, &metadata, &raw, 5).unwrap();
    append(&plain(kafka), &enriched, 0, "barrier");

    let successor = transactional(kafka, &id, LONG);
    let asking = outsider(kafka, &group, Isolation::Committed);
    assert_eq!(committed(&asking, &raw, PATIENCE).unwrap(), Offset::Invalid);
    let seen = kafka.read(&enriched, Isolation::Committed, 1);
    assert_eq!(seen[0].key.as_deref(), Some(&b"barrier"[..]), "aborted long before its timeout");

    let error = predecessor.commit_transaction(PATIENCE).unwrap_err();
    assert!(matches!(code(&error), RDKafkaErrorCode::Fenced | RDKafkaErrorCode::Fatal), "{error:?}");
    assert!(predecessor.client().fatal_error().is_some());

    successor.begin_transaction().unwrap();
    append(&successor, &enriched, 0, "done again");
    send_offsets(&successor, &metadata, &raw, 5).unwrap();
    successor.commit_transaction(PATIENCE).unwrap();
    assert_eq!(keys(kafka, &enriched, Isolation::Committed), ["barrier", "done again"]);
    assert_eq!(committed(&asking, &raw, PATIENCE).unwrap(), Offset::Offset(5));
}
