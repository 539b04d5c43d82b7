//! The log against a disk with faults: whatever happens, what was acknowledged and not hit by the damage is read, damage
//! is named, and nothing is invented.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::disk::Disk;
use super::entry::{Draft, Entry, EntryError};
use super::faulty::{Fault, Faulty};
use super::log::{Active, Log, Parcel};
use super::pass::{Found, Pass};
use super::segment::Segment;
use super::store::{Fate, Limits, Receive, Spool, SpoolError};
use super::survey::{Survey, recover, survey};
use super::{cursor, frame};
use crate::event::Record;
use crate::telemetry::Metrics;

mod aside;
mod health;
mod history;
mod removal;
mod unreadable;

const MAX: u64 = 64 << 10;

/// A log on a disk with faults, and what a client would know of it.
struct Bench {
    disk: Faulty,
    log: Log,
    active: Option<Active>,
    /// Acknowledged: sequence → what was written.
    acknowledged: BTreeMap<u64, String>,
    /// Ever written, acknowledged or not.
    sent: BTreeSet<String>,
    count: u32,
}

fn record(name: &str, size: usize) -> Record {
    let value = format!("{name}:{}", "x".repeat(size)).into_bytes();
    let topic = Arc::from("webhooks.orders");
    Record { topic, partition: None, key: name.into(), value, headers: vec![], timestamp_ms: 1_000 }
}

fn parcel(name: &str, size: usize) -> Parcel {
    let record = record(name, size);
    let payload = Draft { source: "orders", id: Some(name), handed: false, record: &record }.encode();
    Parcel { payload, topic: record.topic, timestamp_ms: 1_000, held: false }
}

type Show<'a> = &'a mut dyn FnMut(u64, &Segment, Result<Entry, EntryError>);

/// What a survey reads: sequence → id, and what is lost.
fn read(disk: &Faulty) -> (BTreeMap<u64, String>, Survey) {
    read_with(|show| survey(disk, show))
}

/// The same as a process sees it that is to use the directory.
fn reopened(disk: &Faulty) -> (BTreeMap<u64, String>, Survey) {
    read_with(|show| recover(disk, show))
}

fn read_with(survey: impl FnOnce(Show<'_>) -> std::io::Result<Survey>) -> (BTreeMap<u64, String>, Survey) {
    let mut records = BTreeMap::new();
    let found = survey(&mut |sequence, _, entry| {
        let before = records.insert(sequence, entry.unwrap().id.unwrap());
        assert_eq!(before, None, "each record once");
    });
    (records, found.unwrap())
}

impl Bench {
    fn new() -> Self {
        let disk = Faulty::default();
        Self {
            log: Self::open(&disk),
            disk,
            active: None,
            acknowledged: BTreeMap::new(),
            sent: BTreeSet::new(),
            count: 0,
        }
    }

    fn open(disk: &Faulty) -> Log {
        let (_, found) = reopened(disk);
        disk.replace(cursor::NAME, &found.ledger.cursor().encode()).unwrap();
        Log::new(Arc::new(disk.clone()), found, MAX)
    }

    fn append(&mut self, records: usize, size: usize) -> bool {
        let names: Vec<String> = (0..records).map(|n| format!("e{}", self.count as usize + n)).collect();
        self.count += u32::try_from(records).unwrap();
        let batch: Vec<Parcel> = names.iter().map(|name| parcel(name, size)).collect();
        self.sent.extend(names.iter().cloned());
        match self.log.write(&mut self.active, &batch) {
            Ok(first) => self.acknowledged.extend((first..).zip(names)),
            Err(_) => return false,
        }
        true
    }

    /// What the drain would see: everything that waits.
    fn drain(&self) -> (BTreeMap<u64, String>, u64) {
        let (mut records, mut lost) = (BTreeMap::new(), 0);
        let mut pass = Pass::begin(&self.log);
        loop {
            match pass.next(&self.log).unwrap() {
                Found::Record(taken) => drop(records.insert(taken.sequence, taken.entry.unwrap().id.unwrap())),
                Found::Lost(count) => lost += count,
                Found::Nothing => return (records, lost),
            }
        }
    }

    fn finish(&mut self, sequence: u64) {
        self.log.state().ledger.finish(sequence, "webhooks.orders");
        self.acknowledged.remove(&sequence);
    }

    /// The power fails and the process starts again.
    fn crash(&mut self, keep: usize) -> Survey {
        self.disk.crash(keep);
        self.restart()
    }

    fn restart(&mut self) -> Survey {
        self.active = None;
        let (_, found) = reopened(&self.disk);
        self.log = Self::open(&self.disk);
        found
    }
}

/// vectordotdev/vector#25639: a record is written, the process dies before the flush, and the flush of the next process
/// must not make anybody believe in the first record, nor cost the ones after it.
#[test]
fn write_crash_flush_loses_nothing_that_was_acknowledged() {
    for keep in [0, 1, 50, 99, 100] {
        let mut bench = Bench::new();
        assert!(bench.append(3, 100));
        // Written, and not flushed when the process dies.
        bench.disk.inject(Fault::Sync);
        assert!(!bench.append(2, 100), "nobody is told that these are durable");
        bench.crash(keep);
        // The next process writes and flushes.
        assert!(bench.append(2, 100));
        let found = bench.crash(0);
        assert_eq!(found.damage, [], "{keep}");
        let (records, _) = read(&bench.disk);
        for (sequence, id) in &bench.acknowledged {
            assert_eq!(records.get(sequence), Some(id), "{keep}");
        }
        assert!(records.values().all(|id| bench.sent.contains(id)));
        assert_eq!(bench.drain().0, records, "the drain reads the same");
    }
}

/// The process is killed between write and flush, or after a flush that failed; the next one finds the record in the cache
/// and takes it for durable; then the power fails.
#[test]
fn what_a_killed_process_left_in_the_cache_is_believed_only_when_it_is_on_the_disk() {
    for flush_failed in [false, true] {
        let mut bench = Bench::new();
        assert!(bench.append(1, 100));
        let name = bench.disk.segments().remove(0);
        if flush_failed {
            bench.disk.inject(Fault::Sync);
            assert!(!bench.append(1, 100));
        } else {
            let mark = Segment::parse(&name, 0).unwrap().mark;
            let mut written = Vec::new();
            frame::write(&mut written, mark, 1, &parcel("e1", 100).payload);
            bench.disk.write_behind(&name, &written);
        }
        bench.disk.kill();
        bench.restart();
        let (believed, _) = bench.drain();
        assert_eq!(believed.len(), if flush_failed { 1 } else { 2 });
        bench.crash(0);
        assert_eq!(bench.drain().0, believed, "the ids of these were answered as duplicates meanwhile");
    }
}

#[test]
fn a_bit_flip_anywhere_costs_the_record_it_hits_and_is_named() {
    let mut bench = Bench::new();
    assert!(bench.append(4, 10) && bench.append(3, 10));
    bench.log.settle().unwrap();
    bench.log.state().ledger.touch();
    bench.log.settle().unwrap();
    let name = bench.disk.segments().remove(0);
    let bytes = bench.disk.bytes(&name);
    let mark = Segment::parse(&name, 0).unwrap().mark;
    let ends: Vec<usize> = frame::recover(&bytes, mark).records.iter().map(|(_, range)| range.end + 4).collect();
    for bit in 0..bytes.len() * 8 {
        bench.disk.flip(&name, bit);
        let hit = ends.iter().position(|end| bit / 8 < *end).unwrap() as u64;
        let (records, found) = read(&bench.disk);
        let expected: Vec<u64> = (0..7).filter(|n| *n != hit).collect();
        assert_eq!(records.keys().copied().collect::<Vec<_>>(), expected, "bit {bit}");
        // The cursor file says that seven records were stored: also the last one is missed.
        assert_eq!((found.damage.len(), found.torn), (1, 0), "bit {bit}");
        assert_eq!(found.damage[0].lost, hit..hit + 1);
        assert!(found.damage[0].bytes.contains(&(bit as u64 / 8)));
        bench.disk.flip(&name, bit);
    }
    // The same while the process lives: the drain names it, and goes on.
    bench.disk.flip(&name, (ends[1] + 3) * 8);
    let (records, lost) = bench.drain();
    assert_eq!((records.len(), lost), (6, 1));
}

#[test]
fn a_torn_last_write_is_no_damage() {
    for keep in 0..100 {
        let mut bench = Bench::new();
        assert!(bench.append(2, 50));
        bench.disk.inject(Fault::Sync);
        assert!(!bench.append(3, 50));
        let found = bench.crash(keep);
        assert_eq!(found.damage, [], "{keep}");
        let (records, _) = read(&bench.disk);
        assert!(records.len() >= 2 && bench.acknowledged.iter().all(|(n, id)| records.get(n) == Some(id)));
        assert!(bench.append(1, 50));
        assert_eq!(bench.restart().damage, [], "also when it is no longer the last segment");
    }
}

#[test]
fn a_full_disk_acknowledges_nothing_and_works_again_when_there_is_room() {
    for short in [0, 1, 30, 500] {
        let mut bench = Bench::new();
        assert!(bench.append(2, 200));
        bench.disk.inject(Fault::Full(short));
        assert!(!bench.append(3, 200));
        assert!(bench.append(2, 200), "into a new segment");
        assert_eq!(bench.disk.segments().len(), 2);
        let (records, found) = read(&bench.disk);
        assert_eq!((&records, found.damage.len()), (&bench.acknowledged, 0), "the rest of the failed batch is void");
        assert_eq!(bench.drain().0, bench.acknowledged);
    }
}

#[test]
fn after_a_failed_fsync_the_segment_is_closed_for_good() {
    let mut bench = Bench::new();
    assert!(bench.append(1, 10));
    let first = bench.disk.segments();
    let length = bench.disk.bytes(&first[0]).len();
    bench.disk.inject(Fault::Sync);
    assert!(!bench.append(2, 10));
    assert!(bench.append(2, 10));
    assert_eq!(bench.disk.segments().len(), 2);
    let failed = bench.disk.bytes(&first[0]).len();
    assert!(failed > length, "the failed batch stands there");
    assert!(bench.append(2, 10));
    assert_eq!(bench.disk.bytes(&first[0]).len(), failed, "nothing is written to it any more");
    let (records, found) = read(&bench.disk);
    assert_eq!((records, found.damage), (bench.acknowledged.clone(), vec![]));
    // A segment of which nothing was acknowledged does not stay.
    bench.active = None;
    bench.disk.inject(Fault::Names);
    assert!(!bench.append(1, 10));
    assert_eq!(bench.disk.segments().len(), 2);
}

#[test]
fn a_segment_that_is_gone_or_cut_is_named() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        assert!(bench.append(2, 10_000));
    }
    let names = bench.disk.segments();
    assert_eq!(names.len(), 3, "one batch fills a segment of this size");
    bench.disk.cut(&names[0], 10_100);
    bench.disk.remove(&names[1]).unwrap();
    let (records, found) = read(&bench.disk);
    assert_eq!(records.keys().copied().collect::<Vec<_>>(), [0, 4, 5]);
    let lost: Vec<_> = found.damage.iter().map(|damage| damage.lost.clone()).collect();
    assert_eq!((lost.len(), &lost[0]), (1, &(1..4)), "{:?}", found.damage);
    let (records, lost) = bench.drain();
    assert_eq!((records.len(), lost), (3, 3));
}

#[test]
fn drained_segments_are_deleted_and_sequences_go_on() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        assert!(bench.append(2, 10_000));
    }
    for sequence in [0, 1, 3] {
        bench.finish(sequence);
    }
    bench.log.settle().unwrap();
    assert_eq!(bench.disk.segments().len(), 2, "the first one is done");
    for sequence in [2, 4, 5] {
        bench.finish(sequence);
    }
    bench.log.settle().unwrap();
    bench.log.close_if_asked(&mut bench.active);
    bench.log.settle().unwrap();
    assert_eq!(bench.disk.segments(), [""; 0], "the last one as well, when everything is done");
    assert_eq!(bench.restart().damage, []);
    assert!(bench.append(1, 10));
    assert_eq!(read(&bench.disk).0.keys().copied().collect::<Vec<_>>(), [6]);
}

#[test]
fn what_is_done_stays_done_over_a_restart_and_without_the_cursor_everything_is_drained() {
    let mut bench = Bench::new();
    assert!(bench.append(6, 10));
    for sequence in [0, 2, 3] {
        bench.finish(sequence);
    }
    bench.log.state().ledger.reach(5);
    bench.log.settle().unwrap();
    let found = bench.crash(0);
    assert_eq!((found.reached, found.ledger.records()), (5, 3));
    assert_eq!(read(&bench.disk).0, bench.acknowledged);
    bench.disk.flip(cursor::NAME, 99);
    let (records, found) = read(&bench.disk);
    assert_eq!((records.len(), found.reached), (6, u64::MAX), "all may stand in Kafka already");
    assert_eq!(found.damage[0].file, cursor::NAME);
}

/// Somebody who waits for a record.
struct Waiter(Mutex<mpsc::Sender<Result<u64, SpoolError>>>);

impl Receive for Waiter {
    fn stored(self: Arc<Self>, outcome: Result<u64, SpoolError>) {
        let _ = self.0.lock().unwrap().send(outcome);
    }
}

fn spool(disk: &Faulty, max_bytes: u64) -> (Arc<Spool>, Vec<Entry>) {
    let mut entries = Vec::new();
    let show = |entry: &Entry| entries.push(entry.clone());
    let metrics = Metrics::new().unwrap().spool;
    let (spool, _) = Spool::on(Arc::new(disk.clone()), Limits { max_bytes }, metrics, show).unwrap();
    (spool, entries)
}

fn append(spool: &Spool, id: &str, size: usize) -> Result<u64, SpoolError> {
    let (told, outcome) = mpsc::channel();
    let record = record(id, size);
    let draft = Draft { source: "orders", id: Some(id), handed: true, record: &record };
    spool.append(&draft, Arc::new(Waiter(Mutex::new(told))))?;
    outcome.recv_timeout(Duration::from_secs(10)).expect("an outcome")
}

#[test]
fn records_are_durable_when_their_sender_is_told_and_are_there_after_a_restart() {
    let disk = Faulty::default();
    let (first, entries) = spool(&disk, 1 << 20);
    assert!(entries.is_empty() && !first.waits("webhooks.orders"));
    assert_eq!(append(&first, "a", 10), Ok(0));
    assert_eq!(append(&first, "b", 10), Ok(1));
    assert!(first.waits("webhooks.orders") && first.has_room());
    disk.crash(0);
    let (second, entries) = spool(&disk, 1 << 20);
    let ids: Vec<_> = entries.iter().map(|entry| entry.id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["a", "b"], "for the duplicates window");
    assert!(second.may_stand(1, true) && !second.may_stand(1, false) && !second.may_stand(2, true));
    second.decided(0, "webhooks.orders", Fate::Persisted);
    assert_eq!(second.close(), 1);
    assert_eq!(append(&second, "c", 10), Err(SpoolError::Closed));
    assert_eq!(spool(&disk, 1 << 20).1.len(), 1);
}

#[test]
fn many_writers_share_syncs() {
    let disk = Faulty::default();
    let (shared, _) = spool(&disk, 64 << 20);
    let (told, outcomes) = mpsc::channel();
    let waiter = Arc::new(Waiter(Mutex::new(told)));
    let records: Vec<Record> = (0..2_000).map(|n| record(&format!("e{n}"), 100)).collect();
    for record in &records {
        let draft = Draft { source: "orders", id: None, handed: false, record };
        shared.append(&draft, Arc::clone(&waiter) as _).unwrap();
    }
    let mut sequences: Vec<u64> =
        (0..2_000).map(|_| outcomes.recv_timeout(Duration::from_secs(10)).unwrap().unwrap()).collect();
    assert!(sequences.is_sorted(), "in the order in which they came");
    sequences.dedup();
    assert_eq!(sequences.len(), 2_000);
    assert!(disk.syncs() < 2_000, "{}", disk.syncs());
}

#[test]
fn a_full_spool_takes_nothing_and_a_failed_disk_is_no_room() {
    let disk = Faulty::default();
    let (small, _) = spool(&disk, MAX);
    while append(&small, "a", 5_000).is_ok() {}
    assert_eq!(append(&small, "a", 5_000), Err(SpoolError::Full));
    assert!(!small.has_room());
    let bytes: u64 = disk.list().unwrap().iter().map(|(_, length)| length).sum();
    assert!(bytes <= MAX + 4_096, "{bytes}");
    let next = small.log().state().ledger.next();
    for sequence in 0..next {
        small.decided(sequence, "webhooks.orders", Fate::Persisted);
    }
    await_that("there is room again", || {
        small.settle();
        append(&small, "b", 5_000).is_ok()
    });
    // What is drained can be deleted, and its failure is the disk's.
    let (large, _) = spool(&Faulty::default(), 64 << 20);
    assert!(large.has_room());
    let disk = Faulty::default();
    let (failing, _) = spool(&disk, 64 << 20);
    disk.inject(Fault::Full(3));
    assert_eq!(append(&failing, "a", 10), Err(SpoolError::Failed));
    assert!(!failing.has_room());
    assert_eq!(append(&failing, "a", 10), Ok(0));
    assert!(failing.has_room());
}

/// Await a condition, for ten seconds at most.
fn await_that(what: &str, mut is: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while !is() {
        assert!(std::time::Instant::now() < end, "{what}: not within 10 s");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
