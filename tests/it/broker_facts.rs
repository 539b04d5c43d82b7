//! What the ids topic and the enricher's loop take for granted about the broker, each run against real Kafka.
//!
//! These tests use rdkafka alone, nothing of hookstream: when one fails, the design is wrong, not the code.

mod commit;
mod fencing;
mod ids_topic;

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::support::kafka::{Cluster, Isolation, PATIENCE, await_that};

/// A transactional producer that has run `init_transactions`.
fn transactional(kafka: &Cluster, id: &str, timeout: Duration) -> BaseProducer {
    let timeout = timeout.as_millis().to_string();
    let producer: BaseProducer = kafka
        .client()
        .set("transactional.id", id)
        .set("transaction.timeout.ms", &timeout)
        .set("message.timeout.ms", &timeout)
        .set("linger.ms", "0")
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

fn plain(kafka: &Cluster) -> BaseProducer {
    kafka.client().set("acks", "all").set("linger.ms", "0").create().unwrap()
}

/// Produce one record and await its acknowledgement.
fn append(producer: &BaseProducer, topic: &str, partition: i32, key: &str) {
    let record = BaseRecord::to(topic).partition(partition).key(key).payload("").timestamp(now_ms());
    producer.send(record).map_err(|(error, _)| error).unwrap();
    // A flush would take at least 100 ms.
    await_that("the record is acknowledged", || {
        producer.poll(Duration::from_millis(5));
        producer.in_flight_count() == 0
    });
}

fn now_ms() -> i64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64
}

/// A client of the group that does not join it: it only asks for committed offsets.
fn outsider(kafka: &Cluster, group: &str, isolation: Isolation) -> BaseConsumer {
    kafka
        .client()
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("isolation.level", isolation.as_str())
        .create()
        .unwrap()
}

/// A member of the group, configured as the enricher's consumer, with at least one partition of the topic.
fn member(kafka: &Cluster, group: &str, topic: &str) -> BaseConsumer {
    let consumer: BaseConsumer = kafka
        .client()
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "500")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    consumer
}

/// Poll these members until each has a partition.
fn await_assignment(members: &[&BaseConsumer]) {
    await_that("each member has a partition", || {
        for member in members {
            let _ = member.poll(Duration::from_millis(20));
        }
        members.iter().all(|member| member.assignment().unwrap().count() > 0)
    });
}

fn offsets(topic: &str, partition: i32, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, offset).unwrap();
    list
}

/// Put "partition 0 of the topic is done up to `next`" into the producer's open transaction.
fn send_offsets(producer: &BaseProducer, metadata: &ConsumerGroupMetadata, topic: &str, next: i64) -> KafkaResult<()> {
    producer.send_offsets_to_transaction(&offsets(topic, 0, Offset::Offset(next)), metadata, PATIENCE)
}

/// The group's committed offset of partition 0.
fn committed(consumer: &BaseConsumer, topic: &str, patience: Duration) -> KafkaResult<Offset> {
    let list = consumer.committed_offsets(offsets(topic, 0, Offset::Invalid), patience)?;
    let elements = list.elements();
    elements[0].error()?;
    Ok(elements[0].offset())
}

/// The keys a reader sees now, in the order of partition and offset.
fn keys(kafka: &Cluster, topic: &str, isolation: Isolation) -> Vec<String> {
    let text = |key: Option<Vec<u8>>| String::from_utf8(key.unwrap()).unwrap();
    kafka.read_all(topic, isolation).into_iter().map(|seen| text(seen.key)).collect()
}
