//! A place that the disk does not read: when it counts as damaged. Pure: the time comes from outside.
//!
//! A disk may be away for a moment, and then nothing is lost. Whoever passes over a place gives its records up for good.

use std::time::{Duration, Instant};

/// How long the disk must say so of one place, each time that it is read.
const UNREADABLE: Duration = Duration::from_secs(30);

/// A segment's generation, and the record that is expected there next.
pub(super) type Where = (u64, u64);

/// The place that was met last.
#[derive(Debug, Default)]
pub(super) struct Stumbles(Option<(Where, Instant)>);

impl Stumbles {
    /// A place was not read. Returns whether it was so for long enough.
    pub(super) fn again(&mut self, place: Where, now: Instant) -> bool {
        let known = self.0.filter(|(known, _)| *known == place);
        let (_, since) = *self.0.insert(known.unwrap_or((place, now)));
        now.duration_since(since) >= UNREADABLE
    }

    /// A walk has got so far, or to the end.
    pub(super) fn passed(&mut self, place: Where, end: bool) {
        if end || self.0.is_some_and(|(known, _)| place > known) {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_damaged_when_it_is_not_read_for_a_while_and_never_in_between() {
        let (mut stumbles, start) = (Stumbles::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        for seconds in 0..30 {
            assert!(!stumbles.again((1, 7), after(seconds)));
            stumbles.passed((0, 3), false);
        }
        assert!(stumbles.again((1, 7), after(30)));
        stumbles.passed((1, 8), false);
        assert!(!stumbles.again((1, 7), after(60)), "it was read in between");
        assert!(!stumbles.again((1, 9), after(90)), "another place");
        stumbles.passed((0, 0), true);
        assert!(!stumbles.again((1, 9), after(120)));
        assert!(stumbles.again((1, 9), after(150)));
    }
}
