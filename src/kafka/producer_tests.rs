//! The handle is replaced under traffic, and every record meets its fate exactly once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rdkafka::producer::Producer as _;

use super::super::{ProduceError, StandIn, ffi};
use super::{Producer, Record, Settle};
use crate::config::Config;
use crate::kafka::Probe;
use crate::kafka::{Delivery, DeliveryFailure};
use crate::telemetry::Metrics;

const PATIENCE: Duration = Duration::from_secs(20);

type Fate = (usize, Result<Delivery, DeliveryFailure>);

/// Tells a test which record met which fate.
struct Note(usize, Sender<Fate>);

impl Settle for Note {
    fn settle(self, outcome: Result<Delivery, DeliveryFailure>) {
        self.1.send((self.0, outcome)).unwrap();
    }
}

struct Fixture {
    producer: Arc<Producer<Note>>,
    metrics: Metrics,
    fates: Receiver<Fate>,
    note: Sender<Fate>,
    stand_in: Option<StandIn>,
    _runtime: tokio::runtime::Runtime,
}

fn fixture() -> Fixture {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let stand_in = runtime
        .block_on(async { StandIn::start(tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap()).unwrap() });
    stand_in.create_topic("t", 2).unwrap();
    let text = format!("kafka.bootstrap_servers = \"{}\"", stand_in.address());
    let config = Config::parse(Path::new("hookstream.toml"), &text, []).unwrap();
    let metrics = Metrics::new().unwrap();
    let producer = Producer::start(&config.kafka, vec!["t".into()], metrics.kafka.clone()).unwrap();
    assert!(producer.await_topics(PATIENCE));
    let (note, fates) = channel();
    Fixture { producer, metrics, fates, note, stand_in: Some(stand_in), _runtime: runtime }
}

impl Fixture {
    fn produce(&self, number: usize) -> Result<(), ProduceError> {
        self.produce_to(None, number)
    }

    fn produce_to(&self, partition: impl Into<Option<i32>>, number: usize) -> Result<(), ProduceError> {
        let record = Record {
            topic: "t".into(),
            partition: partition.into(),
            key: number.to_string().into_bytes(),
            value: b"v".to_vec(),
            headers: Vec::new(),
            timestamp_ms: 1_700_000_000_000,
        };
        self.producer.produce(&record, Note(number, self.note.clone()), Probe::Allowed).map_err(|(error, _)| error)
    }

    /// The fates of so many records, each of which has just one.
    fn fates(&self, count: usize) -> BTreeMap<usize, Result<Delivery, DeliveryFailure>> {
        let mut fates = BTreeMap::new();
        for _ in 0..count {
            let (number, outcome) = self.fates.recv_timeout(PATIENCE).expect("a fate");
            assert!(fates.insert(number, outcome).is_none(), "record {number} has two fates");
        }
        fates
    }
}

#[test]
fn a_replaced_handle_still_delivers_what_it_took() {
    let fixture = fixture();
    for number in 0..600 {
        if number % 200 == 100 {
            fixture.producer.swap().unwrap();
        }
        fixture.produce(number).unwrap();
    }
    assert!(fixture.fates(600).values().all(Result::is_ok));
    assert_eq!(fixture.metrics.kafka.producer_swaps.get(), 3);
    assert_eq!(fixture.producer.close(PATIENCE), 0);
    assert!(fixture.fates.try_recv().is_err(), "nothing is told twice");
}

/// Otherwise a request could settle the records of others, under locks of its own.
#[test]
fn a_replaced_handle_ends_on_its_own_thread() {
    let fixture = fixture();
    let ended = |patience: Duration| {
        let start = Instant::now();
        loop {
            let ended = fixture.producer.pollers.lock().unwrap()[0].is_finished();
            if ended || start.elapsed() > patience {
                return ended;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    };
    let held = fixture.producer.handle.load_full();
    fixture.producer.swap().unwrap();
    assert!(!ended(5 * super::POLL), "it is still in somebody's hands");
    drop(held);
    assert!(ended(PATIENCE));
}

/// The stand-in looks at no sequence numbers, as a broker does that knows nothing of the producer: it refuses the first record
/// and takes the second, and librdkafka reports both as acknowledged.
#[test]
fn what_is_only_concluded_from_a_later_acknowledgement_is_not_known() {
    const LATE: Duration = Duration::from_millis(500);
    let fixture = fixture();
    // The producer's id, too, is asked for before the first record; all of that is not to be late.
    fixture.produce_to(1, 0).unwrap();
    assert!(fixture.fates(1)[&0].is_ok());
    fixture.stand_in.as_ref().unwrap().refuse_once(LATE);
    fixture.produce_to(0, 1).unwrap();
    // A request of its own, on its way before the first is answered.
    std::thread::park_timeout(LATE / 5);
    fixture.produce_to(0, 2).unwrap();
    let fates = fixture.fates(2);
    let unknown = DeliveryFailure { persistence: ffi::Persistence::PossiblyPersisted, refusal: None };
    assert_eq!(fates[&1], Err(unknown));
    assert_eq!(fates[&2], Ok(Delivery { partition: 0, offset: 0 }), "the first is in no log");
    assert_eq!(fixture.producer.close(PATIENCE), 0);
}

#[test]
fn after_a_fatal_error_a_new_handle_takes_over() {
    let fixture = fixture();
    fixture.produce(0).unwrap();
    assert!(fixture.fates(1)[&0].is_ok());
    ffi::provoke_fatal_error(fixture.producer.handle.load().client.client());
    let start = Instant::now();
    let (mut number, mut taken) = (0, 0);
    loop {
        number += 1;
        match fixture.produce(number) {
            Ok(()) => {
                taken += 1;
                if fixture.fates(1).values().all(Result::is_ok) {
                    break;
                }
            }
            // Whoever hears this keeps the record; what is refused would be kept aside for good.
            Err(error) => assert!(!matches!(error, ProduceError::Refused(_)), "{error}"),
        }
        assert!(start.elapsed() < PATIENCE, "no record was delivered again; {taken} were taken");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(fixture.metrics.kafka.producer_swaps.get(), 1);
    assert_eq!(fixture.producer.close(PATIENCE), 0);
}

#[test]
fn closing_without_kafka_tells_every_record_its_fate_and_is_quick() {
    let mut fixture = fixture();
    fixture.produce(0).unwrap();
    assert!(fixture.fates(1)[&0].is_ok());
    drop(fixture.stand_in.take());
    // The second handle leaves a first one behind that has records as well.
    fixture.produce(1).unwrap();
    fixture.producer.swap().unwrap();
    fixture.produce(2).unwrap();
    let start = Instant::now();
    assert_eq!(fixture.producer.close(Duration::from_millis(200)), 2);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(fixture.fates(2).values().all(Result::is_err));
    assert_eq!(fixture.producer.in_flight(), 0);
}
