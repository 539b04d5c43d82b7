//! The cursor file: up to where everything is done, what is done beyond, and how far the drain may have got.

use std::ops::Range;

/// The file's name.
pub const NAME: &str = "cursor";

/// The largest file read, in bytes.
pub const LARGEST: usize = 512 << 10;

/// The most ranges written. What does not fit counts as not done after a crash: it is drained again, and counted.
pub(super) const MOST_RANGES: usize = 32_000;

const MAGIC: &[u8; 8] = b"hkcurs\x00\x01";

/// What it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Every sequence below is done.
    pub done: u64,
    /// Every sequence from here on was never handed to Kafka by a drain.
    pub reached: u64,
    /// Every sequence below was given to a record that was stored.
    pub next: u64,
    /// Done as well: disjoint ranges beyond `done`, ascending.
    pub ahead: Vec<Range<u64>>,
}

impl Cursor {
    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let ahead = &self.ahead[..self.ahead.len().min(MOST_RANGES)];
        let numbers = [self.done, self.reached, self.next, ahead.len() as u64];
        for number in numbers.into_iter().chain(ahead.iter().flat_map(|range| [range.start, range.end])) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Whether it says that all of these are done.
    pub(super) fn covers(&self, range: Range<u64>) -> bool {
        let start = range.start.max(self.done);
        let after = self.ahead.partition_point(|ahead| ahead.start <= start);
        let ahead = after.checked_sub(1).and_then(|last| self.ahead.get(last));
        start >= range.end || ahead.is_some_and(|ahead| ahead.end >= range.end)
    }

    /// Read them; `None` where they are damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (fields, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(fields).to_le_bytes() != *crc {
            return None;
        }
        let (words, []) = fields.strip_prefix(MAGIC)?.as_chunks::<8>() else { return None };
        let mut numbers = words.iter().map(|word| u64::from_le_bytes(*word));
        let (done, reached) = (numbers.next()?, numbers.next()?);
        let (next, count) = (numbers.next()?, numbers.next()?);
        let mut ahead = Vec::new();
        while let (Some(start), Some(end)) = (numbers.next(), numbers.next()) {
            ahead.push(start..end);
        }
        (ahead.len() as u64 == count).then_some(Self { done, reached, next, ahead })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_damage_is_seen() {
        for ahead in [vec![], vec![9..10, 12..30]] {
            let cursor = Cursor { done: 7, reached: 4_096, next: 40, ahead };
            let bytes = cursor.encode();
            assert_eq!(Cursor::decode(&bytes), Some(cursor));
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Cursor::decode(&flipped), None);
            }
            for length in 0..bytes.len() {
                assert_eq!(Cursor::decode(&bytes[..length]), None);
            }
        }
    }

    #[test]
    fn it_covers_what_one_of_its_ranges_holds_as_a_whole() {
        let cursor = Cursor { done: 7, reached: 0, next: 40, ahead: vec![9..10, 12..30] };
        for range in [0..7, 3..7, 9..10, 12..30, 20..25, 5..5, 35..35] {
            assert!(cursor.covers(range.clone()), "{range:?}");
        }
        for range in [0..8, 7..10, 9..11, 9..30, 11..30, 29..31, 30..31] {
            assert!(!cursor.covers(range.clone()), "{range:?}");
        }
    }

    #[test]
    fn too_many_ranges_are_cut_and_fit_the_file() {
        let ahead: Vec<_> = (1..40_000).map(|n| 2 * n..2 * n + 1).collect();
        let bytes = Cursor { done: 1, reached: 1, next: 80_000, ahead }.encode();
        assert!(bytes.len() <= LARGEST);
        assert_eq!(Cursor::decode(&bytes).unwrap().ahead.len(), MOST_RANGES);
    }
}
