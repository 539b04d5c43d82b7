//! `explain`: a captured request in any of its forms, and the search for what is wrong with it. It ends, within its budget, and
//! no secret stands in what it finds.
#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use hookstream::command::Captured;
use hookstream::config::Secret;
use hookstream::dev;
use hookstream::provider::diagnose::{Inquiry, Suspect, diagnose};
use hookstream::provider::{Binding, Catalogue, Provider, Request};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

/// Hypotheses at most, as the diagnosis promises.
const MOST: u32 = 8_000;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::embedded().expect("sound files"));

/// A source of each provider that shares a secret.
static SOURCES: LazyLock<Vec<(Arc<Provider>, Binding)>> = LazyLock::new(|| {
    let source = |provider: &Arc<Provider>| {
        let binding = Binding {
            secrets: vec![dev::secret(provider)],
            params: dev::params(provider),
            credentials: BTreeMap::new(),
            public_url: Some("https://hooks.example.com/webhooks/x".to_owned()),
            ..Binding::default()
        };
        provider.bind(&binding).is_ok().then(|| (Arc::clone(provider), binding))
    };
    CATALOGUE.iter().filter_map(source).collect()
});

fn suspect((provider, binding): &(Arc<Provider>, Binding)) -> Suspect<'_> {
    Suspect { name: provider.name(), provider, binding, secret_names: &[], path: "/webhooks/x" }
}

fuzz_target!(|input: &[u8]| {
    let [mode, place, capture @ ..] = input else { return };
    let file = |name: &str| if name.is_empty() { Err("no name".to_owned()) } else { Ok(name.as_bytes().to_vec()) };
    let Ok(captured) = Captured::parse(capture, &file) else { return };
    let (path, query, base) = (captured.path(), captured.query(), captured.base());
    assert!(!path.contains(['?', '#']) && !query.contains('#') && base.is_none_or(|base| !base.contains('?')));
    // The search costs a thousand times what the parser does.
    if mode & 7 != 0 {
        return;
    }
    let place = usize::from(*place) % SOURCES.len();
    let own = suspect(&SOURCES[place]);
    let others: Vec<Suspect<'_>> = (1..3).map(|step| suspect(&SOURCES[(place + step) % SOURCES.len()])).collect();
    let offered = [("another".to_owned(), Secret::new(b"another-secret-of-nobody".to_vec()))];
    let request = Request {
        method: &captured.method,
        headers: &captured.headers,
        query,
        body: &captured.body,
        now: Timestamp::from_second(1_750_000_000).expect("within range"),
    };
    let captured = mode & 8 != 0;
    let diagnosis = diagnose(&Inquiry {
        request,
        path,
        source: own,
        others: &others,
        offered: &offered,
        catalogue: &CATALOGUE,
        captured,
        verified: (mode & 16 != 0).then_some(7),
    });
    assert!(diagnosis.tried <= MOST, "{} were tried", diagnosis.tried);
    assert!(!diagnosis.findings.is_empty());
    let found = serde_json::to_string(&diagnosis.findings).expect("text");
    let secrets = own.binding.secrets.iter().chain(others.iter().flat_map(|other| &other.binding.secrets));
    for secret in secrets.chain(offered.iter().map(|(_, secret)| secret)).filter_map(Secret::expose_text) {
        assert!(!found.contains(secret) || contains(capture, secret), "a secret stands in {found}");
    }
});

/// Does the request itself hold this text?
fn contains(capture: &[u8], text: &str) -> bool {
    capture.windows(text.len()).any(|window| window == text.as_bytes())
}
