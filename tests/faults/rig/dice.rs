//! Chance that can be repeated: the same seed, the same run.

use std::time::Duration;

/// A small generator of numbers (SplitMix64): the sequence depends on the seed alone.
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    /// A time between these two.
    pub(crate) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = (to - from).as_millis() as usize;
        from + Duration::from_millis(self.below(span.max(1)) as u64)
    }

    /// Whether something that happens `per_mille` times in a thousand happens now.
    pub(crate) fn happens(&mut self, per_mille: u64) -> bool {
        self.roll() % 1_000 < per_mille
    }
}
