//! An open loop: events fall due at a steady rate, whatever the answers do, all of a millisecond at its end. So the
//! generator is woken a thousand times a second and not for every event; on few cores its wake-ups would otherwise be what
//! is measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};

/// When events fall due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    start: Instant,
    /// Per second.
    rate: f64,
}

impl Schedule {
    /// Beginning now.
    pub(crate) fn begin(rate: f64) -> Schedule {
        Schedule { start: Instant::now(), rate }
    }

    /// When an event, counted from 0, falls due.
    pub(crate) fn due(&self, number: u64) -> Instant {
        self.start + Duration::from_millis((number as f64 / self.rate * 1e3).floor() as u64 + 1)
    }

    /// How many have fallen due.
    fn passed(&self) -> u64 {
        (self.start.elapsed().as_millis() as f64 / 1e3 * self.rate).ceil() as u64
    }
}

/// Tells the generator's threads what has fallen due.
pub(crate) struct Pace {
    schedule: Schedule,
    passed: AtomicU64,
    taken: AtomicU64,
    /// For each thread.
    told: Vec<Notify>,
}

impl Pace {
    /// For so many threads.
    pub(crate) fn begin(rate: f64, threads: usize) -> Pace {
        Pace {
            schedule: Schedule::begin(rate),
            passed: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            told: (0..threads).map(|_| Notify::new()).collect(),
        }
    }

    /// Keep time, until it is `over`.
    pub(crate) fn run(&self, over: impl Fn() -> bool) {
        while !over() {
            let passed = self.schedule.passed();
            self.passed.store(passed, Ordering::Relaxed);
            self.told.iter().for_each(Notify::notify_one);
            std::thread::park_timeout(self.schedule.due(passed).saturating_duration_since(Instant::now()));
        }
        self.passed.store(u64::MAX, Ordering::Relaxed);
        self.told.iter().for_each(Notify::notify_one);
    }

    /// On a thread of the generator: release its share of what has fallen due, until the end.
    pub(crate) async fn release(&self, thread: usize, due: &Semaphore) {
        let (threads, mut released) = (self.told.len() as u64, 0);
        loop {
            self.told[thread].notified().await;
            let passed = self.passed.load(Ordering::Relaxed);
            if passed == u64::MAX {
                return due.close();
            }
            let share = (passed + threads - 1 - thread as u64) / threads;
            due.add_permits((share - released) as usize);
            released = share;
        }
    }

    /// Wait until an event is due; since when it is. `None` at the end.
    pub(crate) async fn next(&self, due: &Semaphore) -> Option<Instant> {
        due.acquire().await.ok()?.forget();
        Some(self.schedule.due(self.taken.fetch_add(1, Ordering::Relaxed)))
    }
}
