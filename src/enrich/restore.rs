//! Restoring the claims of a partition from its ids topic, on threads and clients of their own, so that the owner loop
//! never waits for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::claims::{Claim, Window};
use super::plan::RUN_HEADER;
use super::source::Source;
use crate::config::{Config, KafkaConfig};
use crate::kafka::barrier::{BarrierReader, Progress, Read, ReadError, Since};
use crate::kafka::{Partition, Stored};

/// Threads, each with three clients: a batch that waits for an open transaction must not hold up the next rebalance.
const THREADS: usize = 2;

/// Partitions restored side by side.
const BATCH: usize = 1_000;

/// One partition to restore.
#[derive(Debug)]
pub(crate) struct Job {
    /// The raw partition.
    pub(crate) partition: Partition,
    /// Its assignment.
    pub(crate) epoch: u64,
    /// The sources whose events come in it.
    pub(crate) sources: Vec<Arc<Source>>,
    /// What is known already, from an earlier assignment.
    pub(crate) window: Window,
    /// Set when the partition is taken away meanwhile.
    pub(crate) cancelled: Arc<AtomicBool>,
}

/// A job that ended.
#[derive(Debug)]
pub(crate) struct Restored {
    /// The raw partition.
    pub(crate) partition: Partition,
    /// Its assignment.
    pub(crate) epoch: u64,
    /// The claims; what is in there is true even if the job failed half-way.
    pub(crate) window: Window,
    /// Ids that did not fit into memory.
    pub(crate) dropped: usize,
    /// The group's committed offset.
    pub(crate) committed: Result<Option<i64>, ReadError>,
    /// How long it took.
    pub(crate) took: Duration,
}

/// The threads. They end when this is dropped and their jobs are cancelled.
#[derive(Debug)]
pub(crate) struct Restorer {
    jobs: Sender<Job>,
    done: Receiver<Restored>,
}

impl Restorer {
    /// Start the threads.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub(crate) fn start(config: &Config) -> Result<Self, String> {
        let (jobs, queue) = mpsc::channel();
        let (results, done) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..THREADS {
            let worker = Worker {
                kafka: config.kafka.clone(),
                group: config.enrich.group.clone(),
                window: config.enrich.window,
                reader: None,
            };
            let (queue, results) = (Arc::clone(&queue), results.clone());
            std::thread::Builder::new()
                .name("enrich-restore".to_owned())
                .spawn(move || worker.run(&queue, &results))
                .map_err(|error| format!("cannot start a thread: {error}"))?;
        }
        Ok(Self { jobs, done })
    }

    /// Hand in a job.
    pub(crate) fn restore(&self, job: Job) {
        // The threads live as long as this; should they all have died, the partition stays visibly paused.
        let _ = self.jobs.send(job);
    }

    /// Jobs that have ended since the last look.
    pub(crate) fn done(&self) -> impl Iterator<Item = Restored> + '_ {
        self.done.try_iter()
    }
}

struct Worker {
    kafka: KafkaConfig,
    group: String,
    window: Duration,
    reader: Option<BarrierReader>,
}

/// A job under way.
struct Underway {
    job: Job,
    dropped: usize,
    /// Ids partitions that have not come to their barrier.
    left: usize,
    committed: Option<i64>,
}

impl Worker {
    /// Take what waits, all of it at once, until nobody hands in anything any more.
    fn run(mut self, queue: &Mutex<Receiver<Job>>, results: &Sender<Restored>) {
        loop {
            let batch: Vec<Job> = {
                let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                let Ok(first) = queue.recv() else { return };
                std::iter::once(first).chain(queue.try_iter().take(BATCH - 1)).collect()
            };
            let start = Instant::now();
            let mut finish = |job: Job, dropped: usize, committed: Result<Option<i64>, ReadError>| {
                let Job { partition, epoch, window, .. } = job;
                let restored = Restored { partition, epoch, window, dropped, committed, took: start.elapsed() };
                // Nobody waits for it any more: that is the end of the enricher.
                let _ = results.send(restored);
            };
            let (cancelled, jobs): (Vec<Job>, Vec<Job>) =
                batch.into_iter().partition(|job| job.cancelled.load(Ordering::Acquire));
            for job in cancelled {
                finish(job, 0, Err(ReadError::Cancelled));
            }
            let mut underway: Vec<Option<Underway>> = jobs
                .into_iter()
                .map(|job| Some(Underway { left: job.sources.len(), job, dropped: 0, committed: None }))
                .collect();
            let error = self.restore(&mut underway, &mut finish).err();
            if matches!(error, Some(ReadError::Kafka(_))) {
                // Clients that have seen trouble are not kept: new ones begin in a known state.
                self.reader = None;
            }
            for Underway { job, dropped, .. } in underway.into_iter().flatten() {
                let error = match &error {
                    Some(ReadError::Kafka(why)) => ReadError::Kafka(why.clone()),
                    Some(ReadError::Cancelled) | None => ReadError::Cancelled,
                };
                finish(job, dropped, Err(error));
            }
        }
    }

    /// The three steps: the committed offsets wait until an earlier owner's transaction is decided, the barriers show
    /// that all of its ids are visible, and the read takes them in. A job leaves `underway` when it is finished.
    fn restore(
        &mut self,
        underway: &mut [Option<Underway>],
        finish: &mut impl FnMut(Job, usize, Result<Option<i64>, ReadError>),
    ) -> Result<(), ReadError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(BarrierReader::open(&self.kafka, &self.group).map_err(ReadError::Kafka)?),
        };
        let mut counts = HashMap::new();
        for place in underway.iter_mut() {
            let Some(one) = place else { continue };
            // Only its own partition waits for a topic that is missing, not the whole batch.
            if let Some(ids) = missing(reader, &one.job, &mut counts)?
                && let Some(Underway { job, .. }) = place.take()
            {
                let why = format!("there is no partition {ids}; `hookstream topics apply` creates it");
                finish(job, 0, Err(ReadError::Kafka(why)));
            }
        }
        let partitions: Vec<&Partition> = underway.iter().flatten().map(|one| &one.job.partition).collect();
        let committed = reader.committed(&partitions);
        for (place, committed) in underway.iter_mut().filter(|place| place.is_some()).zip(committed) {
            match (place.as_mut(), committed) {
                (Some(one), Ok(committed)) => one.committed = committed,
                (Some(_), Err(why)) => {
                    if let Some(Underway { job, dropped, .. }) = place.take() {
                        finish(job, dropped, Err(ReadError::Kafka(why)));
                    }
                }
                (None, _) => {}
            }
        }
        let since = Timestamp::now().as_millisecond().saturating_sub_unsigned(self.window.as_millis() as u64);
        let (mut reads, mut owners) = (Vec::new(), Vec::new());
        for (at, one) in underway.iter().enumerate() {
            let Some(Underway { job, .. }) = one else { continue };
            for source in &job.sources {
                let partition = Partition { topic: Arc::clone(&source.ids_topic), number: job.partition.number };
                let from = job.window.next_offset(&partition.topic).map_or(Since::Time(since), Since::Offset);
                reads.push(Read { partition, from });
                owners.push((at, Arc::clone(&source.name), Arc::clone(&job.cancelled)));
            }
        }
        let cancelled =
            |read: usize| owners.get(read).is_none_or(|(_, _, cancelled)| cancelled.load(Ordering::Acquire));
        reader.read(&reads, cancelled, |read, progress| {
            let (Some((at, source, _)), Some(Read { partition, .. })) = (owners.get(read), reads.get(read)) else {
                return;
            };
            let Some(place) = underway.get_mut(*at) else { return };
            let Some(one) = place else { return };
            match progress {
                Progress::Record(record) => one.dropped += note(&mut one.job.window, source, &record),
                Progress::Barrier(next) => {
                    one.job.window.known_until(&partition.topic, next);
                    one.left = one.left.saturating_sub(1);
                }
            }
            if one.left == 0
                && let Some(Underway { job, dropped, committed, .. }) = place.take()
            {
                finish(job, dropped, Ok(committed));
            }
        })
    }
}

/// The first ids partition that a job needs and that is not there.
fn missing(
    reader: &BarrierReader,
    job: &Job,
    counts: &mut HashMap<Arc<str>, usize>,
) -> Result<Option<Partition>, ReadError> {
    for source in &job.sources {
        let count = match counts.get(&source.ids_topic) {
            Some(count) => *count,
            None => {
                let count = reader.partitions(&source.ids_topic)?;
                counts.insert(Arc::clone(&source.ids_topic), count);
                count
            }
        };
        if usize::try_from(job.partition.number).is_ok_and(|number| number >= count) {
            return Ok(Some(Partition { topic: Arc::clone(&source.ids_topic), number: job.partition.number }));
        }
    }
    Ok(None)
}

/// Take one record of an ids topic into the window.
fn note(window: &mut Window, source: &str, record: &Stored) -> usize {
    let run = record.headers.iter().find(|(name, _)| name == RUN_HEADER).map(|(_, value)| value.as_slice());
    let text = |bytes| std::str::from_utf8(bytes).ok();
    match (text(&record.key), text(run.unwrap_or_default())) {
        (Some(id), Some(run)) => window.insert(Claim::of(source, run, id), record.timestamp_ms),
        // Nothing that we write: ids and runs are text.
        _ => 0,
    }
}
