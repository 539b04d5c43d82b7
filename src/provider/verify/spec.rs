//! One `[verify]` table as it is written, and how it becomes a plan.

use std::collections::BTreeMap;

use http::HeaderName;
use jiff::SignedDuration;
use serde::Deserialize;

use super::address::UrlForm;
use super::encoding::Encoding;
use super::fetched::FetchedPlan;
use super::format::Format;
use super::jwt::JwtPlan;
use super::key::Algorithm;
use super::mac::Hash;
use super::picked::Picks;
use super::place::Place;
use super::plan::{Plan, Proof};
use super::secret::SecretForm;
use super::signature::{Clock, ClockPlace, SignaturePlan};
use super::template::{Template, header_name};
use super::timestamp::{TimeFormat, Window};
use super::token::{Carried, TokenPlan};
use super::when::When;
use crate::provider::error::Fault;
use crate::provider::period::Period;
use crate::provider::read::FactsSpec;

/// Five minutes either way, the tolerance of nearly every provider's own library.
const DEFAULT_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// `[verify]` as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifySpec {
    scheme: Scheme,
    /// When several alternatives are listed: what chooses this one.
    when: Option<When>,
    header: Option<String>,
    at: Option<Place>,
    format: Option<Format>,
    separator: Option<char>,
    signed: Option<Template>,
    encoding: Option<Encoding>,
    secret: Option<SecretForm>,
    url: Option<UrlForm>,
    body_hash: Option<Place>,
    /// The signature covers less than the body, and the file knows it.
    #[serde(default)]
    partial: bool,
    issuer: Option<String>,
    body_claim: Option<String>,
    /// Paths of the records to ask for, by the beginning of their names.
    #[serde(default)]
    records: BTreeMap<String, String>,
    timestamp_header: Option<String>,
    timestamp_at: Option<Place>,
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
    DigestSha1,
    DigestSha256,
    Ed25519,
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    #[serde(rename = "jwt-hs256")]
    JwtHs256,
    Token,
    Basic,
    Fetched,
    None,
}

impl VerifySpec {
    /// Check the table and compile it. Keys that the scheme has no use for are faults: they would promise something.
    pub(crate) fn compile(&self) -> Result<Plan, Fault> {
        let proof = match self.scheme {
            Scheme::HmacSha1 => self.signature(Algorithm::Hmac(Hash::Sha1)),
            Scheme::HmacSha256 => self.signature(Algorithm::Hmac(Hash::Sha256)),
            Scheme::HmacSha384 => self.signature(Algorithm::Hmac(Hash::Sha384)),
            Scheme::HmacSha512 => self.signature(Algorithm::Hmac(Hash::Sha512)),
            Scheme::DigestSha1 => self.signature(Algorithm::Digest(Hash::Sha1)),
            Scheme::DigestSha256 => self.signature(Algorithm::Digest(Hash::Sha256)),
            Scheme::Ed25519 => self.signature(Algorithm::Ed25519),
            Scheme::EcdsaP256 => self.signature(Algorithm::EcdsaP256),
            Scheme::JwtHs256 => self.jwt(),
            Scheme::Token => self.token(),
            Scheme::Basic => self.basic(),
            Scheme::Fetched => self.fetched(),
            Scheme::None => self.none(),
        }?;
        if !matches!(proof, Proof::Signature(_)) {
            self.unused(&self.signing())?;
            self.unused(&self.timing())?;
        }
        if !matches!(proof, Proof::Fetched(_)) {
            self.unused(&[("records", !self.records.is_empty())])?;
        }
        if !matches!(proof, Proof::Jwt(_)) {
            self.unused(&self.claims())?;
        }
        Ok(Plan { when: self.when.clone(), proof, name: self.scheme.as_str() })
    }

    fn signature(&self, algorithm: Algorithm) -> Result<Proof, Fault> {
        let mut format = self.format.clone().unwrap_or_default();
        if let Some(separator) = self.separator {
            format = format.listed(separator).map_err(|problem| Fault::new("separator", problem))?;
        }
        let mut picks = Picks::default();
        let mut signed = self.signed.clone().unwrap_or_default();
        let at = self.place(&mut picks)?;
        signed.register(&mut picks);
        let mut body_hash = self.body_hash.clone();
        if let Some(place) = &mut body_hash {
            place.register(&mut picks);
        }
        if signed.has_secret() != matches!(algorithm, Algorithm::Digest(_)) {
            return Err(Fault::new("signed", "must contain {secret} where a plain digest is taken, and nowhere else"));
        }
        if !signed.has_url() {
            self.unused(&[("url", self.url.is_some())])?;
        }
        let clock = self.clock(&format, &signed, &mut picks)?;
        let plan = SignaturePlan {
            algorithm,
            at,
            clock,
            format,
            signed,
            encoding: self.encoding.unwrap_or_default(),
            secret: self.secret.unwrap_or_default(),
            url: self.url.unwrap_or_default(),
            body_hash,
            picks: picks.close(),
        };
        if plan.is_partial() != self.partial {
            let problem = if self.partial {
                "has no meaning here: all of the body is signed"
            } else {
                "leaves {body} out; where the provider does so, and whoever saw one request may change the rest, say \
                 partial = true"
            };
            return Err(Fault::new(if self.partial { "partial" } else { "signed" }, problem));
        }
        Ok(Proof::Signature(Box::new(plan)))
    }

    /// A timestamp is worth something only when it is signed and checked: both or neither.
    fn clock(&self, format: &Format, signed: &Template, picks: &mut Picks) -> Result<Option<Clock>, Fault> {
        let header = self.timestamp_header.as_deref().map(|name| header_name(name).map(Place::Header)).transpose();
        let header = header.map_err(|problem| Fault::new("timestamp_header", problem))?;
        if header.is_some() && self.timestamp_at.is_some() {
            return Err(Fault::new("timestamp_at", "stands beside timestamp_header; keep one of them"));
        }
        let own = header.or_else(|| self.timestamp_at.clone());
        let place = match (own, format.has_timestamp(), signed.has_timestamp()) {
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
            (Some(mut place @ Place::Json(..)), false, false) if signed.covers_body() => {
                let mut inside = Picks::default();
                place.register(&mut inside);
                ClockPlace::Inside(place, inside.close())
            }
            (_, _, false) => {
                return Err(Fault::new("signed", "must contain {timestamp}: one that is not signed proves nothing"));
            }
            (None, true, true) => ClockPlace::Format,
            (Some(mut place), false, true) => {
                place.register(picks);
                ClockPlace::Own(place)
            }
        };
        let past = self.tolerance.map_or(DEFAULT_TOLERANCE, signed_duration);
        let future = self.future.map_or(past, signed_duration);
        let format = self.timestamp_format.unwrap_or_default();
        Ok(Some(Clock { place, format, window: Window { past, future } }))
    }

    fn jwt(&self) -> Result<Proof, Fault> {
        self.unused(&self.shape())?;
        self.unused(&[("at", self.at.is_some())])?;
        let claim = self.body_claim.as_deref();
        let claim = claim.ok_or_else(|| Fault::new("body_claim", "is missing: the claim with the body's SHA-256"))?;
        let plan = JwtPlan::new(self.header_or(None)?, claim, self.issuer.as_deref(), self.secret.unwrap_or_default());
        Ok(Proof::Jwt(Box::new(plan)))
    }

    fn token(&self) -> Result<Proof, Fault> {
        self.unused(&self.shape()[1..])?;
        let format = self.format.clone().unwrap_or_default();
        if format.has_timestamp() {
            return Err(Fault::new("format", "a token has no {timestamp}"));
        }
        let mut picks = Picks::default();
        let at = self.place(&mut picks)?;
        Ok(Proof::Token(Box::new(TokenPlan { at, carried: Carried::Verbatim(format), picks: picks.close() })))
    }

    fn basic(&self) -> Result<Proof, Fault> {
        self.unused(&self.shape())?;
        self.unused(&[("at", self.at.is_some())])?;
        let at = Place::Header(self.header_or(Some("authorization"))?);
        Ok(Proof::Token(Box::new(TokenPlan { at, carried: Carried::Basic, picks: Picks::default() })))
    }

    fn fetched(&self) -> Result<Proof, Fault> {
        self.unused(&self.shape())?;
        let mut picks = Picks::default();
        let at = self.place(&mut picks)?;
        let sound = |path: &String| path.starts_with('/') && !path.starts_with("//") && path.ends_with('/');
        if self.records.is_empty() || !self.records.values().all(sound) {
            return Err(Fault::new("records", "must give at least one path, such as tr_ = \"/v2/payments/\""));
        }
        Ok(Proof::Fetched(Box::new(FetchedPlan { at, picks: picks.close(), records: self.records.clone() })))
    }

    fn none(&self) -> Result<Proof, Fault> {
        self.unused(&[("header", self.header.is_some()), ("at", self.at.is_some())])?;
        self.unused(&self.shape())?;
        Ok(Proof::None)
    }

    /// Where the proof stands: a header, a numbered family of them, or a place elsewhere.
    fn place(&self, picks: &mut Picks) -> Result<Place, Fault> {
        let mut place = match (&self.header, &self.at) {
            (Some(_), Some(_)) => return Err(Fault::new("at", "stands beside header; keep one of them")),
            (Some(name), None) => Place::header(name).map_err(|problem| Fault::new("header", problem))?,
            (None, Some(place)) => place.clone(),
            (None, None) => return Err(Fault::new("header", "is missing: the header that carries the proof")),
        };
        if let Place::Json(pointer, _) = &place {
            picks.each(pointer);
        }
        place.register(picks);
        Ok(place)
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
    fn signing(&self) -> [Given; 8] {
        [
            ("signed", self.signed.is_some()),
            ("encoding", self.encoding.is_some()),
            ("secret", self.secret.is_some() && self.scheme != Scheme::JwtHs256),
            ("url", self.url.is_some()),
            ("body_hash", self.body_hash.is_some()),
            ("partial", self.partial),
            ("timestamp_header", self.timestamp_header.is_some()),
            ("timestamp_at", self.timestamp_at.is_some()),
        ]
    }

    /// The keys that only a token with claims gives a meaning.
    fn claims(&self) -> [Given; 2] {
        [("issuer", self.issuer.is_some()), ("body_claim", self.body_claim.is_some())]
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
            Scheme::DigestSha1 => "digest-sha1",
            Scheme::DigestSha256 => "digest-sha256",
            Scheme::Ed25519 => "ed25519",
            Scheme::EcdsaP256 => "ecdsa-p256",
            Scheme::JwtHs256 => "jwt-hs256",
            Scheme::Token => "token",
            Scheme::Basic => "basic",
            Scheme::Fetched => "fetched",
            Scheme::None => "none",
        }
    }
}
