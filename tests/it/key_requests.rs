//! Hostile requests to the providers whose keys are fetched: without the key nothing passes, nothing panics, and nobody
//! but the provider is asked.

use std::sync::LazyLock;

use hookstream::provider::vectors::{Vector, Vectors};
use hookstream::provider::{Binding, Catalogue, Request, Rules, embedded_vectors};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

/// A source of such a provider, and a request that its key would let pass.
struct Source {
    name: String,
    hosts: Vec<String>,
    rules: Rules,
    valid: Vector,
}

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let catalogue = Catalogue::embedded().unwrap();
    let files = embedded_vectors().iter().map(|(file, text)| Vectors::parse(file, text).unwrap());
    let source = |file: Vectors| {
        let provider = catalogue.get(&file.provider).filter(|provider| !provider.key_hosts().is_empty())?;
        let valid = file.vectors.into_iter().find(|vector| vector.name == "valid").unwrap();
        let binding: Binding = valid.binding();
        let rules = provider.bind(&binding).unwrap();
        Some(Source { name: file.provider, hosts: provider.key_hosts(), rules, valid })
    };
    files.filter_map(source).collect()
});

impl Source {
    fn refuses_or_asks(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), TestCaseError> {
        let request = Request { method: &Method::POST, headers, query: "", body, now: self.valid.clock() };
        prop_assert!(self.rules.verify(&request).is_err(), "{}", self.name);
        if let Ok(Some(asked)) = self.rules.key_request(&request) {
            let host = asked.url.host_str().unwrap_or_default();
            let ours = self.hosts.iter().any(|known| match known.split_once("{region}") {
                Some((before, after)) => host.starts_with(before) && host.ends_with(after),
                None => host == known,
            });
            prop_assert!(asked.url.scheme() == "https" && ours, "{}", asked.url);
        }
        Ok(())
    }
}

#[test]
fn a_good_request_asks_for_its_key() {
    assert_eq!(SOURCES.len(), 4);
    for source in SOURCES.iter() {
        let (headers, body) = (source.valid.header_map().unwrap(), source.valid.bytes().unwrap());
        let now = source.valid.clock();
        let request = Request { method: &Method::POST, headers: &headers, query: "", body: &body, now };
        assert!(matches!(source.rules.key_request(&request), Ok(Some(_))), "{}", source.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_request_panics_and_none_passes(
        values in prop::collection::vec((0usize..8, "[ -~]{0,80}"), 0..8),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        const NAMES: [&str; 8] = ["paypal-transmission-sig", "paypal-transmission-id", "paypal-transmission-time",
            "paypal-auth-algo", "paypal-cert-url", "plaid-verification", "authorization", "x-amz-sns-message-type"];
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(NAMES[name], HeaderValue::from_str(&value).unwrap());
        }
        for source in SOURCES.iter() {
            source.refuses_or_asks(&headers, &body)?;
        }
    }

    /// Requests that are nearly good: anything in the place of one header, bytes of the body changed, or both.
    #[test]
    fn no_good_request_changed_panics_or_passes(
        place in any::<prop::sample::Index>(),
        value in prop::option::of(prop_oneof![
            "[ -~]{0,80}",
            "https://[a-z.:@/-]{0,40}",
            "[A-Za-z0-9_-]{0,60}[.][A-Za-z0-9_-]{0,60}[.][A-Za-z0-9_-]{0,60}",
        ]),
        changed in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        for source in SOURCES.iter() {
            let mut body = source.valid.bytes().unwrap();
            for (at, byte) in &changed {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            let mut headers = source.valid.header_map().unwrap();
            let (name, _) = &source.valid.headers[place.index(source.valid.headers.len())];
            if let Some(value) = &value {
                headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
            }
            source.refuses_or_asks(&headers, &body)?;
        }
    }
}
