//! What is decided before a body is read: who may send, how fast, and with what kind of request.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use ipnet::IpNet;

use crate::http::Peer;
use crate::provider::Reject;

/// The size of a request's headers, names and values, beyond which it is refused, in bytes.
const MAX_HEADERS: usize = 7 * 1024;

/// Addresses whose failures are counted at one time. Beyond it the rest share one count, so that a flood from many
/// addresses is bounded as well.
const MAX_ADDRESSES: usize = 65_536;

/// The address a request comes from: the peer's, or, where the peer is a proxy we trust, the last one in
/// X-Forwarded-For that is not such a proxy. Nobody else's word counts.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let mut address = peer;
    for entry in headers
        .get_all("x-forwarded-for")
        .iter()
        .rev()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.rsplit(','))
    {
        let Ok(hop) = entry.trim().parse::<IpAddr>() else { return address };
        address = hop.to_canonical();
        if !is_trusted(&address) {
            return address;
        }
    }
    address
}

/// Whether a request came over HTTPS: over our own TLS, or, as a proxy we trust says, over the proxy's. Of several
/// proxies the first one's word counts, which stands first.
pub(super) fn is_https(peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let address = peer.address.ip().to_canonical();
    let proto = || headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()?.split(',').next());
    peer.tls
        || trusted.iter().any(|net| net.contains(&address))
            && proto().is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}

/// Whether an address may send to a source. An empty list allows all.
pub(super) fn address_allowed(address: IpAddr, allow: &[IpNet]) -> Result<(), Reject> {
    if allow.is_empty() || allow.iter().any(|net| net.contains(&address)) {
        Ok(())
    } else {
        Err(Reject::AddressNotAllowed)
    }
}

/// The length that the headers declare, judged without the body.
pub(super) fn length_allowed(headers: &HeaderMap, max_body: usize) -> Result<(), Reject> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > max_body as u64) {
        return Err(Reject::BodyTooLarge);
    }
    Ok(())
}

/// Whether the headers together are small enough.
pub(super) fn headers_small(headers: &HeaderMap) -> Result<(), Reject> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > MAX_HEADERS { Err(Reject::HeadersTooLarge) } else { Ok(()) }
}

/// Counts per second: of failed requests per address, and of all requests where a source has a limit.
#[derive(Debug)]
pub(super) struct PerSecond<K> {
    limit: u32,
    inner: Mutex<(Instant, HashMap<K, u32>)>,
}

impl<K: std::hash::Hash + Eq> PerSecond<K> {
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, inner: Mutex::new((Instant::now(), HashMap::new())) }
    }

    /// The most per second.
    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// Count one more; `false` when it is beyond the limit. `overflow` takes the place of keys beyond the bound.
    pub(super) fn count(&self, key: K, overflow: K, now: Instant) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, counts) = &mut *inner;
        if now.saturating_duration_since(*since) >= Duration::from_secs(1) {
            *since = now;
            counts.clear();
        }
        let key = if counts.len() < MAX_ADDRESSES || counts.contains_key(&key) { key } else { overflow };
        let count = counts.entry(key).or_insert(0);
        *count = count.saturating_add(1);
        *count <= self.limit
    }
}

/// The address for which failures count. An IPv6 subscriber owns a /64 and could use each address once.
pub(super) fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

impl PerSecond<IpAddr> {
    /// Count a failure of this address.
    pub(super) fn failed(&self, address: IpAddr, now: Instant) -> bool {
        self.count(subscriber(address), IpAddr::V6(Ipv6Addr::UNSPECIFIED), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn forwarded(values: &[&'static str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (http::HeaderName::from_static("x-forwarded-for"), http::HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let headers = forwarded(&["1.2.3.4, 5.6.7.8", "10.1.1.1"]);
        assert_eq!(client_address(address("9.9.9.9"), &headers, &trusted), address("9.9.9.9"));
        assert_eq!(
            client_address(address("10.0.0.1"), &headers, &trusted),
            address("5.6.7.8"),
            "the last that is not ours"
        );
        assert_eq!(client_address(address("10.0.0.1"), &forwarded(&["junk"]), &trusted), address("10.0.0.1"));
        assert_eq!(client_address(address("::ffff:10.0.0.1"), &forwarded(&["1.2.3.4"]), &trusted), address("1.2.3.4"));
    }

    #[test]
    fn https_is_ours_or_a_trusted_proxys_word() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let said = |proto: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-proto", http::HeaderValue::from_static(proto));
            headers
        };
        for (peer, tls, headers, expected) in [
            ("9.9.9.9:1", true, HeaderMap::new(), true),
            ("9.9.9.9:1", false, said("https"), false),
            ("10.1.1.1:1", false, said("https"), true),
            ("[::ffff:10.1.1.1]:1", false, said("HTTPS, http"), true),
            ("10.1.1.1:1", false, said("http, https"), false),
            ("10.1.1.1:1", false, HeaderMap::new(), false),
        ] {
            let peer = Peer { address: peer.parse().unwrap(), tls };
            assert_eq!(is_https(peer, &headers, &trusted), expected, "{peer:?} {headers:?}");
        }
    }

    #[test]
    fn failures_count_per_address_and_second() {
        let failures = PerSecond::new(2);
        let now = Instant::now();
        assert!(failures.failed(address("1.1.1.1"), now) && failures.failed(address("1.1.1.1"), now));
        assert!(!failures.failed(address("1.1.1.1"), now));
        assert!(failures.failed(address("1.1.1.2"), now));
        assert!(failures.failed(address("1.1.1.1"), now + Duration::from_secs(1)));
        assert!(failures.failed(address("2001:db8::1"), now) && failures.failed(address("2001:db8::2"), now));
        assert!(!failures.failed(address("2001:db8::3"), now), "one subscriber, many addresses");
    }
}
