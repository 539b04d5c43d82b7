//! Writing to and reading from topics in tests: always until a condition holds, never for a while.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::Cluster;

/// How long a test waits for something that should come at once, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a reader sees of transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Isolation {
    /// Only what was committed, and nothing behind an open transaction.
    Committed,
    /// Everything in the log.
    Uncommitted,
}

impl Isolation {
    /// The value of `isolation.level`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Isolation::Committed => "read_committed",
            Isolation::Uncommitted => "read_uncommitted",
        }
    }
}

/// A record as a reader got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Seen {
    /// The value as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().expect("a value")).expect("UTF-8")
    }

    /// The value of the first header of this name, as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        Some(std::str::from_utf8(value).expect("UTF-8"))
    }

    fn of(message: &BorrowedMessage<'_>) -> Seen {
        let headers = message.headers().map(|headers| {
            let owned = |header: rdkafka::message::Header<'_, &[u8]>| {
                (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
            };
            headers.iter().map(owned).collect()
        });
        Seen {
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
        }
    }
}

impl Cluster {
    /// A consumer that belongs to no group, assigned to all partitions of the topic from their beginning.
    pub(crate) fn reader(&self, topic: &str, isolation: Isolation) -> BaseConsumer {
        let consumer: BaseConsumer = self
            .admin_config()
            .set("group.id", "unused")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "50")
            .set("isolation.level", isolation.as_str())
            .create()
            .expect("create a consumer");
        let mut partitions = TopicPartitionList::new();
        for partition in 0..partition_count(&consumer, topic) {
            partitions.add_partition_offset(topic, partition, Offset::Beginning).expect("a valid offset");
        }
        consumer.assign(&partitions).expect("assign");
        consumer
    }

    /// The number of partitions the topic has now.
    pub(crate) fn partition_count(&self, topic: &str) -> i32 {
        let client: BaseConsumer = self.admin_config().create().expect("create a client");
        partition_count(&client, topic)
    }

    /// Read from the beginning until `enough` says so; panics with what came if that takes too long.
    pub(crate) fn read_until(
        &self,
        topic: &str,
        isolation: Isolation,
        mut enough: impl FnMut(&[Seen]) -> bool,
    ) -> Vec<Seen> {
        let reader = self.reader(topic, isolation);
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while !enough(&seen) {
            assert!(Instant::now() < deadline, "{topic} as {isolation:?}: not enough within {PATIENCE:?}: {seen:#?}");
            match reader.poll(Duration::from_millis(100)) {
                None | Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) if is_passing(&error) => {}
                Some(Ok(message)) => seen.push(Seen::of(&message)),
                Some(Err(error)) => panic!("reading {topic}: {error}"),
            }
        }
        seen
    }

    /// The first `count` records that come.
    pub(crate) fn read(&self, topic: &str, isolation: Isolation, count: usize) -> Vec<Seen> {
        self.read_until(topic, isolation, |seen| seen.len() >= count)
    }

    /// All records that are visible now at this isolation, by partition and offset.
    pub(crate) fn read_all(&self, topic: &str, isolation: Isolation) -> Vec<Seen> {
        let reader = self.reader(topic, isolation);
        let mut unfinished: BTreeSet<i32> = (0..partition_count(&reader, topic)).collect();
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while !unfinished.is_empty() {
            assert!(Instant::now() < deadline, "{topic}: no end of partitions {unfinished:?} within {PATIENCE:?}");
            match reader.poll(Duration::from_millis(100)) {
                None => {}
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    unfinished.remove(&partition);
                }
                Some(Ok(message)) => seen.push(Seen::of(&message)),
                Some(Err(error)) => panic!("reading {topic}: {error}"),
            }
        }
        seen.sort_by_key(|seen| (seen.partition, seen.offset));
        seen
    }
}

/// A connection that broke, as after a broker's restart: the client makes another by itself.
fn is_passing(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(code, Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown))
}

fn partition_count(client: &BaseConsumer, topic: &str) -> i32 {
    let metadata = client.fetch_metadata(Some(topic), PATIENCE).expect("fetch metadata");
    metadata.topics()[0].partitions().len() as i32
}

/// Poll `condition` until it holds; panics with `what` when it does not in time.
pub(crate) fn await_that(what: &str, condition: impl FnMut() -> bool) {
    await_within(PATIENCE, what, condition);
}

/// The same for what takes long by design.
pub(crate) fn await_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
