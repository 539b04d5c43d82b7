//! Requests near those of the vector files, changed as the fuzzer likes: refused or read, never a panic. Where a scheme covers
//! the body, no other body passes with the old proof; what is signed anew is read, written and read back without a change.
#![no_main]

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use hookstream::event::{Attributes, Encoded, Extra, Format, Origin, clean, decode, encode, source_uri};
use hookstream::provider::vectors::{Expect, Vector, Vectors};
use hookstream::provider::{
    Catalogue, Coverage, Facts, Material, MaterialKind, Provider, Reading, Request, Rules, Signed, Verified,
    embedded_vectors,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    vector: u16,
    /// Sign what came of it with the source's own secret.
    sign: bool,
    get: bool,
    /// Seconds by which the clock is wrong.
    late: i16,
    headers: Vec<Header>,
    query: Option<Edit>,
    body: Vec<Edit>,
    material: Option<Vec<u8>>,
}

#[derive(Arbitrary, Debug)]
enum Header {
    /// Change the value of one that is there.
    Edit(u8, Edit),
    Remove(u8),
    /// Once more, in full or changed.
    Again(u8, Edit),
    Add(u8, Vec<u8>),
}

/// Put bytes into the place of others.
#[derive(Arbitrary, Debug)]
struct Edit {
    at: u16,
    remove: u8,
    insert: Vec<u8>,
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let start = usize::from(self.at) % (bytes.len() + 1);
        let end = (start + usize::from(self.remove)).min(bytes.len());
        bytes.splice(start..end, self.insert.iter().copied());
    }
}

/// The headers that decide how a body is read, beside those that a vector has itself.
const NAMES: [&str; 8] = [
    "content-type",
    "authorization",
    "content-encoding",
    "x-github-event",
    "webhook-signature",
    "x-hook-secret",
    "date",
    "x-forwarded-proto",
];

/// Schemes of which their files say that another body can have the same proof: names and values of a form are signed without a
/// mark between them, or the body's CRC-32 is.
const AMBIGUOUS: [&str; 2] = ["twilio", "paypal"];

struct Base {
    provider: Arc<Provider>,
    vector: Vector,
}

static BASES: LazyLock<Vec<Base>> = LazyLock::new(|| {
    let catalogue = Catalogue::embedded().expect("sound files");
    let files = embedded_vectors().iter().map(|(file, text)| Vectors::parse(file, text).expect("a sound file"));
    let base = |name: &str| Arc::clone(catalogue.get(name).expect("a provider of ours"));
    files
        .flat_map(|file| {
            let provider = base(&file.provider);
            file.vectors.into_iter().map(move |vector| Base { provider: Arc::clone(&provider), vector })
        })
        .collect()
});

/// Binding costs more than all the rest.
static RULES: LazyLock<Mutex<HashMap<usize, Option<Arc<Rules>>>>> = LazyLock::new(Mutex::default);

fn rules(place: usize, base: &Base) -> Option<Arc<Rules>> {
    let mut known = RULES.lock().unwrap_or_else(PoisonError::into_inner);
    let bind = || base.provider.bind(&base.vector.binding()).ok().map(Arc::new);
    known.entry(place).or_insert_with(bind).clone()
}

fuzz_target!(|input: Input| {
    let place = usize::from(input.vector) % BASES.len();
    let base = &BASES[place];
    let Some(rules) = rules(place, base) else { return };
    let vector = &base.vector;
    let method = if input.get { Method::GET } else { vector.method().expect("a method") };
    let original = vector.bytes().expect("a body");
    let mut body = original.clone();
    input.body.iter().take(8).for_each(|edit| edit.apply(&mut body));
    let mut headers = changed(vector.header_map().expect("headers"), &input.headers);
    let mut query = vector.query.clone().into_bytes();
    input.query.iter().for_each(|edit| edit.apply(&mut query));
    let Ok(mut query) = String::from_utf8(query) else { return };
    let now = vector.clock() + SignedDuration::from_secs(i64::from(input.late));
    if input.sign {
        let Ok(signed) = rules.sign(&body, &headers, now) else { return };
        Signed { headers, query, body } = signed;
    }
    let request = Request { method: &method, headers: &headers, query: &query, body: &body, now };
    let _ = rules.handshake(&request);
    let _ = rules.refusal(&request);
    let _ = rules.is_costly(&request);
    let verified = match rules.inquiry(&request) {
        Some(path) => {
            let record = vector.record.clone().unwrap_or_else(|| "{}".to_owned());
            path.map(|_| rules.confirmed(&request, record.into_bytes()))
        }
        None => verify(&rules, &request, &input, vector),
    };
    let Ok(verified) = verified else { return };
    let name = base.provider.name();
    let proves_itself = !input.sign && !vector.accept_unsigned && !base.provider.is_fetched();
    let is_proven = proves_itself && rules.coverage() == Coverage::Body && !AMBIGUOUS.contains(&name);
    assert!(
        !is_proven || body == original || vector.expect != Expect::Ok,
        "{name}, {}: the proof holds for another body: {:?}",
        vector.name,
        String::from_utf8_lossy(&body)
    );
    read(base, &rules, &verified, &request);
});

fn changed(mut headers: HeaderMap, edits: &[Header]) -> HeaderMap {
    for edit in edits.iter().take(16) {
        let names: Vec<HeaderName> = headers.keys().cloned().collect();
        let named = |place: &u8| names.get(usize::from(*place) % names.len().max(1)).cloned();
        let value = |name: &HeaderName, edit: &Edit| {
            let mut value = headers[name].as_bytes().to_vec();
            edit.apply(&mut value);
            HeaderValue::from_bytes(&value).ok()
        };
        match edit {
            Header::Remove(place) => drop(named(place).map(|name| headers.remove(name))),
            Header::Edit(place, edit) => {
                if let Some((name, value)) = named(place).and_then(|name| value(&name, edit).map(|value| (name, value)))
                {
                    headers.insert(name, value);
                }
            }
            Header::Again(place, edit) => {
                if let Some((name, value)) = named(place).and_then(|name| value(&name, edit).map(|value| (name, value)))
                {
                    headers.append(name, value);
                }
            }
            Header::Add(place, value) => {
                let name = HeaderName::from_static(NAMES[usize::from(*place) % NAMES.len()]);
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    headers.append(name, value);
                }
            }
        }
    }
    headers
}

/// With the keys that the vector's host gives, or with what the fuzzer makes of them. Nothing is asked of foreign hosts.
fn verify(
    rules: &Rules,
    request: &Request<'_>,
    input: &Input,
    vector: &Vector,
) -> Result<Verified, hookstream::provider::Reject> {
    let wanted = rules.key_request(request)?;
    if let Some(bytes) = &input.material {
        for kind in [MaterialKind::Certificate, MaterialKind::Jwks, MaterialKind::Jwk] {
            if let Ok(material) = Material::parse(kind, bytes) {
                let _ = material.has("kid");
                let _ = rules.verify_with(request, Some(&material));
            }
        }
    }
    let Some(wanted) = wanted else { return rules.verify(request) };
    assert_eq!(wanted.url.scheme(), "https");
    assert!(wanted.url.username().is_empty() && wanted.url.port().is_none(), "{}", wanted.url);
    let material = vector.key.as_ref().and_then(|key| Material::parse(wanted.kind, key.as_bytes()).ok());
    rules.verify_with(request, material.as_ref())
}

/// What is proven is read; each event is written in both forms, and comes back as it was.
fn read(base: &Base, rules: &Rules, verified: &Verified, request: &Request<'_>) {
    let Ok(Reading::Events(events)) = rules.read(verified, request) else { return };
    for facts in events.iter().take(20) {
        let attributes = attributes(base, rules, verified, request, facts);
        for format in [Format::CloudEvents, Format::CloudEventsBinary] {
            let Encoded { value, headers } = encode(format, &attributes, &facts.data, Extra::default());
            let envelope = decode(&headers, &value).unwrap_or_else(|why| panic!("{format:?}: {why}"));
            assert_eq!(envelope.data, facts.data, "{format:?}");
            assert_eq!(envelope.attributes.id, attributes.id);
            assert_eq!(envelope.attributes.kind, clean(Cow::Borrowed(&attributes.kind)));
        }
    }
}

fn attributes<'a>(
    base: &'a Base,
    rules: &Rules,
    verified: &Verified,
    request: &Request<'_>,
    facts: &'a Facts<'_>,
) -> Attributes<'a> {
    let id = facts.id.as_deref().filter(|id| !id.is_empty()).unwrap_or("made up");
    Attributes {
        id: clean(Cow::Borrowed(id)),
        source: Cow::Owned(source_uri("fuzz")),
        kind: Cow::Owned(format!("{}{}", rules.type_prefix(), facts.providertype)),
        subject: facts.subject.as_deref().map(Cow::Borrowed),
        time: facts.time,
        dataschema: None,
        provider: Cow::Borrowed(base.provider.name()),
        providertype: Some(Cow::Borrowed(&facts.providertype)),
        category: facts.category.map(Cow::Borrowed),
        tenant: facts.tenant.as_deref().map(Cow::Borrowed),
        origin: Origin::Webhook,
        verification: verified.kind(),
        run: None,
        recordedtime: request.now.max(Timestamp::UNIX_EPOCH),
    }
}
