//! The latest refusals: what /status shows of them, and what `explain` needs to find out why.
//!
//! Nothing in here is verified, so nothing of it is logged or shown as it is. It is bounded in number, bytes and time,
//! and shared out fairly: whoever floods one source evicts nothing of the others, and little of other addresses.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::admission::subscriber;
use crate::http::RequestId;
use crate::provider::Reject;

/// How many refusals are remembered.
const REMEMBERED: usize = 256;

/// How many of them /status shows.
const SHOWN: usize = 100;

/// The largest body that is kept, in bytes.
const LARGEST: usize = 256 << 10;

/// How long requests are kept: as long as most providers go on sending again.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A refused request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// `None` when it was not read, or is too large to be kept.
    pub(super) body: Option<Bytes>,
}

/// One refusal.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) id: RequestId,
    pub(super) at: Timestamp,
    pub(super) source: Option<Arc<str>>,
    pub(super) reason: Reject,
    pub(super) address: IpAddr,
    /// `None` once its room was needed, or when it is one too many from its address.
    pub(super) evidence: Option<Arc<Evidence>>,
}

/// The list.
pub(super) struct Rejects {
    limit: usize,
    list: Mutex<VecDeque<Refusal>>,
}

impl Evidence {
    pub(super) fn new(parts: &request::Parts, body: Option<&Bytes>) -> Self {
        // All of it is copied: a slice would keep the whole buffer that it was read into.
        let body = body.filter(|body| body.len() <= LARGEST).map(|body| Bytes::copy_from_slice(body));
        let copied = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).ok();
        let headers = parts.headers.iter().filter_map(|(name, value)| Some((name.clone(), copied(value)?))).collect();
        let uri = parts.uri.to_string().parse().unwrap_or_default();
        Self { method: parts.method.clone(), uri, headers, body }
    }

    fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let uri = self.uri.path_and_query().map_or(0, |path| path.as_str().len());
        headers + uri + self.body.as_ref().map_or(0, Bytes::len)
    }
}

impl Refusal {
    fn size(&self) -> usize {
        self.evidence.as_ref().map_or(0, |evidence| evidence.size())
    }
}

impl Rejects {
    /// With room for so many bytes of requests; none are kept with 0.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, list: Mutex::default() }
    }

    /// Are requests kept at all?
    pub(super) fn keeps(&self) -> bool {
        self.limit > 0
    }

    pub(super) fn add(&self, refusal: Refusal) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        // A flood is mostly these: they evict nothing, and cost no search for what to evict.
        if list.len() == REMEMBERED && refusal.reason == Reject::TooManyRequests {
            return;
        }
        let oldest = refusal.at - KEPT_FOR;
        for old in list.iter_mut().take_while(|old| old.at < oldest) {
            old.evidence = None;
        }
        list.push_back(refusal);
        if list.len() > REMEMBERED
            && let Some(place) = first_of_the_greatest(&list, |_| 1)
        {
            list.remove(place);
        }
        while list.iter().map(Refusal::size).sum::<usize>() > self.limit {
            let Some(place) = first_of_the_greatest(&list, Refusal::size) else { break };
            list[place].evidence = None;
        }
    }

    pub(super) fn find(&self, id: &str) -> Option<Refusal> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.iter().rev().find(|refusal| refusal.id.to_string().eq_ignore_ascii_case(id)).cloned()
    }

    /// The latest, for /status: nothing that a stranger sent.
    pub(super) fn status(&self) -> Value {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = list.iter().rev().take(SHOWN).map(|refusal| {
            json!({
                "request_id": refusal.id.to_string(),
                "at": crate::event::rfc3339_millis(refusal.at),
                "source": refusal.source.as_deref(),
                "reason": refusal.reason.as_str(),
            })
        });
        latest.collect()
    }
}

/// The oldest that weighs anything, of the address that has most of the source that has most.
fn first_of_the_greatest(list: &VecDeque<Refusal>, weight: impl Fn(&Refusal) -> usize) -> Option<usize> {
    let source = greatest(list.iter().map(|refusal| (refusal.source.as_deref(), weight(refusal))))?;
    let of_source = |refusal: &&Refusal| refusal.source.as_deref() == source;
    let address = |refusal: &Refusal| subscriber(refusal.address);
    let from = greatest(list.iter().filter(of_source).map(|refusal| (address(refusal), weight(refusal))))?;
    list.iter().position(|refusal| of_source(&refusal) && address(refusal) == from && weight(refusal) > 0)
}

fn greatest<K: std::hash::Hash + Eq + Ord + Copy>(weights: impl Iterator<Item = (K, usize)>) -> Option<K> {
    let mut sums: HashMap<K, usize> = HashMap::new();
    for (key, weight) in weights {
        *sums.entry(key).or_default() += weight;
    }
    sums.into_iter().max_by_key(|(key, sum)| (*sum, *key)).map(|(key, _)| key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(source: &str, address: u8, body: usize) -> Refusal {
        let (parts, ()) = http::Request::builder().uri("/p").body(()).unwrap().into_parts();
        let body = Bytes::from(vec![0; body]);
        Refusal {
            id: RequestId::at(jiff::Timestamp::UNIX_EPOCH),
            at: Timestamp::UNIX_EPOCH,
            source: Some(source.into()),
            reason: Reject::SignatureMismatch,
            address: IpAddr::from([10, 0, 0, address]),
            evidence: Some(Arc::new(Evidence::new(&parts, Some(&body)))),
        }
    }

    #[test]
    fn what_is_kept_holds_nothing_of_the_connections_buffer() {
        let buffer = Bytes::from(b"/path?query value body".to_vec());
        let (mut parts, ()) = http::Request::builder().body(()).unwrap().into_parts();
        parts.uri = Uri::from_maybe_shared(buffer.slice(..11)).unwrap();
        for name in ["x-one", "x-two"] {
            parts.headers.append(name, HeaderValue::from_maybe_shared(buffer.slice(12..17)).unwrap());
            parts.headers.append("x-both", HeaderValue::from_maybe_shared(buffer.slice(12..17)).unwrap());
        }
        let body = buffer.slice(18..);
        let evidence = Evidence::new(&parts, Some(&body));
        assert_eq!((&evidence.uri, &evidence.headers), (&parts.uri, &parts.headers));
        assert_eq!(evidence.body.as_ref(), Some(&body));
        drop((parts, body));
        assert!(buffer.is_unique());
    }

    fn is_kept(rejects: &Rejects, id: RequestId) -> bool {
        rejects.find(&id.to_string()).is_some_and(|refusal| refusal.evidence.is_some())
    }

    #[test]
    fn a_flood_evicts_nothing_of_the_others() {
        let rejects = Rejects::new(4 << 20);
        let (other, honest) = (refusal("other", 1, 1_000), refusal("flooded", 1, 1_000));
        let ids = [other.id, honest.id];
        rejects.add(other);
        rejects.add(honest);
        for _ in 0..2_000 {
            rejects.add(refusal("flooded", 2, 100_000));
        }
        assert!(ids.into_iter().all(|id| is_kept(&rejects, id)), "another source, and another address");
        let excess = Refusal { reason: Reject::TooManyRequests, ..refusal("other", 9, 1) };
        let id = excess.id.to_string();
        rejects.add(excess);
        assert!(rejects.find(&id).is_none(), "what is one too many finds no room in a full list");
        let list = rejects.list.lock().unwrap();
        assert!(list.len() == REMEMBERED && list.iter().map(Refusal::size).sum::<usize>() <= 4 << 20);
    }

    #[test]
    fn large_bodies_old_ones_and_all_of_them_with_0_are_not_kept() {
        let rejects = Rejects::new(4 << 20);
        let large = refusal("a", 1, LARGEST + 1);
        let id = large.id;
        rejects.add(large);
        assert!(rejects.find(&id.to_string()).unwrap().evidence.unwrap().body.is_none());
        let later =
            Refusal { at: Timestamp::UNIX_EPOCH + KEPT_FOR + SignedDuration::from_secs(1), ..refusal("a", 1, 1) };
        rejects.add(later);
        assert!(rejects.find(&id.to_string()).unwrap().evidence.is_none(), "its day is over");
        let none = Rejects::new(0);
        let one = refusal("a", 1, 1);
        let id = one.id;
        none.add(one);
        assert!(!none.keeps() && none.find(&id.to_string().to_lowercase()).unwrap().evidence.is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_bounds_hold(
            requests in prop::collection::vec((0u8..5, 0u8..4, 0usize..3_000), 0..400), limit in 0usize..20_000,
        ) {
            let rejects = Rejects::new(limit);
            for (source, address, body) in requests {
                rejects.add(refusal(&source.to_string(), address, body));
            }
            let list = rejects.list.lock().unwrap();
            prop_assert!(list.len() <= REMEMBERED);
            prop_assert!(list.iter().map(Refusal::size).sum::<usize>() <= limit);
        }
    }
}
