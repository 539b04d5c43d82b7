//! Read a partition up to a barrier: everything that was committed to it before we asked.
//!
//! A barrier is a record with a random nonce, appended by a plain producer. A read_committed reader sees it only when
//! every transaction before it is decided. Ends of partitions and watermarks are not used: both stop at the last
//! stable offset and would end the read too early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// How long nothing may come before the read is given up and begun again. Above the time a transaction may stay open.
const STALLED: Duration = Duration::from_secs(45);

/// How long one look for records waits: how soon a cancelled read ends.
const LOOK: Duration = Duration::from_millis(100);

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At this offset, or at the oldest record if that one is gone.
    Offset(i64),
    /// At the first record that is not older than this, in milliseconds since 1970.
    Time(i64),
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
            committed: client_config(kafka, Role::Group { group })?.create_with_context(LoggingContext).map_err(wrong)?,
            uncommitted: client_config(kafka, Role::UncommittedReader)?
                .create_with_context(LoggingContext)
                .map_err(wrong)?,
            producer: client_config(kafka, Role::Producer)?.create_with_context(Reports::default()).map_err(wrong)?,
        })
    }

    /// The group's committed offset; waits until transactions that may still change it are decided.
    ///
    /// # Errors
    /// Kafka does not answer, or the transactions stay undecided.
    pub fn committed(&self, partition: &Partition) -> Result<Option<i64>, ReadError> {
        let offsets = consumer::committed(&self.committed, [partition], STEP).map_err(ReadError::Kafka)?;
        Ok(offsets.into_iter().next().flatten())
    }

    /// Give `each` every committed record from `from` up to a barrier appended now. Returns the offset after it.
    ///
    /// # Errors
    /// Cancelled, or Kafka does not answer; what was given until then is valid.
    pub fn read(
        &self,
        partition: &Partition,
        from: From,
        cancelled: &AtomicBool,
        mut each: impl FnMut(Stored),
    ) -> Result<i64, ReadError> {
        let kafka = |error: rdkafka::error::KafkaError| ReadError::Kafka(format!("{partition}: {error}"));
        let nonce = Ulid::new().to_string();
        let barrier = self.append(partition, &nonce)?;
        let mut start = TopicPartitionList::new();
        let from = self.start(partition, from)?;
        start.add_partition_offset(&partition.topic, partition.number, from).map_err(kafka)?;
        self.committed.assign(&start).map_err(kafka)?;
        let result = self.until(barrier, cancelled, |record| {
            let last = is_barrier(&record, &nonce);
            if !record.headers.iter().any(|(name, _)| name == BARRIER_HEADER) {
                each(record);
            }
            last
        });
        // Nothing to be done about a failure: the next read assigns anew.
        let _ = self.committed.unassign();
        result
    }

    fn append(&self, partition: &Partition, nonce: &str) -> Result<i64, ReadError> {
        let barrier = Record {
            topic: Arc::clone(&partition.topic),
            partition: Some(partition.number),
            key: Vec::new(),
            value: format!(r#"{{"barrier":"{nonce}"}}"#).into_bytes(),
            headers: vec![(BARRIER_HEADER.into(), nonce.as_bytes().to_vec())],
            timestamp_ms: jiff::Timestamp::now().as_millisecond(),
        };
        let offsets = produce_all(&self.producer, &[barrier], STEP)
            .map_err(|failed| ReadError::Kafka(format!("no barrier in {partition}: {}", failed.why)))?;
        Ok(offsets.first().copied().unwrap_or(-1))
    }

    /// The uncommitted view finds at least the barrier. The committed one ends at the last stable offset, where records
    /// may stand that are not decided yet; it would skip them.
    fn start(&self, partition: &Partition, from: From) -> Result<Offset, ReadError> {
        let since = match from {
            From::Offset(offset) => return Ok(Offset::Offset(offset)),
            From::Time(since) => since,
        };
        let kafka = |error: rdkafka::error::KafkaError| ReadError::Kafka(format!("{partition}: {error}"));
        let mut times = TopicPartitionList::new();
        times.add_partition_offset(&partition.topic, partition.number, Offset::Offset(since.max(0))).map_err(kafka)?;
        let found = self.uncommitted.offsets_for_times(times, STEP).map_err(kafka)?;
        let found = found.find_partition(&partition.topic, partition.number);
        Ok(match found.map(|found| (found.error(), found.offset())) {
            Some((Ok(()), Offset::Offset(offset))) => Offset::Offset(offset),
            Some((Err(error), _)) => return Err(kafka(error)),
            // librdkafka's mock cluster knows no times. All of it is never wrong, only longer.
            Some((Ok(()), _)) | None => Offset::Beginning,
        })
    }

    fn until(
        &self,
        barrier: i64,
        cancelled: &AtomicBool,
        mut is_last: impl FnMut(Stored) -> bool,
    ) -> Result<i64, ReadError> {
        let mut heard = Instant::now();
        let mut trouble = String::from("no record came");
        while !cancelled.load(Ordering::Acquire) {
            match self.committed.poll(LOOK) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    if is_last(consumer::stored(&message)) {
                        return Ok(barrier + 1);
                    }
                }
                Some(Err(error)) => trouble = error.to_string(),
                None => {}
            }
            if heard.elapsed() > STALLED {
                return Err(ReadError::Kafka(format!("the barrier at {barrier} did not come back: {trouble}")));
            }
        }
        Err(ReadError::Cancelled)
    }
}

fn is_barrier(record: &Stored, nonce: &str) -> bool {
    record.headers.iter().any(|(name, value)| name == BARRIER_HEADER && value == nonce.as_bytes())
}
