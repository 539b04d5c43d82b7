//! How a record lies in a segment, and how reading goes on after damage. Pure: bytes in, findings out.
//!
//! A frame is the sync mark (8 bytes), the payload's length (4), the sequence (8), the crc32c of these 20, the payload,
//! and the crc32c of the sequence and the payload (4). Numbers are little-endian.
//!
//! The mark is random and each segment has its own, which stands in the file's name: a sender cannot write a body
//! that is taken for a record when the frame around it is damaged.

use std::ops::Range;

use memchr::memmem;

/// The bytes before a payload.
pub const HEAD: usize = 24;

/// The bytes after a payload.
const TAIL: usize = 4;

/// The largest payload in bytes: above what any source can bring (32 MiB, its base64 form, its copy in a header).
pub const MAX_PAYLOAD: usize = 160 << 20;

/// What begins every frame of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(pub [u8; 8]);

/// What lies at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A record; the next frame begins at `end`.
    Frame {
        /// Its sequence.
        sequence: u64,
        /// Where its payload lies.
        payload: Range<usize>,
        /// Where the frame ends.
        end: usize,
    },
    /// Nothing readable before `to`.
    Unreadable {
        /// Where reading goes on: at the next mark, or where one may begin.
        to: usize,
    },
    /// More bytes are needed to say.
    More {
        /// How many there must be, counted from the place.
        wanted: usize,
    },
    /// The end, reached without a rest.
    End,
}

/// The size of a frame around a payload of this size, in bytes.
pub fn size(payload: usize) -> usize {
    HEAD + payload + TAIL
}

/// Append a frame. The payload must not be larger than [`MAX_PAYLOAD`].
pub fn write(buffer: &mut Vec<u8>, mark: Mark, sequence: u64, payload: &[u8]) {
    // Cannot be cut: the payload is bounded far below.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let start = buffer.len();
    buffer.extend_from_slice(&mark.0);
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&sequence.to_le_bytes());
    buffer.extend_from_slice(&crc32c::crc32c(&buffer[start..]).to_le_bytes());
    buffer.extend_from_slice(payload);
    buffer.extend_from_slice(&payload_crc(sequence, payload).to_le_bytes());
}

/// Say what lies at the start of `bytes`. With `whole`, nothing follows them.
pub fn step(bytes: &[u8], mark: Mark, whole: bool) -> Step {
    if bytes.is_empty() {
        return if whole { Step::End } else { Step::More { wanted: HEAD } };
    }
    match head(bytes, mark) {
        Some((sequence, length)) => {
            let (payload, end) = (HEAD..HEAD + length, size(length));
            match bytes.get(payload.end..end) {
                None if !whole => return Step::More { wanted: end },
                Some(crc) if crc == payload_crc(sequence, &bytes[payload.clone()]).to_le_bytes() => {
                    return Step::Frame { sequence, payload, end };
                }
                _ => {}
            }
        }
        None if bytes.len() < HEAD && !whole => return Step::More { wanted: HEAD },
        None => {}
    }
    Step::Unreadable { to: next_frame(bytes, mark, whole) }
}

/// Where the next frame begins after the start, or may begin.
fn next_frame(bytes: &[u8], mark: Mark, whole: bool) -> usize {
    let finder = memmem::Finder::new(&mark.0);
    let found = finder.find_iter(&bytes[1..]).map(|place| place + 1).find(|place| {
        let rest = &bytes[*place..];
        head(rest, mark).is_some() || (!whole && rest.len() < HEAD)
    });
    // Without a find the last bytes may be the start of a mark.
    let unsearched = if whole { 0 } else { mark.0.len() - 1 };
    found.unwrap_or_else(|| bytes.len().saturating_sub(unsearched).max(1))
}

/// Sequence and length of the frame that begins here, if one does.
fn head(bytes: &[u8], mark: Mark) -> Option<(u64, usize)> {
    let head: &[u8; HEAD] = bytes.first_chunk()?;
    let (fields, crc) = head.split_at(HEAD - 4);
    if fields[..8] != mark.0 || crc != crc32c::crc32c(fields).to_le_bytes() {
        return None;
    }
    let length = u32::from_le_bytes(*fields[8..].first_chunk()?) as usize;
    let sequence = u64::from_le_bytes(*fields[12..].first_chunk()?);
    (length <= MAX_PAYLOAD).then_some((sequence, length))
}

fn payload_crc(sequence: u64, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&sequence.to_le_bytes()), payload)
}

/// What can be read from the bytes of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Each record's sequence and where its payload lies, in the order of the file.
    pub records: Vec<(u64, Range<usize>)>,
    /// What could not be read.
    pub unreadable: Vec<Range<usize>>,
}

/// Read a whole segment from memory.
pub fn recover(bytes: &[u8], mark: Mark) -> Recovered {
    let mut recovered = Recovered::default();
    let mut at = 0;
    loop {
        match step(&bytes[at..], mark, true) {
            Step::Frame { sequence, payload, end } => {
                recovered.records.push((sequence, at + payload.start..at + payload.end));
                at += end;
            }
            Step::Unreadable { to } => {
                recovered.unreadable.push(at..at + to);
                at += to;
            }
            Step::More { .. } | Step::End => return recovered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark(*b"\xf5mark\x00\x01\x02");

    fn three() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (sequence, payload) in [(7, &b"first"[..]), (8, b""), (9, b"the third")] {
            write(&mut bytes, MARK, sequence, payload);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn a_bit_flip_anywhere_costs_the_record_it_hits_and_is_named() {
        let (bytes, ends) = three();
        assert_eq!(recover(&bytes, MARK).records.len(), 3);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let found = recover(&flipped, MARK);
            let hit = ends.iter().position(|end| bit / 8 < *end).unwrap();
            let expected: Vec<u64> = (0..3).filter(|n| *n != hit).map(|n| 7 + n as u64).collect();
            let read: Vec<u64> = found.records.iter().map(|(sequence, _)| *sequence).collect();
            assert_eq!(read, expected, "bit {bit}");
            let start = if hit == 0 { 0 } else { ends[hit - 1] };
            assert_eq!((found.unreadable.len(), &found.unreadable[0]), (1, &(start..ends[hit])), "bit {bit}");
        }
    }

    #[test]
    fn every_prefix_gives_its_whole_records_and_names_the_rest() {
        let (bytes, ends) = three();
        for length in 0..=bytes.len() {
            let found = recover(&bytes[..length], MARK);
            let whole = ends.iter().filter(|end| **end <= length).count();
            assert_eq!(found.records.len(), whole, "{length} bytes");
            let rest = length - whole.checked_sub(1).map_or(0, |last| ends[last]);
            assert_eq!(found.unreadable.iter().map(Range::len).sum::<usize>(), rest);
        }
    }

    #[test]
    fn a_frame_inside_a_payload_under_another_mark_is_no_record() {
        let (inner, _) = three();
        let mut bytes = Vec::new();
        write(&mut bytes, Mark(*b"\xf5another"), 1, &inner);
        bytes[0] ^= 1;
        assert_eq!(recover(&bytes, Mark(*b"\xf5another")).records, []);
    }

    #[test]
    fn reading_in_pieces_finds_the_same() {
        let (mut bytes, _) = three();
        bytes.splice(40..40, *b"some noise that hits the second record");
        let expected = recover(&bytes, MARK);
        for piece in 1..30 {
            let (mut found, mut at, mut have) = (Recovered::default(), 0, 0);
            loop {
                let whole = have == bytes.len();
                match step(&bytes[at..have], MARK, whole) {
                    Step::Frame { sequence, payload, end } => {
                        found.records.push((sequence, at + payload.start..at + payload.end));
                        at += end;
                    }
                    Step::Unreadable { to } => {
                        match found.unreadable.last_mut().filter(|last| last.end == at) {
                            Some(last) => last.end += to,
                            None => found.unreadable.push(at..at + to),
                        }
                        at += to;
                    }
                    Step::More { .. } => have = (have + piece).min(bytes.len()),
                    Step::End => break,
                }
            }
            assert_eq!(found, expected, "pieces of {piece}");
        }
    }
}
