//! The transactional producer: outputs, ids and offsets become visible together or not at all.
//!
//! A transaction is begun only when everything that goes into it is at hand, so none is ever open while somebody waits.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{Role, TRANSACTION_TIMEOUT, client_config};
use super::consumer::{GroupConsumer, Partition};
use super::error::Refusal;
use super::reports::{Reports, produce_all};
use crate::config::KafkaConfig;
use crate::event::Record;

/// One step of a transaction may take this long; together they end before the broker gives the transaction up.
const STEP: Duration = Duration::from_secs(10);

/// How often reports are fetched while a call is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// A commit or abort may take as long as a transaction may.
const END: Duration = TRANSACTION_TIMEOUT;

/// What one transaction writes.
#[derive(Debug, Default)]
pub struct Batch {
    /// Records for any topics.
    pub records: Vec<Record>,
    /// The next offset to read of each partition whose records are decided in here.
    pub offsets: Vec<(Partition, i64)>,
}

/// How a transaction ended.
#[derive(Debug)]
pub enum Outcome {
    /// Visible; the offset of each record, in order.
    Committed(Vec<i64>),
    /// Not visible and never will be; may be tried again.
    Aborted(Abort),
    /// Nobody here knows. The producer must be replaced and the committed offsets read before anything is written.
    Unknown {
        /// The client's words.
        why: String,
        /// Another producer with the same transactional id has taken over.
        fenced: bool,
    },
}

/// Why a transaction was given up.
#[derive(Debug)]
pub struct Abort {
    /// In words.
    pub why: String,
    /// The record that Kafka would refuse again, by its position.
    pub refused: Option<(usize, Refusal)>,
}

/// How long a call may overrun the time it was given before it is taken for lost.
const GRACE: Duration = Duration::from_secs(5);

/// A transactional producer that is ready to begin.
pub struct Transactor {
    client: Arc<BaseProducer<Reports>>,
}

impl Transactor {
    /// Open a producer. This ends whatever transaction an earlier one with this id left open, one way or the other.
    ///
    /// # Errors
    /// A property that librdkafka does not take, or Kafka does not answer in time.
    pub fn open(kafka: &KafkaConfig, id: &str, patience: Duration) -> Result<Self, String> {
        let client: BaseProducer<Reports> = client_config(kafka, Role::Transactional { id })?
            .create_with_context(Reports::default())
            .map_err(|error| format!("transactional producer: {error}"))?;
        let end = Instant::now() + patience;
        loop {
            let Err(error) = client.init_transactions(STEP.min(patience)) else {
                return Ok(Self { client: Arc::new(client) });
            };
            let passes = matches!(&error, KafkaError::Transaction(error) if error.is_retriable());
            if !passes || Instant::now() >= end {
                return Err(format!("transactional producer: {error}"));
            }
            client.poll(Duration::from_millis(100));
        }
    }

    /// Serve what librdkafka wants served between transactions.
    pub fn poll(&self) {
        self.client.poll(Duration::ZERO);
    }

    /// Give it up. Destroying a client waits for its threads; nobody should wait for those of one that has failed.
    pub fn retire(self) {
        let _ = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(move || drop(self));
    }

    /// Write a batch. The offsets are committed for the consumer's group, fenced by its generation.
    pub fn commit(&self, batch: &Batch, consumer: &GroupConsumer) -> Outcome {
        if let Err(error) = self.client.begin_transaction() {
            return unknown(&error);
        }
        // With every report at hand the client has nothing to flush; with anything queued it would wait 100 ms.
        let offsets = match produce_all(&self.client, &batch.records, STEP) {
            Ok(offsets) => offsets,
            Err(failed) => {
                let refused = failed.refusal.map(|refusal| (failed.index, refusal));
                return self.abort(Abort { why: failed.why, refused });
            }
        };
        let metadata = match consumer.membership() {
            Ok(metadata) => metadata,
            Err(not_owner) => return self.abort(Abort { why: not_owner.to_string(), refused: None }),
        };
        let next = next_offsets(&batch.offsets);
        match self.within(STEP, move |client| client.send_offsets_to_transaction(&next, &metadata, STEP)) {
            Some(Ok(())) => {}
            Some(Err(error)) if is_fenced(&error) => return unknown(&error),
            Some(Err(error)) => return self.abort(Abort { why: error.to_string(), refused: None }),
            None => return lost("sending offsets"),
        }
        tracing::debug!("a transaction is complete; committing it");
        match self.within(END, |client| client.commit_transaction(END)) {
            Some(Ok(())) => Outcome::Committed(offsets),
            Some(Err(error)) if requires_abort(&error) => self.abort(Abort { why: error.to_string(), refused: None }),
            Some(Err(error)) => unknown(&error),
            None => lost("the commit"),
        }
    }

    fn abort(&self, abort: Abort) -> Outcome {
        match self.within(END, |client| client.abort_transaction(END)) {
            Some(Ok(())) => Outcome::Aborted(abort),
            Some(Err(error)) => Outcome::Unknown {
                why: format!("{}; then the abort failed: {error}", abort.why),
                fenced: is_fenced(&error),
            },
            None => lost("the abort"),
        }
    }

    /// Run a blocking call on a thread of its own; `None` when it has not returned in time. librdkafka 2.12 forgets to
    /// return from `send_offsets_to_transaction` when the transaction fails while the group coordinator is asked again,
    /// and an owner loop that waits with it would wait for ever. Such a call keeps its thread and its client; the
    /// caller opens another. Meanwhile reports are fetched: an abort waits for those of what it purges.
    fn within<T: Send + 'static>(
        &self,
        patience: Duration,
        call: impl FnOnce(&BaseProducer<Reports>) -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = mpsc::channel();
        let client = Arc::clone(&self.client);
        let end = Instant::now() + patience + GRACE;
        let calling = std::thread::Builder::new().name("kafka-transaction".to_owned()).spawn(move || {
            // Nobody waits any more: the outcome is unknown already.
            let _ = done.send(call(&client));
        });
        // Without a thread the sender is gone, and so is the result.
        calling.ok()?;
        loop {
            match result.recv_timeout(LOOK) {
                Ok(result) => return Some(result),
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => self.client.poll(Duration::ZERO),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

fn next_offsets(offsets: &[(Partition, i64)]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, next) in offsets {
        // An offset is a number of at most 63 bits; librdkafka takes every one.
        let _ = list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*next));
    }
    list
}

fn requires_abort(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.txn_requires_abort() && !error.is_fatal())
}

fn unknown(error: &KafkaError) -> Outcome {
    Outcome::Unknown { why: error.to_string(), fenced: is_fenced(error) }
}

fn lost(what: &str) -> Outcome {
    Outcome::Unknown { why: format!("the client did not return from {what} in time"), fenced: false }
}

fn is_fenced(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::InvalidProducerEpoch | RDKafkaErrorCode::ProducerFenced)
    )
}
