//! The envelope: check and pick (scan), describe (attributes), write (encode), read back (decode), pass on (enriched,
//! token, dead letter). Pure: no clock, no I/O, nothing of Kafka's client and nothing of HTTP.

mod attributes;
mod data;
mod dead_letter;
mod decode;
mod encode;
mod enriched;
mod form;
mod json;
mod names;
mod number;
mod pointer;
mod scan;
mod text;
mod time;
mod token;
mod trail;
mod unreadable;
mod wanted;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

pub use attributes::{Attributes, Origin, Verification, clean, source_uri};
pub use data::Data;
pub use dead_letter::{DeadLetter, Foreign, UNREADABLE_TYPE};
pub use decode::{DecodeError, Envelope, decode};
pub use encode::{Encoded, Extra, Format, encode};
pub use enriched::{ENRICHED_SCHEMA, Enrichment, Status, enriched};
pub use pointer::{Pointer, PointerError};
pub use scan::{Found, MAX_ITEMS, scan};
pub use time::rfc3339_millis;
pub use token::Token;
pub use trail::{Place, Stage, Trail};
pub use unreadable::{Flaw, Unreadable};
pub use wanted::{EACH, Wanted};

/// The headers of a Kafka record, in the order in which they are written.
pub type Headers = Vec<(Cow<'static, str>, Bytes)>;

/// The exact bytes of a request whose `data` is not the body verbatim.
pub const RAW_BODY_HEADER: &str = "hookstream-raw-body";

/// A finished Kafka record. Nothing after this point knows CloudEvents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The topic it goes to.
    pub topic: Arc<str>,
    /// The partition, where it is given; otherwise the producer hashes the key.
    pub partition: Option<i32>,
    /// The key; never empty.
    pub key: Vec<u8>,
    /// The value; empty for a binary-mode event without data, never null.
    pub value: Vec<u8>,
    /// The headers.
    pub headers: Headers,
    /// The Kafka timestamp in milliseconds since 1970: when hookstream received, listed or fetched; never the provider's time.
    pub timestamp_ms: i64,
}
