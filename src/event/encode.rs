//! Writing events: CloudEvents 1.0 in the Kafka protocol binding, structured or binary mode.

use std::borrow::Cow;

use bytes::Bytes;

use super::json::{self, Object};
use super::{Attributes, Data, Headers, RAW_BODY_HEADER, clean, rfc3339_millis, time};

/// The `content-type` of structured mode.
pub(super) const STRUCTURED: &str = "application/cloudevents+json; charset=UTF-8";
/// The `datacontenttype` of everything that is JSON.
pub(super) const JSON: &str = "application/json";

/// How a source's events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Structured mode: attributes and data in the value, the attributes that filters use also in headers.
    #[default]
    CloudEvents,
    /// Binary mode: data in the value, attributes in headers.
    CloudEventsBinary,
}

impl Format {
    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::CloudEvents => "cloudevents",
            Format::CloudEventsBinary => "cloudevents-binary",
        }
    }

    /// The format of this name.
    pub fn from_name(name: &str) -> Option<Format> {
        [Format::CloudEvents, Format::CloudEventsBinary].into_iter().find(|format| format.as_str() == name)
    }
}

/// What rides in headers besides the attributes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extra<'a> {
    /// The provider's headers that its file keeps: names without prefix, values as they came.
    pub kept_headers: &'a [(&'a str, &'a [u8])],
    /// The W3C trace context.
    pub traceparent: Option<&'a str>,
    /// The exact bytes of the request, where they are neither `data` nor the body in it: a compressed body.
    pub received: Option<&'a [u8]>,
}

/// A value and its headers: a record without topic and key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// The record's value.
    pub value: Vec<u8>,
    /// The record's headers.
    pub headers: Headers,
}

/// Write an event. `data` is the last member of the value, verbatim.
pub fn encode(format: Format, attributes: &Attributes<'_>, data: &Data<'_>, extra: Extra<'_>) -> Encoded {
    match format {
        Format::CloudEvents => structured(attributes, data, extra),
        Format::CloudEventsBinary => binary(attributes, data, extra),
    }
}

fn structured(attributes: &Attributes<'_>, data: &Data<'_>, extra: Extra<'_>) -> Encoded {
    let mut value = Vec::with_capacity(value_capacity(data));
    let mut headers = Block::with_capacity(12 + extra.kept_headers.len());
    headers.push("content-type", STRUCTURED.as_bytes());
    let mut object = Object::open(&mut value);
    each(attributes, content_type(data), |attribute, text| {
        object.text(attribute.name(), text);
        if attribute.doubled {
            headers.push(attribute.header, text.as_bytes());
        }
    });
    match data {
        Data::Json(json) => object.verbatim("data", json),
        Data::Derived { json, .. } => object.verbatim("data", json),
        Data::Bytes { body, .. } => json::base64(object.member("data_base64"), body),
        Data::None => {}
    }
    object.close();
    Encoded { value, headers: finish(headers, data, extra) }
}

fn binary(attributes: &Attributes<'_>, data: &Data<'_>, extra: Extra<'_>) -> Encoded {
    let mut headers = Block::with_capacity(16 + extra.kept_headers.len());
    each(attributes, content_type(data), |attribute, text| headers.push(attribute.header, text.as_bytes()));
    let value = match data {
        Data::Json(json) => json.to_vec(),
        Data::Derived { json, .. } => json.to_vec(),
        Data::Bytes { body, .. } => body.to_vec(),
        Data::None => Vec::new(),
    };
    Encoded { value, headers: finish(headers, data, extra) }
}

/// An attribute's place in the binding.
struct Attribute {
    /// The header of binary mode.
    header: &'static str,
    /// Whether structured mode writes the header too: what a consumer filters by without parsing.
    doubled: bool,
}

impl Attribute {
    fn name(&self) -> &'static str {
        match self.header {
            "content-type" => "datacontenttype",
            header => header.strip_prefix("ce_").unwrap_or(header),
        }
    }
}

/// Every attribute that is set, in the order of the envelope.
fn each(a: &Attributes<'_>, content_type: Option<&str>, mut write: impl FnMut(Attribute, &str)) {
    let mut attribute = |header, doubled, text: Option<&str>| {
        // CloudEvents has no empty attributes: what is empty is not set.
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            write(Attribute { header, doubled }, &clean(Cow::Borrowed(text)));
        }
    };
    attribute("ce_specversion", true, Some("1.0"));
    attribute("ce_id", true, Some(&a.id));
    attribute("ce_source", true, Some(&a.source));
    attribute("ce_type", true, Some(&a.kind));
    attribute("ce_subject", true, a.subject.as_deref());
    attribute("ce_time", true, a.time.filter(time::writable).map(rfc3339_millis).as_deref());
    attribute("content-type", false, content_type);
    attribute("ce_dataschema", false, a.dataschema.as_deref());
    attribute("ce_provider", true, Some(&a.provider));
    attribute("ce_providertype", false, a.providertype.as_deref());
    attribute("ce_category", true, a.category.as_deref());
    attribute("ce_tenant", false, a.tenant.as_deref());
    attribute("ce_origin", false, Some(a.origin.as_str()));
    attribute("ce_verification", false, Some(a.verification.as_str()));
    attribute("ce_run", false, a.run.as_deref());
    attribute("ce_recordedtime", false, Some(&rfc3339_millis(a.recordedtime)));
}

fn content_type<'d>(data: &'d Data<'_>) -> Option<&'d str> {
    match data {
        Data::Json(_) | Data::Derived { .. } => Some(JSON),
        Data::Bytes { content_type, .. } => Some(content_type),
        Data::None => None,
    }
}

/// The headers that are not attributes.
fn finish(mut headers: Block, data: &Data<'_>, extra: Extra<'_>) -> Headers {
    if let Some(traceparent) = extra.traceparent {
        headers.push("traceparent", traceparent.as_bytes());
    }
    for (name, value) in extra.kept_headers {
        headers.push(["http-", name].concat(), value);
    }
    let received = match data {
        _ if extra.received.is_some() => extra.received,
        Data::Derived { body, .. } => Some(*body),
        _ => None,
    };
    if let Some(received) = received {
        headers.push(RAW_BODY_HEADER, received);
    }
    headers.finish()
}

/// Headers whose values share one piece of memory: a record has a dozen of a few bytes each.
struct Block {
    /// Each name, and where its value ends.
    names: Vec<(Cow<'static, str>, usize)>,
    bytes: Vec<u8>,
}

impl Block {
    fn with_capacity(headers: usize) -> Block {
        const USUAL: usize = 48;
        Block { names: Vec::with_capacity(headers), bytes: Vec::with_capacity(headers * USUAL) }
    }

    fn push(&mut self, name: impl Into<Cow<'static, str>>, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.names.push((name.into(), self.bytes.len()));
    }

    fn finish(self) -> Headers {
        let mut rest = Bytes::from(self.bytes);
        let mut start = 0;
        let mut value = |end| rest.split_to(end - std::mem::replace(&mut start, end));
        self.names.into_iter().map(|(name, end)| (name, value(end))).collect()
    }
}

fn value_capacity(data: &Data<'_>) -> usize {
    const ATTRIBUTES: usize = 640;
    ATTRIBUTES
        + match data {
            Data::Json(json) => json.len(),
            Data::Derived { json, .. } => json.len(),
            Data::Bytes { body, .. } => body.len().div_ceil(3) * 4,
            Data::None => 0,
        }
}
