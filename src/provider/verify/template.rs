//! The text that a provider signs, as parts of the request in a fixed order.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::super::placeholder::{Piece, pieces};
use super::super::reject::Reject;

/// A signed text such as `v0:{timestamp}:{body}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Template {
    parts: Vec<Part>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Body,
    Timestamp,
    Header(HeaderName),
}

/// The request's values for the parts.
pub(crate) struct Message<'a> {
    pub(crate) body: &'a [u8],
    /// Exactly as received; empty when the template has no timestamp.
    pub(crate) timestamp: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

impl Template {
    /// The headers whose values are signed.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.parts.iter().filter_map(|part| match part {
            Part::Header(name) => Some(name),
            Part::Literal(_) | Part::Body | Part::Timestamp => None,
        })
    }

    /// Is the timestamp part of what is signed?
    pub(crate) fn has_timestamp(&self) -> bool {
        self.parts.contains(&Part::Timestamp)
    }

    /// Is every signed header there, once? Two of a name would leave open which of them was signed.
    pub(crate) fn check_headers(&self, headers: &HeaderMap) -> Result<(), Reject> {
        let all = self.headers().all(|name| only(headers, name).is_some());
        if all { Ok(()) } else { Err(Reject::SignedHeaderMissing) }
    }

    /// Hand the signed bytes to `sink`, part by part; nothing is copied.
    pub(crate) fn feed(&self, message: &Message<'_>, sink: &mut dyn FnMut(&[u8])) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => sink(text.as_bytes()),
                Part::Body => sink(message.body),
                Part::Timestamp => sink(message.timestamp.as_bytes()),
                Part::Header(name) => sink(only(message.headers, name).map_or(b"", HeaderValue::as_bytes)),
            }
        }
    }

    /// As the file spells it.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// The value of a header that stands there exactly once.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

impl Default for Template {
    /// The body alone.
    fn default() -> Template {
        Template { parts: vec![Part::Body], text: "{body}".to_owned() }
    }
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Template, String> {
        let parts = pieces(&text)?.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
        if !parts.contains(&Part::Body) {
            return Err(format!("`{text}` must contain {{body}}: otherwise anybody may change the body"));
        }
        Ok(Template { parts, text })
    }
}

fn part(piece: Piece) -> Result<Part, String> {
    let name = match piece {
        Piece::Literal(text) => return Ok(Part::Literal(text)),
        Piece::Hole(name) => name,
    };
    match (name.as_str(), name.strip_prefix("header:")) {
        ("body", _) => Ok(Part::Body),
        ("timestamp", _) => Ok(Part::Timestamp),
        (_, Some(header)) => header_name(header).map(Part::Header),
        _ => Err(format!("unknown part {{{name}}}, expected {{body}}, {{timestamp}} or {{header:NAME}}")),
    }
}

/// A header name as files spell it, in any case.
pub(crate) fn header_name(text: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(text).map_err(|_| format!("`{text}` is not a header name"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Message, Template};
    use crate::provider::Reject;

    fn template(text: &str) -> Template {
        Template::try_from(text.to_owned()).unwrap()
    }

    fn fed(template: &Template, headers: &HeaderMap) -> Vec<u8> {
        let mut out = Vec::new();
        template.feed(&Message { body: b"{}", timestamp: "17", headers }, &mut |bytes| out.extend_from_slice(bytes));
        out
    }

    #[test]
    fn parts_come_in_their_order() {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
        let template = template("v0:{header:Webhook-Id}.{timestamp}.{body}");
        assert_eq!(template.check_headers(&headers), Ok(()));
        assert_eq!(fed(&template, &headers), b"v0:msg_1.17.{}");
        headers.append("webhook-id", HeaderValue::from_static("msg_2"));
        assert_eq!(template.check_headers(&headers), Err(Reject::SignedHeaderMissing));
    }

    #[test]
    fn unknown_parts_and_unsigned_bodies_are_refused() {
        for text in ["{timestamp}", "", "{body}{nonsense}", "{body}{header:}", "{body}{header:a b}", "{body"] {
            assert!(Template::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
