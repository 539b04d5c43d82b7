//! The claims of a JSON Web Token (RFC 7519 §4), read only after its signature matched. A claim that is not there is
//! not fulfilled, and one of another kind than it should be is none.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::encoding::unhex;
use super::param::ParamText;
use super::timestamp::{TimeFormat, Window};
use crate::event::{Found, Pointer, Wanted, scan};
use crate::provider::reject::Reject;

/// The places of the claims that every plan looks for.
const BODY: usize = 0;
const ISSUER: usize = 1;
const ISSUED: usize = 2;
const EXPIRES: usize = 3;
const NOT_BEFORE: usize = 4;
const FIRST_OTHER: usize = 5;

/// What a token must say.
#[derive(Debug, Clone)]
pub(crate) struct ClaimsPlan {
    /// The claim that holds the hexadecimal SHA-256 of the body.
    pub(crate) body: Option<String>,
    /// One of these in `iss`; anything where there is none.
    issuers: Vec<ParamText>,
    /// Claims and what must stand in them. Names in alternation, `appid|azp`: one of them.
    others: Vec<(Vec<String>, ParamText)>,
    /// How old `iat` may be.
    issued: Option<Window>,
    /// Must there be an `exp`?
    expires: bool,
    wanted: Wanted,
}

/// With one source's parameters.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    plan: ClaimsPlan,
    issuers: Vec<String>,
    others: Vec<String>,
}

impl ClaimsPlan {
    pub(crate) fn new(
        body: Option<&str>,
        issuers: Vec<ParamText>,
        others: &BTreeMap<String, ParamText>,
        issued: Option<Window>,
        expires: bool,
    ) -> ClaimsPlan {
        let others: Vec<(Vec<String>, ParamText)> = others
            .iter()
            .map(|(names, value)| (names.split('|').map(str::to_owned).collect(), value.clone()))
            .collect();
        let mut pointers = vec![Pointer::member(body.unwrap_or_default())];
        pointers.extend(["iss", "iat", "exp", "nbf"].map(Pointer::member));
        pointers.extend(others.iter().flat_map(|(names, _)| names.iter().map(|name| Pointer::member(name))));
        let wanted = Wanted::new(&pointers);
        ClaimsPlan { body: body.map(str::to_owned), issuers, others, issued, expires, wanted }
    }

    pub(super) fn params(&self) -> Vec<String> {
        let others = self.others.iter().map(|(_, text)| text);
        self.issuers.iter().chain(others).flat_map(ParamText::params).map(str::to_owned).collect()
    }

    pub(super) fn describe(&self) -> String {
        let mut text = match &self.body {
            Some(claim) => format!(", the body's SHA-256 in its claim `{claim}`"),
            None => ", the body is not covered".to_owned(),
        };
        let issuers: Vec<_> = self.issuers.iter().map(|issuer| format!("`{}`", issuer.as_str())).collect();
        if !issuers.is_empty() {
            text.push_str(&format!(", `iss` = {}", issuers.join(" or ")));
        }
        for (names, value) in &self.others {
            text.push_str(&format!(", `{}` = `{}`", names.join("` or `"), value.as_str()));
        }
        match (self.issued, self.expires) {
            (Some(window), _) => {
                text.push_str(&format!("; `iat` at most {:#} old or {:#} ahead", window.past, window.future))
            }
            (None, true) => text.push_str("; `exp` must be there and not be over"),
            (None, false) => text.push_str("; no timestamp is signed"),
        }
        text
    }

    pub(super) fn bind(&self, params: &BTreeMap<String, String>) -> Claims {
        let issuers = self.issuers.iter().map(|issuer| issuer.bind(params)).collect();
        let others = self.others.iter().map(|(_, text)| text.bind(params)).collect();
        Claims { plan: self.clone(), issuers, others }
    }
}

impl Claims {
    /// What HS256 tokens of ours say of the body.
    pub(super) fn write(&self, body: &[u8], now: Timestamp) -> serde_json::Value {
        let mut claims = serde_json::json!({});
        if let Some(claim) = &self.plan.body {
            claims[claim.as_str()] = hex::encode(Sha256::digest(body)).into();
        }
        if let Some(issuer) = self.issuers.first() {
            claims["iss"] = issuer.as_str().into();
        }
        if self.plan.issued.is_some() {
            claims["iat"] = now.as_second().into();
        }
        claims
    }

    /// Is everything there that must be? Says when the token was issued, where that is checked.
    pub(super) fn check(&self, payload: &[u8], body: &[u8], now: Timestamp) -> Result<Option<Timestamp>, Reject> {
        let claims = scan(payload, &self.plan.wanted).map_err(|_| Reject::SignatureMalformed)?;
        let issuer = claims.text(ISSUER);
        if !self.issuers.is_empty() && !issuer.is_some_and(|issuer| self.issuers.iter().any(|known| *known == issuer)) {
            return Err(Reject::ClaimMismatch);
        }
        let mut slot = FIRST_OTHER;
        for ((names, _), expected) in self.plan.others.iter().zip(&self.others) {
            let slots = slot..slot + names.len();
            slot = slots.end;
            if !slots.into_iter().any(|slot| text(&claims, slot).as_deref() == Some(expected)) {
                return Err(Reject::ClaimMismatch);
            }
        }
        let issued = self.times(&claims, now)?;
        if self.plan.body.is_some() {
            let hash = claims.text(BODY).ok_or(Reject::SignatureMalformed)?;
            let hash = unhex(hash.as_bytes()).ok_or(Reject::SignatureMalformed)?;
            let same = Sha256::digest(body).as_slice().ct_eq(&hash);
            if !bool::from(same) {
                return Err(Reject::SignatureMismatch);
            }
        }
        Ok(issued)
    }

    fn times(&self, claims: &Found<'_>, now: Timestamp) -> Result<Option<Timestamp>, Reject> {
        if self.plan.expires {
            let expires = time(claims, EXPIRES)?.ok_or(Reject::TimestampMissing)?;
            if now >= expires {
                return Err(Reject::TimestampTooOld);
            }
            if time(claims, NOT_BEFORE)?.is_some_and(|begin| begin.duration_since(now) > super::spec::DEFAULT_TOLERANCE)
            {
                return Err(Reject::TimestampInFuture);
            }
        }
        let Some(window) = &self.plan.issued else { return Ok(None) };
        let issued = time(claims, ISSUED)?.ok_or(Reject::TimestampMissing)?;
        window.check(issued, now)?;
        Ok(Some(issued))
    }
}

/// A claim that is a JSON string; a number that reads alike is another value.
fn text<'a>(claims: &Found<'a>, slot: usize) -> Option<std::borrow::Cow<'a, str>> {
    claims.raw(slot).filter(|raw| raw.first() == Some(&b'"'))?;
    claims.text(slot)
}

/// A NumericDate is a JSON number (RFC 7519 §2), never a string.
fn time(claims: &Found<'_>, slot: usize) -> Result<Option<Timestamp>, Reject> {
    let Some(raw) = claims.raw(slot) else { return Ok(None) };
    let number = std::str::from_utf8(raw).ok().and_then(|number| TimeFormat::Unix.parse(number));
    number.map(Some).ok_or(Reject::TimestampMalformed)
}
