//! One `[verify]` table as it is written, and how it becomes a plan.

use std::collections::BTreeMap;

use http::HeaderName;
use jiff::SignedDuration;
use serde::Deserialize;

use super::address::UrlForm;
use super::certified::{CertifiedPlan, HashChoice, Listed};
use super::claims::ClaimsPlan;
use super::encoding::Encoding;
use super::fetched::FetchedPlan;
use super::format::Format;
use super::jwt::{self, JwtKey, JwtPlan};
use super::key::Algorithm;
use super::keys::{KeysPlan, KeysSpec, MaterialKind};
use super::mac::Hash;
use super::param::ParamText;
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
use crate::provider::spec::OneOrMany;

/// Five minutes either way, the tolerance of nearly every provider's own library.
pub(super) const DEFAULT_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

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
    #[serde(default)]
    issuer: OneOrMany<ParamText>,
    body_claim: Option<String>,
    /// Further claims and what must stand in them.
    #[serde(default)]
    claims: BTreeMap<String, ParamText>,
    /// The token must have an `exp`.
    #[serde(default)]
    expires: bool,
    /// Where keys that must be fetched come from.
    keys: Option<KeysSpec>,
    /// Which hash signs, where the request says so.
    hash: Option<HashChoice>,
    /// Signed values, and where the source lists what they may be.
    #[serde(default)]
    expect: BTreeMap<String, Listed>,
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
    #[serde(rename = "jwt-es256")]
    JwtEs256,
    #[serde(rename = "jwt-rs256")]
    JwtRs256,
    #[serde(rename = "rsa-x509")]
    RsaX509,
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
            Scheme::JwtHs256 => self.jwt(None),
            Scheme::JwtEs256 => self.jwt(Some((jwt::Algorithm::Es256, self.named_keys()?))),
            Scheme::JwtRs256 => self.jwt(Some((jwt::Algorithm::Rs256, self.named_keys()?))),
            Scheme::RsaX509 => self.certified(),
            Scheme::Token => self.token(),
            Scheme::Basic => self.basic(),
            Scheme::Fetched => self.fetched(),
            Scheme::None => self.none(),
        }?;
        if !matches!(proof, Proof::Signature(_) | Proof::Certified(_)) {
            self.unused(&self.signing())?;
        }
        if !matches!(proof, Proof::Signature(_)) {
            let age = if matches!(proof, Proof::Jwt(_)) { 1 } else { 3 };
            self.unused(&self.timing()[..age])?;
        }
        if !matches!(proof, Proof::Certified(_)) {
            self.unused(&[("hash", self.hash.is_some()), ("expect", !self.expect.is_empty())])?;
        }
        if !matches!(proof, Proof::Fetched(_)) {
            self.unused(&[("records", !self.records.is_empty())])?;
        }
        if !matches!(proof, Proof::Jwt(_)) {
            self.unused(&self.claims())?;
        }
        if proof_is_ours(&proof) {
            self.unused(&[("keys", self.keys.is_some())])?;
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
        self.is_partial_as_said(plan.is_partial())?;
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

    /// An `iat` is looked at where a tolerance for it is given.
    fn jwt(&self, fetched: Option<(jwt::Algorithm, KeysPlan)>) -> Result<Proof, Fault> {
        self.unused(&[("separator", self.separator.is_some()), ("at", self.at.is_some())])?;
        let claim = self.body_claim.as_deref();
        if claim.is_none() && fetched.is_none() {
            return Err(Fault::new("body_claim", "is missing: the claim with the body's SHA-256"));
        }
        let format = self.format.clone().unwrap_or_default();
        if format.has_timestamp() {
            return Err(Fault::new("format", "a token has no {timestamp}"));
        }
        if self.tolerance.is_none() {
            self.unused(&[("future", self.future.is_some())])?;
        }
        let past = self.tolerance.map(signed_duration);
        let issued = past.map(|past| Window { past, future: self.future.map_or(past, signed_duration) });
        let claims = ClaimsPlan::new(claim, self.issuer.0.clone(), &self.claims, issued, self.expires);
        if fetched.is_some() && issued.is_none() && !self.expires {
            return Err(Fault::new("expires", "or a tolerance is missing: the token would be good for ever"));
        }
        let key = match fetched {
            Some((algorithm, keys)) => JwtKey::Fetched(algorithm, Box::new(keys)),
            None => JwtKey::Shared(self.secret.unwrap_or_default()),
        };
        Ok(Proof::Jwt(Box::new(JwtPlan { header: self.header_or(None)?, format, claims, key })))
    }

    fn certified(&self) -> Result<Proof, Fault> {
        self.unused(&self.shape())?;
        self.unused(&self.signing()[2..5])?;
        self.unused(&self.signing()[6..])?;
        let keys = self.fetched_keys(|kind| kind == MaterialKind::Certificate)?;
        let hash = self.hash.clone().ok_or_else(|| Fault::new("hash", "is missing: where the request names it"))?;
        let at = self.place(&mut Picks::default())?;
        let (signed, encoding) = (self.signed.clone().unwrap_or_default(), self.encoding.unwrap_or_default());
        if signed.has_url() || signed.has_secret() || signed.has_timestamp() {
            return Err(Fault::new("signed", "can hold neither {url}, {secret} nor {timestamp} here"));
        }
        let plan = CertifiedPlan::new(at, signed, encoding, hash, keys, &self.expect)?;
        self.is_partial_as_said(plan.is_partial())?;
        Ok(Proof::Certified(Box::new(plan)))
    }

    fn named_keys(&self) -> Result<KeysPlan, Fault> {
        self.fetched_keys(|kind| kind != MaterialKind::Certificate)
    }

    fn fetched_keys(&self, fits: fn(MaterialKind) -> bool) -> Result<KeysPlan, Fault> {
        let keys = self.keys.as_ref().ok_or_else(|| Fault::new("keys", "is missing: where the key is fetched from"))?;
        if !fits(keys.kind()) {
            return Err(Fault::new("kind", "is none that this scheme verifies with").within("keys"));
        }
        keys.compile().map_err(|fault| fault.within("keys"))
    }

    fn is_partial_as_said(&self, partial: bool) -> Result<(), Fault> {
        match (partial, self.partial) {
            (false, true) => Err(Fault::new("partial", "has no meaning here: all of the body is signed")),
            (true, false) => Err(Fault::new(
                "signed",
                "leaves {body} out; where the provider does so, and whoever saw one request may change the rest, say \
                 partial = true",
            )),
            _ => Ok(()),
        }
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
    fn claims(&self) -> [Given; 4] {
        [
            ("issuer", !self.issuer.0.is_empty()),
            ("body_claim", self.body_claim.is_some()),
            ("claims", !self.claims.is_empty()),
            ("expires", self.expires),
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

/// Does the source hold the key itself?
fn proof_is_ours(proof: &Proof) -> bool {
    match proof {
        Proof::Certified(_) => false,
        Proof::Jwt(plan) => matches!(plan.key, JwtKey::Shared(_)),
        Proof::Signature(_) | Proof::Token(_) | Proof::Fetched(_) | Proof::None => true,
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
            Scheme::JwtEs256 => "jwt-es256",
            Scheme::JwtRs256 => "jwt-rs256",
            Scheme::RsaX509 => "rsa-x509",
            Scheme::Token => "token",
            Scheme::Basic => "basic",
            Scheme::Fetched => "fetched",
            Scheme::None => "none",
        }
    }
}
