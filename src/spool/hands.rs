//! What the drain has in Kafka's hands, and what comes of it when the delivery reports come.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::absent::Absent;
use super::pass::Place;
use super::refused;
use super::store::Spool;
use super::suspects::{Lane, Suspects};
use crate::kafka::{Delivery, DeliveryFailure, Persistence, Refusal, Settle};

/// What the drain and the delivery reports share.
pub(super) struct Hands {
    pub(super) spool: Arc<Spool>,
    records: AtomicUsize,
    bytes: AtomicUsize,
    /// What Kafka refused for good, to be kept by the thread.
    refused: Mutex<Vec<(Handed, &'static str)>>,
    lanes: Mutex<Lanes>,
}

#[derive(Default)]
pub(super) struct Lanes {
    /// Records in Kafka's hands.
    pub(super) under_way: HashMap<Lane, usize>,
    /// Those in which a suspect is under way, alone.
    pub(super) alone: HashSet<Lane>,
    pub(super) suspects: Suspects,
    /// Those that Kafka says do not exist.
    pub(super) absent: Absent,
}

/// A record in Kafka's hands, or on its way aside.
#[derive(Clone, Debug)]
pub(super) struct Handed {
    pub(super) sequence: u64,
    pub(super) topic: Arc<str>,
    pub(super) place: Place,
    pub(super) partition: i32,
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
        let lane = (Arc::clone(topic), self.handed.partition);
        let among_suspects = hands.returned(&self.handed, self.bytes);
        let spool = &hands.spool;
        if outcome.is_err_and(|failure| failure.persistence != Persistence::NotPersisted) {
            spool.metrics().unknown.inc();
        }
        match outcome {
            Ok(_) => {
                spool.metrics().drained.inc();
                spool.metrics().late.inc_by(u64::from(self.late));
                {
                    let mut lanes = hands.lanes();
                    lanes.suspects.clear(*sequence);
                    lanes.absent.clear(&lane);
                }
                spool.finish(*sequence, topic);
            }
            Err(DeliveryFailure { refusal: Some(Refusal::NoTopic), .. }) => {
                hands.lanes().absent.said(lane, Instant::now());
                spool.release(*sequence);
            }
            Err(DeliveryFailure { refusal: Some(refusal), .. }) => {
                if hands.is_to_blame(*sequence, refusal) {
                    hands.refuse(self.handed.clone(), refusal.as_str());
                    spool.tell(false);
                } else {
                    spool.release(*sequence);
                }
            }
            Err(_) => {
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
    pub(super) fn new(spool: Arc<Spool>) -> Self {
        let (records, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { spool, records, bytes, refused: Mutex::default(), lanes: Mutex::default() }
    }

    /// A record about to be handed over: what rides with it.
    pub(super) fn take(self: &Arc<Self>, handed: Handed, bytes: usize, late: bool) -> Drained {
        self.taken(&handed, bytes);
        Drained { hands: Arc::clone(self), handed, bytes, late }
    }

    /// Records and bytes in Kafka's hands, and records to be kept aside.
    pub(super) fn count(&self) -> (usize, usize, usize) {
        (self.records.load(Ordering::Acquire), self.bytes.load(Ordering::Acquire), self.refused().len())
    }

    /// What is to be kept aside.
    pub(super) fn take_refused(&self) -> Vec<(Handed, &'static str)> {
        std::mem::take(&mut *self.refused())
    }

    fn refused(&self) -> MutexGuard<'_, Vec<(Handed, &'static str)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken(&self, handed: &Handed, bytes: usize) {
        self.records.fetch_add(1, Ordering::AcqRel);
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        *self.lanes().under_way.entry((Arc::clone(&handed.topic), handed.partition)).or_default() += 1;
    }

    /// A record is back. Returns whether its lane is empty now, which a suspect may wait for.
    pub(super) fn returned(&self, handed: &Handed, bytes: usize) -> bool {
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
            // It holds for the whole topic.
            Refusal::NotAuthorised => true,
            // It may be there in a moment: `absent` says when it is enough.
            Refusal::NoTopic => false,
            Refusal::TooLarge | Refusal::Timestamp | Refusal::Other => self.lanes().suspects.refused(sequence),
        }
    }

    pub(super) fn refuse(&self, handed: Handed, reason: &'static str) {
        self.refused().push((handed, reason));
    }
}
