//! JSON Web Tokens (RFC 7515, 7519): Netlify's HS256 with a shared secret, Plaid's ES256 and Microsoft Entra's RS256
//! with keys that are fetched. The algorithm is pinned by the file; what a token says of it must be the same, and
//! whatever else its header offers (`jku`, `x5u`, `jwk`) is not looked at.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;

use super::claims::{Claims, ClaimsPlan};
use super::format::{Format, Parsed};
use super::keys::{KeyRequest, KeySource, KeysPlan};
use super::mac::{Hash, Keyed, Tag};
use super::material::Material;
use super::outgoing::Signed;
use super::secret::SecretForm;
use super::template::only;
use super::{Passed, Request};
use crate::config::Secret;
use crate::event::{Pointer, Wanted, scan};
use crate::provider::error::{Fault, SignError};
use crate::provider::reject::Reject;

/// The longest token that is looked at, in bytes; the headers of a request are limited to twice that.
const LONGEST: usize = 4_096;

/// The places in a token's header.
const ALGORITHM: usize = 0;
const CRITICAL: usize = 1;
const KEY_ID: usize = 2;

/// Everything about the scheme but the keys.
#[derive(Debug, Clone)]
pub(crate) struct JwtPlan {
    pub(crate) header: HeaderName,
    pub(crate) format: Format,
    pub(crate) claims: ClaimsPlan,
    pub(crate) key: JwtKey,
}

/// The algorithm and where its keys come from.
#[derive(Debug, Clone)]
pub(crate) enum JwtKey {
    /// HS256 under the source's secrets.
    Shared(SecretForm),
    Fetched(Algorithm, Box<KeysPlan>),
}

/// Of a token under a fetched key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Es256,
    Rs256,
}

/// The plan with one source's settings.
pub(crate) struct Jwt {
    plan: JwtPlan,
    claims: Claims,
    keys: Keys,
}

enum Keys {
    Shared(Vec<Keyed>),
    Fetched(Algorithm, KeySource),
}

/// A token taken apart; nothing of it is believed yet.
struct Token<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    payload: Vec<u8>,
    kid: Option<String>,
}

impl JwtPlan {
    pub(super) fn params(&self) -> Vec<String> {
        let keys = match &self.key {
            JwtKey::Shared(_) => Vec::new(),
            JwtKey::Fetched(_, keys) => keys.params(),
        };
        [self.claims.params(), keys].concat()
    }

    /// For the docs.
    pub(super) fn describe(&self) -> String {
        let (algorithm, key) = match &self.key {
            JwtKey::Shared(form) => ("HS256", format!("the secret is {}", form.describe())),
            JwtKey::Fetched(algorithm, keys) => (algorithm.as_str(), format!("under {}", keys.describe())),
        };
        let (header, format) = (&self.header, self.format.as_str());
        let shape = if format == "{signature}" { String::new() } else { format!(": {format}") };
        format!("JSON Web Token ({algorithm} alone) in `{header}{shape}`{}; {key}", self.claims.describe())
    }
}

impl Algorithm {
    /// As tokens spell it.
    const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Es256 => "ES256",
            Algorithm::Rs256 => "RS256",
        }
    }

    /// Does the signature have a possible length?
    const fn fits(self, length: usize) -> bool {
        match self {
            Algorithm::Es256 => length == 64,
            // From 2,048 bits on, as keys are made: in steps of 512.
            Algorithm::Rs256 => length >= 256 && length <= 1_024 && length.is_multiple_of(64),
        }
    }
}

impl Jwt {
    pub(crate) fn new(
        plan: &JwtPlan,
        secrets: &[Secret],
        params: &BTreeMap<String, String>,
        credentials: &BTreeMap<String, Secret>,
    ) -> Result<Jwt, Fault> {
        let keys = match &plan.key {
            JwtKey::Fetched(algorithm, keys) => Keys::Fetched(*algorithm, keys.bind(params, credentials)?),
            JwtKey::Shared(form) => {
                let key = |(index, secret): (usize, &Secret)| {
                    let fault = |problem: &str| Fault::new("secrets", format!("secret {} {problem}", index + 1));
                    let key = form.decode(secret).map_err(fault)?;
                    Keyed::new(Hash::Sha256, &key).ok_or_else(|| fault("has a length that the hash cannot take"))
                };
                Keys::Shared(secrets.iter().enumerate().map(key).collect::<Result<_, _>>()?)
            }
        };
        Ok(Jwt { plan: plan.clone(), claims: plan.claims.bind(params), keys })
    }

    /// The key that the token names, where it must be fetched, unless it is refused without one.
    pub(crate) fn key_request(&self, request: &Request<'_>) -> Result<Option<KeyRequest>, Reject> {
        let Keys::Fetched(_, source) = &self.keys else { return Ok(None) };
        let token = self.token(request)?;
        token.kid.and_then(|kid| source.named(&kid)).map(Some).ok_or(Reject::SignatureMalformed)
    }

    /// The signature over the token first; its claims are read only after that.
    pub(crate) fn verify(&self, request: &Request<'_>, material: Option<&Material>) -> Result<Passed, Reject> {
        let token = self.token(request)?;
        let secret = match &self.keys {
            Keys::Shared(keys) => {
                let claimed = Tag::new(&token.signature).filter(|tag| tag.len() == Hash::Sha256.length());
                let claimed = [claimed.ok_or(Reject::SignatureMalformed)?];
                let matching = |key: &Keyed| key.tag(|sink| sink(token.signed.as_bytes())).is_among(&claimed);
                keys.iter().position(matching)
            }
            Keys::Fetched(algorithm, _) => {
                let kid = token.kid.as_deref().ok_or(Reject::SignatureMalformed)?;
                let key = material.and_then(|material| material.key(kid, request.now)).ok_or(Reject::KeyUnknown)?;
                let (message, signature) = (token.signed.as_bytes(), token.signature.as_slice());
                let good = match algorithm {
                    Algorithm::Es256 => key.verifies_es256(message, signature),
                    Algorithm::Rs256 => key.verifies_rs256(message, signature),
                };
                good.then_some(0)
            }
        };
        let secret = secret.ok_or(Reject::SignatureMismatch)?;
        let signed_at = self.claims.check(&token.payload, request.body, request.now)?;
        Ok(Passed { secret, signed_at })
    }

    /// Does its signature cover the body?
    pub(crate) fn covers_body(&self) -> bool {
        self.plan.claims.body.is_some()
    }

    fn token<'a>(&self, request: &Request<'a>) -> Result<Token<'a>, Reject> {
        if !request.headers.contains_key(&self.plan.header) {
            return Err(Reject::SignatureMissing);
        }
        let value = only(request.headers, &self.plan.header).and_then(|value| value.to_str().ok());
        let value = value.filter(|value| value.len() <= LONGEST).ok_or(Reject::SignatureMalformed)?;
        let mut parsed = Parsed::default();
        self.plan.format.read(value, &mut parsed)?;
        let token = parsed.signatures.only().ok_or(Reject::SignatureMalformed)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(Reject::SignatureMalformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Reject::SignatureMalformed)?;
        let (header, payload, signature) = (decoded(header)?, decoded(payload)?, decoded(signature)?);
        let wanted = Wanted::new(&["alg", "crit", "kid"].map(Pointer::member));
        let header = scan(&header, &wanted).map_err(|_| Reject::SignatureMalformed)?;
        let (algorithm, fits) = match &self.keys {
            Keys::Shared(_) => ("HS256", true),
            Keys::Fetched(algorithm, _) => (algorithm.as_str(), algorithm.fits(signature.len())),
        };
        // The one algorithm, and no extension that would have to be understood.
        if header.text(ALGORITHM).as_deref() != Some(algorithm) || header.raw(CRITICAL).is_some() || !fits {
            return Err(Reject::SignatureMalformed);
        }
        Ok(Token { signed, signature, payload, kid: header.text(KEY_ID).map(|kid| kid.into_owned()) })
    }

    /// The request with the token that the provider would make of its body.
    pub(crate) fn sign(&self, mut out: Signed, now: Timestamp) -> Result<Signed, SignError> {
        let Keys::Shared(keys) = &self.keys else { return Err(SignError::NoPrivateKey) };
        let key = keys.first().ok_or(SignError::NoSecret)?;
        let claims = self.claims.write(&out.body, now);
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(&claims.to_string()));
        let signature = key.tag(|sink| sink(signed.as_bytes()));
        let token = self.plan.format.write("", &format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.bytes())));
        let mut value = HeaderValue::try_from(token).map_err(|_| SignError::NotAHeaderValue)?;
        value.set_sensitive(true);
        out.headers.insert(&self.plan.header, value);
        Ok(out)
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, Reject> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Reject::SignatureMalformed)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};
    use jiff::Timestamp;

    use super::{ClaimsPlan, Format, Jwt, JwtKey, JwtPlan, URL_SAFE_NO_PAD};
    use crate::config::Secret;
    use crate::provider::Reject;
    use crate::provider::verify::mac::{Hash, Keyed};
    use crate::provider::verify::secret::SecretForm;
    use crate::provider::verify::{Passed, Request};
    use base64::Engine;

    const HASH: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn verify(token: &str) -> Result<Passed, Reject> {
        let issuer = "n".to_owned().try_into().unwrap();
        let plan = JwtPlan {
            header: HeaderName::from_static("x-sig"),
            format: Format::default(),
            claims: ClaimsPlan::new(Some("sha256"), vec![issuer], &[].into(), None, false),
            key: JwtKey::Shared(SecretForm::Plain),
        };
        let jwt = Jwt::new(&plan, &[Secret::new(b"key".to_vec())], &[].into(), &[].into()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-sig", HeaderValue::from_str(token).unwrap());
        let request =
            Request { method: &Method::POST, headers: &headers, query: "", body: b"{}", now: Timestamp::UNIX_EPOCH };
        jwt.verify(&request, None)
    }

    fn token(header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let tag = Keyed::new(Hash::Sha256, b"key").unwrap().tag(|sink| sink(signed.as_bytes()));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.bytes()))
    }

    /// CVE-2026-25537 and its kin: the algorithm is ours to choose, and a claim that is not there is not fulfilled.
    #[test]
    fn algorithm_and_claims_are_pinned() {
        let claims = format!(r#"{{"iss":"n","sha256":"{HASH}"}}"#);
        let good = token(r#"{"alg":"HS256"}"#, &claims);
        assert!(verify(&good).is_ok());
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{}"#,
            r#"{"alg":"none","alg":"HS256"}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            "HS256",
        ] {
            assert_eq!(verify(&token(header, &claims)).err(), Some(Reject::SignatureMalformed), "{header}");
        }
        for claims in [r#"{"iss":"n"}"#, r#"{"iss":"n","sha256":["x"]}"#, r#"{"iss":"n","sha256":"zz"}"#, "[]", "x"] {
            assert!(verify(&token(r#"{"alg":"HS256"}"#, claims)).is_err(), "{claims}");
        }
        let foreign = format!(r#"{{"iss":"m","sha256":"{HASH}"}}"#);
        assert_eq!(verify(&token(r#"{"alg":"HS256"}"#, &foreign)).err(), Some(Reject::ClaimMismatch));
        let unsigned = good.rsplit_once('.').unwrap().0;
        for token in
            ["", ".", "..", unsigned, &format!("{unsigned}."), &format!("{good}A"), &good[1..], &"a.".repeat(3_000)]
        {
            assert_eq!(verify(token).err(), Some(Reject::SignatureMalformed), "{token}");
        }
    }
}
