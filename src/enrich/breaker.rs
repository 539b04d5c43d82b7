//! One breaker per provider account: a provider that is away is asked once in a while, not always.
//!
//! While it is open, attempts do not count and the account's records wait.

use std::time::{Duration, Instant};

/// Failures in a row that open the breaker.
const FAILURES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The breaker of one account.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Closed,
    Open {
        until: Instant,
        pause: Duration,
    },
    /// One request is under way to find out; `pause` is what follows if it fails too.
    Probing {
        since: Instant,
        pause: Duration,
    },
}

/// A probe that never came back (its lane was revoked) is forgotten after this.
const PROBE_LIMIT: Duration = Duration::from_secs(30);

impl Breaker {
    /// Whether a request may start. In the open state one may, when the pause is over: the probe.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until, .. } => now >= until,
            State::Probing { since, .. } => now.duration_since(since) >= PROBE_LIMIT,
        }
    }

    /// A request starts.
    pub(crate) fn started(&mut self, now: Instant) {
        match self.state {
            State::Closed => {}
            State::Open { pause, .. } | State::Probing { pause, .. } => {
                self.state = State::Probing { since: now, pause: (pause * 2).min(LONGEST_PAUSE) };
            }
        }
    }

    /// The provider answered.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The provider did not answer, or not as one that is well.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        match self.state {
            State::Closed if self.failures < FAILURES => {}
            State::Closed => self.open(FIRST_PAUSE, now),
            State::Probing { pause, .. } => self.open(pause, now),
            State::Open { .. } => {}
        }
    }

    /// The provider refuses our credentials: no further request can do better until they change.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.failures = FAILURES;
        match self.state {
            State::Open { .. } => {}
            State::Closed | State::Probing { .. } => self.open(LONGEST_PAUSE, now),
        }
    }

    /// Open or probing: attempts do not count.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    fn open(&mut self, pause: Duration, now: Instant) {
        self.state = State::Open { until: now + pause, pause };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..20 {
            for _ in 0..FAILURES - 1 {
                breaker.failed(now);
            }
            breaker.succeeded();
        }
        assert!(!breaker.is_open());
        for _ in 0..FAILURES {
            assert!(breaker.admits(now));
            breaker.failed(now);
        }
        assert!(breaker.is_open() && !breaker.admits(now));
    }

    #[test]
    fn one_probe_at_a_time_and_longer_pauses_up_to_the_limit() {
        let mut now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            breaker.failed(now);
        }
        let mut pause = FIRST_PAUSE;
        for _ in 0..8 {
            assert!(!breaker.admits(now + pause - Duration::from_millis(1)));
            now += pause;
            assert!(breaker.admits(now));
            breaker.started(now);
            assert!(!breaker.admits(now), "the probe is alone");
            breaker.failed(now);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        assert_eq!(pause, LONGEST_PAUSE);
        breaker.started(now + pause);
        breaker.succeeded();
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_probe_that_never_returns_does_not_close_the_way_for_good() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.refused(now);
        assert!(!breaker.admits(now + Duration::from_secs(59)));
        let later = now + LONGEST_PAUSE;
        breaker.started(later);
        assert!(!breaker.admits(later));
        assert!(breaker.admits(later + PROBE_LIMIT));
    }

    #[test]
    fn late_failures_of_older_requests_do_not_prolong_the_pause() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            breaker.failed(now);
        }
        breaker.failed(now + FIRST_PAUSE / 2);
        assert!(breaker.admits(now + FIRST_PAUSE));
    }
}
