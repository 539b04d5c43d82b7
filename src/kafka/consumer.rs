//! The enricher's group consumer: records come out one by one, rebalances as messages in the order they happened.
//!
//! It commits nothing: offsets go into the transaction, see `transaction`. It is used by one thread, the owner loop;
//! librdkafka runs the rebalance callback inside `poll`, on that same thread.

use std::fmt;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{Role, client_config};
use super::{context, ffi};
use crate::config::KafkaConfig;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition's number.
    pub number: i32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.number)
    }
}

/// A record as it stands in Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place.
    pub partition: Partition,
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key; empty where there is none.
    pub key: Vec<u8>,
    /// The value; empty where there is none.
    pub value: Vec<u8>,
    /// The headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Stored {
    /// What it holds in memory.
    pub fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
        self.key.len() + self.value.len() + headers + 256
    }
}

/// A change of what this member owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These came, all of them paused.
    Assigned(Vec<Partition>),
    /// These went; nothing of them may be committed any more.
    Revoked(Vec<Partition>),
}

/// What a poll brought.
#[derive(Debug)]
pub enum Polled {
    /// A record.
    Record(Box<Stored>),
    /// Nothing within the time, or a rebalance: see [`GroupConsumer::changes`].
    Nothing,
    /// Something that passes: the client goes on trying.
    Trouble(String),
    /// The client is done for.
    Fatal(String),
}

/// Why offsets may not be committed now: the broker would take them without a check of who owns the partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOwner {
    /// The group has thrown this member out.
    #[error("the assignment is lost")]
    AssignmentLost,
    /// No generation or no member id.
    #[error("not a member of the group")]
    NotMember,
    /// A rebalance happened while the metadata was taken.
    #[error("the membership changed while it was read")]
    Changing,
}

/// The consumer.
pub struct GroupConsumer {
    client: BaseConsumer<GroupContext>,
    changes: Receiver<Change>,
    topics: Vec<Arc<str>>,
}

struct GroupContext {
    changes: Mutex<Sender<Change>>,
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        context::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "hookstream::kafka", %error, reason, "consumer error");
    }
}

impl ConsumerContext for GroupContext {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            self.tell(Change::Revoked(listed(partitions)));
        }
    }

    fn post_rebalance(&self, client: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                // librdkafka keeps a pause over unassign and assign: each partition begins in one known state.
                if let Err(error) = client.pause(partitions) {
                    tracing::warn!(%error, "assigned partitions could not be paused");
                }
                self.tell(Change::Assigned(listed(partitions)));
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => tracing::warn!(%error, "the group could not rebalance"),
        }
    }
}

impl GroupContext {
    fn tell(&self, change: Change) {
        // The receiver lives as long as the consumer; only on its way out is nobody listening.
        let _ = self.changes.lock().unwrap_or_else(PoisonError::into_inner).send(change);
    }
}

impl GroupConsumer {
    /// Join a group for an explicit list of topics; a pattern would match our own output.
    ///
    /// # Errors
    /// A property that librdkafka does not take, or a secret that cannot be fetched.
    pub fn join(kafka: &KafkaConfig, group: &str, topics: Vec<Arc<str>>) -> Result<Self, String> {
        let (sender, changes) = mpsc::channel();
        let client: BaseConsumer<GroupContext> = client_config(kafka, Role::Group { group })?
            .create_with_context(GroupContext { changes: Mutex::new(sender) })
            .map_err(|error| format!("kafka consumer: {error}"))?;
        let names: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
        client.subscribe(&names).map_err(|error| format!("kafka consumer: {error}"))?;
        Ok(Self { client, changes, topics })
    }

    /// Wait for a record, at most this long. Serves rebalances.
    pub fn poll(&self, patience: Duration) -> Polled {
        match self.client.poll(patience) {
            None => Polled::Nothing,
            Some(Ok(message)) => Polled::Record(Box::new(self.stored(&message))),
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Polled::Fatal(error.to_string()),
            Some(Err(error)) => Polled::Trouble(error.to_string()),
        }
    }

    /// The rebalances since the last look, oldest first.
    pub fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        self.changes.try_iter()
    }

    /// Stop reading these.
    ///
    /// # Errors
    /// The client's.
    pub fn pause<'a>(&self, partitions: impl IntoIterator<Item = &'a Partition>) -> Result<(), String> {
        self.client.pause(&list(partitions)).map_err(|error| error.to_string())
    }

    /// Read these on from where reading stopped.
    ///
    /// # Errors
    /// The client's.
    pub fn resume<'a>(&self, partitions: impl IntoIterator<Item = &'a Partition>) -> Result<(), String> {
        self.client.resume(&list(partitions)).map_err(|error| error.to_string())
    }

    /// Whether the group has thrown this member out; then others may own its partitions already.
    pub fn assignment_lost(&self) -> bool {
        self.client.assignment_lost()
    }

    /// Whether the group has taken this member in.
    pub fn is_member(&self) -> bool {
        ffi::membership(self.client.client()).is_some_and(|membership| membership.generation >= 0)
    }

    /// How many partitions a topic has; `None` while it does not exist.
    ///
    /// # Errors
    /// Kafka does not answer.
    pub fn partition_count(&self, topic: &str, patience: Duration) -> Result<Option<usize>, String> {
        let metadata = self.client.fetch_metadata(Some(topic), patience).map_err(|error| error.to_string())?;
        Ok(metadata.topics().first().map(|topic| topic.partitions().len()).filter(|count| *count > 0))
    }

    /// The group's committed offsets; waits until transactions that may still change them are decided.
    ///
    /// # Errors
    /// Kafka does not answer, or the transactions stay undecided.
    pub fn committed<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a Partition>,
        patience: Duration,
    ) -> Result<Vec<Option<i64>>, String> {
        committed(&self.client, partitions, patience)
    }

    /// The membership that a commit is fenced by, taken right before it.
    ///
    /// The broker takes offsets without generation and member id from anybody. rdkafka hides both in its metadata, so
    /// ours are read before and after and must be the same.
    ///
    /// # Errors
    /// Why nothing may be committed now.
    pub(super) fn membership(&self) -> Result<ConsumerGroupMetadata, NotOwner> {
        if self.client.assignment_lost() {
            return Err(NotOwner::AssignmentLost);
        }
        let before = ffi::membership(self.client.client()).ok_or(NotOwner::NotMember)?;
        let metadata = self.client.group_metadata().ok_or(NotOwner::NotMember)?;
        let after = ffi::membership(self.client.client()).ok_or(NotOwner::NotMember)?;
        if before != after || self.client.assignment_lost() {
            return Err(NotOwner::Changing);
        }
        if before.generation < 0 || before.member.is_empty() {
            return Err(NotOwner::NotMember);
        }
        Ok(metadata)
    }

    /// Leave the group. Some ways of closing a consumer never return, so this one is waited for only so long.
    pub fn close(self, patience: Duration) {
        let (done, closed) = mpsc::channel();
        let client = self.client;
        let closing = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(move || {
            drop(client);
            let _ = done.send(());
        });
        if closing.is_ok() && closed.recv_timeout(patience).is_err() {
            tracing::warn!("the consumer did not leave the group in time; the group will notice by itself");
        }
    }

    fn stored(&self, message: &BorrowedMessage<'_>) -> Stored {
        let topic = self.topics.iter().find(|topic| ***topic == *message.topic());
        Stored {
            partition: Partition {
                topic: topic.map_or_else(|| message.topic().into(), Arc::clone),
                number: message.partition(),
            },
            ..stored(message)
        }
    }
}

/// A record out of the client's memory.
pub(super) fn stored(message: &BorrowedMessage<'_>) -> Stored {
    let headers = message.headers().map(|headers| {
        let value = |value: Option<&[u8]>| value.unwrap_or_default().to_vec();
        headers.iter().map(|header| (header.key.to_owned(), value(header.value))).collect()
    });
    Stored {
        partition: Partition { topic: message.topic().into(), number: message.partition() },
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: headers.unwrap_or_default(),
    }
}

/// The committed offsets as a consumer of the group sees them, in the order asked for.
pub(super) fn committed<'a, C: ConsumerContext>(
    client: &BaseConsumer<C>,
    partitions: impl IntoIterator<Item = &'a Partition>,
    patience: Duration,
) -> Result<Vec<Option<i64>>, String> {
    let partitions: Vec<&Partition> = partitions.into_iter().collect();
    let offsets =
        client.committed_offsets(list(partitions.iter().copied()), patience).map_err(|error| error.to_string())?;
    partitions
        .into_iter()
        .map(|partition| match offsets.find_partition(&partition.topic, partition.number) {
            None => Err(format!("no answer for {partition}")),
            Some(found) => {
                found.error().map_err(|error| format!("{partition}: {error}"))?;
                Ok(match found.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                })
            }
        })
        .collect()
}

fn list<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&partition.topic, partition.number);
    }
    list
}

fn listed(list: &TopicPartitionList) -> Vec<Partition> {
    list.elements().iter().map(|each| Partition { topic: each.topic().into(), number: each.partition() }).collect()
}
