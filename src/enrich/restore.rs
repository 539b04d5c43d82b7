//! Restoring the claims of a partition from its ids topic, on threads and clients of their own, so that the owner loop
//! never waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::claims::{Claim, Window};
use super::plan::RUN_HEADER;
use super::source::Source;
use crate::config::{Config, KafkaConfig};
use crate::kafka::barrier::{BarrierReader, From, ReadError};
use crate::kafka::{Partition, Stored};

/// Partitions restored at once. Each thread holds three clients.
const THREADS: usize = 4;

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

impl Worker {
    fn run(mut self, queue: &Mutex<Receiver<Job>>, results: &Sender<Restored>) {
        loop {
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            let start = Instant::now();
            let Job { partition, epoch, sources, mut window, cancelled } = job;
            let mut dropped = 0;
            let committed = self.restore(&partition, &sources, &mut window, &mut dropped, &cancelled);
            if matches!(committed, Err(ReadError::Kafka(_))) {
                // Clients that have seen trouble are not kept: new ones begin in a known state.
                self.reader = None;
            }
            let restored = Restored { partition, epoch, window, dropped, committed, took: start.elapsed() };
            if results.send(restored).is_err() {
                return;
            }
        }
    }

    /// The three steps: the committed offset waits until an earlier owner's transaction is decided, the barrier shows
    /// that all of its ids are visible, and the read takes them in.
    fn restore(
        &mut self,
        partition: &Partition,
        sources: &[Arc<Source>],
        window: &mut Window,
        dropped: &mut usize,
        cancelled: &AtomicBool,
    ) -> Result<Option<i64>, ReadError> {
        if cancelled.load(Ordering::Acquire) {
            return Err(ReadError::Cancelled);
        }
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(BarrierReader::open(&self.kafka, &self.group).map_err(ReadError::Kafka)?),
        };
        let committed = reader.committed(partition)?;
        let since = Timestamp::now().as_millisecond().saturating_sub_unsigned(self.window.as_millis() as u64);
        for source in sources {
            let ids = Partition { topic: Arc::clone(&source.ids_topic), number: partition.number };
            let from = window.next_offset(&ids.topic).map_or(From::Time(since), From::Offset);
            let next = reader.read(&ids, from, cancelled, |record| *dropped += note(window, &source.name, &record))?;
            window.known_until(&ids.topic, next);
        }
        Ok(committed)
    }
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
