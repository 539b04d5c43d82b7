//! Handshakes and challenges: a request of a known form gets a reply of a known form, and no event.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::source::{Input, Source, SourceSpec, join};
use crate::event::Pointer;
use crate::provider::error::Fault;
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
}

/// `[[handshake]]` as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandshakeSpec {
    /// Does it carry a signature like any event? Those without one are answered before verification.
    #[serde(default = "yes")]
    signed: bool,
    method: Option<String>,
    when: SourceSpec,
    equals: Option<String>,
    reply: ReplySpec,
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
    when: Source<usize>,
    equals: Option<String>,
    status: u16,
    content_type: Option<String>,
    headers: Vec<(String, Source<usize>)>,
    body: Source<usize>,
}

impl HandshakeSpec {
    /// The rule in words, for the docs.
    pub(crate) fn describe(&self) -> String {
        let method = self.method.as_deref().map(|method| format!("{method} with ")).unwrap_or_default();
        let equals = self.equals.as_deref().map(|value| format!(" = `{value}`")).unwrap_or_default();
        let signed = if self.signed { "signed" } else { "unsigned" };
        let body = if self.reply.body.is_empty() { "no body".to_owned() } else { format!("`{}`", self.reply.body) };
        format!("{method}`{}`{equals} ({signed}) → {} and {body}", self.when.text, self.reply.status)
    }

    /// `slot` gives each pointer its place in the scan.
    pub(crate) fn compile(&self, slot: &mut dyn FnMut(&Pointer) -> usize) -> Result<Handshake, Fault> {
        let reply = &self.reply;
        if !(200..300).contains(&reply.status) {
            return Err(Fault::new("status", "must be from 200 to 299").within("reply"));
        }
        let mut pointed = false;
        let mut seen = |pointer: &Pointer| {
            pointed = true;
            slot(pointer)
        };
        let mut text = |key: &str, template: &str| {
            let parts = join(template).map_err(|problem| Fault::new(key, problem).within("reply"))?;
            Ok::<_, Fault>(Source::Join(parts).map(&mut seen))
        };
        let body = text("body", &reply.body)?;
        let headers = reply.headers.iter().map(|(name, value)| {
            header_name(name).map_err(|problem| Fault::new("headers", problem).within("reply"))?;
            Ok((name.clone(), text("headers", value)?))
        });
        let headers = headers.collect::<Result<_, Fault>>()?;
        let when = self.when.source.map(&mut seen);
        if pointed && !self.signed {
            return Err(Fault::new("signed", "a body that is not verified is not read: use header: and query: only"));
        }
        let method = self.method.as_deref().map(|method| method.parse()).transpose();
        let method = method.map_err(|_| Fault::new("method", "is not an HTTP method"))?;
        let (status, content_type) = (reply.status, reply.content_type.clone());
        Ok(Handshake {
            signed: self.signed,
            method,
            when,
            equals: self.equals.clone(),
            status,
            content_type,
            headers,
            body,
        })
    }
}

impl Handshake {
    /// The reply, if this request is such a handshake. A part of the reply that the request does not hold: it is not.
    pub(crate) fn reply(&self, method: &http::Method, input: Input<'_, '_>) -> Option<Reply> {
        if self.method.as_ref().is_some_and(|expected| expected != method) {
            return None;
        }
        let value = self.when.text(input)?;
        if self.equals.as_ref().is_some_and(|expected| *expected != value) {
            return None;
        }
        let header = |(name, value): &(String, Source<usize>)| Some((name.clone(), value.text(input)?.into_owned()));
        Some(Reply {
            status: self.status,
            content_type: self.content_type.clone(),
            headers: self.headers.iter().map(header).collect::<Option<_>>()?,
            body: self.body(input)?.into_bytes(),
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
