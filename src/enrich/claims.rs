//! The ids of the window: which events are claimed already.
//!
//! An event is claimed when its raw record is first decided. The claims of a partition are kept as
//! 128-bit hashes in hourly buckets, so that the oldest hour leaves in one step. They are a copy: the
//! ids topic is the truth, and `restore` reads them back from it.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use sha2::{Digest, Sha256};

const HOUR_MS: i64 = 3_600_000;

/// The identity of an event, (source, id), as the first 128 bits of its SHA-256.
///
/// At a billion ids two different events share a hash with a probability of about 10⁻²¹.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim(u128);

impl Claim {
    /// The claim of one event. A run of a replay has claims of its own; it is empty for all that came by itself.
    /// Neither a source's name nor a run holds a NUL, so no two read the same.
    pub(crate) fn of(source: &str, run: &str, id: &str) -> Self {
        let mut hasher = Sha256::new();
        for part in [source, run] {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        hasher.update(id.as_bytes());
        let digest = hasher.finalize();
        let mut first = [0; 16];
        first.copy_from_slice(&digest[..16]);
        Self(u128::from_le_bytes(first))
    }
}

impl std::hash::Hash for Claim {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 as u64);
    }
}

/// A claim is a hash already; hashing it again would only cost time.
#[derive(Clone, Default)]
pub(crate) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// A set of claims.
pub(crate) type Claims = HashSet<Claim, BuildHasherDefault<AlreadyHashed>>;

/// The claims of one partition over the window.
#[derive(Debug)]
pub(crate) struct Window {
    hours: BTreeMap<i64, Claims>,
    len: usize,
    limit: usize,
    window_ms: i64,
    /// Of each ids topic, the next offset that is not in here yet. A raw topic that sources share has several.
    next_offsets: BTreeMap<Arc<str>, i64>,
}

impl Window {
    /// An empty window of `window_ms` that holds at most `limit` ids.
    pub(crate) fn new(window_ms: i64, limit: usize) -> Self {
        Self { hours: BTreeMap::new(), len: 0, limit, window_ms, next_offsets: BTreeMap::new() }
    }

    /// Whether an event is claimed. The youngest hours come first: that is where repeats lie.
    pub(crate) fn contains(&self, claim: Claim) -> bool {
        self.hours.values().rev().any(|hour| hour.contains(&claim))
    }

    /// Note a claim of the given time. Returns how many older claims had to leave early because the
    /// window is at its limit; the caller says so, as the window is then shorter than promised.
    pub(crate) fn insert(&mut self, claim: Claim, at_ms: i64) -> usize {
        if self.hours.entry(at_ms.div_euclid(HOUR_MS)).or_default().insert(claim) {
            self.len += 1;
        }
        let mut dropped = 0;
        while self.len > self.limit && self.hours.len() > 1 {
            dropped += self.drop_oldest();
        }
        dropped
    }

    /// Let go of the hours that have left the window.
    pub(crate) fn expire(&mut self, now_ms: i64) {
        let oldest = (now_ms - self.window_ms).div_euclid(HOUR_MS);
        while self.hours.first_key_value().is_some_and(|(hour, _)| *hour < oldest) {
            self.drop_oldest();
        }
    }

    /// Ids held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The next offset of an ids topic that is not in here yet; `None` where nothing is known of it.
    pub(crate) fn next_offset(&self, topic: &str) -> Option<i64> {
        self.next_offsets.get(topic).copied()
    }

    /// Everything below `offset` of an ids topic is in here.
    pub(crate) fn known_until(&mut self, topic: &Arc<str>, offset: i64) {
        let next = self.next_offsets.entry(Arc::clone(topic)).or_insert(offset);
        *next = offset.max(*next);
    }

    fn drop_oldest(&mut self) -> usize {
        let count = self.hours.pop_first().map_or(0, |(_, claims)| claims.len());
        self.len -= count;
        count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn source_and_id_do_not_run_into_each_other() {
        assert_ne!(Claim::of("a", "", "bc"), Claim::of("ab", "", "c"));
        assert_eq!(Claim::of("stripe", "", "evt_1"), Claim::of("stripe", "", "evt_1"));
    }

    #[test]
    fn an_hour_leaves_when_the_window_has_passed_it_whole() {
        let mut window = Window::new(2 * HOUR_MS, 100);
        let claim = Claim::of("stripe", "", "evt_1");
        window.insert(claim, 10 * HOUR_MS + 5);
        window.expire(12 * HOUR_MS + HOUR_MS - 1);
        assert!(window.contains(claim), "still inside the window");
        window.expire(13 * HOUR_MS);
        assert!(!window.contains(claim) && window.len() == 0);
    }

    #[test]
    fn at_the_limit_the_oldest_hour_goes_and_is_reported() {
        let mut window = Window::new(100 * HOUR_MS, 2);
        assert_eq!(window.insert(Claim::of("s", "", "1"), 0), 0);
        assert_eq!(window.insert(Claim::of("s", "", "2"), HOUR_MS), 0);
        assert_eq!(window.insert(Claim::of("s", "", "3"), 2 * HOUR_MS), 1);
        assert!(!window.contains(Claim::of("s", "", "1")) && window.contains(Claim::of("s", "", "3")));
    }

    proptest! {
        /// The window never forgets an id younger than it is long, and its count is true.
        #[test]
        fn nothing_young_is_forgotten(times in prop::collection::vec(0i64..50, 1..60)) {
            let mut window = Window::new(10 * HOUR_MS, 1_000);
            let mut sorted = times;
            sorted.sort_unstable();
            let now = sorted.last().copied().unwrap_or(0) * HOUR_MS;
            for (index, hour) in sorted.iter().enumerate() {
                window.insert(Claim::of("s", "", &index.to_string()), hour * HOUR_MS);
                window.expire(hour * HOUR_MS);
            }
            for (index, hour) in sorted.iter().enumerate() {
                if now - hour * HOUR_MS <= 10 * HOUR_MS {
                    prop_assert!(window.contains(Claim::of("s", "", &index.to_string())));
                }
            }
            let held = (0..sorted.len()).filter(|index| window.contains(Claim::of("s", "", &index.to_string()))).count();
            prop_assert_eq!(held, window.len());
        }
    }
}
