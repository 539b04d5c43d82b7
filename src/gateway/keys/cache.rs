//! Which keys are held, for how long, and when their host is asked. Pure: it is told the time.
//!
//! A key that is there serves until it is a day old and is renewed after an hour, beside the requests. A name that a
//! key set does not hold makes us look again, at most once in a while: whoever invents names gets no more out of it. Keys
//! that were never there cost a budget.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::provider::Material;

/// Older than this, a key is fetched again while it serves on.
const FRESH: Duration = Duration::from_secs(3_600);

/// Older than this, a key no longer serves: its host has been away for a day.
const SERVES: Duration = Duration::from_secs(24 * 3_600);

/// How often a host is asked about the same thing at most, while there is an answer to go on with.
const AGAIN: Duration = Duration::from_secs(30);

/// How long a failure is remembered where there is none. The provider is told to come back after as long.
const FAILED: Duration = Duration::from_secs(5);

/// The most keys of one source.
const SLOTS: usize = 64;

/// Keys that were never there may be asked for so many times at once, and again after so long each.
const BUDGET: u32 = 10;
const REFILL: Duration = Duration::from_secs(6);

/// Ends when a fetch does.
pub(super) type Ended = watch::Receiver<()>;

/// What to do about a key.
#[derive(Debug)]
pub(super) enum Step {
    /// Here it is.
    Use(Arc<Material>),
    /// Here it is, and it is time to fetch it anew.
    Refresh(Arc<Material>),
    /// Fetch it and ask again.
    Fetch,
    /// Somebody does so already; ask again afterwards.
    Wait(Ended),
    /// It cannot be had now.
    Away,
}

/// One source's keys by what they were asked for with.
#[derive(Debug)]
pub(super) struct Cache {
    slots: HashMap<String, Slot>,
    budget: u32,
    refilled: Instant,
}

#[derive(Debug)]
struct Slot {
    held: Option<(Arc<Material>, Instant)>,
    /// When the host was asked last.
    tried: Instant,
    failed: bool,
    under_way: Option<Ended>,
}

impl Slot {
    /// What still serves, and whether it is fresh.
    fn serving(&self, now: Instant) -> Option<(&Arc<Material>, bool)> {
        let (material, at) = self.held.as_ref()?;
        let age = now.saturating_duration_since(*at);
        (age < SERVES).then_some((material, age < FRESH))
    }

    fn next(&self, kid: Option<&str>, now: Instant) -> Option<Step> {
        let since = now.saturating_duration_since(self.tried);
        let Some((material, fresh)) = self.serving(now) else {
            return match &self.under_way {
                Some(ended) => Some(Step::Wait(ended.clone())),
                None if self.failed && since < FAILED => Some(Step::Away),
                None => None,
            };
        };
        let held = kid.is_none_or(|kid| material.has(kid));
        Some(match &self.under_way {
            _ if held && fresh => Step::Use(Arc::clone(material)),
            None if held && since >= AGAIN => Step::Refresh(Arc::clone(material)),
            _ if held => Step::Use(Arc::clone(material)),
            // From here on the name is not among them.
            Some(ended) => Step::Wait(ended.clone()),
            None if since >= AGAIN => Step::Fetch,
            // The host did not answer just now: whether the name is known is not known.
            None if self.failed => Step::Away,
            None => Step::Use(Arc::clone(material)),
        })
    }
}

impl Cache {
    pub(super) fn new(now: Instant) -> Self {
        Self { slots: HashMap::new(), budget: BUDGET, refilled: now }
    }

    pub(super) fn next(&mut self, id: &str, kid: Option<&str>, now: Instant) -> Step {
        if let Some(step) = self.slots.get(id).and_then(|slot| slot.next(kid, now)) {
            return step;
        }
        self.refill(now);
        if self.budget == 0 || !self.has_room(id, now) {
            return Step::Away;
        }
        self.budget -= 1;
        Step::Fetch
    }

    /// A fetch began.
    pub(super) fn begun(&mut self, id: &str, ended: Ended, now: Instant) {
        let slot =
            self.slots.entry(id.to_owned()).or_insert(Slot { held: None, tried: now, failed: false, under_way: None });
        slot.tried = now;
        slot.under_way = Some(ended);
    }

    /// It ended, perhaps without a key. What was held before goes on serving.
    pub(super) fn ended(&mut self, id: &str, material: Option<Arc<Material>>, now: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.under_way = None;
        slot.failed = material.is_none();
        if let Some(material) = material {
            slot.held = Some((material, now));
        }
    }

    fn refill(&mut self, now: Instant) {
        let whole = now.saturating_duration_since(self.refilled).as_secs() / REFILL.as_secs();
        let more = u32::try_from(whole).unwrap_or(BUDGET).min(BUDGET);
        if more > 0 {
            self.budget = (self.budget + more).min(BUDGET);
            self.refilled = now;
        }
    }

    /// Room for one more: a failure leaves before a key does, the oldest first. What is under way stays.
    fn has_room(&mut self, id: &str, now: Instant) -> bool {
        if self.slots.contains_key(id) || self.slots.len() < SLOTS {
            return true;
        }
        let idle = self.slots.iter().filter(|(_, slot)| slot.under_way.is_none());
        let oldest = idle.min_by_key(|(_, slot)| (slot.serving(now).is_some(), slot.tried));
        match oldest.map(|(id, _)| id.clone()) {
            Some(oldest) => self.slots.remove(&oldest).is_some(),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use tokio::sync::watch;

    use super::{AGAIN, BUDGET, Cache, FAILED, FRESH, REFILL, SERVES, SLOTS, Step};
    use crate::provider::{Material, MaterialKind};

    fn keys(kid: &str) -> Option<Arc<Material>> {
        let key = r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"KID"}"#.replace("KID", kid);
        Some(Arc::new(Material::parse(MaterialKind::Jwks, format!(r#"{{"keys":[{key}]}}"#).as_bytes()).unwrap()))
    }

    /// A cache at whose host `id` was asked at `at`, with this answer.
    fn asked(cache: &mut Cache, id: &str, answer: Option<Arc<Material>>, at: Instant) {
        cache.begun(id, watch::channel(()).1, at);
        cache.ended(id, answer, at);
    }

    fn step(cache: &mut Cache, kid: &str, now: Instant) -> &'static str {
        match cache.next("set", Some(kid), now) {
            Step::Use(_) => "use",
            Step::Refresh(_) => "refresh",
            Step::Fetch => "fetch",
            Step::Wait(_) => "wait",
            Step::Away => "away",
        }
    }

    #[test]
    fn a_key_serves_is_renewed_beside_and_ends() {
        let start = Instant::now();
        let mut cache = Cache::new(start);
        assert_eq!(step(&mut cache, "a", start), "fetch");
        cache.begun("set", watch::channel(()).1, start);
        assert_eq!(step(&mut cache, "a", start), "wait", "one fetch for all");
        cache.ended("set", keys("a"), start);
        assert_eq!(step(&mut cache, "a", start + FRESH - AGAIN), "use");
        assert_eq!(step(&mut cache, "a", start + FRESH), "refresh");
        cache.begun("set", watch::channel(()).1, start + FRESH);
        assert_eq!(step(&mut cache, "a", start + FRESH), "use", "it serves while it is renewed");
        cache.ended("set", None, start + FRESH);
        assert_eq!(step(&mut cache, "a", start + FRESH), "use", "the host is away: what is known goes on being used");
        assert_eq!(step(&mut cache, "a", start + FRESH + AGAIN), "refresh");
        assert_eq!(step(&mut cache, "a", start + SERVES), "fetch", "not for ever");
    }

    #[test]
    fn an_unknown_name_makes_us_look_once_in_a_while() {
        let start = Instant::now();
        let mut cache = Cache::new(start);
        asked(&mut cache, "set", keys("a"), start);
        for second in 0..AGAIN.as_secs() {
            assert_eq!(
                step(&mut cache, "b", start + Duration::from_secs(second)),
                "use",
                "the set is as fresh as can be"
            );
        }
        let later = start + AGAIN;
        assert_eq!(step(&mut cache, "b", later), "fetch");
        cache.begun("set", watch::channel(()).1, later);
        assert_eq!(step(&mut cache, "b", later), "wait");
        assert_eq!(step(&mut cache, "a", later), "use", "who has a known name does not wait");
        cache.ended("set", keys("b"), later);
        assert_eq!(step(&mut cache, "b", later), "use", "a rotation");
        asked(&mut cache, "set", None, later + AGAIN);
        assert_eq!(step(&mut cache, "c", later + AGAIN), "away", "not known and not asked: nobody is refused for it");
    }

    #[test]
    fn failures_are_remembered_for_a_moment() {
        let start = Instant::now();
        let mut cache = Cache::new(start);
        asked(&mut cache, "set", None, start);
        assert_eq!(step(&mut cache, "a", start + FAILED - Duration::from_millis(1)), "away");
        assert_eq!(step(&mut cache, "a", start + FAILED), "fetch");
    }

    #[test]
    fn invented_addresses_cost_a_budget_and_displace_no_key() {
        let start = Instant::now();
        let mut cache = Cache::new(start);
        asked(&mut cache, "set", keys("a"), start);
        let mut now = start;
        let mut fetches = 0;
        for number in 0..10_000 {
            let id = format!("https://x/{number}");
            if matches!(cache.next(&id, None, now), Step::Fetch) {
                fetches += 1;
                asked(&mut cache, &id, None, now);
            }
            now += Duration::from_millis(100);
        }
        let most = u64::from(BUDGET) + (now - start).as_secs() / REFILL.as_secs() + 1;
        assert!(fetches > SLOTS && fetches as u64 <= most, "{fetches} fetches, at most {most}");
        assert!(cache.slots.len() <= SLOTS);
        assert_eq!(step(&mut cache, "a", now), "use");
    }
}
