//! Reading whole topics without a group: `tail`, `dev`'s table.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{Role, client_config};
use super::consumer::{Polled, stored};
use super::context::LoggingContext;
use crate::config::KafkaConfig;

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record that is kept.
    Beginning,
    /// With the next record that is written.
    End,
}

/// A consumer of all partitions of some topics, outside of any group. Commits nothing.
pub struct Reader(BaseConsumer<LoggingContext>);

impl Reader {
    /// Open a reader. `uncommitted` shows records of open and aborted transactions too.
    ///
    /// # Errors
    /// A property that librdkafka does not take, or a secret that cannot be fetched.
    pub fn open(kafka: &KafkaConfig, uncommitted: bool) -> Result<Self, String> {
        let role = if uncommitted { Role::UncommittedReader } else { Role::Reader };
        let client = client_config(kafka, role)?
            .create_with_context(LoggingContext)
            .map_err(|error| format!("kafka consumer: {error}"))?;
        Ok(Self(client))
    }

    /// Read these topics, all partitions.
    ///
    /// # Errors
    /// Kafka does not answer, or a topic does not exist.
    pub fn read<'a>(
        &self,
        topics: impl IntoIterator<Item = &'a str>,
        from: Start,
        patience: Duration,
    ) -> Result<(), String> {
        let mut list = TopicPartitionList::new();
        for topic in topics {
            let metadata = self
                .0
                .fetch_metadata(Some(topic), patience)
                .map_err(|error| format!("kafka does not answer: {error}"))?;
            let partitions = metadata.topics().first().map(|topic| topic.partitions()).unwrap_or_default();
            if partitions.is_empty() {
                return Err(format!(
                    "there is no topic {topic}; `hookstream topics list` shows those that hookstream uses"
                ));
            }
            for partition in partitions {
                let offset = match from {
                    Start::Beginning => Offset::Beginning,
                    Start::End => {
                        let (_, end) = self
                            .0
                            .fetch_watermarks(topic, partition.id(), patience)
                            .map_err(|error| error.to_string())?;
                        Offset::Offset(end)
                    }
                };
                list.add_partition_offset(topic, partition.id(), offset).map_err(|error| error.to_string())?;
            }
        }
        self.0.assign(&list).map_err(|error| error.to_string())
    }

    /// Wait for a record, at most this long.
    pub fn poll(&self, patience: Duration) -> Polled {
        match self.0.poll(patience) {
            None => Polled::Nothing,
            Some(Ok(message)) => Polled::Record(Box::new(stored(&message))),
            Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::PartitionEOF))) => Polled::Nothing,
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Polled::Fatal(error.to_string()),
            Some(Err(error)) => Polled::Trouble(error.to_string()),
        }
    }
}
