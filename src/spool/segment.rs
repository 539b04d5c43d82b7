//! A segment's place in the log: everything that its file name says.
//!
//! A segment ends where the next one begins: what lies in it at or beyond the next one's first sequence was never
//! acknowledged (a failed write, a torn one) and is void.

use super::frame::Mark;

/// What a segment's file name ends with.
const EXTENSION: &str = ".segment";

/// One file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its place in the order; each file has one of its own.
    pub generation: u64,
    /// The sequence of its first record.
    pub first: u64,
    /// What begins its frames.
    pub mark: Mark,
    /// The bytes that are durable.
    pub length: u64,
    /// Whether nothing more is written to it.
    pub closed: bool,
}

impl Segment {
    /// The file's name: generation, first sequence, mark.
    pub fn name(&self) -> String {
        let mark = u64::from_be_bytes(self.mark.0);
        format!("{:010}-{:020}-{mark:016x}{EXTENSION}", self.generation, self.first)
    }

    /// What a file of this name and size is; `None` where it is no segment.
    pub fn parse(name: &str, length: u64) -> Option<Self> {
        let mut parts = name.strip_suffix(EXTENSION)?.splitn(3, '-');
        let (generation, first) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let mark = Mark(u64::from_str_radix(parts.next()?, 16).ok()?.to_be_bytes());
        let segment = Self { generation, first, mark, length, closed: true };
        (segment.name() == name).then_some(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_it_all() {
        let segment = Segment { generation: 3, first: 9_000, mark: Mark([7; 8]), length: 5, closed: true };
        assert_eq!(segment.name(), "0000000003-00000000000000009000-0707070707070707.segment");
        assert_eq!(Segment::parse(&segment.name(), 5), Some(segment));
        for other in ["cursor", "lock", ".segment", "1-2-3.segment", "a-b-c.segment", "refused.log"] {
            assert_eq!(Segment::parse(other, 5), None, "{other}");
        }
    }
}
