//! One breaker per partition: after a second without an acknowledgement, or three failures in a row, a partition is
//! taken for away; then one record at a time is let through, and its acknowledgement closes the breaker again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The age of the oldest unacknowledged record at which the partition is taken for away.
const PATIENCE: Duration = Duration::from_secs(1);

/// Retriable failures in a row at which the partition is taken for away.
const FAILURES: u32 = 3;

/// For how long an answer, or a failure, says something of Kafka as a whole.
const FRESH: Duration = Duration::from_secs(3);

/// Whether a record may be the one that finds out whether a partition is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It may.
    Allowed,
    /// It goes to the spool instead; the oldest record there is the probe.
    Spooled,
}

/// What a partition says of Kafka as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answered lately.
    Answers,
    /// It is away, and that is fresh: a record waits for it, or was given up lately.
    Away,
    /// Nobody has asked it lately.
    Silent,
}

/// The state of one partition. Pure: time comes from outside.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Start times of unacknowledged records. Kafka reports a partition's deliveries in the order of their produce.
    in_flight: VecDeque<Instant>,
    failures: u32,
    answers: u64,
    answered_at: Option<Instant>,
    failed_at: Option<Instant>,
}

impl Breaker {
    /// Whether Kafka is taken for away on this partition.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.failures >= FAILURES || self.in_flight.front().is_some_and(|start| now.duration_since(*start) > PATIENCE)
    }

    /// What it says of Kafka as a whole. An open breaker says nothing when nobody has tried it for a while: it stays open until
    /// the next record finds out.
    pub(super) fn sign(&self, now: Instant) -> Sign {
        let fresh = |at: Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) < FRESH);
        if fresh(self.answered_at) {
            Sign::Answers
        } else if self.is_open(now) && (fresh(self.failed_at) || !self.in_flight.is_empty()) {
            Sign::Away
        } else {
            Sign::Silent
        }
    }

    /// Whether a record would be let through. With an open breaker only one at a time is, and only when nothing older
    /// is still under way, because that older one is the probe.
    pub(super) fn admits(&self, now: Instant, probe: Probe) -> bool {
        !self.is_open(now) || (probe == Probe::Allowed && self.in_flight.is_empty())
    }

    /// Ask to produce a record. `false`: do not.
    pub(super) fn admit(&mut self, now: Instant, probe: Probe) -> bool {
        let admitted = self.admits(now, probe);
        if admitted {
            self.in_flight.push_back(now);
        }
        admitted
    }

    /// The record that was just admitted did not reach the client after all.
    pub(super) fn withdraw(&mut self) {
        self.in_flight.pop_back();
    }

    /// The oldest record was acknowledged, or refused for good: the broker answers.
    pub(super) fn answered(&mut self, now: Instant) {
        self.in_flight.pop_front();
        self.answered_at = Some(now);
        self.failures = 0;
        self.answers += 1;
    }

    /// How often the broker has answered.
    pub(super) fn answers(&self) -> u64 {
        self.answers
    }

    /// The oldest record was given up.
    pub(super) fn failed(&mut self, now: Instant) {
        self.in_flight.pop_front();
        self.failed_at = Some(now);
        self.failures = self.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Breaker, Probe, Sign};

    #[test]
    fn opens_after_a_second_without_an_answer_and_closes_with_one() {
        let mut breaker = Breaker::default();
        let start = Instant::now();
        assert!(breaker.admit(start, Probe::Allowed));
        let later = start + Duration::from_millis(1_001);
        assert!(breaker.is_open(later) && !breaker.admit(later, Probe::Allowed), "the first record is the probe");
        breaker.answered(later);
        assert!(!breaker.is_open(later) && breaker.admit(later, Probe::Allowed));
    }

    #[test]
    fn opens_after_three_failures_and_lets_one_probe_through() {
        let mut breaker = Breaker::default();
        let now = Instant::now();
        for _ in 0..3 {
            assert!(breaker.admit(now, Probe::Allowed));
            breaker.failed(now);
        }
        assert!(breaker.is_open(now) && breaker.answers() == 0);
        assert!(!breaker.admit(now, Probe::Spooled), "the oldest record of the spool is the probe");
        assert!(breaker.admit(now, Probe::Allowed), "the probe");
        assert!(!breaker.admit(now, Probe::Allowed), "nothing beside the probe");
        breaker.failed(now);
        assert!(breaker.admit(now, Probe::Allowed), "the next probe");
        breaker.answered(now);
        assert!(!breaker.is_open(now) && breaker.answers() == 1);
    }

    #[test]
    fn what_it_says_of_kafka_grows_old() {
        let mut breaker = Breaker::default();
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(breaker.sign(start), Sign::Silent);
        for _ in 0..3 {
            assert!(breaker.admit(start, Probe::Allowed));
            breaker.failed(start);
        }
        assert_eq!([1, 2, 3].map(|n| breaker.sign(start + n * second)), [Sign::Away, Sign::Away, Sign::Silent]);
        assert!(breaker.is_open(start + 60 * second), "until somebody finds out");
        assert!(breaker.admit(start + 60 * second, Probe::Allowed));
        assert_eq!(breaker.sign(start + 62 * second), Sign::Away, "the probe has no answer");
        breaker.answered(start + 62 * second);
        assert_eq!([63, 65].map(|n| breaker.sign(start + n * second)), [Sign::Answers, Sign::Silent]);
    }

    #[test]
    fn a_withdrawn_probe_frees_its_place() {
        let mut breaker = Breaker { failures: 3, ..Breaker::default() };
        let now = Instant::now();
        assert!(breaker.admit(now, Probe::Allowed));
        breaker.withdraw();
        assert!(breaker.admit(now, Probe::Allowed));
    }
}
