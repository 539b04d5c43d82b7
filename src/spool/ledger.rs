//! What is done, what is under way and what waits: pure bookkeeping by sequence. Its memory is bounded by what is under
//! way and by how often done and not done take turns: by the records that wait, never by those that went through.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::cursor::{Cursor, MOST_RANGES};

/// Times are remembered this far apart, in milliseconds: how exact the age of the oldest record is.
const GRAIN_MS: i64 = 1_000;

/// Holes in what is on the disk, beyond the oldest record: a fraction of what the cursor file can tell of.
const MOST_GONE: usize = 1_000;

/// Why a record that is not done must be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// The produce from before it was spooled is undecided.
    Held,
    /// The drain has handed it to Kafka.
    Draining,
}

/// The books.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Everything below is done.
    done: u64,
    /// Done beyond: start → end, disjoint and not touching.
    ahead: BTreeMap<u64, u64>,
    /// Of these, what is no longer on the disk: start → end. A cursor file that did not say that they are done would make
    /// them lost.
    gone: BTreeMap<u64, u64>,
    next: u64,
    reached: u64,
    busy: HashMap<u64, Busy>,
    /// Records that are not done, by topic.
    topics: HashMap<Arc<str>, u64>,
    records: u64,
    /// Sequence and time of some records, in order.
    times: VecDeque<(u64, i64)>,
    /// Something changed that the cursor file does not say yet.
    changed: bool,
}

impl Ledger {
    /// The books as the cursor file has them.
    pub fn resume(cursor: &Cursor) -> Self {
        let ahead = cursor.ahead.iter().map(|range| (range.start, range.end)).collect();
        let Cursor { done, reached, next, .. } = *cursor;
        let mut ledger = Self { done, ahead, next, reached, ..Self::default() };
        ledger.advance();
        ledger
    }

    /// The cursor file that says it all, or as much of it as fits.
    pub fn cursor(&self) -> Cursor {
        let holds = |gone| self.ahead.range(..=gone).next_back().map(|(start, end)| (*start, *end));
        let mut ahead: BTreeMap<u64, u64> = self.gone.keys().filter_map(holds).collect();
        for (start, end) in &self.ahead {
            if ahead.len() >= MOST_RANGES {
                break;
            }
            ahead.insert(*start, *end);
        }
        let ahead = ahead.into_iter().map(|(start, end)| start..end).collect();
        Cursor { done: self.done, reached: self.reached, next: self.next, ahead }
    }

    /// Whether these may leave the disk: they are no more holes than the cursor file can tell of.
    pub fn may_go(&self, range: &Range<u64>) -> bool {
        range.end <= self.done || self.gone.len() < MOST_GONE || self.beside(range.start).is_some()
    }

    /// These are done, and no longer on the disk.
    pub fn gone(&mut self, range: Range<u64>) {
        if range.is_empty() || range.end <= self.done {
            return;
        }
        let start = self.beside(range.start).unwrap_or(range.start);
        let end = self.gone.remove(&range.end).unwrap_or(range.end);
        let before = self.gone.insert(start, end).unwrap_or(end);
        if before > end {
            self.gone.insert(start, before);
        }
    }

    /// The start of the hole that reaches up to here.
    fn beside(&self, start: u64) -> Option<u64> {
        let (before, end) = self.gone.range(..=start).next_back()?;
        (*end >= start).then_some(*before)
    }

    /// Whether the cursor file is behind; it is asked once per change.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The cursor file must be written again.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// The sequence that the next record gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Give no record a sequence below this one.
    pub fn skip_to(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Every sequence below is done.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// How far the drain may go before the cursor file must say more.
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// Let the drain go further.
    pub fn reach(&mut self, reached: u64) {
        self.reached = self.reached.max(reached);
        self.changed = true;
    }

    /// The cursor file could not say so: as far as it says, and no further. A record that was asked for in vain is below
    /// the next one that is.
    pub fn unreach(&mut self, before: u64) {
        self.reached = self.reached.min(before);
    }

    /// A record is durable. Its sequence is [`Ledger::next`], or one that was found at the start.
    pub fn stored(&mut self, sequence: u64, topic: &Arc<str>, timestamp_ms: i64, held: bool) {
        self.next = self.next.max(sequence + 1);
        self.records += 1;
        *self.topics.entry(Arc::clone(topic)).or_default() += 1;
        if held {
            self.busy.insert(sequence, Busy::Held);
        }
        if self.times.back().is_none_or(|(_, last)| (timestamp_ms - last).abs() >= GRAIN_MS) {
            self.times.push_back((sequence, timestamp_ms));
        }
    }

    /// A record is in Kafka, or kept elsewhere.
    pub fn finish(&mut self, sequence: u64, topic: &str) {
        if self.is_done(sequence) {
            return;
        }
        self.busy.remove(&sequence);
        self.records = self.records.saturating_sub(1);
        if let Some(count) = self.topics.get_mut(topic) {
            *count -= 1;
            if *count == 0 {
                self.topics.remove(topic);
            }
        }
        self.mark(sequence..sequence + 1);
    }

    /// Records that cannot be read any more. Returns how many of them were not done.
    pub fn lose(&mut self, range: Range<u64>) -> u64 {
        let mut lost = 0;
        let mut at = range.start.max(self.done);
        while at < range.end {
            // What was marked a moment ago may have joined what is done.
            let until = self.ahead.range(..=at).next_back().map_or(self.done, |(_, end)| self.done.max(*end));
            if until > at {
                at = until;
                continue;
            }
            let gap = at..self.ahead.range(at..).next().map_or(range.end, |(start, _)| range.end.min(*start));
            lost += gap.end - gap.start;
            self.busy.retain(|sequence, _| !gap.contains(sequence));
            self.mark(gap.clone());
            at = gap.end;
        }
        self.skip_to(range.end);
        lost
    }

    /// The same for records that were counted as stored: they no longer wait. Those under way are not lost yet.
    pub fn lose_stored(&mut self, range: Range<u64>) -> u64 {
        let mut kept: Vec<u64> = self.busy.keys().copied().filter(|sequence| range.contains(sequence)).collect();
        kept.sort_unstable();
        let (mut lost, mut at) = (0, range.start);
        for sequence in kept.into_iter().chain([range.end]) {
            lost += self.lose(at..sequence);
            at = sequence + 1;
        }
        self.records = self.records.saturating_sub(lost);
        if self.records == 0 {
            // Which topics they were for, nobody can tell.
            self.topics.clear();
        }
        lost
    }

    /// A record may be drained (again).
    pub fn release(&mut self, sequence: u64) {
        self.busy.remove(&sequence);
    }

    /// The drain is about to hand a record to Kafka.
    pub fn begin(&mut self, sequence: u64) {
        self.busy.insert(sequence, Busy::Draining);
    }

    /// Whether a record is done.
    pub fn is_done(&self, sequence: u64) -> bool {
        sequence < self.done || self.ahead.range(..=sequence).next_back().is_some_and(|(_, end)| sequence < *end)
    }

    /// Whether all of these are done.
    pub fn all_done(&self, range: Range<u64>) -> bool {
        let start = range.start.max(self.done);
        start >= range.end || self.ahead.range(..=start).next_back().is_some_and(|(_, end)| *end >= range.end)
    }

    /// Whether a record is under way.
    pub fn busy(&self, sequence: u64) -> Option<Busy> {
        self.busy.get(&sequence).copied()
    }

    /// Records that are not done.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Records under way from the drain, or undecided from before.
    pub fn under_way(&self) -> usize {
        self.busy.len()
    }

    /// The topics with records that are not done.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.topics.keys()
    }

    /// Whether a topic has records that are not done.
    pub fn waits(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// The time of the oldest record that is not done, in milliseconds since 1970, to a second.
    pub fn oldest_ms(&self) -> Option<i64> {
        let (_, time) = self.times.front().filter(|_| self.records > 0)?;
        Some(*time)
    }

    fn mark(&mut self, range: Range<u64>) {
        self.changed = true;
        let (mut start, mut end) = (range.start, range.end);
        if let Some((before, until)) = self.ahead.range(..=start).next_back().map(|(s, e)| (*s, *e))
            && until >= start
        {
            start = before;
            end = end.max(until);
        }
        if let Some(after) = self.ahead.remove(&end) {
            end = after;
        }
        self.ahead.insert(start, end);
        self.advance();
    }

    fn advance(&mut self) {
        while let Some(first) = self.ahead.first_entry().filter(|first| *first.key() <= self.done) {
            self.done = self.done.max(first.remove());
        }
        while let Some(first) = self.gone.first_entry().filter(|first| *first.get() <= self.done) {
            first.remove();
        }
        // The last time at or below the cursor speaks for the record there.
        while self.times.get(1).is_some_and(|(sequence, _)| *sequence <= self.done) {
            self.times.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn topic() -> Arc<str> {
        "t".into()
    }

    #[test]
    fn the_cursor_moves_over_what_is_done() {
        let mut ledger = Ledger::default();
        for n in 0..5 {
            ledger.stored(n, &topic(), i64::try_from(n).unwrap() * 2_000, n == 0);
        }
        assert_eq!((ledger.records(), ledger.oldest_ms(), ledger.busy(0)), (5, Some(0), Some(Busy::Held)));
        ledger.finish(1, "t");
        ledger.finish(2, "t");
        ledger.finish(2, "t");
        let cursor = ledger.cursor();
        assert_eq!((cursor.done, cursor.next, &cursor.ahead[..]), (0, 5, std::slice::from_ref(&(1..3))));
        ledger.finish(0, "t");
        assert_eq!(ledger.cursor(), Cursor { done: 3, reached: 0, next: 5, ahead: vec![] });
        assert_eq!((ledger.records(), ledger.oldest_ms()), (2, Some(6_000)));
        assert!(ledger.waits("t"));
        ledger.finish(3, "t");
        ledger.finish(4, "t");
        assert!(!ledger.waits("t"));
        assert_eq!((ledger.records(), ledger.oldest_ms()), (0, None));
    }

    #[test]
    fn what_is_lost_no_longer_waits() {
        let mut ledger = Ledger::default();
        (0..4).for_each(|n| ledger.stored(n, &topic(), 0, false));
        ledger.finish(1, "t");
        ledger.begin(2);
        assert_eq!(ledger.lose_stored(0..3), 1, "one of them was done, and one may still arrive");
        assert_eq!((ledger.done(), ledger.records()), (2, 2));
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(order in Just((0..60_u64).collect::<Vec<_>>()).prop_shuffle(), stop in 0..60_usize) {
            let mut ledger = Ledger::default();
            (0..60).for_each(|n| ledger.stored(n, &topic(), 0, false));
            let mut model = BTreeSet::new();
            for sequence in &order[..stop] {
                ledger.finish(*sequence, "t");
                model.insert(*sequence);
                let resumed = Ledger::resume(&ledger.cursor());
                for n in 0..60 {
                    prop_assert_eq!(ledger.is_done(n), model.contains(&n));
                    prop_assert_eq!(resumed.is_done(n), model.contains(&n));
                }
                let ranges = ledger.cursor().ahead;
                prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
            prop_assert_eq!(ledger.records(), 60 - stop as u64);
        }
    }
}
