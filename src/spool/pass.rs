//! One walk over what waits, from the oldest record on. The drain begins a new one whenever something that it passed by
//! may go now.

use std::io;
use std::ops::Range;

use super::entry::{Entry, EntryError};
use super::ledger::Busy;
use super::log::Log;
use super::reader::{Piece, SegmentReader};

/// A record that is neither done nor in the drain's hands.
#[derive(Debug)]
pub(super) struct Taken {
    /// Its sequence.
    pub(super) sequence: u64,
    /// Where it lies: for a second look.
    pub(super) place: Place,
    /// Whether its produce from before it was spooled is undecided.
    pub(super) held: bool,
    /// What it is.
    pub(super) entry: Result<Entry, EntryError>,
}

/// Where a frame lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment's file.
    pub(super) file: String,
    /// The bytes of the frame.
    pub(super) bytes: Range<u64>,
}

/// What a step of the walk gives.
#[derive(Debug)]
pub(super) enum Found {
    /// A record.
    Record(Box<Taken>),
    /// So many acknowledged records are gone: they were readable at the start, or when they were written.
    Lost(u64),
    /// Nothing more for now.
    Nothing,
}

/// The walk.
#[derive(Debug)]
pub(super) struct Pass {
    reader: Option<(u64, SegmentReader)>,
    expected: u64,
    /// Bytes read so far.
    scanned: u64,
}

impl Pass {
    /// At the oldest record that is not done.
    pub(super) fn begin(log: &Log) -> Self {
        Self { reader: None, expected: log.state().ledger.done(), scanned: 0 }
    }

    /// Bytes read since the last call.
    pub(super) fn take_scanned(&mut self) -> u64 {
        std::mem::take(&mut self.scanned)
    }

    /// The generation of the segment in hand, and the record that is expected next.
    pub(super) fn place(&self) -> (u64, u64) {
        (self.reader.as_ref().map_or(0, |(generation, _)| *generation), self.expected)
    }

    /// The next record.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn next(&mut self, log: &Log) -> io::Result<Found> {
        loop {
            let Some((generation, limit, closed, end)) = self.segment(log) else { return Ok(Found::Nothing) };
            let Some((_, reader)) = &mut self.reader else { return Ok(Found::Nothing) };
            let piece = match reader.next(log.disk(), limit, closed) {
                // Drained and removed by now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Piece::End,
                piece => piece?,
            };
            match piece {
                Piece::Unreadable(range) => self.scanned += range.end - range.start,
                Piece::Frame { sequence, payload, at } => {
                    self.scanned += at.end - at.start;
                    if sequence < self.expected || end.is_some_and(|end| sequence >= end) {
                        continue;
                    }
                    let missed = std::mem::replace(&mut self.expected, sequence + 1)..sequence;
                    let (lost, done, busy) = {
                        let ledger = &mut log.state().ledger;
                        let lost = ledger.lose_stored(missed);
                        (lost, ledger.is_done(sequence), ledger.busy(sequence))
                    };
                    if lost > 0 {
                        // The record itself is looked at again: this walk is over.
                        self.reader = None;
                        self.expected = log.state().ledger.done();
                        return Ok(Found::Lost(lost));
                    }
                    if done || busy == Some(Busy::Draining) {
                        continue;
                    }
                    let entry = Entry::decode(reader.bytes(payload));
                    let file = log.name_of(generation);
                    let place = Place { file, bytes: at };
                    return Ok(Found::Record(Box::new(Taken { sequence, place, held: busy.is_some(), entry })));
                }
                Piece::End => {
                    let Some(end) = end.filter(|_| closed) else { return Ok(Found::Nothing) };
                    let missed = self.expected..end;
                    self.expected = self.expected.max(end);
                    self.reader = None;
                    self.skip(log, generation);
                    let lost = if missed.is_empty() { 0 } else { log.state().ledger.lose_stored(missed) };
                    if lost > 0 {
                        return Ok(Found::Lost(lost));
                    }
                }
            }
        }
    }

    /// The segment in hand, or the first one: its generation, its durable bytes, whether it is closed, and where the
    /// next one begins.
    fn segment(&mut self, log: &Log) -> Option<(u64, u64, bool, Option<u64>)> {
        let state = log.state();
        let wanted = self.reader.as_ref().map(|(generation, _)| *generation);
        let index = match wanted {
            Some(generation) => state.segments.partition_point(|segment| segment.generation < generation),
            // Whatever ends before the place we look for is not read.
            None => {
                let after = state.segments.partition_point(|segment| segment.first <= self.expected);
                after.saturating_sub(1)
            }
        };
        let segment = state.segments.get(index)?;
        if wanted != Some(segment.generation) {
            self.reader = Some((segment.generation, state.reader(segment)));
        }
        let end = state.segments.get(index + 1).map(|next| next.first);
        Some((segment.generation, segment.length, segment.closed, end))
    }

    fn skip(&mut self, log: &Log, generation: u64) {
        let state = log.state();
        self.reader = state
            .segments
            .iter()
            .find(|segment| segment.generation > generation)
            .map(|segment| (segment.generation, state.reader(segment)));
    }
}
