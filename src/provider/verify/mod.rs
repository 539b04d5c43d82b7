//! Verification: from a request's headers and raw bytes to the proof that its provider sent it.

mod address;
mod certified;
mod claims;
mod encoding;
mod fetched;
mod few;
mod format;
mod hosts;
mod jwt;
mod key;
mod keys;
mod mac;
mod material;
mod outgoing;
mod param;
mod picked;
mod place;
mod plan;
mod secret;
mod signature;
mod spec;
mod template;
mod timestamp;
mod token;
mod when;
mod x509;

use http::HeaderMap;
use jiff::Timestamp;

use crate::event::Verification;

pub(crate) use encoding::Encoding;
pub(crate) use format::Parsed;
pub(crate) use hosts::is_region;
pub(crate) use jwt::JwtKey;
pub(crate) use key::Algorithm;
pub use key::KeyKind;
pub(crate) use keys::KeysPlan;
pub use keys::{KeyRequest, MaterialKind};
pub(crate) use mac::Hash;
pub use material::Material;
pub use outgoing::{Signed, Signer};
pub use plan::Coverage;
pub(crate) use plan::{Check, Keys, Plan, Proof};
pub(crate) use secret::SecretForm;
pub(crate) use signature::{ClockPlace, SignaturePlan};
pub(crate) use spec::VerifySpec;
pub(crate) use template::{header_name, only};
pub(crate) use timestamp::{TimeFormat, Window};
pub(crate) use token::Carried;

/// A request as it arrived, with the time at which it did. Nothing here reads a clock.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a http::Method,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The query as it stands in the URL, without the question mark.
    pub query: &'a str,
    /// The raw bytes of the body.
    pub body: &'a [u8],
    /// When the request arrived.
    pub now: Timestamp,
}

/// The proof that a request passed its source's scheme. Only [`super::Rules::verify`] makes one.
#[derive(Debug, Clone)]
pub struct Verified {
    pub(super) alternative: usize,
    pub(super) secret: usize,
    pub(super) kind: Verification,
    pub(super) signed_at: Option<Timestamp>,
    /// What the provider's API said, where that is the proof.
    pub(super) record: Option<Vec<u8>>,
}

impl Verified {
    /// Which live secret matched, counted from 0 in the order of the configuration.
    pub fn secret(&self) -> usize {
        self.secret
    }

    /// What the event's authenticity rests on.
    pub fn kind(&self) -> Verification {
        self.kind
    }

    /// The timestamp that the provider signed, where its scheme has one.
    pub fn signed_at(&self) -> Option<Timestamp> {
        self.signed_at
    }
}

/// What a scheme found out about a request that passed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    pub(crate) secret: usize,
    pub(crate) signed_at: Option<Timestamp>,
}

/// A key as it is, for tests that sign what no source would.
#[cfg(test)]
pub(crate) fn test_key(algorithm: Algorithm, bytes: &[u8]) -> key::Key {
    key::Key::new(algorithm, bytes).unwrap_or_else(|problem| unreachable!("{problem}"))
}
