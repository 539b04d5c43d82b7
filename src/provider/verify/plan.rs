//! One `[verify]` table: which scheme, checked once, then bound to a source's secrets.

use http::{HeaderMap, HeaderName};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::encoding::Encoding;
use super::format::Format;
use super::hmac::{Clock, Hmac, HmacPlan};
use super::mac::Hash;
use super::secret::SecretForm;
use super::template::{Template, header_name};
use super::timestamp::{TimeFormat, Window};
use super::token::{Carried, Token, TokenPlan};
use super::{Passed, Request};
use crate::config::Secret;
use crate::event::Verification;
use crate::provider::error::{Fault, SignError};
use crate::provider::period::Period;
use crate::provider::read::FactsSpec;
use crate::provider::reject::Reject;

/// Five minutes either way, the tolerance of nearly every provider's own library.
const DEFAULT_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// `[verify]` as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifySpec {
    scheme: Scheme,
    /// When several alternatives are listed: the header whose presence chooses this one.
    when: Option<String>,
    header: Option<String>,
    format: Option<Format>,
    separator: Option<char>,
    signed: Option<Template>,
    encoding: Option<Encoding>,
    secret: Option<SecretForm>,
    timestamp_header: Option<String>,
    timestamp_format: Option<TimeFormat>,
    tolerance: Option<Period>,
    future: Option<Period>,
    /// Facts that are found elsewhere when this alternative verified.
    pub(crate) event: Option<FactsSpec>,
}

/// The closed set of schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scheme {
    HmacSha1,
    HmacSha256,
    HmacSha384,
    HmacSha512,
    Token,
    Basic,
    None,
}

/// One way to verify, without keys.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Chosen when this header is present; always when there is none.
    pub(crate) when: Option<HeaderName>,
    pub(crate) proof: Proof,
    name: &'static str,
}

/// The schemes, without keys.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    Hmac(Box<HmacPlan>),
    Token(TokenPlan),
    None,
}

impl VerifySpec {
    /// Check the table and compile it. Keys that the scheme has no use for are faults: they would promise something.
    pub(crate) fn compile(&self) -> Result<Plan, Fault> {
        let when = self.when.as_deref().map(header_name).transpose().map_err(|problem| Fault::new("when", problem))?;
        let proof = match self.scheme {
            Scheme::HmacSha1 => self.hmac(Hash::Sha1),
            Scheme::HmacSha256 => self.hmac(Hash::Sha256),
            Scheme::HmacSha384 => self.hmac(Hash::Sha384),
            Scheme::HmacSha512 => self.hmac(Hash::Sha512),
            Scheme::Token => self.token(),
            Scheme::Basic => self.basic(),
            Scheme::None => self.none(),
        }?;
        if !matches!(proof, Proof::Hmac(_)) {
            self.unused(&self.signing())?;
            self.unused(&self.timing())?;
        }
        Ok(Plan { when, proof, name: self.scheme.as_str() })
    }

    fn hmac(&self, hash: Hash) -> Result<Proof, Fault> {
        let mut format = self.format.clone().unwrap_or_default();
        if let Some(separator) = self.separator {
            format = format.listed(separator).map_err(|problem| Fault::new("separator", problem))?;
        }
        let signed = self.signed.clone().unwrap_or_default();
        Ok(Proof::Hmac(Box::new(HmacPlan {
            hash,
            header: self.header_or(None)?,
            clock: self.clock(&format, &signed)?,
            format,
            signed,
            encoding: self.encoding.unwrap_or_default(),
            secret: self.secret.unwrap_or_default(),
        })))
    }

    /// A timestamp is worth something only when it is signed and checked: both or neither.
    fn clock(&self, format: &Format, signed: &Template) -> Result<Option<Clock>, Fault> {
        let header = self.timestamp_header.as_deref().map(header_name).transpose();
        let header = header.map_err(|problem| Fault::new("timestamp_header", problem))?;
        match (&header, format.has_timestamp(), signed.has_timestamp()) {
            (Some(_), true, _) => {
                return Err(Fault::new("timestamp_header", "the format names a {timestamp} already; keep one of them"));
            }
            (None, false, false) => return self.unused(&self.timing()).map(|()| None),
            (None, false, true) => {
                return Err(Fault::new(
                    "signed",
                    "has a {timestamp}, but neither timestamp_header nor format says where it stands",
                ));
            }
            (_, _, false) => {
                return Err(Fault::new("signed", "must contain {timestamp}: one that is not signed proves nothing"));
            }
            (_, _, true) => {}
        }
        let past = self.tolerance.map_or(DEFAULT_TOLERANCE, signed_duration);
        let future = self.future.map_or(past, signed_duration);
        let format = self.timestamp_format.unwrap_or_default();
        Ok(Some(Clock { header, format, window: Window { past, future } }))
    }

    fn token(&self) -> Result<Proof, Fault> {
        self.unused(&self.shape()[1..])?;
        let format = self.format.clone().unwrap_or_default();
        if format.has_timestamp() {
            return Err(Fault::new("format", "a token has no {timestamp}"));
        }
        Ok(Proof::Token(TokenPlan { header: self.header_or(None)?, carried: Carried::Verbatim(format) }))
    }

    fn basic(&self) -> Result<Proof, Fault> {
        self.unused(&self.shape())?;
        Ok(Proof::Token(TokenPlan { header: self.header_or(Some("authorization"))?, carried: Carried::Basic }))
    }

    fn none(&self) -> Result<Proof, Fault> {
        self.unused(&[("header", self.header.is_some())])?;
        self.unused(&self.shape())?;
        Ok(Proof::None)
    }

    fn header_or(&self, default: Option<&str>) -> Result<HeaderName, Fault> {
        let name = self.header.as_deref().or(default);
        let name = name.ok_or_else(|| Fault::new("header", "is missing: the header that carries the proof"))?;
        header_name(name).map_err(|problem| Fault::new("header", problem))
    }

    /// The keys that say how the proof stands in its header.
    fn shape(&self) -> [Given; 2] {
        [("format", self.format.is_some()), ("separator", self.separator.is_some())]
    }

    /// The keys that only a timestamp gives a meaning.
    fn timing(&self) -> [Given; 3] {
        [
            ("timestamp_format", self.timestamp_format.is_some()),
            ("tolerance", self.tolerance.is_some()),
            ("future", self.future.is_some()),
        ]
    }

    /// The keys that only a signature gives a meaning.
    fn signing(&self) -> [Given; 4] {
        [
            ("signed", self.signed.is_some()),
            ("encoding", self.encoding.is_some()),
            ("secret", self.secret.is_some()),
            ("timestamp_header", self.timestamp_header.is_some()),
        ]
    }

    /// A fault for the first of these keys that is given.
    fn unused(&self, keys: &[Given]) -> Result<(), Fault> {
        match keys.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(Fault::new(key, format!("has no meaning here (scheme {})", self.scheme.as_str()))),
            None => Ok(()),
        }
    }
}

/// A key, and whether the file gives it.
type Given = (&'static str, bool);

/// Periods are at most a year, far inside the range.
fn signed_duration(period: Period) -> SignedDuration {
    SignedDuration::try_from(period.0).unwrap_or(DEFAULT_TOLERANCE)
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Scheme::HmacSha1 => "hmac-sha1",
            Scheme::HmacSha256 => "hmac-sha256",
            Scheme::HmacSha384 => "hmac-sha384",
            Scheme::HmacSha512 => "hmac-sha512",
            Scheme::Token => "token",
            Scheme::Basic => "basic",
            Scheme::None => "none",
        }
    }
}

impl Plan {
    /// With one source's secrets.
    pub(crate) fn bind(&self, secrets: &[Secret]) -> Result<Check, Fault> {
        match &self.proof {
            Proof::Hmac(plan) => Hmac::new(plan, secrets).map(|hmac| Check::Hmac(Box::new(hmac))),
            Proof::Token(plan) => Token::new(plan, secrets).map(Check::Token),
            Proof::None => Ok(Check::None),
        }
    }

    /// The scheme as the file spells it.
    pub(crate) fn scheme(&self) -> &'static str {
        self.name
    }

    /// The scheme in words, for the docs.
    pub(crate) fn describe(&self) -> String {
        let when = self.when.as_ref().map(|header| format!("with `{header}`: ")).unwrap_or_default();
        match &self.proof {
            Proof::Hmac(plan) => format!("{when}{}", plan.describe(self.name)),
            Proof::Token(plan) => format!("{when}{} in `{}`; the body is not covered", self.name, plan.header),
            Proof::None => format!("{when}nothing: requests are not signed"),
        }
    }

    /// Is the value of this header covered by the signature?
    pub(crate) fn signs_header(&self, name: &HeaderName) -> bool {
        match &self.proof {
            Proof::Hmac(plan) => plan.signed.headers().any(|signed| signed == name),
            Proof::Token(_) | Proof::None => false,
        }
    }

    /// Does it verify anything?
    pub(crate) fn needs_secret(&self) -> bool {
        !matches!(self.proof, Proof::None)
    }

    /// The headers without which a stored record could not be verified again.
    pub(crate) fn proof_headers(&self) -> Vec<&HeaderName> {
        match &self.proof {
            Proof::Hmac(plan) => plan.headers(),
            Proof::Token(_) | Proof::None => Vec::new(),
        }
    }

    /// The header that carries a shared secret in clear, which must never be kept.
    pub(crate) fn credential_header(&self) -> Option<&HeaderName> {
        match &self.proof {
            Proof::Token(plan) => Some(&plan.header),
            Proof::Hmac(_) | Proof::None => None,
        }
    }

    /// What a request without any proof is refused with.
    pub(crate) fn absent(&self) -> Reject {
        match &self.proof {
            Proof::Token(_) => Reject::TokenMissing,
            Proof::Hmac(_) | Proof::None => Reject::SignatureMissing,
        }
    }
}

/// One way to verify, with keys: what runs per request.
pub(crate) enum Check {
    Hmac(Box<Hmac>),
    Token(Token),
    None,
}

impl Check {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<Passed, Reject> {
        match self {
            Check::Hmac(hmac) => hmac.verify(request),
            Check::Token(token) => token.verify(request),
            Check::None => Ok(Passed { secret: 0, signed_at: None }),
        }
    }

    pub(crate) fn sign(&self, body: &[u8], headers: HeaderMap, now: Timestamp) -> Result<HeaderMap, SignError> {
        match self {
            Check::Hmac(hmac) => hmac.sign(body, headers, now),
            Check::Token(token) => token.sign(headers),
            Check::None => Ok(headers),
        }
    }

    pub(crate) fn kind(&self) -> Verification {
        match self {
            Check::Hmac(_) => Verification::Signature,
            Check::Token(_) => Verification::Token,
            Check::None => Verification::None,
        }
    }
}
