//! One assigned partition: its lane, its claims, and whether it is read. Pure but for the records that go in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::claims::{Claims, Window};
use super::lane::{Lane, Slot};
use super::schedule::Delay;
use super::source::Source;
use super::verdict::{Decision, Place};
use super::work::{Subject, Work};
use crate::kafka::Partition;

/// The lane of a partition.
pub(crate) type WorkLane = Lane<Work, Decision>;

/// A record in it.
pub(crate) type WorkSlot = Slot<Work, Decision>;

/// What a group has committed for a partition: an offset, or nothing yet.
pub(crate) type Committed = Option<i64>;

/// What a partition is for.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// Events of these sources, as they came.
    Raw {
        /// Whose.
        sources: Vec<Arc<Source>>,
        /// All of them wait for one account.
        alone: bool,
    },
    /// Tokens that wait.
    Retry(Delay),
}

/// How far the claims of a raw partition are known.
#[derive(Debug)]
enum Restore {
    /// They are; a retry partition needs none.
    Done,
    /// A thread reads them; the flag stops it.
    UnderWay(Arc<AtomicBool>),
    /// It failed and is begun again at this time.
    Again(Instant),
}

/// One assigned partition.
#[derive(Debug)]
pub(crate) struct Holding {
    /// Which.
    pub(crate) partition: Partition,
    /// Tells this assignment from others of the same partition.
    pub(crate) epoch: u64,
    /// What it is for.
    pub(crate) role: Role,
    /// Its records.
    pub(crate) lane: WorkLane,
    /// The group's committed offset; nothing while nobody has asked for it.
    pub(crate) committed: Option<Committed>,
    /// Whether the client has been told not to read it.
    pub(crate) paused: bool,
    window: Window,
    /// Claims of records in the lane, not committed yet.
    here: Claims,
    restore: Restore,
}

impl Holding {
    /// A partition that was just assigned: paused, and if raw, with its claims still to be restored.
    pub(crate) fn new(partition: Partition, epoch: u64, role: Role, window: Window) -> Self {
        let (patient, restore) = match &role {
            Role::Raw { alone, .. } => (*alone, Restore::Again(Instant::now())),
            Role::Retry(_) => (false, Restore::Done),
        };
        Self {
            partition,
            epoch,
            role,
            lane: Lane::new(patient),
            committed: None,
            paused: true,
            window,
            here: Claims::default(),
            restore,
        }
    }

    /// Where its records stand.
    pub(crate) fn place(&self) -> Place {
        match &self.role {
            Role::Raw { alone, .. } => Place::Raw { alone: *alone },
            Role::Retry(delay) => Place::Retry(*delay),
        }
    }

    /// Add a polled record; `age` is how long ago it was appended.
    pub(crate) fn take_in(&mut self, work: Work, age: Duration, now: Instant) -> bool {
        let since = match self.role {
            Role::Raw { .. } => now,
            Role::Retry(delay) => now + delay.length().saturating_sub(age),
        };
        let (offset, bytes) = (work.stored.offset, work.stored.bytes());
        self.lane.push(offset, bytes, work, since)
    }

    /// Whether the record at an offset is a duplicate. The first look claims its event for it, so that a later copy in
    /// the same lane is one. The later copy is committed with the first or after it, never without.
    pub(crate) fn is_duplicate(&mut self, offset: i64) -> bool {
        let Some(Subject::Event(event)) = self.lane.item_mut(offset).map(|work| &mut work.subject) else {
            return false;
        };
        let Some(claim) = event.claim.filter(|_| !event.checked) else { return false };
        event.checked = true;
        self.window.contains(claim) || !self.here.insert(claim)
    }

    /// The transaction with everything below `next` is committed. Returns the records that are done, and how many older
    /// claims had to leave memory for theirs.
    pub(crate) fn commit(&mut self, next: i64, now_ms: i64) -> (Vec<WorkSlot>, usize) {
        self.committed = Some(Some(next));
        let released = self.lane.release(next);
        let mut dropped = 0;
        for slot in &released {
            if let Some(claim) = slot.item.event().and_then(|event| event.claim) {
                self.here.remove(&claim);
                dropped += self.window.insert(claim, now_ms);
            }
        }
        (released, dropped)
    }

    /// Everything below `offset` of an ids topic is in the claims.
    pub(crate) fn known_until(&mut self, topic: &Arc<str>, offset: i64) {
        self.window.known_until(topic, offset);
    }

    /// Let go of claims that have left the window.
    pub(crate) fn expire(&mut self, now_ms: i64) {
        self.window.expire(now_ms);
    }

    /// Claims held.
    pub(crate) fn claims(&self) -> usize {
        self.window.len()
    }

    /// Whether its records may be worked on.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.restore, Restore::Done)
    }

    /// Whether a restore should begin now; then it has, with these claims and this flag.
    pub(crate) fn begin_restore(&mut self, now: Instant, empty: Window) -> Option<(Window, Arc<AtomicBool>)> {
        if !matches!(self.restore, Restore::Again(at) if at <= now) {
            return None;
        }
        let cancelled = Arc::new(AtomicBool::new(false));
        self.restore = Restore::UnderWay(Arc::clone(&cancelled));
        Some((std::mem::replace(&mut self.window, empty), cancelled))
    }

    /// The claims are restored.
    pub(crate) fn restored(&mut self, window: Window, committed: Option<i64>) {
        self.window = window;
        self.committed = Some(committed);
        self.lane.begin_at(committed.unwrap_or(0));
        self.restore = Restore::Done;
    }

    /// The restore failed; again at this time.
    pub(crate) fn restore_again(&mut self, window: Window, at: Instant) {
        self.window = window;
        self.restore = Restore::Again(at);
    }

    /// The partition goes: stop what is under way for it and keep its claims, should it come back. Claims that a restore
    /// holds at this moment are not kept.
    pub(crate) fn leave(self) -> Option<Window> {
        match self.restore {
            Restore::Done => Some(self.window),
            Restore::UnderWay(cancelled) => {
                cancelled.store(true, Ordering::Release);
                None
            }
            Restore::Again(_) => Some(self.window),
        }
    }

    /// Whether the partition should be read now. A full lane is read again when it is half empty; one whose youngest
    /// record is not due needs no younger ones.
    pub(crate) fn wants_more(&self, now: Instant) -> bool {
        let room = if self.paused { self.lane.has_drained() } else { !self.lane.is_full() };
        self.is_open() && room && self.lane.not_due_until(now).is_none()
    }
}
