//! A lane: the undecided and decided records of one assigned partition, in offset order.
//!
//! A lane knows nothing of Kafka, clocks or HTTP. It answers three questions: is there room, what is
//! still to be decided, and how far from the front everything is decided. Only that finished prefix
//! may be committed; what stands behind an undecided record waits for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most records that one lane holds. With the bytes below it bounds what an outage of a
/// provider can pile up in memory; the rest stays where it is safe, in the topic.
pub(crate) const MAX_RECORDS: usize = 500;

/// The most bytes that one lane holds, fetched records included.
pub(crate) const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What has become of a record so far.
#[derive(Debug)]
pub(crate) enum State<D> {
    /// Not begun, or begun and put back because its provider is away.
    Waiting,
    /// A fetch is under way.
    Fetching,
    /// Decided: goes out with the next transaction whose prefix reaches it.
    Decided(D),
}

/// One record of a lane: `T` is the record, `D` what is decided about it.
#[derive(Debug)]
pub(crate) struct Slot<T, D> {
    /// Offset in the partition.
    pub(crate) offset: i64,
    /// The record itself.
    pub(crate) item: T,
    /// What has become of it.
    pub(crate) state: State<D>,
    /// From when on it may be worked on; then its time budget runs.
    pub(crate) since: Instant,
    bytes: usize,
}

impl<T, D> Slot<T, D> {
    /// What it holds in memory, its decision included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The records of one partition that are not committed yet.
#[derive(Debug)]
pub(crate) struct Lane<T, D> {
    slots: VecDeque<Slot<T, D>>,
    bytes: usize,
    /// The next offset that has not been seen; older ones are repeats of the client.
    next: i64,
    /// Waiting costs no time budget: everything in here waits for the same account.
    patient: bool,
}

impl<T, D> Lane<T, D> {
    /// An empty lane. A `patient` one lets records wait for their turn as long as it takes.
    pub(crate) fn new(patient: bool) -> Self {
        Self { slots: VecDeque::new(), bytes: 0, next: 0, patient }
    }

    /// Nothing below this offset is wanted: it is committed.
    pub(crate) fn begin_at(&mut self, committed: i64) {
        self.next = self.next.max(committed);
        self.release(committed);
    }

    /// Add a polled record that may be worked on from `since` on. One below the last seen is refused: it is here or
    /// committed.
    pub(crate) fn push(&mut self, offset: i64, bytes: usize, item: T, since: Instant) -> bool {
        if offset < self.next {
            return false;
        }
        self.next = offset + 1;
        self.bytes += bytes;
        self.slots.push_back(Slot { offset, item, state: State::Waiting, since, bytes });
        true
    }

    /// No further record should be polled and no further fetch begun.
    pub(crate) fn is_full(&self) -> bool {
        self.slots.len() >= MAX_RECORDS || self.bytes >= MAX_BYTES
    }

    /// Room enough to poll again. Half, not one: each resume costs the client a new fetch.
    pub(crate) fn has_drained(&self) -> bool {
        self.slots.len() <= MAX_RECORDS / 2 && self.bytes <= MAX_BYTES / 2
    }

    /// Bytes held, fetched records included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The oldest record that is not decided.
    pub(crate) fn oldest_undecided(&self) -> Option<i64> {
        self.slots.iter().find(|slot| !matches!(slot.state, State::Decided(_))).map(|slot| slot.offset)
    }

    /// All records held, oldest first.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot<T, D>> {
        self.slots.iter()
    }

    /// The records that wait, oldest first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Slot<T, D>> {
        self.slots.iter().filter(|slot| matches!(slot.state, State::Waiting))
    }

    /// The record at an offset, while the lane holds it.
    pub(crate) fn get(&self, offset: i64) -> Option<&Slot<T, D>> {
        self.find(offset).and_then(|at| self.slots.get(at))
    }

    /// The record itself, while the lane holds it.
    pub(crate) fn item_mut(&mut self, offset: i64) -> Option<&mut T> {
        self.find_mut(offset).map(|slot| &mut slot.item)
    }

    /// Note that a fetch for this record has begun. Returns when its time budget began.
    pub(crate) fn fetching(&mut self, offset: i64, now: Instant) -> Instant {
        let patient = self.patient;
        let Some(slot) = self.find_mut(offset) else { return now };
        slot.state = State::Fetching;
        if patient {
            slot.since = now;
        }
        slot.since
    }

    /// Put a record back: its provider is away.
    pub(crate) fn put_back(&mut self, offset: i64) {
        if let Some(slot) = self.find_mut(offset)
            && matches!(slot.state, State::Fetching)
        {
            slot.state = State::Waiting;
        }
    }

    /// Decide a record; `bytes` is what the decision holds in memory. False when the record has left
    /// or is decided already: the answer came too late and is thrown away.
    pub(crate) fn decide(&mut self, offset: i64, decision: D, bytes: usize) -> bool {
        let Some(slot) = self.find_mut(offset) else { return false };
        if matches!(slot.state, State::Decided(_)) {
            return false;
        }
        slot.state = State::Decided(decision);
        slot.bytes += bytes;
        self.bytes += bytes;
        true
    }

    /// Decide anew a record that is decided already: Kafka refused what was first decided.
    pub(crate) fn redecide(&mut self, offset: i64, decision: D) {
        if let Some(slot) = self.find_mut(offset) {
            slot.state = State::Decided(decision);
        }
    }

    /// The records that have waited for their turn until their time budget was spent. A fetch that has begun ends by
    /// itself.
    pub(crate) fn overdue(&self, budget: Duration, now: Instant) -> Vec<i64> {
        let waiting = self.slots.iter().filter(|slot| !self.patient && matches!(slot.state, State::Waiting));
        waiting.filter(|slot| now.duration_since(slot.since) >= budget).map(|slot| slot.offset).collect()
    }

    /// The run of decided records at the front.
    pub(crate) fn finished(&self) -> impl Iterator<Item = (&Slot<T, D>, &D)> {
        self.slots.iter().map_while(|slot| match &slot.state {
            State::Decided(decision) => Some((slot, decision)),
            State::Waiting | State::Fetching => None,
        })
    }

    /// The transaction that took everything below `offset` is committed: let it go.
    pub(crate) fn release(&mut self, offset: i64) -> Vec<Slot<T, D>> {
        let count = self.slots.partition_point(|slot| slot.offset < offset);
        let released: Vec<_> = self.slots.drain(..count).collect();
        self.bytes -= released.iter().map(|slot| slot.bytes).sum::<usize>();
        released
    }

    /// The youngest record, if it may not be worked on yet: nothing behind it can be due either.
    pub(crate) fn not_due_until(&self, now: Instant) -> Option<Instant> {
        self.slots.back().map(|slot| slot.since).filter(|since| *since > now)
    }

    fn find(&self, offset: i64) -> Option<usize> {
        self.slots.binary_search_by_key(&offset, |slot| slot.offset).ok()
    }

    fn find_mut(&mut self, offset: i64) -> Option<&mut Slot<T, D>> {
        self.find(offset).and_then(|at| self.slots.get_mut(at))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn offsets(lane: &Lane<u8, u8>) -> Vec<i64> {
        lane.finished().map(|(slot, _)| slot.offset).collect()
    }

    #[test]
    fn only_the_run_from_the_front_is_finished() {
        let now = Instant::now();
        let mut lane = Lane::new(true);
        lane.begin_at(10);
        for offset in [10, 11, 14] {
            assert!(lane.push(offset, 1, 0u8, now));
        }
        lane.fetching(10, now);
        assert!(lane.decide(11, 1u8, 0));
        assert!(offsets(&lane).is_empty());
        assert!(lane.decide(10, 1, 0));
        assert_eq!(offsets(&lane), [10, 11]);
        assert_eq!(lane.release(12).len(), 2);
        assert_eq!(lane.slots().count(), 1);
        assert!(!lane.decide(10, 1, 0), "an answer for a committed record is thrown away");
    }

    #[test]
    fn a_repeat_of_the_client_is_refused() {
        let now = Instant::now();
        let mut lane: Lane<u8, u8> = Lane::new(true);
        lane.begin_at(5);
        assert!(!lane.push(4, 1, 0, now));
        assert!(lane.push(5, 1, 0, now));
        assert!(!lane.push(5, 1, 0, now));
    }

    #[test]
    fn full_by_records_or_by_bytes_and_resumed_at_half() {
        let now = Instant::now();
        let mut lane: Lane<u8, u8> = Lane::new(true);
        lane.push(0, MAX_BYTES - 1, 0, now);
        assert!(!lane.is_full());
        lane.decide(0, 0, 1);
        assert!(lane.is_full() && !lane.has_drained());
        lane.release(1);
        assert!(!lane.is_full() && lane.has_drained() && lane.bytes() == 0);
        for offset in 1..=500 {
            lane.push(offset, 1, 0, now);
        }
        assert!(lane.is_full());
    }

    #[test]
    fn waiting_costs_time_only_where_others_are_held_up() {
        let start = Instant::now();
        let budget = Duration::from_secs(10);
        for (patient, overdue) in [(true, vec![]), (false, vec![0])] {
            let mut lane = Lane::new(patient);
            for offset in 0..4 {
                lane.push(offset, 1, 0u8, start);
            }
            lane.fetching(1, start);
            lane.decide(2, 1u8, 0);
            lane.push(4, 1, 0, start + budget);
            lane.decide(3, 1, 0);
            assert!(lane.overdue(budget, start + budget / 2).is_empty());
            assert_eq!(lane.overdue(budget, start + budget), overdue);
            assert_eq!(lane.not_due_until(start), Some(start + budget));
            assert_eq!(lane.not_due_until(start + budget), None);
        }
    }

    #[test]
    fn a_record_put_back_waits_again() {
        let now = Instant::now();
        let mut lane: Lane<u8, u8> = Lane::new(true);
        lane.push(0, 1, 0, now);
        lane.fetching(0, now);
        assert_eq!(lane.waiting().count(), 0);
        lane.put_back(0);
        assert_eq!(lane.waiting().count(), 1);
        lane.decide(0, 1, 0);
        lane.put_back(0);
        assert_eq!(lane.finished().count(), 1, "a decision stands");
    }

    proptest! {
        /// Whatever order decisions and commits come in, every record leaves exactly once, in
        /// order, and never before everything in front of it is decided.
        #[test]
        fn every_record_leaves_once_and_in_order(steps in prop::collection::vec((0i64..40, any::<bool>()), 1..200)) {
            let now = Instant::now();
            let mut lane = Lane::new(true);
            for offset in 0..40 {
                lane.push(offset, 3, (), now);
            }
            let mut decided = [false; 40];
            let mut left = Vec::new();
            for (offset, commit) in steps {
                if lane.decide(offset, (), 2) {
                    decided[offset as usize] = true;
                }
                if commit && let Some(next) = lane.finished().last().map(|(slot, _)| slot.offset + 1) {
                    left.extend(lane.release(next).into_iter().map(|slot| slot.offset));
                }
            }
            let expected = decided.iter().take_while(|done| **done).count() as i64;
            let pending = lane.finished().count() as i64;
            prop_assert_eq!(left.len() as i64 + pending, expected);
            prop_assert_eq!(left.clone(), (0..left.len() as i64).collect::<Vec<_>>());
            let held: usize = lane.slots().map(|slot| 3 + 2 * usize::from(decided[slot.offset as usize])).sum();
            prop_assert_eq!(lane.bytes(), held);
        }
    }
}
