//! A token bucket per provider account, split between instances without a message.
//!
//! Every instance knows how many partitions there are and how many it owns; that is its share of the
//! budget. The shares of a group add up to at most one, in a rebalance to less.

use std::time::{Duration, Instant};

/// The part of a budget that raw partitions carry; the rest is for retry partitions, so that an
/// instance that owns no raw partition of a source can still work its retries.
const RAW_PART: f64 = 0.8;

/// What this instance may use of a source's budget, from 0 to 1.
pub(crate) fn share(owned_raw: usize, all_raw: usize, owned_retry: usize, all_retry: usize) -> f64 {
    RAW_PART * part(owned_raw, all_raw) + (1.0 - RAW_PART) * part(owned_retry, all_retry)
}

fn part(owned: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { (owned.min(all) as f64) / (all as f64) }
}

/// The requests that one account (source, tenant) has left.
#[derive(Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    filled_at: Instant,
    blocked_until: Option<Instant>,
}

/// The provider's budget as this instance may use it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Budget {
    /// Requests per second.
    pub(crate) per_second: f64,
    /// Requests at once; never below one, or a small share could never ask at all.
    pub(crate) burst: f64,
}

impl Budget {
    /// A provider's limits, cut down to a share.
    pub(crate) fn new(per_second: f64, burst: f64, share: f64) -> Self {
        Self { per_second: per_second * share, burst: (burst * share).max(1.0) }
    }
}

impl Bucket {
    /// A bucket that starts with one request: a burst is earned, as an instance that restarts
    /// again and again would otherwise spend one each time.
    pub(crate) fn new(now: Instant) -> Self {
        Self { tokens: 1.0, filled_at: now, blocked_until: None }
    }

    /// Take one request. False when none is left, the provider asked for a pause, or the share is nil.
    pub(crate) fn take(&mut self, budget: Budget, now: Instant) -> bool {
        self.fill(budget, now);
        if budget.per_second <= 0.0 || self.tokens < 1.0 || self.blocked_until.is_some_and(|until| now < until) {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// The provider asked for a pause.
    pub(crate) fn block(&mut self, pause: Duration, now: Instant) {
        self.tokens = 0.0;
        self.filled_at = now;
        self.blocked_until = self.blocked_until.max(Some(now + pause));
    }

    fn fill(&mut self, budget: Budget, now: Instant) {
        let gained = now.duration_since(self.filled_at).as_secs_f64() * budget.per_second;
        self.tokens = (self.tokens + gained).min(budget.burst);
        self.filled_at = now;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_shares_follow_the_rule() {
        assert_eq!(share(6, 6, 18, 18), 1.0);
        assert!((share(3, 6, 0, 18) - 0.4).abs() < 1e-9);
        assert!((share(0, 6, 9, 18) - 0.1).abs() < 1e-9);
        assert_eq!(share(0, 0, 0, 0), 0.0);
    }

    #[test]
    fn a_pause_of_the_provider_is_kept() {
        let start = Instant::now();
        let budget = Budget::new(10.0, 10.0, 1.0);
        let mut bucket = Bucket::new(start);
        assert!(bucket.take(budget, start));
        bucket.block(Duration::from_secs(3), start);
        assert!(!bucket.take(budget, start + Duration::from_secs(2)));
        assert!(bucket.take(budget, start + Duration::from_secs(3)));
    }

    #[test]
    fn a_small_share_still_asks_now_and_then() {
        let start = Instant::now();
        let budget = Budget::new(1.0, 1.0, 0.1);
        let mut bucket = Bucket::new(start);
        assert!(bucket.take(budget, start));
        assert!(!bucket.take(budget, start + Duration::from_secs(9)));
        assert!(bucket.take(budget, start + Duration::from_millis(10_001)));
        assert!(!bucket.take(Budget::new(25.0, 25.0, 0.0), start + Duration::from_secs(60)));
    }

    proptest! {
        /// However partitions are dealt out, the instances together never exceed the budget.
        #[test]
        fn shares_add_up_to_one(owners in prop::collection::vec(0usize..4, 24)) {
            let total: f64 = (0..4).map(|instance| {
                let raw = owners[..6].iter().filter(|owner| **owner == instance).count();
                let retry = owners[6..].iter().filter(|owner| **owner == instance).count();
                share(raw, 6, retry, 18)
            }).sum();
            prop_assert!((total - 1.0).abs() < 1e-9);
        }

        /// Over any time, no more than the burst and the rate allow.
        #[test]
        fn never_faster_than_allowed(gaps in prop::collection::vec(0u64..400, 1..300)) {
            let start = Instant::now();
            let budget = Budget::new(5.0, 3.0, 1.0);
            let mut bucket = Bucket::new(start);
            let mut elapsed = 0;
            let mut taken = 0.0;
            for gap in gaps {
                elapsed += gap;
                if bucket.take(budget, start + Duration::from_millis(elapsed)) {
                    taken += 1.0;
                }
            }
            prop_assert!(taken <= 3.0 + 5.0 * elapsed as f64 / 1_000.0 + 1e-6);
        }
    }
}
