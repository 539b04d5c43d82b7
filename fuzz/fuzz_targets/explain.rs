//! `explain`: a captured request in any of its forms, and the search for what is wrong with it. What was written in one of the
//! forms is read as it was; the search ends, within its budget, and no secret stands in what it finds.
#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use hookstream::command::Captured;
use hookstream::config::Secret;
use hookstream::dev;
use hookstream::provider::diagnose::{Inquiry, Suspect, diagnose};
use hookstream::provider::{Binding, Catalogue, Filling, Provider, Request, Signed};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

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

fn now() -> Timestamp {
    Timestamp::from_second(1_750_000_000).expect("within range")
}

/// A request near one that a provider sends.
#[derive(Arbitrary, Debug)]
struct Sent<'a> {
    form: u8,
    /// Begin with a sample of the source's, signed with its secret.
    sign: bool,
    query: u16,
    /// More headers, or other values of those that are there.
    headers: Vec<(u8, &'a [u8])>,
    body: Option<&'a [u8]>,
}

const NAMES: [&str; 4] = ["content-type", "x-signature", "user-agent", "x-forwarded-for"];

impl Sent<'_> {
    /// The request, and a text that holds it.
    fn write(&self, (provider, binding): &(Arc<Provider>, Binding)) -> Option<(Captured, Vec<u8>)> {
        let (mut headers, mut query, mut body) = (HeaderMap::new(), String::new(), Vec::new());
        if self.sign {
            let filling = Filling { id: "id1", n: 1, uuid: "7f3a0c1d-cc78-11e3-81ab-4c9367dc0958", now: now() };
            let filled = provider.samples().first()?.fill(&filling);
            let signed = provider.bind(binding).ok()?.sign(&filled.body, &filled.headers, now()).ok()?;
            Signed { headers, query, body } = signed;
        }
        let names: Vec<HeaderName> = headers.keys().cloned().chain(NAMES.map(HeaderName::from_static)).collect();
        for (place, value) in self.headers.iter().take(8) {
            if let Ok(value) = HeaderValue::from_bytes(value.trim_ascii()) {
                headers.insert(names[usize::from(*place) % names.len()].clone(), value);
            }
        }
        // curl would say what it is.
        headers.entry("content-type").or_insert(HeaderValue::from_static("application/json"));
        if self.query > 0 {
            query = format!("a={}", self.query);
        }
        if let Some(other) = self.body {
            body = other.to_vec();
        }
        let url = if query.is_empty() { "/webhooks/x".to_owned() } else { format!("/webhooks/x?{query}") };
        let sent = Captured { method: Method::POST, url, headers, body };
        let text = match self.form % 4 {
            0 => raw(&sent),
            1 => curl(&sent, &|text| format!("'{}'", text.replace('\'', "'\\''")))?,
            2 => curl(&sent, &ansi)?,
            _ => har(&sent)?,
        };
        Some((sent, text))
    }
}

fn raw(sent: &Captured) -> Vec<u8> {
    let mut text = format!("POST {} HTTP/1.1\r\n", sent.url).into_bytes();
    for (name, value) in &sent.headers {
        text.extend([name.as_str().as_bytes(), b":", value.as_bytes(), b"\r\n"].concat());
    }
    [&text[..], b"\r\n", &sent.body].concat()
}

/// As curl takes it, each word quoted; `None` where a part is no text.
fn curl(sent: &Captured, quote: &dyn Fn(&str) -> String) -> Option<Vec<u8>> {
    let mut text = format!("curl {}", quote(&sent.url));
    for (name, value) in &sent.headers {
        text += &format!(" -H {}", quote(&format!("{name}:{}", std::str::from_utf8(value.as_bytes()).ok()?)));
    }
    text += &format!(" --data-raw {}", quote(std::str::from_utf8(&sent.body).ok()?));
    Some(text.into_bytes())
}

/// As browsers quote what is not plain.
fn ansi(text: &str) -> String {
    let mut out = "$'".to_owned();
    for c in text.chars() {
        match c {
            '\n' => out += "\\n",
            ' '..='~' if !matches!(c, '\'' | '\\') => out.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out += &format!("\\u{unit:04x}")),
        }
    }
    out + "'"
}

fn har(sent: &Captured) -> Option<Vec<u8>> {
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        Some(json!({ "name": name.as_str(), "value": std::str::from_utf8(value.as_bytes()).ok()? }))
    };
    let headers = sent.headers.iter().map(header).collect::<Option<Vec<_>>>()?;
    let body = std::str::from_utf8(&sent.body).ok()?;
    let request = json!({ "method": "POST", "url": sent.url, "headers": headers, "postData": { "text": body } });
    Some(json!({ "log": { "entries": [{ "request": request }] } }).to_string().into_bytes())
}

fuzz_target!(|input: &[u8]| {
    let [mode, place, capture @ ..] = input else { return };
    let place = usize::from(*place) % SOURCES.len();
    let file = |name: &str| if name.is_empty() { Err("no name".to_owned()) } else { Ok(name.as_bytes().to_vec()) };
    let captured = if mode & 32 == 0 {
        let Ok(captured) = Captured::parse(capture, &file) else { return };
        captured
    } else {
        let Ok(sent) = Sent::arbitrary_take_rest(Unstructured::new(capture)) else { return };
        let Some((sent, text)) = sent.write(&SOURCES[place]) else { return };
        let captured = Captured::parse(&text, &file);
        assert_eq!(captured.as_ref(), Ok(&sent), "{}", String::from_utf8_lossy(&text));
        sent
    };
    let (path, query, base) = (captured.path(), captured.query(), captured.base());
    assert!(!path.contains(['?', '#']) && !query.contains('#') && base.is_none_or(|base| !base.contains('?')));
    // The search costs a thousand times what the parser does.
    if mode & 7 != 0 {
        return;
    }
    let own = suspect(&SOURCES[place]);
    let others: Vec<Suspect<'_>> = (1..3).map(|step| suspect(&SOURCES[(place + step) % SOURCES.len()])).collect();
    let offered = [("another".to_owned(), Secret::new(b"another-secret-of-nobody".to_vec()))];
    let request =
        Request { method: &captured.method, headers: &captured.headers, query, body: &captured.body, now: now() };
    let diagnosis = diagnose(&Inquiry {
        request,
        path,
        source: own,
        others: &others,
        offered: &offered,
        catalogue: &CATALOGUE,
        captured: mode & 8 != 0,
        verified: (mode & 16 != 0).then_some(7),
    });
    assert!(diagnosis.tried <= MOST, "{} were tried", diagnosis.tried);
    assert!(!diagnosis.findings.is_empty());
    let found = serde_json::to_string(&diagnosis.findings).expect("text");
    let secrets = own.binding.secrets.iter().chain(others.iter().flat_map(|other| &other.binding.secrets));
    for secret in secrets.chain(offered.iter().map(|(_, secret)| secret)).filter_map(Secret::expose_text) {
        assert!(!found.contains(secret) || holds(&captured, secret), "a secret stands in {found}");
    }
});

/// Does the request itself hold this text?
fn holds(request: &Captured, text: &str) -> bool {
    let contains = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let values = request.headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
    values.chain([request.url.as_bytes(), &request.body]).any(contains)
}
