//! Schemes that send the secret itself: a token in a header, the query or the body, or Basic credentials. They prove the
//! sender and say nothing about the body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::format::{Format, Parsed};
use super::outgoing::Signed;
use super::picked::{Picked, Picks};
use super::place::Place;
use super::secret::SecretForm;
use super::{Passed, Request};
use crate::config::Secret;
use crate::event::Found;
use crate::provider::error::{Fault, SignError};
use crate::provider::reject::Reject;

/// Everything about the scheme but the secrets.
#[derive(Debug, Clone)]
pub(crate) struct TokenPlan {
    pub(crate) at: Place,
    pub(crate) carried: Carried,
    /// What of the body is looked at before it is verified.
    pub(crate) picks: Picks,
}

/// How the secret stands in the header.
#[derive(Debug, Clone)]
pub(crate) enum Carried {
    /// As it is, perhaps behind a literal prefix such as `Bearer `.
    Verbatim(Format),
    /// RFC 7617: the secret is `user:password`.
    Basic,
}

/// The plan with the digests of one source's secrets.
pub(crate) struct Token {
    plan: TokenPlan,
    digests: Vec<[u8; 32]>,
    /// Kept for signing: what `send` puts into the header.
    first: Option<Secret>,
}

impl Token {
    pub(crate) fn new(plan: &TokenPlan, secrets: &[Secret]) -> Result<Token, Fault> {
        let digest = |(index, secret): (usize, &Secret)| {
            let fault = |problem: &str| Fault::new("secrets", format!("secret {} {problem}", index + 1));
            let bytes = SecretForm::Plain.decode(secret).map_err(fault)?;
            if matches!(plan.carried, Carried::Basic) && !bytes.contains(&b':') {
                return Err(fault("must be `user:password`"));
            }
            Ok(digest(&bytes))
        };
        let digests = secrets.iter().enumerate().map(digest).collect::<Result<_, _>>()?;
        Ok(Token { plan: plan.clone(), digests, first: secrets.first().cloned() })
    }

    /// Where the token stands in every item of a batch, every one of them must hold it.
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<Passed, Reject> {
        let one = |picked: &Picked<'_>, item: Option<&Found<'_>>| self.verify_one(request, picked, item);
        self.plan.picks.verify(request.body, Reject::TokenMissing, one)
    }

    /// Digests are compared, so that neither content nor length of a secret shows in the time this takes.
    fn verify_one(
        &self,
        request: &Request<'_>,
        picked: &Picked<'_>,
        item: Option<&Found<'_>>,
    ) -> Result<Passed, Reject> {
        let value = self.plan.at.value(request, picked, item).map_err(|_| Reject::TokenMismatch)?;
        let value = value.ok_or(Reject::TokenMissing)?;
        let claimed = digest(&self.plan.carried.read(&value).ok_or(Reject::TokenMismatch)?);
        let matching = |known: &[u8; 32]| bool::from(known.ct_eq(&claimed));
        let secret = self.digests.iter().position(matching).ok_or(Reject::TokenMismatch)?;
        Ok(Passed { secret, signed_at: None })
    }

    /// The request with the token in its place, or in each item of a batch.
    pub(crate) fn sign(&self, mut out: Signed) -> Result<Signed, SignError> {
        let secret = self.first.as_ref().ok_or(SignError::NoSecret)?;
        let value = self.plan.carried.write(secret).ok_or(SignError::NotAHeaderValue)?;
        let (at, picks) = (&self.plan.at, &self.plan.picks);
        if picks.has_each() {
            out.put_each(at, picks, |_| Ok(value.clone()))?;
        } else {
            out.put(at, picks, &value)?;
        }
        Ok(out)
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl Carried {
    fn read(&self, value: &str) -> Option<Vec<u8>> {
        match self {
            Carried::Verbatim(format) => {
                let mut parsed = Parsed::default();
                format.read(value, &mut parsed).ok()?;
                parsed.signatures.iter().next().map(|token| token.as_bytes().to_vec())
            }
            Carried::Basic => {
                let (scheme, credentials) = value.split_once(' ')?;
                let basic = scheme.eq_ignore_ascii_case("basic");
                STANDARD.decode(credentials.trim_matches(' ')).ok().filter(|_| basic)
            }
        }
    }

    fn write(&self, secret: &Secret) -> Option<String> {
        match self {
            Carried::Verbatim(format) => Some(format.write("", std::str::from_utf8(secret.expose()).ok()?)),
            Carried::Basic => Some(format!("Basic {}", STANDARD.encode(secret.expose()))),
        }
    }
}
