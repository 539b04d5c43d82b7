//! The enriched event: the webhook's own JSON, the full record beside it, and how it was had.

use std::borrow::Cow;

use jiff::Timestamp;

use super::json::{self, Object};
use super::{Attributes, Data, Encoded, Envelope, Extra, Format, encode, rfc3339_millis};

/// The `dataschema` of enriched events: the `$id` of `schemas/enriched.schema.json`.
pub const ENRICHED_SCHEMA: &str = "urn:hookstream:enriched:1";

/// How the record was had, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrichment<'a> {
    /// The outcome.
    pub status: Status,
    /// Why it was skipped, or on what `gone` rests; one word of a closed list of the enricher's.
    pub reason: Option<&'a str>,
    /// The address the record was asked for at; credentials are never in it.
    pub url: Option<&'a str>,
    /// The provider's answer.
    pub httpstatus: Option<u16>,
    /// When the request that brought the answer began.
    pub fetchedat: Option<Timestamp>,
    /// The answer's `ETag`, as sent.
    pub etag: Option<&'a str>,
    /// The record's own version or time of change, as its provider file finds it.
    pub recordversion: Option<&'a str>,
    /// How often the provider answered about this record, this answer included.
    pub attempts: u32,
}

/// What became of the event's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The record is there.
    Enriched,
    /// Nothing was fetched: no route, no credentials, or nothing to fetch.
    Skipped,
    /// The provider no longer has the record.
    Gone,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 3] = [Status::Enriched, Status::Skipped, Status::Gone];

    /// The value in the event.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Enriched => "enriched",
            Status::Skipped => "skipped",
            Status::Gone => "gone",
        }
    }
}

/// Write the enriched event of a raw one: same id, type and, for the caller, key. `record` is JSON that was scanned;
/// it and the webhook's JSON are spliced in verbatim.
pub fn enriched(
    format: Format,
    event: &Envelope<'_>,
    record: Option<&[u8]>,
    enrichment: &Enrichment<'_>,
    extra: Extra<'_>,
) -> Encoded {
    let raw = &event.attributes;
    let attributes = Attributes {
        source: Cow::Owned(format!("{}/enriched", raw.source)),
        dataschema: Some(Cow::Borrowed(ENRICHED_SCHEMA)),
        ..raw.clone()
    };
    let data = data(&event.data, record, enrichment);
    encode(format, &attributes, &Data::Json(&data), extra)
}

fn data(event: &Data<'_>, record: Option<&[u8]>, enrichment: &Enrichment<'_>) -> Vec<u8> {
    let lengths = event.text().map_or(0, <[u8]>::len) + record.map_or(0, <[u8]>::len);
    let mut out = Vec::with_capacity(lengths + 512);
    let mut object = Object::open(&mut out);
    object.verbatim("event", event.text().unwrap_or(b"null"));
    if let Data::Bytes { content_type, body } = event {
        json::base64(object.member("event_base64"), body);
        object.text("event_contenttype", content_type);
    }
    object.verbatim("record", record.unwrap_or(b"null"));
    write(enrichment, Object::open(object.member("enrichment")));
    object.close();
    out
}

fn write(enrichment: &Enrichment<'_>, mut object: Object<'_>) {
    object.text("status", enrichment.status.as_str());
    object.optional("reason", enrichment.reason);
    object.optional("url", enrichment.url);
    if let Some(status) = enrichment.httpstatus {
        object.number("httpstatus", u64::from(status));
    }
    object.optional("fetchedat", enrichment.fetchedat.map(rfc3339_millis).as_deref());
    object.optional("etag", enrichment.etag);
    object.optional("recordversion", enrichment.recordversion);
    object.number("attempts", u64::from(enrichment.attempts));
    object.close();
}
