//! Which partition a key belongs to, and what partitions a topic has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};

use super::breaker::{Breaker, Sign};

/// The partition of a key among `count`, as Java clients choose it (murmur2, sign bit cleared), so that the topic
/// joins with what Kafka Streams, Flink or Connect write. A count of zero or less gives 0.
pub fn partition_for(key: &[u8], count: i32) -> i32 {
    if count <= 0 {
        return 0;
    }
    (murmur2(key) & 0x7fff_ffff).cast_signed() % count
}

/// MurmurHash2, 32 bits, with the seed of `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    #[allow(clippy::cast_possible_truncation)] // the reference takes the length as a 32-bit integer
    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (position, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * position);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// One topic: its partitions, each with its breaker.
pub(super) type Partitions = Arc<[Arc<Mutex<Breaker>>]>;

/// The topics last seen, read on every request and replaced as a whole by the metadata thread.
#[derive(Debug, Default)]
pub(super) struct Topics(ArcSwap<HashMap<Arc<str>, Partitions>>);

impl Topics {
    /// The partitions of a topic; `None` where it was never seen.
    pub(super) fn get(&self, topic: &str) -> Option<Partitions> {
        self.now().get(topic).cloned()
    }

    /// All of them as they are now, for a moment.
    pub(super) fn now(&self) -> Guard<Arc<HashMap<Arc<str>, Partitions>>> {
        self.0.load()
    }

    /// Note how many partitions a topic has. Breakers of partitions that stay keep their state.
    pub(super) fn note(&self, topic: &Arc<str>, count: usize) {
        let before = self.0.load();
        let known = before.get(topic);
        if known.is_some_and(|partitions| partitions.len() == count) {
            return;
        }
        if let Some(partitions) = known {
            tracing::error!(%topic, from = partitions.len(), to = count,
                "the number of partitions changed: copies of one event may now lie in two partitions; \
                 exactly-once is not claimed for the window that follows");
        }
        let kept = known.into_iter().flat_map(|partitions| partitions.iter().cloned());
        let partitions: Partitions = kept.chain(std::iter::repeat_with(Arc::default)).take(count).collect();
        let mut topics = before.as_ref().clone();
        topics.insert(Arc::clone(topic), partitions);
        self.0.store(Arc::new(topics));
    }

    /// Forget topics.
    pub(super) fn keep(&self, keep: impl Fn(&Arc<str>) -> bool) {
        let before = self.0.load();
        if !before.keys().all(&keep) {
            let kept = before.iter().filter(|(topic, _)| keep(topic));
            self.0
                .store(Arc::new(kept.map(|(topic, partitions)| (Arc::clone(topic), Arc::clone(partitions))).collect()));
        }
    }

    /// Whether all of these topics were seen.
    pub(super) fn know_all(&self, topics: &[Arc<str>]) -> bool {
        let known = self.0.load();
        topics.iter().all(|topic| known.contains_key(topic))
    }

    /// Whether Kafka answers for no partition, as far as any was asked lately.
    pub(super) fn is_away(&self, now: Instant) -> bool {
        let known = self.0.load();
        let signs: Vec<Sign> =
            known.values().flat_map(|partitions| partitions.iter()).map(|breaker| lock(breaker).sign(now)).collect();
        signs.contains(&Sign::Away) && !signs.contains(&Sign::Answers)
    }

    /// How many partitions are taken for away.
    pub(super) fn open_breakers(&self, now: Instant) -> usize {
        self.0
            .load()
            .values()
            .flat_map(|partitions| partitions.iter())
            .filter(|breaker| lock(breaker).is_open(now))
            .count()
    }
}

/// A breaker's lock. A panic elsewhere leaves it usable: every state of a breaker is a valid one.
pub(super) fn lock(breaker: &Mutex<Breaker>) -> MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{murmur2, partition_for};

    /// From Apache Kafka's own UtilsTest.testMurmur2.
    #[test]
    fn agrees_with_the_java_client() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
        assert_eq!(murmur2(b"abc").cast_signed(), 479_470_107);
    }

    #[test]
    fn partitions_are_in_range() {
        for count in 1..20 {
            assert!((0..count).contains(&partition_for(b"foobar", count)));
        }
        assert_eq!(partition_for(b"x", 0), 0);
    }
}
