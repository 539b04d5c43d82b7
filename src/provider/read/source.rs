//! Where a fact is found: a header, a pointer into the body, the query, a join of those, or a hash over them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::event::{Found, Pointer, Wanted, clean, rfc3339_millis, scan};
use crate::provider::placeholder::{Piece, pieces};
use crate::provider::verify::{Check, Encoding, header_name, only};

/// Longer values are no identifiers; a longer id is replaced by its hash, so that copies still meet.
const MAX_TEXT: usize = 1_024;

/// The longest challenge that is answered with its keyed hash, in bytes.
const MAX_CHALLENGE: usize = 128;

/// One place. `P` is a [`Pointer`] in the file and a slot of the scan once compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source<P> {
    Header(HeaderName),
    /// A header whose value is percent-encoded, as those of CloudEvents are.
    Decoded(HeaderName),
    Query(String),
    Pointer(P),
    /// Part of a join.
    Literal(String),
    /// All parts one after the other; absent when one of them is.
    Join(Vec<Source<P>>),
    /// The first place, where something stands at the second, or where nothing does.
    If(Box<Source<P>>, Box<Source<P>>, bool),
    /// SHA-256 over the parts that exist, each marked off; absent when none does.
    Hash(Vec<Source<P>>),
    /// The moment at which we received the request, for a time that the provider does not tell.
    Received,
    /// The whole body, as a part of a hash: for providers whose equal bodies are one event.
    Body,
    /// The place of an item in its batch, as a part of a hash: equal items of one request are events of their own.
    Index,
    /// A parameter of the source, in replies; a literal once bound.
    Config(String),
    /// The keyed hash of a challenge under the source's first secret, in replies.
    Keyed(Encoding, Box<Source<P>>),
}

/// What sources look into.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a, 'f> {
    /// The scanned body, where there is one.
    pub(crate) found: Option<&'f Found<'a>>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    /// When the request arrived.
    pub(crate) now: Timestamp,
    /// The place of the item in its batch.
    pub(crate) index: Option<usize>,
    /// What challenges are answered with.
    pub(crate) checks: &'f [Check],
}

impl<P> Source<P> {
    /// The same place with other pointers.
    pub(crate) fn map<Q>(&self, pointer: &mut dyn FnMut(&P) -> Q) -> Source<Q> {
        match self {
            Source::Header(name) => Source::Header(name.clone()),
            Source::Decoded(name) => Source::Decoded(name.clone()),
            Source::If(place, there, is) => Source::If(Box::new(place.map(pointer)), Box::new(there.map(pointer)), *is),
            Source::Query(name) => Source::Query(name.clone()),
            Source::Pointer(at) => Source::Pointer(pointer(at)),
            Source::Literal(text) => Source::Literal(text.clone()),
            Source::Join(parts) => Source::Join(parts.iter().map(|part| part.map(pointer)).collect()),
            Source::Hash(parts) => Source::Hash(parts.iter().map(|part| part.map(pointer)).collect()),
            Source::Received => Source::Received,
            Source::Body => Source::Body,
            Source::Index => Source::Index,
            Source::Config(name) => Source::Config(name.clone()),
            Source::Keyed(encoding, part) => Source::Keyed(*encoding, Box::new(part.map(pointer))),
        }
    }

    /// With one source's parameters.
    pub(crate) fn bind(&mut self, params: &BTreeMap<String, String>) {
        match self {
            Source::Config(name) => *self = Source::Literal(params.get(name).cloned().unwrap_or_default()),
            Source::Join(parts) | Source::Hash(parts) => parts.iter_mut().for_each(|part| part.bind(params)),
            _ => {}
        }
    }

    /// The parameters that it names.
    pub(crate) fn params(&self) -> Vec<&str> {
        match self {
            Source::Config(name) => vec![name],
            Source::Join(parts) | Source::Hash(parts) => parts.iter().flat_map(Source::params).collect(),
            _ => Vec::new(),
        }
    }

    /// Every pointer that has a say in this value.
    pub(crate) fn pointers(&self) -> Vec<&P> {
        match self {
            Source::Pointer(pointer) => vec![pointer],
            Source::Join(parts) | Source::Hash(parts) => parts.iter().flat_map(Source::pointers).collect(),
            Source::Keyed(_, part) => part.pointers(),
            Source::If(place, there, _) => [place.pointers(), there.pointers()].concat(),
            _ => Vec::new(),
        }
    }

    /// Every header that has a say in this value.
    pub(crate) fn headers(&self) -> Vec<&HeaderName> {
        match self {
            Source::Header(name) | Source::Decoded(name) => vec![name],
            Source::If(place, there, _) => [place.headers(), there.headers()].concat(),
            Source::Join(parts) | Source::Hash(parts) => parts.iter().flat_map(Source::headers).collect(),
            Source::Keyed(_, part) => part.headers(),
            _ => Vec::new(),
        }
    }
}

impl Source<usize> {
    /// Does anything stand here, be it an object or an array?
    pub(crate) fn there(&self, input: Input<'_, '_>) -> bool {
        match self {
            Source::Pointer(slot) => input.found.and_then(|found| found.raw(*slot)).is_some(),
            other => other.text(input).is_some(),
        }
    }

    /// The text found here, if there is any. Exactly as it stands there; see [`first`] for attributes.
    pub(crate) fn text<'a>(&self, input: Input<'a, '_>) -> Option<Cow<'a, str>> {
        match self {
            Source::Header(name) => header(input.headers, name),
            Source::Decoded(name) => decoded(input.headers, name),
            Source::If(place, there, is) if there.there(input) == *is => place.text(input),
            Source::If(..) => None,
            Source::Query(name) => query(input.query, name),
            Source::Pointer(slot) => input.found?.text(*slot),
            Source::Literal(text) => Some(Cow::Owned(text.clone())),
            Source::Join(parts) => {
                parts.iter().map(|part| part.text(input)).collect::<Option<String>>().map(Cow::Owned)
            }
            Source::Hash(parts) => hash(parts, input).map(Cow::Owned),
            Source::Received => Some(Cow::Owned(rfc3339_millis(input.now))),
            Source::Index => input.index.map(|index| Cow::Owned(index.to_string())),
            Source::Body | Source::Config(_) => None,
            Source::Keyed(encoding, part) => keyed(*encoding, &part.text(input)?, input.checks).map(Cow::Owned),
        }
        .filter(|text| !text.is_empty())
    }
}

/// A header sent twice says nothing: which of them was meant?
fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    std::str::from_utf8(only(headers, name)?.as_bytes()).ok().map(|text| Cow::Borrowed(text.trim()))
}

/// CloudEvents' HTTP binding, 3.1.3.2: quotes are taken off, then percent-encoded bytes become UTF-8.
fn decoded<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    let value = header(headers, name)?;
    let unquoted = match value.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => Cow::Owned(unescaped(quoted)),
        None => value,
    };
    let text = percent_encoding::percent_decode(unquoted.as_bytes()).decode_utf8().ok()?;
    Some(Cow::Owned(text.into_owned()))
}

/// A quoted string without the backslashes that protect its characters.
fn unescaped(quoted: &str) -> String {
    let mut chars = quoted.chars();
    std::iter::from_fn(|| match chars.next() {
        Some('\\') => chars.next(),
        other => other,
    })
    .collect()
}

fn query<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// A challenge is a short word. Whoever may ask for the keyed hash of a text of their choice must not get the signature
/// of an event: neither of a JSON text, which is refused here, nor of any other that is long enough to say something.
fn keyed(encoding: Encoding, challenge: &str, checks: &[Check]) -> Option<String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=+/.".contains(&byte);
    let harmless = challenge.len() <= MAX_CHALLENGE && challenge.bytes().all(word);
    if !harmless || scan(challenge.as_bytes(), &Wanted::none()).is_ok() {
        return None;
    }
    checks.iter().find_map(|check| check.answer(challenge, encoding))
}

fn hash(parts: &[Source<usize>], input: Input<'_, '_>) -> Option<String> {
    let mut hash = Sha256::new();
    let mut some = false;
    for part in parts {
        let value = match part {
            Source::Body => Some(Cow::Borrowed(input.body)).filter(|body| !body.is_empty()),
            Source::Pointer(slot) if let Some(nested) = nested(*slot, input) => Some(Cow::Borrowed(nested)),
            part => part.text(input).map(|text| Cow::Owned(text.into_owned().into_bytes())),
        };
        match value {
            Some(value) => {
                some = true;
                hash.update((value.len() as u64 + 1).to_be_bytes());
                hash.update(&value);
            }
            None => hash.update(0u64.to_be_bytes()),
        }
    }
    some.then(|| short_hex(hash))
}

/// An object or an array as it stands in the body.
fn nested<'a>(slot: usize, input: Input<'a, '_>) -> Option<&'a [u8]> {
    input.found?.raw(slot).filter(|raw| raw.starts_with(b"{") || raw.starts_with(b"["))
}

/// 128 bits: enough to tell events apart, short enough for a key.
fn short_hex(hash: Sha256) -> String {
    hex::encode(&hash.finalize()[..16])
}

/// The first of `sources` that exists, as an attribute can hold it. Too long: absent.
pub(crate) fn first<'a>(sources: &[Source<usize>], input: Input<'a, '_>) -> Option<Cow<'a, str>> {
    let found = sources.iter().find_map(|source| source.text(input))?;
    Some(clean(found)).filter(|text| text.len() <= MAX_TEXT)
}

/// The first of `sources` that exists, as a key. Too long: its hash, the same for every copy.
pub(crate) fn first_id<'a>(sources: &[Source<usize>], input: Input<'a, '_>) -> Option<Cow<'a, str>> {
    let found = clean(sources.iter().find_map(|source| source.text(input))?);
    if found.len() <= MAX_TEXT {
        Some(found)
    } else {
        Some(Cow::Owned(short_hex(Sha256::new().chain_update(found.as_bytes()))))
    }
}

/// A source as files spell it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct SourceSpec {
    pub(crate) source: Source<Pointer>,
    /// As it was written.
    pub(crate) text: String,
}

impl TryFrom<String> for SourceSpec {
    type Error = String;

    fn try_from(text: String) -> Result<SourceSpec, String> {
        let source = written(&text)?;
        Ok(SourceSpec { source, text })
    }
}

/// A source, perhaps with its condition: `PLACE if PLACE`, `PLACE unless PLACE`.
fn written(text: &str) -> Result<Source<Pointer>, String> {
    for (word, is) in [(" if ", true), (" unless ", false)] {
        if let Some((source, there)) = text.split_once(word) {
            return Ok(Source::If(Box::new(written(source)?), Box::new(place(there)?), is));
        }
    }
    if let Some(parts) = text.strip_prefix("hash:") {
        let part = |part: &str| match part {
            "body" => Ok(Source::Body),
            "index" => Ok(Source::Index),
            part => place(part),
        };
        return Ok(Source::Hash(parts.split(',').map(|text| part(text.trim())).collect::<Result<_, _>>()?));
    }
    match text.strip_prefix("text:").filter(|text| !text.is_empty()) {
        Some(text) => Ok(Source::Literal(text.to_owned())),
        None if text.contains(['{', '}']) => join(text).map(Source::Join),
        None => place(text),
    }
}

/// The parts of a text with `{places}` in it.
pub(crate) fn join(text: &str) -> Result<Vec<Source<Pointer>>, String> {
    join_of(text, place)
}

/// The parts of a reply: places, `{config:NAME}`, and `{hmac:hex:PLACE}` for the keyed hash of a challenge.
pub(crate) fn reply(text: &str) -> Result<Vec<Source<Pointer>>, String> {
    join_of(text, |name| match (name.strip_prefix("config:"), name.strip_prefix("hmac:")) {
        (Some(name), _) if !name.is_empty() => Ok(Source::Config(name.to_owned())),
        (_, Some(keyed)) => {
            let (encoding, at) = keyed.split_once(':').unwrap_or((keyed, ""));
            let encoding = match encoding {
                "hex" => Encoding::Hex,
                "base64" => Encoding::Base64,
                other => return Err(format!("`{other}` is neither hex nor base64")),
            };
            Ok(Source::Keyed(encoding, Box::new(place(at)?)))
        }
        _ => place(name),
    })
}

fn join_of(text: &str, place: fn(&str) -> Result<Source<Pointer>, String>) -> Result<Vec<Source<Pointer>>, String> {
    let part = |piece| match piece {
        Piece::Literal(text) => Ok(Source::Literal(text)),
        Piece::Hole(name) => place(&name),
    };
    pieces(text)?.into_iter().map(part).collect()
}

fn place(text: &str) -> Result<Source<Pointer>, String> {
    if let Some(name) = text.strip_prefix("header:") {
        return header_name(name).map(Source::Header);
    }
    if let Some(name) = text.strip_prefix("percent:") {
        return header_name(name).map(Source::Decoded);
    }
    if let Some(name) = text.strip_prefix("query:").filter(|name| !name.is_empty()) {
        return Ok(Source::Query(name.to_owned()));
    }
    if text.starts_with('/') {
        return text.parse().map(Source::Pointer).map_err(|error: crate::event::PointerError| error.to_string());
    }
    Err(format!(
        "`{text}` is none of header:NAME, percent:NAME, query:NAME, /a/json/pointer, hash:PLACE,PLACE, text:WORDS and a text with {{PLACE}} in it, each perhaps with ` if PLACE` or ` unless PLACE` behind it"
    ))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::{Input, Source, SourceSpec, first, first_id};
    use crate::event::{Pointer, Wanted, scan};

    fn compile(text: &str, pointers: &mut Vec<Pointer>) -> Source<usize> {
        SourceSpec::try_from(text.to_owned()).unwrap().source.map(&mut |pointer| {
            pointers.push(pointer.clone());
            pointers.len() - 1
        })
    }

    fn read(text: &str, body: &str) -> Option<String> {
        let mut pointers = Vec::new();
        let sources = [compile(text, &mut pointers)];
        let found = scan(body.as_bytes(), &Wanted::new(&pointers)).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-event", HeaderValue::from_static("push"));
        headers.insert("ce-id", HeaderValue::from_static(r#""a%20\"%E2%82%AC""#));
        headers.append("x-twice", HeaderValue::from_static("a"));
        headers.append("x-twice", HeaderValue::from_static("b"));
        let query = "a=b%20c&a=d";
        let input = Input {
            found: Some(&found),
            headers: &headers,
            query,
            body: body.as_bytes(),
            now: Timestamp::UNIX_EPOCH,
            index: None,
            checks: &[],
        };
        first(&sources, input).map(|text| text.into_owned())
    }

    #[test]
    fn each_place() {
        let body = r#"{"id":"e\u0031","n":10.50,"no":null,"empty":"","action":"opened"}"#;
        assert_eq!(read("/id", body).as_deref(), Some("e1"));
        assert_eq!(read("/n", body).as_deref(), Some("10.50"));
        assert_eq!(read("header:X-Event", body).as_deref(), Some("push"));
        assert_eq!(read("percent:ce-id", body).as_deref(), Some("a \"€"));
        assert_eq!(read("text:told if /action", body).as_deref(), Some("told"));
        assert_eq!(read("/id unless /other", body).as_deref(), Some("e1"));
        assert_eq!(read("/id unless /n", body), None);
        assert_eq!(read("{/id}.{/action} if /no", body).as_deref(), Some("e1.opened"), "null stands there");
        assert_eq!(read("query:a", body).as_deref(), Some("b c"));
        assert_eq!(read("text:a b", body).as_deref(), Some("a b"));
        assert_eq!(read("hash:body", body).unwrap().len(), 32);
        assert_ne!(read("hash:body", "{}"), read("hash:body", "{} "));
        assert_eq!(read("{header:X-Event}.{/action}", body).as_deref(), Some("push.opened"));
        for absent in [
            "/no",
            "/empty",
            "/other",
            "/id if /other",
            "header:X-Other",
            "header:X-Twice",
            "query:b",
            "{/id}.{/no}",
            "hash:/no,/other",
        ] {
            assert_eq!(read(absent, body), None, "{absent}");
        }
    }

    #[test]
    fn a_hash_tells_its_parts_apart() {
        let hash = |body: &str| read("hash:/a,/b", body);
        let some = hash(r#"{"a":"xy","b":"z"}"#).unwrap();
        assert_eq!(some.len(), 32);
        assert_eq!(hash(r#"{"b":"z", "a":"\u0078y"}"#).as_ref(), Some(&some));
        for other in [r#"{"a":"x","b":"yz"}"#, r#"{"a":"xyz"}"#, r#"{"b":"xyz"}"#, r#"{"a":"xy","b":"Z"}"#] {
            assert_ne!(hash(other).as_ref(), Some(&some), "{other}");
        }
    }

    #[test]
    fn overlong_values_are_no_attributes_and_hashed_ids() {
        let long = "x".repeat(2_000);
        let mut headers = HeaderMap::new();
        headers.insert("x-id", HeaderValue::from_str(&long).unwrap());
        let sources = [compile("header:X-Id", &mut Vec::new())];
        let input = Input {
            found: None,
            headers: &headers,
            query: "",
            body: b"",
            now: Timestamp::UNIX_EPOCH,
            index: None,
            checks: &[],
        };
        assert_eq!(first(&sources, input), None);
        assert_eq!(first_id(&sources, input).unwrap().len(), 32);
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["", "id", "header:", "header:a b", "query:", "{id}", "{/id", "hash:", "hash:id", "/~2", "/a if b"]
        {
            assert!(SourceSpec::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z{}:/,~]{0,30}|.{0,30}") {
            let _ = SourceSpec::try_from(text);
        }
    }
}
