//! The window in which a copy of an event is recognised: per source, bounded in number and age.
//!
//! An id enters it for good only when its record is durable. Copies that arrive while the first is under way share its
//! outcome, whatever it is.

use std::collections::{HashMap, HashSet, VecDeque, hash_map};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::answer::Unavailable;
use super::delivery::Pending;
use crate::kafka::Delivery;

/// How long an id is remembered: the longest retry schedules of the providers end within a few days, most within one;
/// what comes later is caught by the enricher.
const AGE: Duration = Duration::from_secs(24 * 3600);

/// An event id, shortened to what cannot collide by accident or on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 16]);

impl Key {
    pub(super) fn new(id: &str) -> Self {
        Self::of(id.as_bytes())
    }

    /// The same of any bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let hash = Sha256::digest(bytes);
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        Self(key)
    }
}

/// Requests that may wait for one record under way. A provider sends a handful of copies; more is somebody's game.
const MAX_JOINED: usize = 64;

/// What the window says of an id.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Never seen, or not durable: produce it.
    First,
    /// Durable already.
    Durable,
    /// Under way; the pending request will be told.
    Joined,
    /// Under way, and too many wait for it already.
    Crowded,
}

/// One source's window.
pub(super) struct Window {
    capacity: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Who else waits for it.
    underway: HashMap<Key, Vec<Arc<Pending>>>,
    durable: HashSet<Key>,
    /// The durable ones, oldest first.
    ages: VecDeque<(Instant, Key)>,
}

impl Window {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: AtomicUsize::new(capacity), inner: Mutex::default() }
    }

    /// Another bound; it holds from the next id on.
    pub(super) fn set_capacity(&self, capacity: usize) {
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    /// Ask about an id on behalf of a request.
    pub(super) fn enter(&self, key: Key, pending: &Arc<Pending>) -> Entry {
        let mut inner = self.inner();
        if inner.durable.contains(&key) {
            return Entry::Durable;
        }
        match inner.underway.entry(key) {
            hash_map::Entry::Vacant(place) => {
                place.insert(Vec::new());
                Entry::First
            }
            hash_map::Entry::Occupied(others) if others.get().len() >= MAX_JOINED => Entry::Crowded,
            hash_map::Entry::Occupied(mut others) => {
                others.get_mut().push(Arc::clone(pending));
                Entry::Joined
            }
        }
    }

    /// The fate of an id that was [`Entry::First`]; everybody who joined is told.
    pub(super) fn settle(&self, key: Key, outcome: Result<Delivery, Unavailable>, now: Instant) {
        let joined = {
            let mut inner = self.inner();
            if outcome.is_ok() {
                inner.durable.insert(key);
                inner.ages.push_back((now, key));
                inner.forget(self.capacity.load(Ordering::Relaxed), now);
            }
            inner.underway.remove(&key).unwrap_or_default()
        };
        for pending in joined {
            pending.settled(outcome);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, capacity: usize, now: Instant) {
        while let Some((since, key)) = self.ages.front().copied() {
            if self.ages.len() <= capacity && now.duration_since(since) <= AGE {
                return;
            }
            self.ages.pop_front();
            self.durable.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURABLE: Result<Delivery, Unavailable> = Ok(Delivery { partition: 0, offset: 7 });

    #[test]
    fn a_copy_is_a_duplicate_only_when_the_first_is_durable() {
        let window = Window::new(10);
        let key = Key::new("evt_1");
        let (first, _) = Pending::new(1);
        assert_eq!(window.enter(key, &first), Entry::First);
        let (second, mut outcome) = Pending::new(1);
        assert_eq!(window.enter(key, &second), Entry::Joined);
        window.settle(key, Err(Unavailable::Deadline), Instant::now());
        assert_eq!(outcome.try_recv().unwrap(), Err(Unavailable::Deadline), "two copies share one outcome");
        assert_eq!(window.enter(key, &first), Entry::First, "a failed first copy leaves no trace");
        window.settle(key, DURABLE, Instant::now());
        assert_eq!(window.enter(key, &first), Entry::Durable);
    }

    #[test]
    fn the_window_forgets_by_number_and_age() {
        let window = Window::new(2);
        let start = Instant::now();
        let (pending, _) = Pending::new(1);
        for id in ["a", "b", "c"] {
            window.enter(Key::new(id), &pending);
            window.settle(Key::new(id), DURABLE, start);
        }
        assert_eq!(window.enter(Key::new("a"), &pending), Entry::First, "the oldest made room");
        assert_eq!(window.enter(Key::new("c"), &pending), Entry::Durable);
        window.settle(Key::new("a"), DURABLE, start + AGE + Duration::from_secs(1));
        assert_eq!(window.enter(Key::new("c"), &pending), Entry::First, "too old");
    }
}
