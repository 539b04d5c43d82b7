//! Handing what waits to Kafka, oldest first, side by side with live traffic: one thread, bounded in flight.
//!
//! A record whose partition does not answer is passed by, and every later one of that partition with it, so that order
//! within a partition is kept and no partition waits for another. When one of them may go again, a new walk begins at
//! the oldest record; that one is then the breaker's probe.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::disk::Disk;
use super::entry::Entry;
use super::frame::{self, Step};
use super::pass::{Found, Pass, Place, Taken};
use super::refused::{self, Refused};
use super::segment::Segment;
use super::store::Spool;
use super::survey::UNREADABLE_TOPIC;
use super::suspects::{Lane, Suspects, Turn};
use crate::event::Record;
use crate::kafka::{Delivery, DeliveryFailure, Persistence, Probe, ProduceError, Producer, Refusal, Settle};

/// Records of the drain in Kafka's hands at most.
const MOST_IN_FLIGHT: usize = 4_096;

/// Their bytes at most: a fraction of the producer's queue, so that live traffic has its room.
const MOST_BYTES: usize = 16 << 20;

/// How far ahead the cursor file says the drain may be: after a crash, what lies below counts as possibly in Kafka.
const STRIDE: u64 = 4_096;

/// How often the cursor file is brought up to date, and how long the thread sleeps when nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// Bytes read without handing anything over before the thread takes a breath.
const LOOK_AHEAD: u64 = 16 << 20;

/// How long a topic must be missing, while Kafka answers, before its records are kept aside.
const MISSING: Duration = Duration::from_secs(30);

/// The header of a record that waited longer than the enricher remembers ids.
pub const LATE_HEADER: &str = "hookstream-late";

/// The time in milliseconds since 1970.
pub type Now = Box<dyn Fn() -> i64 + Send>;

/// A drain at work.
pub struct Drain {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drain {
    /// Start draining. A record that is older than `window` by the time it is handed over is flagged as late.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start<S: Settle + From<Drained>>(
        spool: Arc<Spool>,
        producer: Arc<Producer<S>>,
        window: Duration,
        now: Now,
    ) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let hands = Arc::new(Hands {
            spool,
            records: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            refused: Mutex::default(),
            lanes: Mutex::default(),
        });
        let work = Work {
            hands,
            producer,
            window_ms: i64::try_from(window.as_millis()).unwrap_or(i64::MAX),
            now,
            stop: Arc::clone(&stop),
            passed_by: HashMap::new(),
            let_by: HashMap::new(),
            refused: Refused::default(),
            refused_failed: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("spool-drain".to_owned())
            .spawn(move || work.run())
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Drain {
    /// Hand nothing more over. What is in Kafka's hands is settled as its reports come.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to tell.
            let _ = thread.join();
        }
    }
}

/// What the drain and the delivery reports share.
struct Hands {
    spool: Arc<Spool>,
    records: AtomicUsize,
    bytes: AtomicUsize,
    /// What Kafka refused for good, to be kept by the thread.
    refused: Mutex<Vec<(Handed, &'static str)>>,
    lanes: Mutex<Lanes>,
}

#[derive(Default)]
struct Lanes {
    /// Records in Kafka's hands.
    under_way: HashMap<Lane, usize>,
    /// Those in which a suspect is under way, alone.
    alone: HashSet<Lane>,
    suspects: Suspects,
}

/// A record in Kafka's hands, or on its way aside.
#[derive(Clone, Debug)]
struct Handed {
    sequence: u64,
    topic: Arc<str>,
    place: Place,
    partition: i32,
}

/// What rides with a drained record through the producer.
pub struct Drained {
    hands: Arc<Hands>,
    handed: Handed,
    bytes: usize,
    late: bool,
}

impl Settle for Drained {
    fn settle(self, outcome: Result<Delivery, DeliveryFailure>) {
        let (hands, Handed { sequence, topic, .. }) = (&self.hands, &self.handed);
        let among_suspects = hands.returned(&self.handed, self.bytes);
        let spool = &hands.spool;
        match outcome {
            Ok(_) => {
                spool.metrics().drained.inc();
                spool.metrics().late.inc_by(u64::from(self.late));
                hands.lanes().suspects.clear(*sequence);
                spool.finish(*sequence, topic);
            }
            Err(DeliveryFailure { refusal: Some(refusal), .. }) => {
                if hands.is_to_blame(*sequence, refusal) {
                    hands.refuse(self.handed.clone(), refusal.as_str());
                    spool.tell(false);
                } else {
                    spool.release(*sequence);
                }
            }
            Err(failure) => {
                if failure.persistence != Persistence::NotPersisted {
                    spool.metrics().unknown.inc();
                }
                let Range { start, end } = self.handed.place.bytes;
                if hands.lanes().suspects.unanswered(*sequence, end - start) {
                    hands.refuse(self.handed.clone(), refused::UNANSWERED);
                    spool.tell(false);
                } else {
                    spool.release(*sequence);
                }
            }
        }
        if among_suspects {
            spool.tell(true);
        }
    }
}

impl Hands {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken(&self, handed: &Handed, bytes: usize) {
        self.records.fetch_add(1, Ordering::AcqRel);
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        *self.lanes().under_way.entry((Arc::clone(&handed.topic), handed.partition)).or_default() += 1;
    }

    /// A record is back. Returns whether its lane is empty now, which a suspect may wait for.
    fn returned(&self, handed: &Handed, bytes: usize) -> bool {
        self.records.fetch_sub(1, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        let lane = (Arc::clone(&handed.topic), handed.partition);
        let mut lanes = self.lanes();
        let left = lanes.under_way.get_mut(&lane).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left > 0 {
            return false;
        }
        lanes.under_way.remove(&lane);
        lanes.alone.remove(&lane) || !lanes.suspects.is_empty()
    }

    /// Whether a refusal is the record's own fault, and not that of others in its batch.
    fn is_to_blame(&self, sequence: u64, refusal: Refusal) -> bool {
        match refusal {
            // These hold for the whole topic.
            Refusal::NotAuthorised | Refusal::NoTopic => true,
            Refusal::TooLarge | Refusal::Timestamp | Refusal::Other => self.lanes().suspects.refused(sequence),
        }
    }

    fn refuse(&self, handed: Handed, reason: &'static str) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).push((handed, reason));
    }
}

/// Why a partition is passed by on this walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    /// Kafka does not answer for it.
    Away,
    /// Its topic was not seen yet.
    Unseen,
    /// A record of it is undecided, or must go alone; a report will say more.
    Undecided,
}

struct Work<S: Settle> {
    hands: Arc<Hands>,
    producer: Arc<Producer<S>>,
    window_ms: i64,
    now: Now,
    stop: Arc<AtomicBool>,
    passed_by: HashMap<Lane, Obstacle>,
    /// Keys of records that let others by on this walk.
    let_by: HashMap<Lane, HashSet<Vec<u8>>>,
    refused: Refused,
    /// What could not be kept aside; tried again.
    refused_failed: Vec<(Handed, &'static str)>,
}

/// The partition of a topic that was not seen.
const NO_PARTITION: i32 = -1;

impl<S: Settle + From<Drained>> Work<S> {
    fn run(mut self) {
        let spool = Arc::clone(&self.hands.spool);
        let mut pass = Pass::begin(spool.log());
        let mut settled = Instant::now();
        while !self.stopped() {
            if let Err(error) = self.round(&mut pass) {
                spool.failed("its records cannot be read; it is tried again", &error);
            }
            self.keep_refused();
            if settled.elapsed() >= TICK {
                spool.settle();
                settled = Instant::now();
            }
            if spool.wait(TICK) || self.may_go_on() {
                pass = Pass::begin(spool.log());
                self.passed_by.clear();
                self.let_by.clear();
            }
        }
        self.keep_refused();
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Hand over as much as may go now.
    fn round(&mut self, pass: &mut Pass) -> io::Result<()> {
        let spool = Arc::clone(&self.hands.spool);
        pass.take_scanned();
        let mut scanned = 0;
        while !self.stopped() && !self.is_full() && !self.all_passed_by() && scanned < LOOK_AHEAD {
            match pass.next(spool.log())? {
                Found::Nothing => return Ok(()),
                Found::Lost(records) => {
                    spool.metrics().lost.inc_by(records);
                    tracing::error!(
                        records,
                        "spool: acknowledged records can no longer be read; `hookstream spool verify` says where"
                    );
                }
                Found::Record(taken) => {
                    scanned = if self.hand_over(*taken)? { 0 } else { scanned + pass.take_scanned() };
                }
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        let hands = &self.hands;
        hands.records.load(Ordering::Acquire) >= MOST_IN_FLIGHT || hands.bytes.load(Ordering::Acquire) >= MOST_BYTES
    }

    /// Whether no record of any topic could go: then there is no use in reading on.
    fn all_passed_by(&self) -> bool {
        if self.passed_by.is_empty() {
            return false;
        }
        let topics: Vec<Arc<str>> = self.hands.spool.log().state().ledger.topics().cloned().collect();
        topics.iter().all(|topic| match self.producer.partitions(topic) {
            None => self.passed_by.contains_key(&(Arc::clone(topic), NO_PARTITION)),
            Some(count) => (0..count).all(|partition| self.passed_by.contains_key(&(Arc::clone(topic), partition))),
        })
    }

    /// Whether something that was passed by may go now.
    fn may_go_on(&self) -> bool {
        self.passed_by.iter().any(|((topic, partition), obstacle)| match obstacle {
            Obstacle::Away => self.producer.admits(topic, *partition),
            Obstacle::Unseen => self.producer.partitions(topic).is_some() || self.is_missing(topic),
            Obstacle::Undecided => false,
        }) || self.hands.lanes().suspects.may_go(Instant::now(), |lane| self.producer.answers(&lane.0, lane.1))
    }

    fn is_missing(&self, topic: &str) -> bool {
        self.producer.missing(topic).is_some_and(|since| since >= MISSING)
    }

    /// Hand a record to Kafka, pass it by, or put it aside. Returns whether it is off our hands.
    fn hand_over(&mut self, taken: Taken) -> io::Result<bool> {
        let Taken { sequence, place, held, entry } = taken;
        let spool = Arc::clone(&self.hands.spool);
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                tracing::error!(sequence, %error, "spool: a record is kept aside");
                let handed = Handed { sequence, topic: UNREADABLE_TOPIC.into(), place, partition: NO_PARTITION };
                self.put_aside(handed, refused::UNREADABLE);
                return Ok(true);
            }
        };
        let topic = Arc::clone(&entry.record.topic);
        let partition = self.producer.partition(&entry.record);
        let handed =
            Handed { sequence, topic: Arc::clone(&topic), place, partition: partition.unwrap_or(NO_PARTITION) };
        let Some(partition) = partition else {
            if !held && self.is_missing(&topic) {
                self.put_aside(handed, Refusal::NoTopic.as_str());
                return Ok(true);
            }
            self.passed_by.insert((topic, NO_PARTITION), Obstacle::Unseen);
            return Ok(false);
        };
        let lane = (topic, partition);
        if self.passed_by.contains_key(&lane) {
            return Ok(false);
        }
        if held {
            self.passed_by.insert(lane, Obstacle::Undecided);
            return Ok(false);
        }
        let answers = self.producer.answers(&lane.0, partition);
        let (turn, busy, alone) = {
            let mut lanes = self.hands.lanes();
            let turn = lanes.suspects.turn(sequence, &lane, answers, Instant::now());
            (turn, lanes.under_way.contains_key(&lane), lanes.alone.contains(&lane))
        };
        if turn == Turn::LetBy || self.let_by.get(&lane).is_some_and(|keys| keys.contains(&entry.record.key)) {
            self.let_by.entry(lane).or_default().insert(entry.record.key);
            return Ok(false);
        }
        if turn == Turn::Alone || alone {
            // Behind nothing, and nothing behind it.
            self.passed_by.insert(lane.clone(), Obstacle::Undecided);
            if busy {
                return Ok(false);
            }
            self.hands.lanes().alone.insert(lane.clone());
        }
        self.reach(sequence)?;
        let late = self.flag_if_late(&mut entry.record);
        match self.produce(&entry, handed, late) {
            Ok(()) => {
                if spool.may_stand(sequence, entry.handed) {
                    spool.metrics().unknown.inc();
                }
                Ok(true)
            }
            Err((ProduceError::Refused(refusal), handed)) => {
                self.put_aside(handed, refusal.as_str());
                Ok(true)
            }
            Err((_, _)) => {
                spool.log().state().ledger.release(sequence);
                self.passed_by.insert(lane, Obstacle::Away);
                Ok(false)
            }
        }
    }

    fn produce(&self, entry: &Entry, handed: Handed, late: bool) -> Result<(), (ProduceError, Handed)> {
        let hands = &self.hands;
        let bytes = entry.record.key.len() + entry.record.value.len();
        // Before the hand-over: its report may come before the call returns.
        hands.spool.log().state().ledger.begin(handed.sequence);
        hands.taken(&handed, bytes);
        let drained = Drained { hands: Arc::clone(hands), handed: handed.clone(), bytes, late };
        self.producer.produce(&entry.record, S::from(drained), Probe::Allowed).map_err(|(error, _)| {
            hands.returned(&handed, bytes);
            (error, handed)
        })
    }

    /// See to it that the cursor file says that this record may have been handed over.
    fn reach(&self, sequence: u64) -> io::Result<()> {
        let log = self.hands.spool.log();
        let before = {
            let ledger = &mut log.state().ledger;
            let before = ledger.reached();
            if sequence < before {
                return Ok(());
            }
            ledger.reach(sequence + STRIDE);
            before
        };
        let settled = log.settle();
        if settled.is_err() {
            log.state().ledger.unreach(before);
        }
        settled
    }

    fn flag_if_late(&self, record: &mut Record) -> bool {
        let late = (self.now)().saturating_sub(record.timestamp_ms) > self.window_ms;
        if late {
            record.headers.push((LATE_HEADER.into(), Bytes::from_static(b"true")));
        }
        late
    }

    fn put_aside(&self, handed: Handed, reason: &'static str) {
        self.hands.spool.log().state().ledger.begin(handed.sequence);
        self.hands.refuse(handed, reason);
    }

    /// Keep what was refused, and only then count it as done.
    fn keep_refused(&mut self) {
        let mut refused = std::mem::take(&mut self.refused_failed);
        refused.append(&mut self.hands.refused.lock().unwrap_or_else(PoisonError::into_inner));
        let spool = Arc::clone(&self.hands.spool);
        for (handed, reason) in refused {
            let kept = read_again(spool.log().disk(), &handed)
                .and_then(|payload| self.refused.keep(spool.log().disk(), handed.sequence, reason, &payload));
            match kept {
                Ok(bytes) => {
                    spool.kept_aside(bytes);
                    spool.metrics().refused(reason).inc();
                    let why = match reason {
                        refused::UNANSWERED => {
                            "has no answer for a record, and has for others of its partition (`hookstream check` compares the brokers' limits)"
                        }
                        _ => "refuses a record for good",
                    };
                    tracing::error!(topic = %handed.topic, reason, "spool: kafka {why}; it is kept aside, see `hookstream spool list`");
                    spool.finish(handed.sequence, &handed.topic);
                }
                Err(error) => {
                    spool.failed("a refused record cannot be kept aside; it is tried again", &error);
                    self.refused_failed.push((handed, reason));
                }
            }
        }
    }
}

/// The payload of a record that was read before.
fn read_again(disk: &dyn Disk, handed: &Handed) -> io::Result<Vec<u8>> {
    let Place { file, bytes } = &handed.place;
    let gone = || io::Error::new(io::ErrorKind::InvalidData, format!("{file}: the record is damaged"));
    let length = usize::try_from(bytes.end - bytes.start).map_err(|_| gone())?;
    let (mut frame, mut have) = (vec![0; length], 0);
    while have < length {
        match disk.read(file, bytes.start + have as u64, &mut frame[have..])? {
            0 => return Err(gone()),
            more => have += more,
        }
    }
    let mark = Segment::parse(file, 0).ok_or_else(gone)?.mark;
    match frame::step(&frame, mark, true) {
        Step::Frame { payload, sequence, .. } if sequence == handed.sequence => Ok(frame[payload].to_vec()),
        _ => Err(gone()),
    }
}
