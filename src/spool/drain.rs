//! Handing what waits to Kafka, oldest first, side by side with live traffic: one thread, bounded in flight.
//!
//! A record whose partition does not answer is passed by, and every later one of that partition with it, so that order
//! within a partition is kept and no partition waits for another. When one of them may go again, a new walk begins at
//! the oldest record; that one is then the breaker's probe.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::absent::{Course, MISSING};
use super::aside::Aside;
use super::disk;
use super::entry::Entry;
use super::hands::{Drained, Handed, Hands};
use super::pass::{Found, Pass, Taken};
use super::refused;
use super::store::Spool;
use super::stumbles::Stumbles;
use super::survey::UNREADABLE_TOPIC;
use super::suspects::{Lane, Turn};
use crate::event::Record;
use crate::kafka::{Probe, ProduceError, Producer, Refusal, Settle};

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

/// Records on their way aside at most, while the disk does not take them.
const MOST_ASIDE: usize = 65_536;

/// For how long the metadata must have said that a topic is missing which was there before, so that a second look has said it:
/// it is looked at every 30 s, and may have been made again right after the first.
const TWO_LOOKS: Duration = Duration::from_secs(40);

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
        let work = Work {
            hands: Arc::new(Hands::new(spool)),
            producer,
            window_ms: i64::try_from(window.as_millis()).unwrap_or(i64::MAX),
            now,
            stop: Arc::clone(&stop),
            passed_by: HashMap::new(),
            let_by: HashMap::new(),
            aside: Aside::default(),
            stumbles: Stumbles::default(),
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

/// Why a partition is passed by on this walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    /// Kafka does not answer for it.
    Away,
    /// Its topic was not seen yet.
    Unseen,
    /// Kafka says that it does not exist.
    Absent,
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
    aside: Aside,
    stumbles: Stumbles,
}

/// The partition of a topic that was not seen.
const NO_PARTITION: i32 = -1;

impl<S: Settle + From<Drained>> Work<S> {
    fn run(mut self) {
        let spool = Arc::clone(&self.hands.spool);
        let mut pass = Pass::begin(spool.log());
        let mut settled = Instant::now();
        while !self.stopped() {
            let stumbled = self.round(&mut pass).map_err(|error| {
                spool.failed("its records cannot be read; it is tried again", &error);
            });
            self.keep_aside();
            if settled.elapsed() >= TICK {
                spool.settle();
                settled = Instant::now();
            }
            let patience = if self.aside.is_due(Instant::now()) { Duration::ZERO } else { TICK };
            // A walk that stumbled has a record behind it that it did not hand over, and nothing may overtake it.
            if spool.wait(patience) || self.may_go_on() || stumbled.is_err() {
                pass = Pass::begin(spool.log());
                self.passed_by.clear();
                self.let_by.clear();
            }
        }
        self.keep_aside();
    }

    fn keep_aside(&mut self) {
        let spool = Arc::clone(&self.hands.spool);
        self.aside.keep(&spool, self.hands.take_refused(), Instant::now());
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
            let found = pass.next(spool.log()).inspect_err(|error| {
                if disk::is_unreadable(error) {
                    self.stumble(pass.place());
                }
            });
            let found = found?;
            self.stumbles.passed(pass.place(), matches!(found, Found::Nothing));
            match found {
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

    /// A place cannot be read. The disk may be away, and then nothing is lost; one that takes what is written and still cannot
    /// read the place after a while has lost it.
    fn stumble(&mut self, place: (u64, u64)) {
        let log = self.hands.spool.log();
        if self.stumbles.again(place, Instant::now()) && log.try_disk(1).is_ok() {
            log.pass_over(place.0);
        }
    }

    fn is_full(&self) -> bool {
        let (records, bytes, refused) = self.hands.count();
        records >= MOST_IN_FLIGHT || bytes >= MOST_BYTES || refused + self.aside.len() >= MOST_ASIDE
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
            Obstacle::Absent => self.course(&(Arc::clone(topic), *partition)) != Course::Wait,
            Obstacle::Undecided => false,
        }) || self.hands.lanes().suspects.may_go(Instant::now(), |lane| self.producer.answers(&lane.0, lane.1))
    }

    fn is_missing(&self, topic: &str) -> bool {
        self.producer.missing(topic).is_some_and(|since| since >= MISSING)
    }

    /// What records of a partition may do that Kafka says does not exist, if it said so.
    fn course(&self, lane: &Lane) -> Course {
        let missing = self.producer.missing(&lane.0).is_some_and(|since| since >= TWO_LOOKS)
            || self.producer.partitions(&lane.0).is_none_or(|count| lane.1 >= count);
        self.hands.lanes().absent.course(lane, missing, Instant::now())
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
        match self.course(&lane) {
            Course::Go => {}
            Course::Wait => {
                self.passed_by.insert(lane, Obstacle::Absent);
                return Ok(false);
            }
            Course::Aside => {
                self.put_aside(handed, Refusal::NoTopic.as_str());
                return Ok(true);
            }
        }
        let answers = self.producer.answers(&lane.0, partition);
        let (turn, busy, alone) = {
            let mut lanes = self.hands.lanes();
            let busy = lanes.under_way.contains_key(&lane);
            let turn = lanes.suspects.turn(sequence, &lane, answers, busy, Instant::now());
            (turn, busy, lanes.alone.contains(&lane))
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
            Err((ProduceError::Refused(Refusal::NoTopic), _)) => {
                self.hands.lanes().absent.said(lane.clone(), Instant::now());
                spool.log().state().ledger.release(sequence);
                self.passed_by.insert(lane, Obstacle::Absent);
                Ok(false)
            }
            Err((ProduceError::Refused(refusal), handed)) => {
                self.put_aside(handed, refusal.as_str());
                Ok(true)
            }
            Err(_) => {
                spool.log().state().ledger.release(sequence);
                self.hands.lanes().suspects.let_nobody_by(&lane);
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
        let drained = hands.take(handed.clone(), bytes, late);
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
}
