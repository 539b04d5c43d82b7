//! One way to verify: checked, and then bound to a source's secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use jiff::Timestamp;

use super::certified::{Certified, CertifiedPlan};
use super::fetched::FetchedPlan;
use super::jwt::{Jwt, JwtKey, JwtPlan};
use super::key::KeyKind;
use super::keys::{KeyRequest, KeysPlan};
use super::material::Material;
use super::outgoing::{Signed, Signer};
use super::place::Place;
use super::secret::SecretForm;
use super::signature::{Signature, SignaturePlan};
use super::token::{Token, TokenPlan};
use super::when::When;
use super::x509::Trust;
use super::{Encoding, Passed, Request};
use crate::config::Secret;
use crate::event::{Pointer, Verification};
use crate::provider::error::{Fault, SignError};
use crate::provider::reject::Reject;

/// One way to verify, without keys.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Says which requests it is for; all when there is none.
    pub(crate) when: Option<When>,
    pub(crate) proof: Proof,
    pub(super) name: &'static str,
}

/// The schemes, without keys.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    Signature(Box<SignaturePlan>),
    Certified(Box<CertifiedPlan>),
    Jwt(Box<JwtPlan>),
    Token(Box<TokenPlan>),
    Fetched(Box<FetchedPlan>),
    None,
}

/// What a proof says about a request, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coverage {
    /// Every byte of the body is the provider's.
    Body,
    /// Some of it is; the rest may be somebody's who has seen another request.
    Part,
    /// Whoever sent it knows the secret, which travels with each request.
    Sender,
    /// Nothing.
    Nothing,
}

/// What of a source's settings a scheme needs.
pub(crate) struct Keys<'a> {
    pub(crate) secrets: &'a [Secret],
    pub(crate) params: &'a BTreeMap<String, String>,
    pub(crate) public_url: Option<&'a str>,
    pub(crate) credentials: &'a BTreeMap<String, Secret>,
    /// Roots beside the public ones, in PEM.
    pub(crate) roots: Option<&'a Secret>,
}

impl<'a> Keys<'a> {
    /// Where nothing is fetched.
    pub(crate) fn shared(
        secrets: &'a [Secret],
        params: &'a BTreeMap<String, String>,
        public_url: Option<&'a str>,
    ) -> Keys<'a> {
        const NONE: &BTreeMap<String, Secret> = &BTreeMap::new();
        Keys { secrets, params, public_url, credentials: NONE, roots: None }
    }

    fn trust(&self) -> Result<Arc<Trust>, Fault> {
        let fault = |problem: &str| Fault::new("key_roots", problem);
        let roots = self.roots.map(|roots| roots.expose_text().ok_or_else(|| fault("is not PEM"))).transpose()?;
        Trust::new(roots).map(Arc::new).map_err(fault)
    }
}

impl Plan {
    /// With one source's settings.
    pub(crate) fn bind(&self, keys: &Keys<'_>) -> Result<Check, Fault> {
        match &self.proof {
            Proof::Signature(plan) => {
                let signature = Signature::new(plan, keys.secrets, keys.params, keys.public_url)?;
                Ok(Check::Signature(Box::new(signature)))
            }
            Proof::Certified(plan) => {
                let certified = Certified::new(plan, keys.params, keys.credentials, keys.trust()?)?;
                Ok(Check::Certified(Box::new(certified)))
            }
            Proof::Jwt(plan) => {
                let jwt = Jwt::new(plan, keys.secrets, keys.params, keys.credentials)?;
                Ok(Check::Jwt(Box::new(jwt)))
            }
            Proof::Token(plan) => Token::new(plan, keys.secrets).map(|token| Check::Token(Box::new(token))),
            Proof::Fetched(plan) => Ok(Check::Fetched(plan.clone())),
            Proof::None => Ok(Check::None),
        }
    }

    /// The scheme as the file spells it.
    pub(crate) fn scheme(&self) -> &'static str {
        self.name
    }

    /// The scheme in words, for the docs.
    pub(crate) fn describe(&self) -> String {
        let when = self.when.as_ref().map(|when| format!("with `{}`: ", when.as_str())).unwrap_or_default();
        match &self.proof {
            Proof::Signature(plan) => format!("{when}{}", plan.describe(self.name)),
            Proof::Certified(plan) => format!("{when}{}", plan.describe(self.name)),
            Proof::Jwt(plan) => format!("{when}{}", plan.describe()),
            Proof::Token(plan) => format!("{when}{} in `{}`; the body is not covered", self.name, plan.at.describe()),
            Proof::Fetched(plan) => {
                let records: Vec<_> = plan.records.values().map(|path| format!("`{path}…`")).collect();
                format!(
                    "{when}asking the provider for the record named in `{}` ({}); the facts are found in it",
                    plan.at.describe(),
                    records.join(", ")
                )
            }
            Proof::None => format!("{when}nothing: requests are not signed"),
        }
    }

    /// Is the value of this header covered by the signature?
    pub(crate) fn signs_header(&self, name: &HeaderName) -> bool {
        match &self.proof {
            Proof::Signature(plan) => plan.signed.headers().any(|signed| signed == name),
            Proof::Certified(plan) => plan.signed.headers().any(|signed| signed == name),
            Proof::Jwt(_) | Proof::Token(_) | Proof::Fetched(_) | Proof::None => false,
        }
    }

    /// Is the value at this pointer into the body covered by the signature? A token says nothing about the body, but who
    /// holds it is the provider; a signature over a part of the body may be one that somebody else has seen.
    pub(crate) fn signs_pointer(&self, pointer: &Pointer) -> bool {
        match &self.proof {
            Proof::Signature(plan) if plan.is_partial() => plan.signed.signs(pointer),
            Proof::Certified(plan) if plan.is_partial() => plan.signed.signs(pointer),
            Proof::Signature(_)
            | Proof::Certified(_)
            | Proof::Jwt(_)
            | Proof::Token(_)
            | Proof::Fetched(_)
            | Proof::None => true,
        }
    }

    /// Does it need a secret of the source? Those whose keys are fetched need none.
    pub(crate) fn needs_secret(&self) -> bool {
        !matches!(self.proof, Proof::None | Proof::Fetched(_)) && self.keys().is_none()
    }

    /// The keys that it needs fetched.
    pub(crate) fn keys(&self) -> Option<&KeysPlan> {
        match &self.proof {
            Proof::Certified(plan) => Some(&plan.keys),
            Proof::Jwt(plan) => match &plan.key {
                JwtKey::Fetched(_, keys) => Some(keys),
                JwtKey::Shared(_) => None,
            },
            Proof::Signature(_) | Proof::Token(_) | Proof::Fetched(_) | Proof::None => None,
        }
    }

    /// The credentials of the source with which keys are asked for.
    pub(crate) fn credentials(&self) -> Vec<&str> {
        self.keys().map(KeysPlan::credentials).unwrap_or_default()
    }

    /// Is its proof what the provider's API says?
    pub(crate) fn is_fetched(&self) -> bool {
        matches!(self.proof, Proof::Fetched(_))
    }

    /// The parameters of the source that are part of the signed text.
    pub(crate) fn params(&self) -> Vec<String> {
        match &self.proof {
            Proof::Signature(plan) => plan.signed.params().map(str::to_owned).chain(plan.format.params()).collect(),
            Proof::Certified(plan) => plan.params(),
            Proof::Jwt(plan) => plan.params(),
            Proof::Token(_) | Proof::Fetched(_) | Proof::None => Vec::new(),
        }
    }

    /// The headers without which a stored record could not be verified again.
    pub(crate) fn proof_headers(&self) -> Vec<&HeaderName> {
        let mut headers = match &self.proof {
            Proof::Signature(plan) => plan.headers(),
            Proof::Certified(plan) => plan.headers(),
            Proof::Jwt(plan) => vec![&plan.header],
            Proof::Token(_) | Proof::Fetched(_) | Proof::None => Vec::new(),
        };
        headers.extend(self.when.as_ref().and_then(When::header));
        headers
    }

    /// The header that carries a shared secret in clear, which must never be kept.
    pub(crate) fn credential_headers(&self) -> &[HeaderName] {
        match &self.proof {
            Proof::Token(plan) => plan.at.headers(),
            // Whoever reads the token can send it with another body.
            Proof::Jwt(plan) if plan.claims.body.is_none() => std::slice::from_ref(&plan.header),
            Proof::Signature(_) | Proof::Certified(_) | Proof::Jwt(_) | Proof::Fetched(_) | Proof::None => &[],
        }
    }

    /// What a request without any proof is refused with.
    pub(crate) fn absent(&self) -> Reject {
        match &self.proof {
            Proof::Token(_) => Reject::TokenMissing,
            Proof::Fetched(_) => Reject::Unconfirmed,
            Proof::Signature(_) | Proof::Certified(_) | Proof::Jwt(_) | Proof::None => Reject::SignatureMissing,
        }
    }

    /// The kind of key pair that signs, where the source holds the public half of one, and how that half is written.
    pub(crate) fn key_pair(&self) -> Option<(KeyKind, SecretForm)> {
        match &self.proof {
            Proof::Signature(plan) => plan.algorithm.key_kind().map(|kind| (kind, plan.secret)),
            Proof::Certified(_) | Proof::Jwt(_) | Proof::Token(_) | Proof::Fetched(_) | Proof::None => None,
        }
    }

    /// Where several ways are open to a signer of ours the one with the lowest number is taken: a proof inside the body
    /// where the body has its place, then one in a header, then the others.
    pub(crate) fn rank(&self, body: &[u8]) -> u8 {
        let (at, picks, hashed) = match &self.proof {
            Proof::Signature(plan) => (&plan.at, &plan.picks, plan.body_hash.is_some()),
            Proof::Token(plan) => (&plan.at, &plan.picks, false),
            Proof::Certified(_) | Proof::Jwt(_) | Proof::Fetched(_) | Proof::None => return 1,
        };
        match at {
            Place::Json(..) if picks.read(body).found().is_some_and(|found| at.stands_in(found)) => 0,
            Place::Header(_) | Place::Several(_) if !hashed => 1,
            _ => 2,
        }
    }

    /// What the proof covers of a request.
    pub(crate) fn coverage(&self) -> Coverage {
        match &self.proof {
            Proof::Signature(plan) if plan.is_partial() => Coverage::Part,
            Proof::Certified(plan) if plan.is_partial() => Coverage::Part,
            Proof::Jwt(plan) if plan.claims.body.is_none() => Coverage::Sender,
            Proof::Signature(_) | Proof::Certified(_) | Proof::Jwt(_) => Coverage::Body,
            Proof::Token(_) => Coverage::Sender,
            // The body only names what the provider was asked.
            Proof::Fetched(_) => Coverage::Body,
            Proof::None => Coverage::Nothing,
        }
    }

    /// Does a forged request cost a public-key operation?
    pub(crate) fn is_costly(&self) -> bool {
        match &self.proof {
            Proof::Signature(plan) => !plan.algorithm.is_shared(),
            Proof::Certified(_) | Proof::Jwt(_) => self.keys().is_some(),
            Proof::Token(_) | Proof::Fetched(_) | Proof::None => false,
        }
    }
}

/// One way to verify, with keys: what runs per request.
pub(crate) enum Check {
    Signature(Box<Signature>),
    Certified(Box<Certified>),
    Jwt(Box<Jwt>),
    Token(Box<Token>),
    Fetched(Box<FetchedPlan>),
    None,
}

impl Check {
    /// `material` is what was fetched, where the scheme needs it.
    pub(crate) fn verify(&self, request: &Request<'_>, material: Option<&Material>) -> Result<Passed, Reject> {
        match self {
            Check::Signature(signature) => signature.verify(request),
            Check::Certified(certified) => certified.verify(request, material),
            Check::Jwt(jwt) => jwt.verify(request, material),
            Check::Token(token) => token.verify(request),
            // What was not asked for proves nothing; see `Rules::inquiry`.
            Check::Fetched(_) => Err(Reject::Unconfirmed),
            Check::None => Ok(Passed { secret: 0, signed_at: None }),
        }
    }

    /// What must be fetched before this request can be verified.
    pub(crate) fn key_request(&self, request: &Request<'_>) -> Result<Option<KeyRequest>, Reject> {
        match self {
            Check::Certified(certified) => certified.key_request(request).map(Some),
            Check::Jwt(jwt) => jwt.key_request(request),
            Check::Signature(_) | Check::Token(_) | Check::Fetched(_) | Check::None => Ok(None),
        }
    }

    pub(crate) fn sign(&self, out: Signed, now: Timestamp, signer: Option<&Signer>) -> Result<Signed, SignError> {
        match self {
            Check::Signature(signature) => signature.sign(out, now, signer),
            Check::Certified(_) => Err(SignError::NoPrivateKey),
            Check::Jwt(jwt) => jwt.sign(out, now),
            Check::Token(token) => token.sign(out),
            Check::Fetched(_) | Check::None => Ok(out),
        }
    }

    /// The keyed hash of a challenge, where the scheme has one.
    pub(crate) fn answer(&self, challenge: &str, encoding: Encoding) -> Option<String> {
        match self {
            Check::Signature(signature) => signature.answer(challenge, encoding),
            Check::Certified(_) | Check::Jwt(_) | Check::Token(_) | Check::Fetched(_) | Check::None => None,
        }
    }

    pub(crate) fn kind(&self) -> Verification {
        match self {
            Check::Signature(_) | Check::Certified(_) => Verification::Signature,
            Check::Jwt(jwt) if jwt.covers_body() => Verification::Signature,
            // Who holds the token may say anything.
            Check::Jwt(_) => Verification::Token,
            Check::Token(_) => Verification::Token,
            Check::Fetched(_) => Verification::Fetched,
            Check::None => Verification::None,
        }
    }
}
