//! Delivery reports for callers that produce a batch and poll for its end themselves, on one thread.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};

use super::context;
use super::error::{self, Refusal};
use super::message::{message, offset};
use crate::event::Record;

/// How long one look for reports takes: rdkafka's poll waits it out, also after the last report has come.
const LOOK: Duration = Duration::from_millis(1);

/// A record that did not get into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// Its position in the batch.
    pub(super) index: usize,
    /// What Kafka will refuse again; `None` where trying again may help.
    pub(super) refusal: Option<Refusal>,
    /// The client's words.
    pub(super) why: String,
}

/// The reports of one batch.
#[derive(Default)]
struct Batch {
    /// Reports of an earlier batch that was given up carry an older number.
    number: usize,
    offsets: Vec<Option<i64>>,
    open: usize,
    failed: Option<Failed>,
}

/// A producer's context that collects reports.
#[derive(Default)]
pub(super) struct Reports(Mutex<Batch>);

/// A ticket is the batch's number and the position in it.
const POSITION_BITS: u32 = 20;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        context::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "hookstream::kafka", %error, reason, "producer error");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let mut batch = self.batch();
        let index = ticket & ((1 << POSITION_BITS) - 1);
        if batch.number != ticket >> POSITION_BITS {
            return;
        }
        batch.open = batch.open.saturating_sub(1);
        match result {
            Ok(acknowledged) => match (offset(acknowledged), batch.offsets.get_mut(index)) {
                (None, _) => {
                    let why = "not acknowledged itself, only a later one".to_owned();
                    batch.failed.get_or_insert(Failed { index, refusal: None, why });
                }
                (offset, Some(place)) => *place = offset,
                (_, None) => {}
            },
            Err((error, _)) => {
                let failed = failed(index, error);
                batch.failed.get_or_insert(failed);
            }
        }
    }
}

impl Reports {
    fn batch(&self) -> MutexGuard<'_, Batch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, len: usize) -> usize {
        let mut batch = self.batch();
        let number = batch.number.wrapping_add(1) & (usize::MAX >> POSITION_BITS);
        *batch = Batch { number, offsets: vec![None; len], open: 0, failed: None };
        number
    }
}

/// Produce a batch and wait until each record is acknowledged. Returns their offsets in order.
///
/// # Errors
/// The first record that failed; others may stand in the log.
pub(super) fn produce_all(
    producer: &BaseProducer<Reports>,
    records: &[Record],
    patience: Duration,
) -> Result<Vec<i64>, Failed> {
    let reports = producer.context();
    let number = reports.begin(records.len());
    let end = Instant::now() + patience;
    for (index, record) in records.iter().enumerate() {
        reports.batch().open += 1;
        send(producer, record, number << POSITION_BITS | index, end).map_err(|error| failed(index, &error))?;
    }
    loop {
        {
            let batch = reports.batch();
            if let Some(failed) = &batch.failed {
                return Err(failed.clone());
            }
            if batch.open == 0 {
                return Ok(batch.offsets.iter().map(|offset| offset.unwrap_or(-1)).collect());
            }
            if Instant::now() >= end {
                let index = batch.offsets.iter().position(Option::is_none).unwrap_or_default();
                return Err(Failed { index, refusal: None, why: "not acknowledged in time".to_owned() });
            }
        }
        producer.poll(LOOK);
    }
}

fn send(producer: &BaseProducer<Reports>, record: &Record, ticket: usize, end: Instant) -> Result<(), KafkaError> {
    let mut message = message(record, ticket);
    loop {
        match producer.send(message) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) if Instant::now() < end => {
                message = back;
                producer.poll(LOOK);
            }
            Err((error, _)) => return Err(error),
        }
    }
}

fn failed(index: usize, error: &KafkaError) -> Failed {
    Failed { index, refusal: error.rdkafka_error_code().and_then(error::refusal), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::StandIn;
    use super::super::client::{Role, client_config};
    use super::*;
    use crate::config::Config;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// As in the producer's tests: the first record is refused once and the second taken, which librdkafka takes for both.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_batch_with_a_hole_has_failed() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let stand_in = StandIn::start(listener).unwrap();
        stand_in.create_topic("t", 1).unwrap();
        let address = stand_in.address();
        let text =
            format!("kafka.bootstrap_servers = \"{address}\"\nkafka.producer = {{ \"batch.num.messages\" = 1 }}");
        let config = Config::parse(Path::new("hookstream.toml"), &text, []).unwrap();
        let client = client_config(&config.kafka, Role::Producer).unwrap();
        let producer: BaseProducer<Reports> = client.create_with_context(Reports::default()).unwrap();
        let record = Record {
            topic: "t".into(),
            partition: Some(0),
            key: Vec::new(),
            value: b"v".to_vec(),
            headers: Vec::new(),
            timestamp_ms: 1_700_000_000_000,
        };
        let both = [record.clone(), record];
        assert_eq!(produce_all(&producer, &both, PATIENCE), Ok(vec![0, 1]));
        stand_in.refuse_once(Duration::from_millis(200));
        let failed = produce_all(&producer, &both, PATIENCE).unwrap_err();
        assert_eq!((failed.index, failed.refusal), (0, None));
        assert!(failed.why.contains("only a later one"), "{}", failed.why);
    }
}
