//! One breaker per partition: after a second without an acknowledgement, or three failures in a row, a partition is
//! taken for away; then one record at a time is let through, and its acknowledgement closes the breaker again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The age of the oldest unacknowledged record at which the partition is taken for away.
const PATIENCE: Duration = Duration::from_secs(1);

/// Retriable failures in a row at which the partition is taken for away.
const FAILURES: u32 = 3;

/// The state of one partition. Pure: time comes from outside.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Start times of unacknowledged records. Kafka reports a partition's deliveries in the order of their produce.
    in_flight: VecDeque<Instant>,
    failures: u32,
}

impl Breaker {
    /// Whether Kafka is taken for away on this partition.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.failures >= FAILURES || self.in_flight.front().is_some_and(|start| now.duration_since(*start) > PATIENCE)
    }

    /// Ask to produce a record. `false`: do not. With an open breaker only one record at a time is let through,
    /// and only when nothing older is still under way, because that older one is the probe.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        if self.is_open(now) && !self.in_flight.is_empty() {
            return false;
        }
        self.in_flight.push_back(now);
        true
    }

    /// The record that was just admitted did not reach the client after all.
    pub(super) fn withdraw(&mut self) {
        self.in_flight.pop_back();
    }

    /// The oldest record was acknowledged, or refused for good: the broker answers.
    pub(super) fn answered(&mut self) {
        self.in_flight.pop_front();
        self.failures = 0;
    }

    /// The oldest record was given up.
    pub(super) fn failed(&mut self) {
        self.in_flight.pop_front();
        self.failures = self.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Breaker;

    #[test]
    fn opens_after_a_second_without_an_answer_and_closes_with_one() {
        let mut breaker = Breaker::default();
        let start = Instant::now();
        assert!(breaker.admit(start));
        let later = start + Duration::from_millis(1_001);
        assert!(breaker.is_open(later) && !breaker.admit(later), "the first record is the probe");
        breaker.answered();
        assert!(!breaker.is_open(later) && breaker.admit(later));
    }

    #[test]
    fn opens_after_three_failures_and_lets_one_probe_through() {
        let mut breaker = Breaker::default();
        let now = Instant::now();
        for _ in 0..3 {
            assert!(breaker.admit(now));
            breaker.failed();
        }
        assert!(breaker.is_open(now));
        assert!(breaker.admit(now), "the probe");
        assert!(!breaker.admit(now), "nothing beside the probe");
        breaker.failed();
        assert!(breaker.admit(now), "the next probe");
        breaker.answered();
        assert!(!breaker.is_open(now));
    }

    #[test]
    fn a_withdrawn_probe_frees_its_place() {
        let mut breaker = Breaker { failures: 3, ..Breaker::default() };
        let now = Instant::now();
        assert!(breaker.admit(now));
        breaker.withdraw();
        assert!(breaker.admit(now));
    }
}
