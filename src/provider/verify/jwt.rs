//! JSON Web Tokens that carry the hash of the body (RFC 7515, 7519): Netlify's HS256.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::mac::{Hash, Keyed, Tag};
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

/// Everything about the scheme but the keys. The algorithm is pinned: what the token says of it must be the same.
#[derive(Debug, Clone)]
pub(crate) struct JwtPlan {
    pub(crate) header: HeaderName,
    /// The claim that holds the hexadecimal SHA-256 of the body.
    pub(crate) body_claim: String,
    /// What the claim `iss` must be.
    pub(crate) issuer: Option<String>,
    pub(crate) secret: SecretForm,
    wanted: Wanted,
}

/// The places of the claims in the scan.
const BODY: usize = 0;
const ISSUER: usize = 1;

/// The plan with one source's keys.
pub(crate) struct Jwt {
    plan: JwtPlan,
    keys: Vec<Keyed>,
}

impl JwtPlan {
    pub(crate) fn new(header: HeaderName, body_claim: &str, issuer: Option<&str>, secret: SecretForm) -> JwtPlan {
        let wanted = Wanted::new(&[Pointer::member(body_claim), Pointer::member("iss")]);
        let issuer = issuer.map(str::to_owned);
        JwtPlan { header, body_claim: body_claim.to_owned(), issuer, secret, wanted }
    }

    /// For the docs.
    pub(super) fn describe(&self) -> String {
        let issuer = self.issuer.as_ref().map(|issuer| format!(", `iss` = `{issuer}`")).unwrap_or_default();
        format!(
            "JSON Web Token (HS256 alone) in `{}`, the body's SHA-256 in its claim `{}`{issuer}; no timestamp is \
             signed; the secret is {}",
            self.header,
            self.body_claim,
            self.secret.describe()
        )
    }
}

impl Jwt {
    pub(crate) fn new(plan: &JwtPlan, secrets: &[Secret]) -> Result<Jwt, Fault> {
        let key = |(index, secret): (usize, &Secret)| {
            let fault = |problem: &str| Fault::new("secrets", format!("secret {} {problem}", index + 1));
            let key = plan.secret.decode(secret).map_err(fault)?;
            Keyed::new(Hash::Sha256, &key).ok_or_else(|| fault("has a length that the hash cannot take"))
        };
        let keys = secrets.iter().enumerate().map(key).collect::<Result<_, _>>()?;
        Ok(Jwt { plan: plan.clone(), keys })
    }

    /// The signature over the token first; its claims are read only after that.
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<Passed, Reject> {
        if !request.headers.contains_key(&self.plan.header) {
            return Err(Reject::SignatureMissing);
        }
        let token = only(request.headers, &self.plan.header).and_then(|value| value.to_str().ok());
        let token = token.filter(|token| token.len() <= LONGEST).ok_or(Reject::SignatureMalformed)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(Reject::SignatureMalformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Reject::SignatureMalformed)?;
        let (header, payload) = (decoded(header)?, decoded(payload)?);
        if !is_hs256(&header) {
            return Err(Reject::SignatureMalformed);
        }
        let claimed = Tag::new(&decoded(signature)?).filter(|tag| tag.len() == Hash::Sha256.length());
        let claimed = [claimed.ok_or(Reject::SignatureMalformed)?];
        let matching = |key: &Keyed| key.tag(|sink| sink(signed.as_bytes())).is_among(&claimed);
        let secret = self.keys.iter().position(matching).ok_or(Reject::SignatureMismatch)?;
        self.check_claims(&payload, request.body)?;
        Ok(Passed { secret, signed_at: None })
    }

    fn check_claims(&self, payload: &[u8], body: &[u8]) -> Result<(), Reject> {
        let claims = scan(payload, &self.plan.wanted).map_err(|_| Reject::SignatureMalformed)?;
        let issuer = claims.text(ISSUER);
        if self.plan.issuer.as_ref().is_some_and(|expected| issuer.as_deref() != Some(expected)) {
            return Err(Reject::SignatureMismatch);
        }
        let hash = claims.text(BODY).ok_or(Reject::SignatureMalformed)?;
        let hash = hex::decode(hash.as_bytes()).map_err(|_| Reject::SignatureMalformed)?;
        let same = Sha256::digest(body).as_slice().ct_eq(&hash);
        if bool::from(same) { Ok(()) } else { Err(Reject::SignatureMismatch) }
    }

    /// The request with the token that the provider would make of its body.
    pub(crate) fn sign(&self, mut out: Signed) -> Result<Signed, SignError> {
        let key = self.keys.first().ok_or(SignError::NoSecret)?;
        let hash = hex::encode(Sha256::digest(&out.body));
        let mut claims = serde_json::json!({ (self.plan.body_claim.as_str()): hash });
        if let Some(issuer) = &self.plan.issuer {
            claims["iss"] = issuer.as_str().into();
        }
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(&claims.to_string()));
        let tag = key.tag(|sink| sink(signed.as_bytes()));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.bytes()));
        let mut value = HeaderValue::try_from(token).map_err(|_| SignError::NotAHeaderValue)?;
        value.set_sensitive(true);
        out.headers.insert(&self.plan.header, value);
        Ok(out)
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, Reject> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Reject::SignatureMalformed)
}

/// The one algorithm, and no extension that would have to be understood.
fn is_hs256(header: &[u8]) -> bool {
    let wanted = Wanted::new(&[Pointer::member("alg"), Pointer::member("crit")]);
    scan(header, &wanted).is_ok_and(|found| found.text(0).as_deref() == Some("HS256") && found.raw(1).is_none())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};
    use jiff::Timestamp;

    use super::{Jwt, JwtPlan, URL_SAFE_NO_PAD};
    use crate::config::Secret;
    use crate::provider::Reject;
    use crate::provider::verify::mac::{Hash, Keyed};
    use crate::provider::verify::secret::SecretForm;
    use crate::provider::verify::{Passed, Request};
    use base64::Engine;

    const HASH: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn verify(token: &str) -> Result<Passed, Reject> {
        let plan = JwtPlan::new(HeaderName::from_static("x-sig"), "sha256", Some("n"), SecretForm::Plain);
        let jwt = Jwt::new(&plan, &[Secret::new(b"key".to_vec())]).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-sig", HeaderValue::from_str(token).unwrap());
        let request =
            Request { method: &Method::POST, headers: &headers, query: "", body: b"{}", now: Timestamp::UNIX_EPOCH };
        jwt.verify(&request)
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
        assert_eq!(verify(&token(r#"{"alg":"HS256"}"#, &foreign)).err(), Some(Reject::SignatureMismatch));
        let unsigned = good.rsplit_once('.').unwrap().0;
        for token in
            ["", ".", "..", unsigned, &format!("{unsigned}."), &format!("{good}A"), &good[1..], &"a.".repeat(3_000)]
        {
            assert_eq!(verify(token).err(), Some(Reject::SignatureMalformed), "{token}");
        }
    }
}
