//! The clocks of a gateway: what time it is, and how much time has passed. The first one is set by people and may jump.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Where a gateway gets its time from.
pub trait Clock: Send + Sync {
    /// The time of day, as signed timestamps and records have it.
    fn now(&self) -> Timestamp;

    /// What has passed until `at`, which is about now, since some moment before; nobody sets it, and it never jumps.
    fn steady(&self, at: Instant) -> Duration;
}

/// The clocks of this machine.
pub(super) struct SystemClock(Instant);

impl SystemClock {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn steady(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.0)
    }
}

/// A time of day that does not jump, so that it says as well how much time has passed.
impl<F: Fn() -> Timestamp + Send + Sync> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }

    fn steady(&self, _: Instant) -> Duration {
        self().duration_since(Timestamp::UNIX_EPOCH).try_into().unwrap_or_default()
    }
}
