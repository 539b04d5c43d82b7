//! The spool as the rest of the program has it: records go in over a bounded queue to one writing thread, which makes
//! whole batches durable with one sync each and then tells whoever waits.

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::cursor;
use super::disk::{Directory, DirectoryError, Disk};
use super::entry::{Draft, Entry};
use super::frame;
use super::ledger::Busy;
use super::log::{Log, Parcel};
use super::refused;
use super::survey::{Damage, recover};
use crate::telemetry::SpoolMetrics;

/// Bytes that may wait for the writing thread or be in its hands.
const QUEUE_BYTES: usize = 32 << 20;

/// About what a record takes, in bytes, so that room for one is not a full spool's last word.
const A_RECORD: usize = 64 << 10;

/// How often a disk that failed is tried.
const TRIAL: Duration = Duration::from_secs(1);

/// How a spool is to be.
#[derive(Clone, Debug)]
pub struct Limits {
    /// What all files together may take, in bytes.
    pub max_bytes: u64,
}

/// Why a record is not in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// `spool.max_bytes` is reached.
    #[error("the spool is full")]
    Full,
    /// The disk does not keep up.
    #[error("the spool's queue is full")]
    Crowded,
    /// A write or sync failed.
    #[error("the spool's disk failed")]
    Failed,
    /// The process is about to end.
    #[error("the spool is closed")]
    Closed,
}

impl SpoolError {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Full, Self::Crowded, Self::Failed, Self::Closed];

    /// The metric label and log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "spool_full",
            Self::Crowded => "spool_crowded",
            Self::Failed => "spool_failed",
            Self::Closed => "spool_closed",
        }
    }
}

/// Who waits for a record to be durable. Called on the writing thread: short, and never blocking.
pub trait Receive: Send + Sync {
    /// The record is durable under this sequence, or it is not and never will be.
    fn stored(self: Arc<Self>, outcome: Result<u64, SpoolError>);
}

/// What a produce from before a record was spooled has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// In Kafka: the record is done.
    Persisted,
    /// Not in Kafka: it is drained.
    NotPersisted,
    /// Nobody knows: it is drained, and counted.
    Unknown,
}

/// What was found when the directory was opened.
#[derive(Debug)]
pub struct Opened {
    /// Records that are not in Kafka yet.
    pub records: u64,
    /// What could not be read.
    pub damage: Vec<Damage>,
    /// Bytes of a torn write at the end.
    pub torn: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// The topics of the records.
    pub topics: BTreeSet<Arc<str>>,
}

/// A spool in use.
pub struct Spool {
    log: Log,
    limits: Limits,
    queue: Mutex<Queue>,
    work: Condvar,
    /// Bytes on disk: segments and kept records.
    used: AtomicU64,
    kept: AtomicU64,
    healthy: AtomicBool,
    /// When a disk that failed was last tried.
    tried: Mutex<Option<Instant>>,
    /// What the drain waits for.
    events: Mutex<Events>,
    happened: Condvar,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Records with a sequence below were there at the start.
    found_until: u64,
    /// Of these, the ones below may have been handed to Kafka already.
    reached_before: u64,
    metrics: SpoolMetrics,
}

#[derive(Default)]
struct Queue {
    parcels: Vec<Parcel>,
    receivers: Vec<Arc<dyn Receive>>,
    /// Of the queue and of the batch being written.
    bytes: usize,
    /// Of the same, records by topic.
    topics: HashMap<Arc<str>, usize>,
    /// The writer is to look at its segment.
    look: bool,
    stop: bool,
}

impl Queue {
    fn written(&mut self, parcels: &[Parcel]) {
        for parcel in parcels {
            self.bytes -= frame::size(parcel.payload.len());
            if let Some(count) = self.topics.get_mut(&parcel.topic) {
                *count -= 1;
                if *count == 0 {
                    self.topics.remove(&parcel.topic);
                }
            }
        }
    }
}

#[derive(Debug, Default)]
struct Events {
    /// Something new to read, or room.
    news: bool,
    /// Something that a walk has passed by may go now.
    again: bool,
}

impl Spool {
    /// Open a directory for this process alone. Each record that waits there is shown, in order.
    ///
    /// # Errors
    /// The directory cannot be had, or the disk fails. Damage is no error: it is in what is returned.
    pub fn open(
        directory: Directory,
        limits: Limits,
        metrics: SpoolMetrics,
        show: impl FnMut(&Entry),
    ) -> std::io::Result<(Arc<Self>, Opened)> {
        Self::on(Arc::new(directory), limits, metrics, show)
    }

    /// The same on any disk.
    pub(super) fn on(
        disk: Arc<dyn Disk>,
        limits: Limits,
        metrics: SpoolMetrics,
        mut show: impl FnMut(&Entry),
    ) -> std::io::Result<(Arc<Self>, Opened)> {
        let mut topics = BTreeSet::new();
        let found = recover(&*disk, |_, _, entry| {
            if let Ok(entry) = &entry {
                topics.insert(Arc::clone(&entry.record.topic));
                show(entry);
            }
        })?;
        let kept = refused::read(&*disk, |_| ())?.bytes;
        let bytes = found.segments.iter().map(|segment| segment.length).sum();
        let (records, reached_before) = (found.ledger.records(), found.reached);
        let opened = Opened { records, damage: found.damage.clone(), torn: found.torn, bytes, topics };
        metrics.lost.inc_by(opened.damage.iter().map(|damage| damage.lost.end - damage.lost.start).sum());
        // Before anything is written: a directory with segments and no cursor file is a damaged one.
        disk.replace(cursor::NAME, &found.ledger.cursor().encode())?;
        let log = Log::new(disk, found, limits.max_bytes);
        let found_until = log.state().ledger.next();
        let spool = Arc::new(Self {
            log,
            limits,
            queue: Mutex::default(),
            work: Condvar::new(),
            used: AtomicU64::new(bytes + kept),
            kept: AtomicU64::new(kept),
            healthy: AtomicBool::new(true),
            tried: Mutex::default(),
            events: Mutex::default(),
            happened: Condvar::new(),
            writer: Mutex::default(),
            found_until,
            reached_before,
            metrics,
        });
        let this = Arc::clone(&spool);
        let writer = std::thread::Builder::new().name("spool-write".to_owned()).spawn(move || this.write())?;
        *lock(&spool.writer) = Some(writer);
        Ok((spool, opened))
    }

    /// Have a record written. `receiver` is told once what came of it, unless this returns an error. Never blocks.
    ///
    /// # Errors
    /// Why it was not even taken.
    pub fn append(&self, draft: &Draft<'_>, receiver: Arc<dyn Receive>) -> Result<(), SpoolError> {
        let record = draft.record;
        // Before the bytes are copied: shedding costs nothing.
        self.room(&self.queue(), record.value.len())?;
        let parcel = Parcel {
            payload: draft.encode(),
            topic: Arc::clone(&record.topic),
            timestamp_ms: record.timestamp_ms,
            held: draft.handed,
        };
        let size = frame::size(parcel.payload.len());
        let mut queue = self.queue();
        self.room(&queue, size)?;
        queue.bytes += size;
        *queue.topics.entry(Arc::clone(&parcel.topic)).or_default() += 1;
        queue.parcels.push(parcel);
        queue.receivers.push(receiver);
        if queue.parcels.len() == 1 {
            self.work.notify_one();
        }
        Ok(())
    }

    /// Write a record that nobody sends at the moment, and wait until it is durable. Blocks the thread.
    ///
    /// # Errors
    /// It is not.
    pub fn append_now(&self, entry: &Entry) -> Result<u64, SpoolError> {
        struct Told(mpsc::SyncSender<Result<u64, SpoolError>>);
        impl Receive for Told {
            fn stored(self: Arc<Self>, outcome: Result<u64, SpoolError>) {
                // Somebody waits until it comes.
                let _ = self.0.send(outcome);
            }
        }
        let (told, outcome) = mpsc::sync_channel(1);
        let Entry { source, id, record, .. } = entry;
        let draft = Draft { source, id: id.as_deref(), handed: false, record };
        self.append(&draft, Arc::new(Told(told)))?;
        outcome.recv().unwrap_or(Err(SpoolError::Closed))
    }

    fn room(&self, queue: &Queue, size: usize) -> Result<(), SpoolError> {
        if queue.stop {
            return Err(SpoolError::Closed);
        }
        if size > frame::MAX_PAYLOAD || (queue.bytes > 0 && queue.bytes + size > QUEUE_BYTES) {
            return Err(SpoolError::Crowded);
        }
        let used = self.used.load(Ordering::Acquire) + (queue.bytes + size) as u64;
        if used > self.limits.max_bytes { Err(SpoolError::Full) } else { Ok(()) }
    }

    /// Whether the next record would be taken, and the disk did not fail at the last one.
    pub fn has_room(&self) -> bool {
        self.healthy.load(Ordering::Acquire) && self.room(&self.queue(), A_RECORD).is_ok()
    }

    /// Whether records for a topic are waiting.
    pub fn waits(&self, topic: &str) -> bool {
        // From the queue into the books without a gap between.
        self.queue().topics.contains_key(topic) || self.log.state().ledger.waits(topic)
    }

    /// A record's produce from before it was spooled has come to something.
    pub fn decided(&self, sequence: u64, topic: &str, fate: Fate) {
        match fate {
            Fate::Persisted => self.finish(sequence, topic),
            Fate::NotPersisted => self.release(sequence),
            Fate::Unknown => {
                self.metrics.unknown.inc();
                self.release(sequence);
            }
        }
    }

    /// Records that are neither in Kafka nor kept aside.
    pub fn records(&self) -> u64 {
        self.log.state().ledger.records()
    }

    /// Set the gauges.
    pub fn measure(&self) {
        let (records, oldest) = {
            let ledger = &self.log.state().ledger;
            (ledger.records(), ledger.oldest_ms())
        };
        self.metrics.records.set(records.try_into().unwrap_or(i64::MAX));
        #[allow(clippy::cast_precision_loss)] // milliseconds since 1970 fit a double
        self.metrics.oldest.set(oldest.map_or(0.0, |at| at as f64 / 1_000.0));
        self.metrics.bytes.set(self.used.load(Ordering::Acquire).try_into().unwrap_or(i64::MAX));
        self.metrics.max_bytes.set(self.limits.max_bytes.try_into().unwrap_or(i64::MAX));
    }

    /// Wait until nothing waits, or the time is over. Blocks the thread.
    pub fn await_empty(&self, patience: Duration) {
        let events = lock(&self.events);
        drop(self.happened.wait_timeout_while(events, patience, |_| self.records() > 0));
    }

    /// Write what is queued, take nothing more, and bring the cursor file up to date. Returns the records that remain.
    /// Blocks the thread.
    pub fn close(&self) -> u64 {
        self.queue().stop = true;
        self.work.notify_one();
        if let Some(writer) = lock(&self.writer).take() {
            // A writing thread that panicked has nothing left to tell.
            let _ = writer.join();
        }
        self.settle();
        self.records()
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn metrics(&self) -> &SpoolMetrics {
        &self.metrics
    }

    /// Whether a record that was found at the start may stand in Kafka already.
    pub(super) fn may_stand(&self, sequence: u64, handed: bool) -> bool {
        sequence < self.found_until && (handed || sequence < self.reached_before)
    }

    pub(super) fn finish(&self, sequence: u64, topic: &str) {
        let was_held = {
            let ledger = &mut self.log.state().ledger;
            let was_held = ledger.busy(sequence) == Some(Busy::Held);
            ledger.finish(sequence, topic);
            was_held
        };
        self.tell(was_held);
    }

    pub(super) fn release(&self, sequence: u64) {
        self.log.state().ledger.release(sequence);
        self.tell(true);
    }

    /// Something happened that the drain may wait for.
    pub(super) fn tell(&self, again: bool) {
        let mut events = lock(&self.events);
        events.news = true;
        events.again |= again;
        drop(events);
        self.happened.notify_all();
    }

    /// Wait until something happens, at most so long. Returns whether a new walk is due.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        let events = lock(&self.events);
        let waited = self.happened.wait_timeout_while(events, patience, |events| !events.news);
        let mut events = waited.unwrap_or_else(PoisonError::into_inner).0;
        mem::take(&mut *events).again
    }

    /// Bring the cursor file up to date and give back what is drained. Says so once when it fails; the next call tries again.
    pub(super) fn settle(&self) -> bool {
        let settled = self.log.settle();
        if let Err(error) = &settled {
            self.failed("the cursor file cannot be written; it is tried again", error);
        } else if !self.healthy.load(Ordering::Acquire) {
            self.try_disk();
        }
        self.used.store(self.log.bytes() + self.kept.load(Ordering::Acquire), Ordering::Release);
        self.queue().look = true;
        self.work.notify_one();
        settled.is_ok()
    }

    /// Whether a disk that failed takes a record by now. Nobody may come to find out: an instance without room is not ready.
    fn try_disk(&self) {
        {
            let mut tried = lock(&self.tried);
            if tried.is_some_and(|at| at.elapsed() < TRIAL) {
                return;
            }
            *tried = Some(Instant::now());
        }
        match self.log.try_disk(A_RECORD) {
            Ok(()) => self.recovered(),
            Err(error) => self.failed("the disk still takes nothing", &error),
        }
    }

    fn recovered(&self) {
        if !self.healthy.swap(true, Ordering::AcqRel) {
            tracing::info!("spool: the disk takes records again");
        }
    }

    /// So many bytes more are kept aside.
    pub(super) fn kept_aside(&self, bytes: u64) {
        self.kept.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(super) fn failed(&self, what: &str, error: &std::io::Error) {
        self.metrics.failures.inc();
        if self.healthy.swap(false, Ordering::AcqRel) {
            tracing::error!(%error, "spool: {what}");
        }
    }

    /// The writing thread.
    fn write(&self) {
        let mut active = None;
        loop {
            let (parcels, receivers) = {
                let queue = self.queue();
                let idle = |queue: &mut Queue| queue.parcels.is_empty() && !queue.look && !queue.stop;
                let mut queue = self.work.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner);
                queue.look = false;
                if queue.parcels.is_empty() && queue.stop {
                    return;
                }
                (mem::take(&mut queue.parcels), mem::take(&mut queue.receivers))
            };
            if parcels.is_empty() {
                self.log.close_if_asked(&mut active);
                continue;
            }
            let start = Instant::now();
            let written = self.log.write(&mut active, &parcels);
            self.metrics.sync_duration.observe(start.elapsed().as_secs_f64());
            self.used.store(self.log.bytes() + self.kept.load(Ordering::Acquire), Ordering::Release);
            self.queue().written(&parcels);
            match written {
                Ok(first) => {
                    self.metrics.stored.inc_by(parcels.len() as u64);
                    self.recovered();
                    (first..).zip(receivers).for_each(|(sequence, receiver)| receiver.stored(Ok(sequence)));
                    self.tell(false);
                }
                Err(error) => {
                    self.failed("a batch could not be made durable; nothing of it is acknowledged", &error);
                    receivers.into_iter().for_each(|receiver| receiver.stored(Err(SpoolError::Failed)));
                }
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }
}

/// A panic elsewhere leaves these usable: none of our calls panics while it holds one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The disk.
    #[error("the spool cannot be read: {0}")]
    Io(#[from] std::io::Error),
}
