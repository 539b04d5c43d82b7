//! One way to verify: checked, and then bound to a source's secrets.

use std::collections::BTreeMap;

use http::HeaderName;
use jiff::Timestamp;

use super::fetched::FetchedPlan;
use super::jwt::{Jwt, JwtPlan};
use super::key::KeyKind;
use super::outgoing::{Signed, Signer};
use super::place::Place;
use super::secret::SecretForm;
use super::signature::{Signature, SignaturePlan};
use super::token::{Token, TokenPlan};
use super::when::When;
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
}

impl Plan {
    /// With one source's settings.
    pub(crate) fn bind(&self, keys: &Keys<'_>) -> Result<Check, Fault> {
        match &self.proof {
            Proof::Signature(plan) => {
                let signature = Signature::new(plan, keys.secrets, keys.params, keys.public_url)?;
                Ok(Check::Signature(Box::new(signature)))
            }
            Proof::Jwt(plan) => Jwt::new(plan, keys.secrets).map(|jwt| Check::Jwt(Box::new(jwt))),
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
            Proof::Jwt(_) | Proof::Token(_) | Proof::Fetched(_) | Proof::None => false,
        }
    }

    /// Is the value at this pointer into the body covered by the signature? A token says nothing about the body, but who
    /// holds it is the provider; a signature over a part of the body may be one that somebody else has seen.
    pub(crate) fn signs_pointer(&self, pointer: &Pointer) -> bool {
        match &self.proof {
            Proof::Signature(plan) if plan.is_partial() => plan.signed.signs(pointer),
            Proof::Signature(_) | Proof::Jwt(_) | Proof::Token(_) | Proof::Fetched(_) | Proof::None => true,
        }
    }

    /// Is there a secret without which it verifies nothing?
    pub(crate) fn needs_secret(&self) -> bool {
        !matches!(self.proof, Proof::None | Proof::Fetched(_))
    }

    /// Is its proof what the provider's API says?
    pub(crate) fn is_fetched(&self) -> bool {
        matches!(self.proof, Proof::Fetched(_))
    }

    /// The parameters of the source that are part of the signed text.
    pub(crate) fn params(&self) -> Vec<String> {
        match &self.proof {
            Proof::Signature(plan) => plan.signed.params().map(str::to_owned).chain(plan.format.params()).collect(),
            Proof::Jwt(_) | Proof::Token(_) | Proof::Fetched(_) | Proof::None => Vec::new(),
        }
    }

    /// The headers without which a stored record could not be verified again.
    pub(crate) fn proof_headers(&self) -> Vec<&HeaderName> {
        let mut headers = match &self.proof {
            Proof::Signature(plan) => plan.headers(),
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
            Proof::Signature(_) | Proof::Jwt(_) | Proof::Fetched(_) | Proof::None => &[],
        }
    }

    /// What a request without any proof is refused with.
    pub(crate) fn absent(&self) -> Reject {
        match &self.proof {
            Proof::Token(_) => Reject::TokenMissing,
            Proof::Fetched(_) => Reject::Unconfirmed,
            Proof::Signature(_) | Proof::Jwt(_) | Proof::None => Reject::SignatureMissing,
        }
    }

    /// The kind of key pair that signs, where the source holds the public half of one, and how that half is written.
    pub(crate) fn key_pair(&self) -> Option<(KeyKind, SecretForm)> {
        match &self.proof {
            Proof::Signature(plan) => plan.algorithm.key_kind().map(|kind| (kind, plan.secret)),
            Proof::Jwt(_) | Proof::Token(_) | Proof::Fetched(_) | Proof::None => None,
        }
    }

    /// Where several ways are open to a signer of ours the one with the lowest number is taken: a proof inside the body
    /// where the body has its place, then one in a header, then the others.
    pub(crate) fn rank(&self, body: &[u8]) -> u8 {
        let (at, picks, hashed) = match &self.proof {
            Proof::Signature(plan) => (&plan.at, &plan.picks, plan.body_hash.is_some()),
            Proof::Token(plan) => (&plan.at, &plan.picks, false),
            Proof::Jwt(_) | Proof::Fetched(_) | Proof::None => return 1,
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
            Proof::Signature(_) | Proof::Jwt(_) => Coverage::Body,
            Proof::Token(_) => Coverage::Sender,
            // The body only names what the provider was asked.
            Proof::Fetched(_) => Coverage::Body,
            Proof::None => Coverage::Nothing,
        }
    }

    /// Does a forged request cost a public-key operation?
    pub(crate) fn is_costly(&self) -> bool {
        matches!(&self.proof, Proof::Signature(plan) if !plan.algorithm.is_shared())
    }
}

/// One way to verify, with keys: what runs per request.
pub(crate) enum Check {
    Signature(Box<Signature>),
    Jwt(Box<Jwt>),
    Token(Box<Token>),
    Fetched(Box<FetchedPlan>),
    None,
}

impl Check {
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<Passed, Reject> {
        match self {
            Check::Signature(signature) => signature.verify(request),
            Check::Jwt(jwt) => jwt.verify(request),
            Check::Token(token) => token.verify(request),
            // What was not asked for proves nothing; see `Rules::inquiry`.
            Check::Fetched(_) => Err(Reject::Unconfirmed),
            Check::None => Ok(Passed { secret: 0, signed_at: None }),
        }
    }

    pub(crate) fn sign(&self, out: Signed, now: Timestamp, signer: Option<&Signer>) -> Result<Signed, SignError> {
        match self {
            Check::Signature(signature) => signature.sign(out, now, signer),
            Check::Jwt(jwt) => jwt.sign(out),
            Check::Token(token) => token.sign(out),
            Check::Fetched(_) | Check::None => Ok(out),
        }
    }

    /// The keyed hash of a challenge, where the scheme has one.
    pub(crate) fn answer(&self, challenge: &str, encoding: Encoding) -> Option<String> {
        match self {
            Check::Signature(signature) => signature.answer(challenge, encoding),
            Check::Jwt(_) | Check::Token(_) | Check::Fetched(_) | Check::None => None,
        }
    }

    pub(crate) fn kind(&self) -> Verification {
        match self {
            Check::Signature(_) | Check::Jwt(_) => Verification::Signature,
            Check::Token(_) => Verification::Token,
            Check::Fetched(_) => Verification::Fetched,
            Check::None => Verification::None,
        }
    }
}
