//! The log itself, without threads: batches in, the cursor, whole segments out. Writing belongs to one thread, the cursor
//! and the removal of segments to another; the state between them is behind one lock.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ulid::Ulid;

use super::cursor;
use super::disk::{Appended, Disk};
use super::frame::{self, Mark};
use super::ledger::Ledger;
use super::reader::SegmentReader;
use super::segment::Segment;
use super::survey::Survey;

/// The size at which a segment is closed, in bytes.
const SEGMENT: u64 = 64 << 20;

/// How much of a batch is gathered before it is written, in bytes.
const PIECE: usize = 1 << 20;

/// The name of the file that tells whether the disk takes anything.
const TRIAL: &str = "trial";

/// A record that waits to be written.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    /// What the frame holds.
    pub(super) payload: Vec<u8>,
    /// The topic, for the books.
    pub(super) topic: Arc<str>,
    /// When it was received, in milliseconds since 1970.
    pub(super) timestamp_ms: i64,
    /// Whether its fate in Kafka is undecided.
    pub(super) held: bool,
}

/// The log.
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    state: Mutex<State>,
}

/// What both threads look at.
#[derive(Debug)]
pub(super) struct State {
    /// The books.
    pub(super) ledger: Ledger,
    /// The files, oldest first; only the last may be open.
    pub(super) segments: VecDeque<Segment>,
    /// The number of the next file.
    generation: u64,
    /// The writer is to close its segment before it writes on, so that it can be removed.
    roll: bool,
    /// Generations of segments with places that the disk cannot read: these are passed over.
    unreadable: BTreeSet<u64>,
}

/// The file being written; the writing thread's own.
pub(super) struct Active {
    file: Box<dyn Appended>,
    segment: Segment,
    buffer: Vec<u8>,
}

impl Log {
    /// The log that a survey found. `max_bytes` is what all segments may take together.
    pub(super) fn new(disk: Arc<dyn Disk>, survey: Survey, max_bytes: u64) -> Self {
        let generation = survey.segments.last().map_or(0, |last| last.generation + 1);
        let Survey { ledger, segments, unreadable, .. } = survey;
        let state = State { ledger, segments: segments.into(), generation, roll: false, unreadable };
        Self { disk, segment_bytes: SEGMENT.min(max_bytes / 4), state: Mutex::new(state) }
    }

    /// The state. No call of ours panics while it holds the lock.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk.
    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Write a batch and make it durable: all of it, or nothing of it counts. Returns the sequence of its first record.
    ///
    /// # Errors
    /// The disk's. The segment is then closed for good: what a later sync would say of it proves nothing.
    pub(super) fn write(&self, active: &mut Option<Active>, batch: &[Parcel]) -> io::Result<u64> {
        let (first, roll) = {
            let mut state = self.state();
            (state.ledger.next(), std::mem::take(&mut state.roll))
        };
        let full = |active: &mut Active| active.segment.length >= self.segment_bytes || roll;
        if active.as_mut().is_some_and(full) {
            self.close(active.take());
        }
        let mut file = match active.take() {
            Some(active) => active,
            None => self.begin(first)?,
        };
        match file.append(first, batch) {
            Ok(written) => {
                let mut state = self.state();
                for (sequence, draft) in (first..).zip(batch) {
                    state.ledger.stored(sequence, &draft.topic, draft.timestamp_ms, draft.held);
                }
                file.segment.length += written;
                if let Some(last) = state.segments.back_mut() {
                    last.length = file.segment.length;
                }
                *active = Some(file);
                Ok(first)
            }
            Err(error) => {
                self.close(Some(file));
                Err(error)
            }
        }
    }

    /// Close the segment in hand, if nothing of it is wanted any more.
    pub(super) fn close_if_asked(&self, active: &mut Option<Active>) {
        if std::mem::take(&mut self.state().roll) {
            self.close(active.take());
        }
    }

    /// Make the cursor file say what the books say, and remove the segments that are drained.
    ///
    /// # Errors
    /// The disk's; nothing is removed before the cursor file says so.
    pub(super) fn settle(&self) -> io::Result<()> {
        let cursor = {
            let mut state = self.state();
            if !state.ledger.take_changed() {
                return Ok(());
            }
            state.ledger.cursor()
        };
        if let Err(error) = self.disk.replace(cursor::NAME, &cursor.encode()) {
            self.state().ledger.touch();
            return Err(error);
        }
        let drained: Vec<Segment> = {
            let state = &mut *self.state();
            // A segment ends where the next one begins, and the last one where the books end by now: since the cursor was
            // taken the writer may have stored more in it, and closed it.
            let next = state.ledger.next();
            let ends: Vec<u64> = state.segments.iter().skip(1).map(|next| next.first).chain([next]).collect();
            let (mut drained, mut kept) = (Vec::new(), VecDeque::new());
            for (segment, end) in std::mem::take(&mut state.segments).into_iter().zip(ends) {
                let range = segment.first..end;
                // Only what the file on the disk says is done: a gap that it does not know of would be taken for loss.
                let done = cursor.covers(range.clone());
                if segment.closed && done && state.ledger.may_go(&range) {
                    state.ledger.gone(range);
                    state.unreadable.remove(&segment.generation);
                    drained.push(segment);
                    continue;
                }
                // Everything in the open one is in Kafka: give the disk back.
                state.roll |= !segment.closed && segment.length > 0 && done;
                kept.push_back(segment);
            }
            state.segments = kept;
            drained
        };
        if drained.is_empty() {
            return Ok(());
        }
        // One that cannot be removed goes with the next start, which finds it done; it keeps no other.
        let mut removed = Ok(());
        for segment in &drained {
            removed = removed.and(self.disk.remove(&segment.name()));
        }
        self.disk.sync_names().and(removed)
    }

    /// Have the disk do with so many bytes all that a batch needs of it: a new file, room in it, syncs of both.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn try_disk(&self, bytes: usize) -> io::Result<()> {
        let tried = self.disk.replace(TRIAL, &vec![0; bytes]);
        // Whatever is there of it; the next trial would take its place.
        let _ = self.disk.remove(TRIAL);
        let _ = self.disk.remove(&format!("{TRIAL}.new"));
        tried
    }

    /// From now on pass over what the disk cannot read of a segment.
    pub(super) fn pass_over(&self, generation: u64) {
        self.state().unreadable.insert(generation);
    }

    /// The file of a segment; empty where it is gone.
    pub(super) fn name_of(&self, generation: u64) -> String {
        let state = self.state();
        state.segments.iter().find(|segment| segment.generation == generation).map(Segment::name).unwrap_or_default()
    }

    /// The bytes that all segments take.
    pub(super) fn bytes(&self) -> u64 {
        self.state().segments.iter().map(|segment| segment.length).sum()
    }

    fn begin(&self, first: u64) -> io::Result<Active> {
        let segment = {
            let mut state = self.state();
            state.generation += 1;
            Segment { generation: state.generation - 1, first, mark: new_mark(), length: 0, closed: false }
        };
        let file = self.disk.create(&segment.name())?;
        if let Err(error) = self.disk.sync_names() {
            // Nothing was written: it need not stay.
            let _ = self.disk.remove(&segment.name());
            return Err(error);
        }
        self.state().segments.push_back(segment.clone());
        Ok(Active { file, segment, buffer: Vec::new() })
    }

    fn close(&self, active: Option<Active>) {
        let Some(Active { segment, .. }) = active else { return };
        let mut state = self.state();
        let empty = segment.length == 0;
        if empty {
            state.segments.retain(|other| other.generation != segment.generation);
        } else if let Some(last) = state.segments.back_mut() {
            last.closed = true;
        }
        state.ledger.touch();
        drop(state);
        if empty {
            // Nothing in it was acknowledged. Should it stay, its records are void.
            let _ = self.disk.remove(&segment.name());
        }
    }
}

impl State {
    /// Reading a segment from its start.
    pub(super) fn reader(&self, segment: &Segment) -> SegmentReader {
        let reader = SegmentReader::new(segment.name(), segment.mark);
        if self.unreadable.contains(&segment.generation) { reader.over_what_is_unreadable() } else { reader }
    }
}

/// A mark that no sender can guess.
pub(super) fn new_mark() -> Mark {
    // The lower 64 bits of a ULID are random.
    Mark((u128::from(Ulid::new()) as u64).to_be_bytes())
}

impl Active {
    fn append(&mut self, first: u64, batch: &[Parcel]) -> io::Result<u64> {
        let mut written = 0;
        self.buffer.clear();
        for (sequence, draft) in (first..).zip(batch) {
            frame::write(&mut self.buffer, self.segment.mark, sequence, &draft.payload);
            if self.buffer.len() >= PIECE {
                written += self.flush()?;
            }
        }
        written += self.flush()?;
        self.file.sync()?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<u64> {
        self.file.append(&self.buffer)?;
        let length = self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(2 * PIECE);
        Ok(length)
    }
}
