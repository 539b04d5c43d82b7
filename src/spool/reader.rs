//! Reading one segment from its start, in pieces, over whatever is damaged.

use std::io;
use std::ops::Range;

use super::disk::Disk;
use super::frame::{self, Mark, Step};

/// How much is read at once, in bytes; a larger record makes the buffer grow for as long as it is read.
const PIECE: usize = 256 << 10;

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
}

impl SegmentReader {
    /// At the start of the segment with this file name and mark.
    pub(super) fn new(name: String, mark: Mark) -> Self {
        Self { name, mark, at: 0, buffer: Vec::new(), read: 0 }
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
        let read = disk.read(&self.name, self.at + have as u64, &mut self.buffer[have..]);
        self.buffer.truncate(have + *read.as_ref().unwrap_or(&0));
        read
    }
}
