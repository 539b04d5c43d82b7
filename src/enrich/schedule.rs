//! The retry delays: three fixed ones, each a topic in which records fall due in order.

use std::time::Duration;

use crate::config::RETRY_DELAYS;

/// One of the fixed delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Delay(usize);

impl Delay {
    /// Where a record goes after its first failure.
    pub(crate) const FIRST: Self = Self(0);

    /// All delays, shortest first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..RETRY_DELAYS.len()).map(Self)
    }

    /// The delay after this one; the longest repeats.
    pub(crate) fn next(self) -> Self {
        Self((self.0 + 1).min(RETRY_DELAYS.len() - 1))
    }

    /// The smallest delay that is not shorter than what the provider asked for, or the longest.
    pub(crate) fn at_least(pause: Duration) -> Self {
        Self::all().find(|delay| delay.length() >= pause).unwrap_or(Self(RETRY_DELAYS.len() - 1))
    }

    /// How long a record waits.
    pub(crate) fn length(self) -> Duration {
        RETRY_DELAYS[self.0].0
    }

    /// The name in the topic: `30s`.
    pub(crate) fn name(self) -> &'static str {
        RETRY_DELAYS[self.0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_the_longest_repeats() {
        let mut delay = Delay::FIRST;
        let mut names = Vec::new();
        for _ in 0..5 {
            names.push(delay.name());
            delay = delay.next();
        }
        assert_eq!(names, ["30s", "5m", "1h", "1h", "1h"]);
    }

    #[test]
    fn retry_after_picks_the_smallest_that_is_not_shorter() {
        for (seconds, name) in [(0, "30s"), (30, "30s"), (31, "5m"), (300, "5m"), (301, "1h"), (86_400, "1h")] {
            assert_eq!(Delay::at_least(Duration::from_secs(seconds)).name(), name, "{seconds} s");
        }
    }
}
