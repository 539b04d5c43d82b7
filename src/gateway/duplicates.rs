//! The window in which a copy of an event is recognised: per source, bounded in number and age.
//!
//! An id enters it for good only when its record is durable. Copies that arrive while the first is under way share its
//! outcome, whatever it is.

use std::collections::{HashMap, VecDeque, hash_map};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::answer::Unavailable;
use super::delivery::{Durable, Errand, Pending};

/// How long an id is remembered where memory allows: nearly all published retry schedules end within three days (Stripe,
/// PayPal, Standard Webhooks); what comes later is caught by the enricher.
const AGE: Duration = Duration::from_secs(96 * 3600);

/// A copy sooner than this after the last is a retry or a captured request, never a person's redelivery.
const APART: Duration = Duration::from_secs(60);

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
#[derive(Debug)]
pub(super) enum Entry {
    /// Never seen, or not durable: produce it.
    First,
    /// Durable already.
    Durable,
    /// Under way; the pending request will be told. With what is on its way, once that is known.
    Joined(Weak<Errand>),
    /// Under way, and too many wait for it already.
    Crowded,
}

/// About how many ids share a lock, and a table. One table for a million would hold up everybody for as long as it takes
/// to move to twice its size: tens of milliseconds.
const SHARE: usize = 16_384;

/// One source's window.
pub(super) struct Window {
    /// What ages count from.
    born: Instant,
    shards: Box<[Mutex<Shard>]>,
    /// Ids for each shard.
    capacity: AtomicUsize,
}

struct Underway {
    /// When its request came, by the gateway's steady clock.
    at: Duration,
    /// What is on its way; nothing before it has begun.
    errand: Weak<Errand>,
    /// Who else waits for it.
    others: Vec<Arc<Pending>>,
}

/// There may be a million of these: whole seconds do, of which these are 136 years.
type Seconds = u32;

#[derive(Clone, Copy)]
struct Known {
    /// When it was durable, since the window's birth.
    since: Seconds,
    /// When its request came, rounded up; [`UNKNOWN`] for what was read back after a start.
    at: Seconds,
}

const UNKNOWN: Seconds = Seconds::MAX;

#[derive(Default)]
struct Shard {
    underway: HashMap<Key, Underway>,
    durable: HashMap<Key, Known>,
    /// The durable ones, oldest first.
    ages: VecDeque<(Seconds, Key)>,
}

impl Window {
    pub(super) fn new(capacity: usize) -> Self {
        let shards = (0..capacity.div_ceil(SHARE).max(1)).map(|_| Mutex::default()).collect();
        let window = Self { born: Instant::now(), shards, capacity: AtomicUsize::new(0) };
        window.set_capacity(capacity);
        window
    }

    /// Another bound; it holds from the next id on.
    pub(super) fn set_capacity(&self, capacity: usize) {
        self.capacity.store(capacity.div_ceil(self.shards.len()), Ordering::Relaxed);
    }

    /// Whether a copy that comes now may be a person's redelivery: its event has been durable for a while.
    pub(super) fn is_redelivery(&self, key: Key, at: Duration) -> bool {
        let known = self.shard(key).durable.get(&key).map_or(UNKNOWN, |durable| durable.at);
        u64::from(known) + APART.as_secs() <= at.as_secs()
    }

    /// Ask about an id on behalf of a request that came at `at`. `again`: as a redelivery, durable or not.
    pub(super) fn enter(&self, key: Key, pending: &Arc<Pending>, at: Duration, again: bool) -> Entry {
        let mut shard = self.shard(key);
        if !again && shard.durable.contains_key(&key) {
            return Entry::Durable;
        }
        match shard.underway.entry(key) {
            hash_map::Entry::Vacant(place) => {
                place.insert(Underway { at, errand: Weak::new(), others: Vec::new() });
                Entry::First
            }
            hash_map::Entry::Occupied(under_way) if under_way.get().others.len() >= MAX_JOINED => Entry::Crowded,
            hash_map::Entry::Occupied(mut under_way) => {
                let under_way = under_way.get_mut();
                under_way.others.push(Arc::clone(pending));
                Entry::Joined(Weak::clone(&under_way.errand))
            }
        }
    }

    /// What was [`Entry::First`] is on its way as this.
    pub(super) fn begun(&self, key: Key, errand: &Arc<Errand>) {
        if let Some(under_way) = self.shard(key).underway.get_mut(&key) {
            under_way.errand = Arc::downgrade(errand);
        }
    }

    /// The fate of an id that was [`Entry::First`]; everybody who joined is told.
    pub(super) fn settle(&self, key: Key, outcome: Result<Durable, Unavailable>, now: Instant) {
        let joined = {
            let mut shard = self.shard(key);
            let under_way = shard.underway.remove(&key);
            if outcome.is_ok() {
                let at = under_way.as_ref().map_or(UNKNOWN, |under_way| rounded_up(under_way.at));
                shard.remember(key, Known { since: self.age(now), at }, self.capacity.load(Ordering::Relaxed));
            }
            under_way.map(|under_way| under_way.others).unwrap_or_default()
        };
        for pending in joined {
            pending.settled(outcome);
        }
    }

    /// An id whose record is durable since before this process began.
    pub(super) fn restore(&self, key: Key, now: Instant) {
        let known = Known { since: self.age(now), at: UNKNOWN };
        self.shard(key).remember(key, known, self.capacity.load(Ordering::Relaxed));
    }

    fn age(&self, now: Instant) -> Seconds {
        seconds(now.saturating_duration_since(self.born).as_secs())
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        let place = key.0.last_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes)) % self.shards.len() as u64;
        self.shards[place as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rounded_up(at: Duration) -> Seconds {
    seconds(at.as_secs() + u64::from(at.subsec_nanos() > 0))
}

fn seconds(count: u64) -> Seconds {
    count.try_into().unwrap_or(Seconds::MAX)
}

impl Shard {
    fn remember(&mut self, key: Key, known: Known, capacity: usize) {
        self.durable.insert(key, known);
        self.ages.push_back((known.since, key));
        self.forget(capacity, known.since);
    }

    fn forget(&mut self, capacity: usize, now: Seconds) {
        while let Some((since, key)) = self.ages.front().copied() {
            if self.ages.len() <= capacity && u64::from(now.saturating_sub(since)) <= AGE.as_secs() {
                return;
            }
            self.ages.pop_front();
            // A redelivery has made it younger.
            if self.durable.get(&key).is_some_and(|durable| durable.since == since) {
                self.durable.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::delivery::Route;
    use super::*;
    use crate::event::Record;
    use crate::kafka::Delivery;

    const EARLY: Duration = Duration::ZERO;
    const DURABLE: Result<Durable, Unavailable> = Ok(Durable::Kafka(Delivery { partition: 0, offset: 7 }));

    #[test]
    fn a_copy_is_a_duplicate_only_when_the_first_is_durable() {
        let window = Window::new(10);
        let key = Key::new("evt_1");
        let (first, _) = Pending::new(1);
        assert!(matches!(window.enter(key, &first, EARLY, false), Entry::First));
        let (second, mut outcome) = Pending::new(1);
        assert!(matches!(window.enter(key, &second, EARLY, false), Entry::Joined(_)));
        window.settle(key, Err(Unavailable::Deadline), Instant::now());
        assert_eq!(outcome.try_recv().unwrap(), Err(Unavailable::Deadline), "two copies share one outcome");
        assert!(matches!(window.enter(key, &first, EARLY, false), Entry::First), "a failed first copy leaves no trace");
        window.settle(key, DURABLE, Instant::now());
        assert!(matches!(window.enter(key, &first, EARLY, false), Entry::Durable));
    }

    #[test]
    fn a_redelivery_comes_a_while_later_and_shares_its_outcome_too() {
        let window = Window::new(2);
        let key = Key::new("evt_1");
        let (pending, _) = Pending::new(1);
        let start = Instant::now();
        assert!(!window.is_redelivery(key, EARLY), "never seen");
        window.enter(key, &pending, EARLY, false);
        window.settle(key, DURABLE, start);
        assert!(!window.is_redelivery(key, EARLY + Duration::from_secs(59)), "a retry");
        let later = EARLY + APART;
        assert!(window.is_redelivery(key, later));
        assert!(matches!(window.enter(key, &pending, later, true), Entry::First));
        assert!(matches!(window.enter(key, &pending, later, true), Entry::Joined(_)));
        assert!(matches!(window.enter(key, &pending, later, false), Entry::Durable), "the first copy still is");
        window.settle(key, Err(Unavailable::Deadline), start);
        assert!(window.is_redelivery(key, later), "one that failed may come again");
        window.enter(key, &pending, later, true);
        window.settle(key, DURABLE, start + Duration::from_secs(1));
        assert!(!window.is_redelivery(key, later + APART / 2), "not at any speed");
        window.settle(Key::new("evt_2"), DURABLE, start + Duration::from_secs(2));
        assert!(matches!(window.enter(key, &pending, later, false), Entry::Durable), "its younger age holds");
    }

    #[test]
    fn a_copy_finds_what_is_on_its_way() {
        let window = Window::new(10);
        let key = Key::new("evt_1");
        let (pending, _) = Pending::new(1);
        let route = Arc::new(Route { source: "orders".into(), spool: None, order: None });
        let (topic, name) = ("webhooks.orders".into(), b"k".to_vec());
        let record = Record { topic, partition: None, key: name, value: vec![], headers: vec![], timestamp_ms: 1 };
        let errand = Errand::in_kafkas_hands(&route, &Arc::new(record), &pending);
        window.begun(key, &errand);
        window.enter(key, &pending, EARLY, false);
        assert!(matches!(window.enter(key, &pending, EARLY, false), Entry::Joined(none) if none.upgrade().is_none()));
        window.begun(key, &errand);
        let Entry::Joined(first) = window.enter(key, &pending, EARLY, false) else { panic!("under way") };
        assert!(Arc::ptr_eq(&first.upgrade().unwrap(), &errand));
    }

    #[test]
    fn the_window_forgets_by_number_and_age() {
        let window = Window::new(2);
        let start = Instant::now();
        let (pending, _) = Pending::new(1);
        for id in ["a", "b", "c"] {
            window.enter(Key::new(id), &pending, EARLY, false);
            window.settle(Key::new(id), DURABLE, start);
        }
        assert!(matches!(window.enter(Key::new("a"), &pending, EARLY, false), Entry::First), "the oldest made room");
        assert!(matches!(window.enter(Key::new("c"), &pending, EARLY, false), Entry::Durable));
        window.settle(Key::new("a"), DURABLE, start + AGE + Duration::from_secs(1));
        assert!(matches!(window.enter(Key::new("c"), &pending, EARLY, false), Entry::First), "too old");
    }

    #[test]
    fn a_large_window_is_as_large_as_it_says() {
        const CAPACITY: usize = 10 * SHARE;
        let window = Window::new(CAPACITY);
        let known = || window.shards.iter().map(|shard| shard.lock().unwrap().durable.len()).collect::<Vec<_>>();
        let remember = |from: usize, to: usize| {
            (from..to).for_each(|id| window.restore(Key::of(&id.to_ne_bytes()), Instant::now()));
        };
        remember(0, CAPACITY / 2);
        assert_eq!(known().iter().sum::<usize>(), CAPACITY / 2);
        assert!(known().iter().all(|shard| (SHARE * 9 / 20..SHARE * 11 / 20).contains(shard)), "{:?}", known());
        remember(CAPACITY / 2, 2 * CAPACITY);
        assert_eq!(known(), [SHARE; 10]);
        window.set_capacity(CAPACITY / 10);
        remember(2 * CAPACITY, 3 * CAPACITY);
        assert_eq!(known(), [SHARE.div_ceil(10); 10]);
    }
}
