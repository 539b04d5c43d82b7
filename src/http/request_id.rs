//! The id that every answer carries, in `X-Request-Id`.

use std::fmt;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use ulid::Ulid;

/// The header's name.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id: a ULID of our own. One that a client sends is ignored, since it would let strangers write into
/// our log and collide with others' ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Ulid);

impl RequestId {
    /// A new id of this time; ids are ordered by it.
    pub fn at(now: Timestamp) -> Self {
        Self(Ulid::from_datetime(now.into()))
    }

    /// Its 128 bits, of which the lower 80 are random.
    pub fn bits(self) -> u128 {
        self.0.into()
    }

    /// As a header value.
    pub fn header(self) -> HeaderValue {
        let mut buffer = [0; ulid::ULID_LEN];
        HeaderValue::from_str(self.0.array_to_str(&mut buffer)).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
