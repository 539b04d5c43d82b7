//! Handshakes and challenges: a request of a known form gets a reply of a known form, and no event.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize;
use subtle::ConstantTimeEq;
use url::Url;

use super::follow_up::{FollowUp, FollowUpSpec};
use super::source::{Input, Source, SourceSpec, reply};
use crate::config::Secret;
use crate::event::{Pointer, Wanted, scan};
use crate::provider::error::Fault;
use crate::provider::plausible::Look;
use crate::provider::verify::header_name;

/// What to answer a handshake with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The media type of the body.
    pub content_type: Option<String>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// A GET that we owe the provider after the answer. Its host is ours to choose.
    pub follow_up: Option<Url>,
}

/// A handshake that comes without a signature, and what must be done before it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// What to answer.
    pub reply: Reply,
    /// The secret that the provider hands over: durable before the reply leaves, and taken only where the operator says so.
    pub store: Option<Secret>,
}

/// The largest body in which a secret that is handed over is looked for, in bytes.
const MAX_HANDED: usize = 4_096;

/// How long such a secret may be, in bytes.
const SECRET_LENGTH: RangeInclusive<usize> = 8..=256;

/// `[[handshake]]` as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandshakeSpec {
    /// Does it carry a signature like any event? Those without one are answered before verification.
    #[serde(default = "yes")]
    signed: bool,
    method: Option<String>,
    when: Option<SourceSpec>,
    equals: Option<String>,
    /// What the value at `when` looks like: of a challenge that is answered with its keyed hash, and with nothing else.
    looks_like: Option<Look>,
    /// Further places and what must stand there.
    #[serde(default)]
    require: BTreeMap<String, String>,
    /// Places at which nothing may stand.
    #[serde(default)]
    absent: Vec<SourceSpec>,
    /// Where the secret stands that the provider hands over in this request.
    store: Option<SourceSpec>,
    reply: ReplySpec,
    /// A request of ours that completes it.
    confirm: Option<FollowUpSpec>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplySpec {
    #[serde(default = "ok")]
    status: u16,
    content_type: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
}

fn yes() -> bool {
    true
}

fn ok() -> u16 {
    200
}

/// A compiled rule.
#[derive(Debug, Clone)]
pub(crate) struct Handshake {
    pub(crate) signed: bool,
    method: Option<http::Method>,
    /// What the text at the first place must look like.
    looks_like: Option<Look>,
    /// Each place and the text that must stand there; any, where there is none.
    present: Vec<(Source<usize>, Option<Source<usize>>)>,
    absent: Vec<Source<usize>>,
    store: Option<Source<usize>>,
    /// What is looked up in the body of an unsigned request; the slots of a signed one are those of the event's scan.
    wanted: Wanted,
    status: u16,
    content_type: Option<String>,
    headers: Vec<(String, Source<usize>)>,
    body: Source<usize>,
    follow_up: Option<FollowUp>,
}

impl HandshakeSpec {
    /// The rule in words, for the docs.
    pub(crate) fn describe(&self) -> String {
        let signed = if self.signed { "signed" } else { "unsigned" };
        let mut parts: Vec<String> = self.method.iter().cloned().collect();
        let when = self.when.iter().map(|when| (&when.text, self.equals.as_ref()));
        for (place, value) in when.chain(self.require.iter().map(|(place, value)| (place, Some(value)))) {
            let equals = value.map(|value| format!(" = `{value}`")).unwrap_or_default();
            parts.push(format!("`{place}`{equals}"));
        }
        parts.extend(self.looks_like.iter().map(|look| format!("which looks like `{look}`")));
        parts.extend(self.absent.iter().map(|place| format!("no `{}`", place.text)));
        let body = if self.reply.body.is_empty() { "no body".to_owned() } else { format!("`{}`", self.reply.body) };
        let store = self.store.as_ref().map(|place| format!("; the secret in `{}` is stored first", place.text));
        let confirm = self.confirm.as_ref().map(|confirm| format!("; {}", confirm.describe()));
        let more = store.into_iter().chain(confirm).collect::<String>();
        format!("{} ({signed}) → {} and {body}{more}", parts.join(", "), self.reply.status)
    }

    /// The parameters of the source that the rule names.
    pub(crate) fn params(&self) -> Vec<String> {
        let texts = self.equals.iter().chain(self.require.values()).chain(self.reply.headers.values());
        let texts = texts.chain([&self.reply.body]);
        let sources = texts.filter_map(|text| reply(text).ok()).flatten();
        sources.flat_map(|source| source.params().into_iter().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// `slot` gives each pointer its place in the scan.
    pub(crate) fn compile(&self, slot: &mut dyn FnMut(&Pointer) -> usize) -> Result<Handshake, Fault> {
        let reply = &self.reply;
        if !(200..300).contains(&reply.status) {
            return Err(Fault::new("status", "must be from 200 to 299").within("reply"));
        }
        let mut own: Vec<Pointer> = Vec::new();
        let mut seen = |pointer: &Pointer| {
            if self.signed {
                return slot(pointer);
            }
            own.push(pointer.clone());
            own.len() - 1
        };
        let mut text = |key: &str, template: &str| {
            let parts = self::reply(template).map_err(|problem| Fault::new(key, problem))?;
            Ok::<_, Fault>(Source::Join(parts).map(&mut seen))
        };
        let within = |fault: Fault| fault.within("reply");
        // Whoever asks gets a keyed hash of the challenge: it must not be able to pass for an event.
        let keyed = reply.headers.values().chain([&reply.body]).any(|text| text.contains("{hmac:"));
        if !self.signed && self.looks_like.is_none() && keyed {
            return Err(Fault::new("looks_like", "is missing: which challenges are answered with their keyed hash"));
        }
        let body = text("body", &reply.body).map_err(within)?;
        let headers = reply.headers.iter().map(|(name, value)| {
            header_name(name).map_err(|problem| within(Fault::new("headers", problem)))?;
            Ok((name.clone(), text("headers", value).map_err(within)?))
        });
        let headers = headers.collect::<Result<_, Fault>>()?;
        let mut present = Vec::new();
        if let Some(when) = &self.when {
            let equals = self.equals.as_deref().map(|value| text("equals", value)).transpose()?;
            present.push((when.clone(), equals));
        } else if self.equals.is_some() || self.method.is_none() {
            return Err(Fault::new("when", "is missing: the place that tells this request from others"));
        }
        for (place, value) in &self.require {
            let place = SourceSpec::try_from(place.clone()).map_err(|problem| Fault::new("require", problem))?;
            present.push((place, Some(text("require", value)?)));
        }
        let present = present.into_iter().map(|(place, value)| (place.source.map(&mut seen), value)).collect();
        let absent = self.absent.iter().map(|place| place.source.map(&mut seen)).collect();
        let follow_up = self.confirm.as_ref().map(|confirm| confirm.compile(&mut seen)).transpose();
        let follow_up = follow_up.map_err(|fault| fault.within("confirm"))?;
        if follow_up.is_some() && !self.signed {
            return Err(Fault::new("confirm", "only what is signed is confirmed"));
        }
        let store = self.store.as_ref().map(|place| place.source.map(&mut seen));
        if self.signed && store.is_some() {
            return Err(Fault::new("store", "needs signed = false: what is signed has its secret already"));
        }
        if !own.is_empty() && store.is_none() {
            return Err(Fault::new("signed", "a body that is not verified is not read: use header: and query: only"));
        }
        let method = self.method.as_deref().map(|method| method.parse()).transpose();
        let method = method.map_err(|_| Fault::new("method", "is not an HTTP method"))?;
        let (status, content_type) = (reply.status, reply.content_type.clone());
        let wanted = Wanted::new(&own);
        Ok(Handshake {
            signed: self.signed,
            method,
            looks_like: self.looks_like.clone(),
            present,
            absent,
            store,
            wanted,
            status,
            content_type,
            headers,
            body,
            follow_up,
        })
    }
}

impl Handshake {
    /// With one source's parameters.
    pub(crate) fn bind(&mut self, params: &BTreeMap<String, String>) {
        self.body.bind(params);
        self.headers.iter_mut().for_each(|(_, value)| value.bind(params));
        self.present.iter_mut().filter_map(|(_, value)| value.as_mut()).for_each(|value| value.bind(params));
    }

    /// Does the provider hand a secret over in it?
    pub(crate) fn stores(&self) -> bool {
        self.store.is_some()
    }

    /// The same for a request that is not verified. Its body is looked at for the secret alone, bounded.
    pub(crate) fn challenge(&self, method: &http::Method, input: Input<'_, '_>) -> Option<Challenge> {
        let found = match self.wanted.slots() {
            0 => None,
            _ if input.body.len() > MAX_HANDED => return None,
            _ => Some(scan(input.body, &self.wanted).ok()?),
        };
        let input = Input { found: found.as_ref(), body: b"", ..input };
        let reply = self.reply(method, input)?;
        let Some(place) = &self.store else {
            return Some(Challenge { reply, store: None });
        };
        let secret = place.text(input)?;
        let fits = SECRET_LENGTH.contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Challenge { reply, store: Some(Secret::new(secret.into_owned().into_bytes())) })
    }

    /// Does the first place of the rule hold anything? Then the request asks for this handshake.
    pub(crate) fn is_asked_for(&self, method: &http::Method, input: Input<'_, '_>) -> bool {
        let first = self.present.first().map(|(place, _)| place);
        self.method.as_ref().is_none_or(|expected| expected == method) && first.is_some_and(|place| place.there(input))
    }

    /// The reply, if this request is such a handshake. A part of the reply that the request does not hold: it is not.
    pub(crate) fn reply(&self, method: &http::Method, input: Input<'_, '_>) -> Option<Reply> {
        if self.method.as_ref().is_some_and(|expected| expected != method) {
            return None;
        }
        let stands = |(place, expected): &(Source<usize>, Option<Source<usize>>)| {
            let value = place.text(input)?;
            match expected {
                None => Some(()),
                // A verify token is a secret of sorts.
                Some(expected) => {
                    let same = expected.text(input)?.as_bytes().ct_eq(value.as_bytes());
                    bool::from(same).then_some(())
                }
            }
        };
        self.present.iter().try_for_each(stands)?;
        let first = self.present.first().and_then(|(place, _)| place.text(input));
        if self.looks_like.as_ref().is_some_and(|look| first.is_none_or(|first| !look.fits(first.as_bytes()))) {
            return None;
        }
        if self.absent.iter().any(|place| place.there(input)) {
            return None;
        }
        let follow_up = match &self.follow_up {
            Some(follow_up) => Some(follow_up.url(input)?),
            None => None,
        };
        let header = |(name, value): &(String, Source<usize>)| Some((name.clone(), value.text(input)?.into_owned()));
        Some(Reply {
            status: self.status,
            content_type: self.content_type.clone(),
            headers: self.headers.iter().map(header).collect::<Option<_>>()?,
            body: self.body(input)?.into_bytes(),
            follow_up,
        })
    }

    /// Values are escaped where the reply is JSON; the template itself is taken as it stands.
    fn body(&self, input: Input<'_, '_>) -> Option<String> {
        let Source::Join(parts) = &self.body else {
            return None;
        };
        let json = self.content_type.as_ref().is_some_and(|kind| kind.contains("json"));
        let mut out = String::new();
        for part in parts {
            match part {
                Source::Literal(text) => out.push_str(text),
                place if json => {
                    let quoted = serde_json::to_string(&place.text(input)?).ok()?;
                    out.push_str(quoted.get(1..quoted.len() - 1)?);
                }
                place => out.push_str(&place.text(input)?),
            }
        }
        Some(out)
    }
}
