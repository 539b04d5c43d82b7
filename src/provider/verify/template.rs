//! The text that a provider signs, as parts of the request in a fixed order.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::super::placeholder::{Piece, pieces};
use super::super::reject::Reject;
use super::few::Few;
use super::picked::{Picked, Picks};
use super::{Request, place};
use crate::event::{Found, Pointer};

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
    Method,
    Url,
    Header(HeaderName),
    Query(String),
    /// The first value of a form's field; empty where there is none.
    Form(String),
    /// Twilio's order of a form's fields.
    FormSorted,
    /// The text at a pointer, empty where there is none; with its slot once compiled.
    Json(Pointer, usize),
    /// The body's first element as it stands there, the body itself where it is no array; with the slot of `/0`.
    First(usize),
    /// A parameter of the source; a literal once bound.
    Config(String),
    /// The lines that Amazon SNS signs, each member that is there with its slot.
    SnsLines(Vec<(&'static str, usize)>),
    /// CRC-32 of the body in decimal digits.
    Crc32,
    /// A line break, or nothing: both are tried.
    Newline,
    /// The secret itself, in schemes that hash it in.
    Secret,
}

/// The request's values for the parts.
pub(crate) struct Message<'a> {
    pub(crate) request: &'a Request<'a>,
    /// As [`Template::check`] found them.
    pub(crate) headers: &'a Few<&'a HeaderValue>,
    /// Exactly as received; empty when the template has no timestamp.
    pub(crate) timestamp: &'a str,
    /// One of the forms in which the URL may have been signed.
    pub(crate) url: &'a str,
    /// Whether the text is tried with the line break that may stand in it.
    pub(crate) newline: bool,
    pub(crate) picked: &'a Picked<'a>,
    /// The item of a batch whose turn it is.
    pub(crate) item: Option<&'a Found<'a>>,
}

impl Template {
    /// The headers whose values are signed.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.parts.iter().filter_map(|part| match part {
            Part::Header(name) => Some(name),
            _ => None,
        })
    }

    /// Is the value at this pointer signed? A form's field is a member of the object that the form becomes.
    pub(crate) fn signs(&self, pointer: &Pointer) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Json(signed, _) => signed == pointer,
            Part::SnsLines(members) => members.iter().any(|(name, _)| pointer.tokens() == [*name]),
            Part::Form(name) => pointer.tokens() == [name.as_str()],
            _ => false,
        })
    }

    /// Is the timestamp part of what is signed?
    pub(crate) fn has_timestamp(&self) -> bool {
        self.parts.contains(&Part::Timestamp)
    }

    /// Is the URL part of what is signed?
    pub(crate) fn has_url(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Url))
    }

    /// May there be a line break in it, or none?
    pub(crate) fn has_newline(&self) -> bool {
        self.parts.contains(&Part::Newline)
    }

    /// Is the secret part of what is hashed?
    pub(crate) fn has_secret(&self) -> bool {
        self.parts.contains(&Part::Secret)
    }

    /// Does the signature depend on every byte of the body?
    pub(crate) fn covers_body(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Body | Part::FormSorted | Part::Crc32))
    }

    /// The parameters of the source that are signed.
    pub(crate) fn params(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Config(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Note what must be picked from the body.
    pub(crate) fn register(&mut self, picks: &mut Picks) {
        for part in &mut self.parts {
            match part {
                Part::Json(pointer, slot) => *slot = picks.slot(pointer),
                Part::SnsLines(members) => {
                    members.iter_mut().for_each(|(name, slot)| *slot = picks.slot(&Pointer::member(name)));
                }
                Part::First(slot) => *slot = picks.slot(&Pointer::from_tokens(&["0".to_owned()])),
                Part::Form(_) | Part::FormSorted => picks.form(),
                _ => {}
            }
        }
    }

    /// With one source's parameters.
    pub(crate) fn bind(&self, params: &BTreeMap<String, String>) -> Template {
        let bound = |part: &Part| match part {
            Part::Config(name) => Part::Literal(params.get(name).cloned().unwrap_or_default()),
            other => other.clone(),
        };
        Template { parts: self.parts.iter().map(bound).collect(), text: self.text.clone() }
    }

    /// The values of the signed headers, for [`Message::headers`]. Every signed header and parameter must be there, once,
    /// and a header not empty: two of a name would leave open which of them was signed.
    pub(crate) fn check<'a>(&self, headers: &'a HeaderMap, query: &str) -> Result<Few<&'a HeaderValue>, Reject> {
        let mut values = Few::default();
        for part in &self.parts {
            let there = match part {
                Part::Header(name) => {
                    let value = only(headers, name).filter(|value| !value.is_empty());
                    value.map(|value| values.push(value)).is_some()
                }
                Part::Query(name) => place::query(query, name).count() == 1,
                _ => true,
            };
            if !there {
                return Err(Reject::SignedHeaderMissing);
            }
        }
        Ok(values)
    }

    /// Hand the signed bytes to `sink`, part by part; the body is not copied.
    pub(crate) fn feed(&self, message: &Message<'_>, secret: &[u8], sink: &mut dyn FnMut(&[u8])) {
        let request = message.request;
        let found = message.item.or(message.picked.found());
        let mut headers = message.headers.iter();
        for part in &self.parts {
            match part {
                Part::Literal(text) => sink(text.as_bytes()),
                Part::Body => sink(request.body),
                Part::Timestamp => sink(message.timestamp.as_bytes()),
                Part::Method => sink(request.method.as_str().as_bytes()),
                Part::Url => sink(message.url.as_bytes()),
                Part::Header(_) => sink(headers.next().map_or(b"", |value| value.as_bytes())),
                Part::Query(name) => sink(place::query(request.query, name).next().unwrap_or_default().as_bytes()),
                Part::Form(name) => sink(message.picked.form(name).next().map_or(b"", |value| value.as_bytes())),
                Part::FormSorted => sink(message.picked.form_sorted().as_bytes()),
                Part::Json(_, slot) => sink(found.and_then(|found| found.text(*slot)).unwrap_or_default().as_bytes()),
                Part::SnsLines(members) => sns_lines(members, found, sink),
                Part::First(slot) => sink(first(request.body, found.and_then(|found| found.raw(*slot)))),
                Part::Config(_) => {}
                Part::Crc32 => sink(crc32fast::hash(request.body).to_string().as_bytes()),
                Part::Newline if message.newline => sink(b"\n"),
                Part::Newline => {}
                Part::Secret => sink(secret),
            }
        }
    }

    /// As the file spells it.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// All values of a header. Hashing a name takes as long as comparing it with some twenty others, and requests have fewer.
pub(super) fn all<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a HeaderValue> {
    headers.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value)
}

/// The value of a header that stands there exactly once.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = all(headers, name);
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
        if parts.is_empty() {
            return Err("must say what is signed".to_owned());
        }
        Ok(Template { parts, text })
    }
}

fn part(piece: Piece) -> Result<Part, String> {
    let name = match piece {
        Piece::Literal(text) => return Ok(Part::Literal(text)),
        Piece::Hole(name) => name,
    };
    let named = name.split_once(':').filter(|(_, name)| !name.is_empty());
    match (name.as_str(), named) {
        ("body", _) => Ok(Part::Body),
        ("timestamp", _) => Ok(Part::Timestamp),
        ("method", _) => Ok(Part::Method),
        ("url", _) => Ok(Part::Url),
        ("crc32", _) => Ok(Part::Crc32),
        ("form_sorted", _) => Ok(Part::FormSorted),
        ("sns_lines", _) => Ok(Part::SnsLines(SNS_MEMBERS.map(|name| (name, 0)).to_vec())),
        ("first", _) => Ok(Part::First(0)),
        ("newline?", _) => Ok(Part::Newline),
        ("secret", _) => Ok(Part::Secret),
        (_, Some(("header", name))) => header_name(name).map(Part::Header),
        (_, Some(("query", name))) => Ok(Part::Query(name.to_owned())),
        (_, Some(("form", name))) => Ok(Part::Form(name.to_owned())),
        (_, Some(("config", name))) => Ok(Part::Config(name.to_owned())),
        (_, Some(("json", pointer))) => {
            let pointer = pointer.parse().map_err(|error: crate::event::PointerError| error.to_string())?;
            Ok(Part::Json(pointer, 0))
        }
        _ => Err(format!(
            "unknown part {{{name}}}, expected {{body}}, {{timestamp}}, {{method}}, {{url}}, {{header:NAME}}, \
             {{query:NAME}}, {{form:NAME}}, {{json:/pointer}}, {{config:NAME}}, {{crc32}}, {{form_sorted}}, {{first}}, \
             {{sns_lines}}, {{newline?}} or {{secret}}"
        )),
    }
}

/// What Amazon SNS may sign, in the order of its lines (docs.aws.amazon.com/sns, "Verifying the signatures").
const SNS_MEMBERS: [&str; 8] =
    ["Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type"];

/// For each member that is there its name and its text, a line each. Which members count says the type, which is the
/// last line and so cannot be read as another's text; for a type that SNS does not have nothing is signed.
fn sns_lines(members: &[(&'static str, usize)], found: Option<&Found<'_>>, sink: &mut dyn FnMut(&[u8])) {
    let text = |wanted: &str| {
        let slot = members.iter().find(|(name, _)| *name == wanted)?.1;
        found?.text(slot)
    };
    let left_out: &[&str] = match text("Type").as_deref() {
        Some("Notification") => &["SubscribeURL", "Token"],
        Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") => &["Subject"],
        _ => return,
    };
    for (name, _) in members.iter().filter(|(name, _)| !left_out.contains(name)) {
        if let Some(value) = text(name) {
            for part in [name, "\n", value.as_ref(), "\n"] {
                sink(part.as_bytes());
            }
        }
    }
}

/// The pointer to the first element would also lead to a member named `0`; an object is signed whole.
fn first<'a>(body: &'a [u8], element: Option<&'a [u8]>) -> &'a [u8] {
    element.filter(|_| body.trim_ascii_start().starts_with(b"[")).unwrap_or(body)
}

/// A header name as files spell it, in any case.
pub(crate) fn header_name(text: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(text).map_err(|_| format!("`{text}` is not a header name"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::{Few, Message, Template};
    use crate::provider::Reject;
    use crate::provider::verify::Request;
    use crate::provider::verify::picked::Picks;

    fn template(text: &str) -> Template {
        Template::try_from(text.to_owned()).unwrap()
    }

    fn fed(text: &str, headers: &HeaderMap, query: &str, body: &[u8]) -> String {
        let mut template = template(text).bind(&[("id".to_owned(), "WH-1".to_owned())].into());
        let mut picks = Picks::default();
        template.register(&mut picks);
        let picks = picks.close();
        let request = Request { method: &Method::PUT, headers, query, body, now: Timestamp::UNIX_EPOCH };
        let picked = picks.read(body);
        let values = template.check(headers, query).unwrap_or_default();
        let (timestamp, url) = ("17", "https://x/");
        let message = Message {
            request: &request,
            headers: &values,
            timestamp,
            url,
            newline: false,
            picked: &picked,
            item: None,
        };
        let mut out = Vec::new();
        template.feed(&message, b"s3", &mut |bytes| out.extend_from_slice(bytes));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn parts_come_in_their_order() {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
        let signed = "v0:{header:Webhook-Id}.{timestamp}.{body}";
        assert!(template(signed).check(&headers, "").is_ok());
        assert_eq!(fed(signed, &headers, "", b"{}"), "v0:msg_1.17.{}");
        headers.insert("webhook-id", HeaderValue::from_static(""));
        assert_eq!(template(signed).check(&headers, "").err(), Some(Reject::SignedHeaderMissing));
        headers.append("webhook-id", HeaderValue::from_static("msg_2"));
        assert_eq!(template(signed).check(&headers, "").err(), Some(Reject::SignedHeaderMissing));
    }

    #[test]
    fn each_part() {
        let none = HeaderMap::new();
        assert_eq!(fed("{secret}{method}{url}", &none, "", b""), "s3PUThttps://x/");
        assert_eq!(fed("{query:a}|{config:id}", &none, "a=b%20c", b""), "b c|WH-1");
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(fed("{crc32}", &none, "", b"123456789"), 0xcbf4_3926_u32.to_string());
        assert_eq!(fed("{form:b}/{form:c}", &none, "", b"a=1&b=x+y&b=2"), "x y/");
        assert_eq!(fed("{form_sorted}", &none, "", b"b=2&a=1"), "a1b2");
        assert_eq!(fed("{json:/a/b}:{json:/no}", &none, "", br#"{"a":{"b":"\u0031.50"}}"#), "1.50:");
        assert_eq!(fed("{first}", &none, "", br#" [ {"a": 1} ,2]"#), r#"{"a": 1}"#);
        assert_eq!(fed("{first}", &none, "", br#"{"0": 1} "#), r#"{"0": 1} "#);
        assert_eq!(fed("{first}", &none, "", b"{} "), "{} ");
        assert_eq!(template("{query:a}").check(&none, "a=1&a=2").err(), Some(Reject::SignedHeaderMissing));
    }

    #[test]
    fn unknown_parts_are_refused_and_coverage_is_known() {
        for text in ["", "{body}{nonsense}", "{body}{header:}", "{body}{header:a b}", "{body", "{json:a}", "{query:}"] {
            assert!(Template::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert!(template("{body}").covers_body() && template("{url}{form_sorted}").covers_body());
        assert!(!template("{timestamp}{json:/token}").covers_body());
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..100), query in ".{0,20}") {
            let text = "{form_sorted}{first}{json:/a}{form:a}{query:a}{crc32}";
            let mut template = template(text);
            let mut picks = Picks::default();
            template.register(&mut picks);
            let picks = picks.close();
            let headers = HeaderMap::new();
            let request = Request { method: &Method::PUT, headers: &headers, query: &query, body: &body, now: Timestamp::UNIX_EPOCH };
            let picked = picks.read(&body);
            let (values, timestamp, url) = (Few::default(), "", "");
            let message = Message { request: &request, headers: &values, timestamp, url, newline: true, picked: &picked, item: None };
            template.feed(&message, b"", &mut |_| ());
        }
    }
}
