//! Reading records back, in either mode: the attributes and the exact bytes of the data.

use std::borrow::Cow;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::scan::{ENVELOPE_DEPTH, Found, scan_to};
use super::{Attributes, Data, Origin, Pointer, RAW_BODY_HEADER, Unreadable, Verification, Wanted, clean, encode};

const CLOUDEVENT: &str = "application/cloudevents";
const CLOUDEVENT_JSON: &str = "application/cloudevents+json";

/// An event read back from a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The attributes.
    pub attributes: Attributes<'a>,
    /// The data, byte for byte; JSON has been scanned.
    pub data: Data<'a>,
}

/// A record that is not an event of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Neither a structured nor a binary CloudEvent.
    #[error(
        "the record is not a CloudEvent: neither a content-type of application/cloudevents+json nor a ce_specversion header"
    )]
    NotCloudEvent,
    /// Another format or version of CloudEvents.
    #[error("a CloudEvent in another format or version: {0}")]
    Unsupported(String),
    /// The JSON breaks a rule of the envelope.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// An attribute that every event of ours has is not there.
    #[error("the attribute {0} is missing")]
    Missing(&'static str),
    /// An attribute has a value that it cannot have.
    #[error("the attribute {0} has a value that it cannot have")]
    Invalid(&'static str),
}

impl DecodeError {
    /// The name used in headers, metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            DecodeError::NotCloudEvent => "not_cloudevent",
            DecodeError::Unsupported(_) => "unsupported_cloudevent",
            DecodeError::Unreadable(unreadable) => unreadable.as_str(),
            DecodeError::Missing(_) => "attribute_missing",
            DecodeError::Invalid(_) => "attribute_invalid",
        }
    }
}

/// Read a record back. Headers are pairs of name and value; of a repeated name the last counts, as in Kafka's own client.
///
/// # Errors
/// The record is not an event that [`super::encode()`] could have written.
pub fn decode<'a, N, V>(headers: &'a [(N, V)], value: &'a [u8]) -> Result<Envelope<'a>, DecodeError>
where
    N: AsRef<str>,
    V: AsRef<[u8]>,
{
    let header = |name: &str| last(headers, name);
    let content_type = header("content-type").map(|text| utf8(text, "datacontenttype")).transpose()?;
    // CloudEvents has no empty attributes: what is empty is not set.
    let content_type = content_type.filter(|text| !text.is_empty());
    match content_type {
        Some(json) if has_prefix(json.as_bytes(), CLOUDEVENT_JSON) => structured(value, header(RAW_BODY_HEADER)),
        Some(other) if has_prefix(other.as_bytes(), CLOUDEVENT) => Err(DecodeError::Unsupported(other.to_owned())),
        _ => binary(header, content_type, value),
    }
}

/// Whether the headers say structured mode, as the binding decides it (section 3).
pub(super) fn is_structured<N: AsRef<str>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> bool {
    last(headers, "content-type").is_some_and(|media_type| has_prefix(media_type, CLOUDEVENT))
}

/// The last header of this name.
pub(super) fn last<'a, N: AsRef<str>, V: AsRef<[u8]>>(headers: &'a [(N, V)], name: &str) -> Option<&'a [u8]> {
    headers.iter().rev().find(|(other, _)| other.as_ref() == name).map(|(_, value)| value.as_ref())
}

const ATTRIBUTES: [&str; 16] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "provider",
    "providertype",
    "category",
    "tenant",
    "origin",
    "verification",
    "run",
    "recordedtime",
];
const DATA: usize = ATTRIBUTES.len();
const DATA_BASE64: usize = DATA + 1;

static MEMBERS: LazyLock<Wanted> = LazyLock::new(|| {
    let names = ATTRIBUTES.iter().copied().chain(["data", "data_base64"]);
    Wanted::new(&names.map(Pointer::member).collect::<Vec<_>>())
});

fn structured<'a>(value: &'a [u8], raw_body: Option<&'a [u8]>) -> Result<Envelope<'a>, DecodeError> {
    let found = scan_to(value, &MEMBERS, ENVELOPE_DEPTH)?;
    if !value.trim_ascii_start().starts_with(b"{") {
        return Err(DecodeError::NotCloudEvent);
    }
    let text = |name| {
        let Some(slot) = ATTRIBUTES.iter().position(|other| *other == name) else { return Ok(None) };
        match found.raw(slot) {
            None | Some(b"null") => Ok(None),
            Some([b'"', ..]) => Ok(found.text(slot)),
            Some(_) => Err(DecodeError::Invalid(name)),
        }
    };
    let attributes = attributes(text)?;
    let data = match (verbatim(value, &found), found.raw(DATA_BASE64)) {
        (Some(_), Some(_)) => return Err(DecodeError::Invalid("data_base64")),
        (Some(json), None) => json_data(json, raw_body),
        (None, Some(_)) => {
            let encoded = found.text(DATA_BASE64).ok_or(DecodeError::Invalid("data_base64"))?;
            let body = STANDARD.decode(encoded.as_bytes()).map_err(|_| DecodeError::Invalid("data_base64"))?;
            let content_type = text("datacontenttype")?.filter(|text| !text.is_empty());
            let content_type = content_type.ok_or(DecodeError::Missing("datacontenttype"))?;
            Data::Bytes { content_type: clean(content_type), body: Cow::Owned(body) }
        }
        (None, None) => Data::None,
    };
    Ok(Envelope { attributes, data })
}

/// The data with the whitespace around it, which belongs to the provider's body: from the colon to the closing brace.
fn verbatim<'a>(value: &'a [u8], found: &Found<'a>) -> Option<&'a [u8]> {
    let span = found.span(DATA)?;
    let colon = value.get(..span.start)?.iter().rposition(|&b| b == b':')?;
    let after = value.get(span.end..)?;
    let space = after.len() - after.trim_ascii_start().len();
    let end = if after.get(space) == Some(&b'}') { span.end + space } else { span.end };
    value.get(colon + 1..end)
}

fn binary<'a>(
    header: impl Fn(&str) -> Option<&'a [u8]>,
    content_type: Option<&'a str>,
    value: &'a [u8],
) -> Result<Envelope<'a>, DecodeError> {
    if header("ce_specversion").is_none() {
        return Err(DecodeError::NotCloudEvent);
    }
    let attributes =
        attributes(|name| header(&format!("ce_{name}")).map(|value| utf8(value, name).map(Cow::Borrowed)).transpose())?;
    let data = match content_type {
        Some(encode::JSON) => {
            scan_to(value, &Wanted::none(), ENVELOPE_DEPTH)?;
            json_data(value, header(RAW_BODY_HEADER))
        }
        Some(other) => Data::Bytes { content_type: clean(Cow::Borrowed(other)), body: Cow::Borrowed(value) },
        None if value.is_empty() => Data::None,
        None => return Err(DecodeError::Missing("datacontenttype")),
    };
    Ok(Envelope { attributes, data })
}

fn json_data<'a>(json: &'a [u8], raw_body: Option<&'a [u8]>) -> Data<'a> {
    match raw_body {
        Some(body) => Data::Derived { json: Cow::Borrowed(json), body },
        None => Data::Json(json),
    }
}

/// The attributes, each by its name.
fn attributes<'a>(
    text: impl Fn(&'static str) -> Result<Option<Cow<'a, str>>, DecodeError>,
) -> Result<Attributes<'a>, DecodeError> {
    // As a writer of ours has it: whoever moves the record must find it under one identity.
    let text = |name: &'static str| text(name).map(|text| text.map(clean));
    let needed = |name| text(name)?.filter(|text| !text.is_empty()).ok_or(DecodeError::Missing(name));
    let time = |name| text(name)?.map(|text| timestamp(&text).ok_or(DecodeError::Invalid(name))).transpose();
    let version = needed("specversion")?;
    if version != "1.0" {
        return Err(DecodeError::Unsupported(format!("specversion {version}")));
    }
    Ok(Attributes {
        id: needed("id")?,
        source: needed("source")?,
        kind: needed("type")?,
        subject: text("subject")?,
        time: time("time")?,
        dataschema: text("dataschema")?,
        provider: needed("provider")?,
        providertype: text("providertype")?,
        category: text("category")?,
        tenant: text("tenant")?,
        origin: Origin::from_name(&needed("origin")?).ok_or(DecodeError::Invalid("origin"))?,
        verification: Verification::from_name(&needed("verification")?).ok_or(DecodeError::Invalid("verification"))?,
        run: text("run")?,
        recordedtime: time("recordedtime")?.ok_or(DecodeError::Missing("recordedtime"))?,
    })
}

fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn utf8<'a>(value: &'a [u8], name: &'static str) -> Result<&'a str, DecodeError> {
    std::str::from_utf8(value).map_err(|_| DecodeError::Invalid(name))
}

/// Media types are compared without regard to case.
fn has_prefix(text: &[u8], prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}
