//! Reading one segment from its start, in pieces, over whatever is damaged.

use std::io;
use std::ops::Range;
use std::time::Duration;

use super::disk::{self, Disk};
use super::frame::{self, Mark, Step};

/// How much is read at once, in bytes; a larger record makes the buffer grow for as long as it is read.
const PIECE: usize = 256 << 10;

/// What a disk reads or does not read as a whole, in bytes.
const BLOCK: u64 = 4_096;

/// How often a reader tries a place again that the disk could not read, all in all, and how long it waits before.
const TRIES: (u32, Duration) = (10, Duration::from_millis(50));

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A record; [`SegmentReader::bytes`] gives its payload until the next call.
    Frame {
        /// Its sequence.
        sequence: u64,
        /// Where the payload lies in the buffer.
        payload: Range<usize>,
        /// The bytes of the file that the frame takes.
        at: Range<u64>,
    },
    /// Bytes of the file that are no record.
    Unreadable(Range<u64>),
    /// Nothing more up to the limit.
    End,
}

/// A place in a segment.
#[derive(Debug)]
pub(super) struct SegmentReader {
    name: String,
    mark: Mark,
    /// Where the buffer begins in the file.
    at: u64,
    buffer: Vec<u8>,
    /// What of the buffer is read already.
    read: usize,
    /// Set where what the disk cannot read is passed over: how often it may still be tried again.
    over: Option<u32>,
    passed_over: bool,
}

impl SegmentReader {
    /// At the start of the segment with this file name and mark.
    pub(super) fn new(name: String, mark: Mark) -> Self {
        Self { name, mark, at: 0, buffer: Vec::new(), read: 0, over: None, passed_over: false }
    }

    /// Take blocks that the disk cannot read for damage, instead of giving its error.
    pub(super) fn over_what_is_unreadable(self) -> Self {
        Self { over: Some(TRIES.0), ..self }
    }

    /// Whether there were such blocks.
    pub(super) fn has_passed_over(&self) -> bool {
        self.passed_over
    }

    /// The next piece of the first `limit` bytes. With `whole` the segment ends there; without, more may follow later.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn next(&mut self, disk: &dyn Disk, limit: u64, whole: bool) -> io::Result<Piece> {
        loop {
            let at_limit = self.at + self.buffer.len() as u64 >= limit;
            let place = self.at + self.read as u64;
            match frame::step(&self.buffer[self.read..], self.mark, whole && at_limit) {
                Step::Frame { sequence, payload, end } => {
                    let payload = self.read + payload.start..self.read + payload.end;
                    self.read += end;
                    return Ok(Piece::Frame { sequence, payload, at: place..place + end as u64 });
                }
                Step::Unreadable { to } => {
                    self.read += to;
                    return Ok(Piece::Unreadable(place..place + to as u64));
                }
                Step::End => return Ok(Piece::End),
                Step::More { .. } if at_limit => return Ok(Piece::End),
                Step::More { wanted } => {
                    if self.fill(disk, limit, wanted)? == 0 {
                        // Shorter than it was: what is missing will be missed by its sequence.
                        return Ok(Piece::End);
                    }
                }
            }
        }
    }

    /// A payload of the piece read last.
    pub(super) fn bytes(&self, payload: Range<usize>) -> &[u8] {
        self.buffer.get(payload).unwrap_or_default()
    }

    fn fill(&mut self, disk: &dyn Disk, limit: u64, wanted: usize) -> io::Result<usize> {
        self.buffer.drain(..self.read);
        self.at += self.read as u64;
        self.read = 0;
        let have = self.buffer.len();
        let left = usize::try_from(limit.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = wanted.max(PIECE).min(left);
        if self.buffer.capacity() > 4 * PIECE && most <= PIECE {
            self.buffer.shrink_to(PIECE);
        }
        self.buffer.resize(most.max(have), 0);
        let read = self.read_at(disk, have);
        self.buffer.truncate(have + *read.as_ref().unwrap_or(&0));
        read
    }

    /// Read behind what the buffer has.
    fn read_at(&mut self, disk: &dyn Disk, have: usize) -> io::Result<usize> {
        let place = self.at + have as u64;
        let rest = &mut self.buffer[have..];
        loop {
            match (disk.read(&self.name, place, rest), &mut self.over) {
                (Err(error), Some(tries)) if disk::is_unreadable(&error) => {
                    if let Some(fewer) = tries.checked_sub(1) {
                        *tries = fewer;
                        std::thread::park_timeout(TRIES.1);
                        continue;
                    }
                    // Nulls in its place: no checksum holds over them, and reading goes on at the next mark.
                    self.passed_over = true;
                    let block = usize::try_from(BLOCK - place % BLOCK).unwrap_or(1).min(rest.len());
                    rest.iter_mut().take(block).for_each(|byte| *byte = 0);
                    return Ok(block);
                }
                (read, _) => return read,
            }
        }
    }
}
