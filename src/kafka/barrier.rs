//! Read a partition up to a barrier: everything that was committed to it before we asked.
//!
//! A barrier is a record with a random nonce, appended by a plain producer. A read_committed reader sees it only when
//! every transaction before it is decided. Ends of partitions and watermarks are not used: both stop at the last
//! stable offset and would end the read too early.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use ulid::Ulid;

use super::client::{Role, client_config};
use super::consumer::{self, Partition, Stored};
use super::context::LoggingContext;
use super::reports::{Reports, produce_all};
use crate::config::KafkaConfig;
use crate::event::Record;

/// The header that marks a barrier; its value is the nonce.
pub const BARRIER_HEADER: &str = "hookstream-barrier";

/// How long one question to Kafka may take.
const STEP: Duration = Duration::from_secs(10);

/// How long the committed offsets of all partitions may take, and then of each: a partition whose transaction is still
/// open is asked again by the next restore.
const TOGETHER: Duration = Duration::from_secs(2);
const ALONE: Duration = Duration::from_millis(500);

/// How long nothing may come before the read is given up and begun again. Above the time a transaction may stay open.
const STALLED: Duration = Duration::from_secs(45);

/// How long one look for records waits: how soon a cancelled read ends.
const LOOK: Duration = Duration::from_millis(100);

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// At this offset, or at the oldest record if that one is gone.
    Offset(i64),
    /// At the first record that is not older than this, in milliseconds since 1970.
    Time(i64),
}

/// A partition to read, and from where.
#[derive(Clone, Debug)]
pub struct Read {
    /// The partition.
    pub partition: Partition,
    /// Where it begins.
    pub from: Since,
}

/// What a read brings.
#[derive(Debug)]
pub enum Progress {
    /// A committed record.
    Record(Box<Stored>),
    /// The barrier: everything before it has been given. Holds the offset after it.
    Barrier(i64),
}

/// Why a read ended without its barrier.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nobody wants the result any more.
    #[error("cancelled")]
    Cancelled,
    /// Kafka does not answer, or not in time.
    #[error("{0}")]
    Kafka(String),
}

/// Clients for such reads; used by one thread.
pub struct BarrierReader {
    committed: BaseConsumer<LoggingContext>,
    uncommitted: BaseConsumer<LoggingContext>,
    producer: rdkafka::producer::BaseProducer<Reports>,
}

impl BarrierReader {
    /// Open the clients. They are members of no group; `group` is whose committed offsets can be asked for.
    ///
    /// # Errors
    /// A property that librdkafka does not take, or a secret that cannot be fetched.
    pub fn open(kafka: &KafkaConfig, group: &str) -> Result<Self, String> {
        let wrong = |error| format!("kafka reader: {error}");
        Ok(Self {
            committed: client_config(kafka, Role::Group { group })?
                .create_with_context(LoggingContext)
                .map_err(wrong)?,
            uncommitted: client_config(kafka, Role::UncommittedReader)?
                .create_with_context(LoggingContext)
                .map_err(wrong)?,
            producer: client_config(kafka, Role::Producer)?.create_with_context(Reports::default()).map_err(wrong)?,
        })
    }

    /// The group's committed offset of each partition, or why it is not known: Kafka does not answer, or a transaction
    /// that may still change it is open. One such partition does not keep the others waiting for long.
    pub fn committed(&self, partitions: &[&Partition]) -> Vec<Result<Option<i64>, String>> {
        match consumer::committed(&self.committed, partitions.iter().copied(), TOGETHER) {
            Ok(offsets) => offsets.into_iter().map(Ok).collect(),
            Err(_) => partitions
                .iter()
                .map(|one| {
                    let offsets = consumer::committed(&self.committed, [*one], ALONE)?;
                    offsets.into_iter().next().ok_or_else(|| format!("no answer for {one}"))
                })
                .collect(),
        }
    }

    /// How many partitions a topic has. Asked for here, the reader also learns their leaders; left to itself it looks
    /// once a second, and a read of a new topic would wait for that.
    ///
    /// # Errors
    /// Kafka does not answer.
    pub fn partitions(&self, topic: &str) -> Result<usize, ReadError> {
        let metadata = self.committed.fetch_metadata(Some(topic), STEP);
        let metadata = metadata.map_err(|error| ReadError::Kafka(format!("{topic}: {error}")))?;
        Ok(metadata.topics().first().map_or(0, |topic| topic.partitions().len()))
    }

    /// Read several partitions side by side, each up to a barrier appended now, and give `each` what comes, with the
    /// read's position in `reads`. A read for which `cancelled` says so is no longer waited for.
    ///
    /// # Errors
    /// Kafka does not answer, or a barrier does not come back; what was given until then is valid.
    pub fn read(
        &self,
        reads: &[Read],
        cancelled: impl Fn(usize) -> bool,
        mut each: impl FnMut(usize, Progress),
    ) -> Result<(), ReadError> {
        if reads.is_empty() {
            return Ok(());
        }
        let nonce = Ulid::new().to_string();
        let barriers = self.append(reads, &nonce)?;
        self.committed.assign(&self.starts(reads)?).map_err(|error| ReadError::Kafka(error.to_string()))?;
        let index: HashMap<&Partition, usize> =
            reads.iter().enumerate().map(|(at, read)| (&read.partition, at)).collect();
        let mut open: HashSet<usize> = (0..reads.len()).collect();
        let result = self.until(|record| {
            match record.map(|record| (index.get(&record.partition).copied(), record)) {
                Some((Some(at), record)) if is_barrier(&record, &nonce) && open.remove(&at) => {
                    each(at, Progress::Barrier(barriers.get(at).map_or(record.offset, |offset| *offset) + 1));
                }
                Some((Some(at), record)) if open.contains(&at) && !is_any_barrier(&record) => {
                    each(at, Progress::Record(Box::new(record)));
                }
                _ => {}
            }
            open.retain(|at| !cancelled(*at));
            open.is_empty()
        });
        // Nothing to be done about a failure: the next read assigns anew.
        let _ = self.committed.unassign();
        result
    }

    fn append(&self, reads: &[Read], nonce: &str) -> Result<Vec<i64>, ReadError> {
        let barrier = |read: &Read| Record {
            topic: Arc::clone(&read.partition.topic),
            partition: Some(read.partition.number),
            key: Vec::new(),
            value: format!(r#"{{"barrier":"{nonce}"}}"#).into_bytes(),
            headers: vec![(BARRIER_HEADER.into(), nonce.to_owned().into())],
            timestamp_ms: jiff::Timestamp::now().as_millisecond(),
        };
        let barriers: Vec<Record> = reads.iter().map(barrier).collect();
        produce_all(&self.producer, &barriers, STEP).map_err(|failed| {
            let partition = reads.get(failed.index).map(|read| read.partition.to_string()).unwrap_or_default();
            ReadError::Kafka(format!("no barrier in {partition}: {}", failed.why))
        })
    }

    /// Where to begin. The uncommitted view finds at least the barrier; the committed one ends at the last stable
    /// offset, behind which records may stand that are not decided yet, and would skip them.
    fn starts(&self, reads: &[Read]) -> Result<TopicPartitionList, ReadError> {
        let kafka = |error: rdkafka::error::KafkaError| ReadError::Kafka(error.to_string());
        let mut times = TopicPartitionList::new();
        for Read { partition, from } in reads {
            if let Since::Time(since) = from {
                times
                    .add_partition_offset(&partition.topic, partition.number, Offset::Offset((*since).max(0)))
                    .map_err(kafka)?;
            }
        }
        let found =
            if times.count() > 0 { self.uncommitted.offsets_for_times(times, STEP).map_err(kafka)? } else { times };
        let mut starts = TopicPartitionList::new();
        for Read { partition, from } in reads {
            let at =
                found.find_partition(&partition.topic, partition.number).map(|found| (found.error(), found.offset()));
            let start = match (from, at) {
                (Since::Offset(offset), _) => Offset::Offset(*offset),
                (Since::Time(_), Some((Ok(()), Offset::Offset(offset)))) => Offset::Offset(offset),
                (Since::Time(_), Some((Err(error), _))) => return Err(kafka(error)),
                // librdkafka's mock cluster knows no times. All of it is never wrong, only longer.
                (Since::Time(_), Some((Ok(()), _)) | None) => Offset::Beginning,
            };
            starts.add_partition_offset(&partition.topic, partition.number, start).map_err(kafka)?;
        }
        Ok(starts)
    }

    /// Poll until `done`, asked with each record and at every look, or until nothing has come for too long.
    fn until(&self, mut done: impl FnMut(Option<Stored>) -> bool) -> Result<(), ReadError> {
        let mut heard = Instant::now();
        let mut trouble = String::from("no record came");
        loop {
            let record = match self.committed.poll(LOOK) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    Some(consumer::stored(&message))
                }
                Some(Err(error)) => {
                    trouble = error.to_string();
                    None
                }
                None => None,
            };
            if done(record) {
                return Ok(());
            }
            if heard.elapsed() > STALLED {
                return Err(ReadError::Kafka(format!("a barrier did not come back: {trouble}")));
            }
        }
    }
}

fn is_any_barrier(record: &Stored) -> bool {
    record.headers.iter().any(|(name, _)| name == BARRIER_HEADER)
}

fn is_barrier(record: &Stored, nonce: &str) -> bool {
    record.headers.iter().any(|(name, value)| name == BARRIER_HEADER && value == nonce.as_bytes())
}
