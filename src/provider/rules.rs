//! What a source runs per request: verify, then read.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;

use super::bind::Binding;
use super::compiled::Compiled;
use super::error::SignError;
use super::media;
use super::read::{Challenge, Reading};
use super::reject::Reject;
use super::spec::{Encoding, SignedBody};
use super::verify::{Check, Coverage, KeyKind, KeyRequest, Material, Passed, Plan, Request, Signed, Signer, Verified};
use crate::event::{Unreadable, Verification};

/// A provider bound to one source's secrets. Holds keys; shared by all requests of the source.
pub struct Rules {
    type_prefix: String,
    compiled: Compiled,
    /// One for each plan.
    checks: Vec<Check>,
    signer: Option<Arc<Signer>>,
    /// What it was made with: a diagnosis changes one thing of it after the other.
    binding: Binding,
}

impl Rules {
    pub(super) fn new(type_prefix: String, compiled: Compiled, checks: Vec<Check>, binding: Binding) -> Rules {
        Rules { type_prefix, compiled, checks, signer: None, binding }
    }

    /// The settings that it was bound with, secrets included.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Does this request come from the provider? Looks at headers and raw bytes, parses nothing of the body.
    ///
    /// # Errors
    /// The one reason why not; [`Reject::KeyUnknown`] where the key must be fetched, see [`Rules::verify_with`].
    pub fn verify(&self, request: &Request<'_>) -> Result<Verified, Reject> {
        self.verify_with(request, None)
    }

    /// What must be fetched before this request can be verified; none where the source holds the key itself. What can
    /// be refused without a key is refused here, so that a forger makes nobody fetch anything.
    ///
    /// # Errors
    /// The one reason why no key is needed to refuse it.
    pub fn key_request(&self, request: &Request<'_>) -> Result<Option<KeyRequest>, Reject> {
        match self.chosen(request) {
            Some((_, _, check)) => check.key_request(request),
            None => Ok(None),
        }
    }

    /// Does any of its ways to verify need keys that are fetched?
    pub fn fetches_keys(&self) -> bool {
        self.compiled
            .plans
            .iter()
            .zip(&self.checks)
            .any(|(plan, check)| plan.keys().is_some() && check.kind() != Verification::None)
    }

    /// [`Rules::verify`] with the material that [`Rules::key_request`] asked for.
    ///
    /// # Errors
    /// The one reason why not.
    pub fn verify_with(&self, request: &Request<'_>, material: Option<&Material>) -> Result<Verified, Reject> {
        let Some((alternative, _, check)) = self.chosen(request) else {
            return Err(self.compiled.plans.first().map_or(Reject::SignatureMissing, |plan| plan.absent()));
        };
        let passed = check.verify(request, material)?;
        if !media::is_one_of(&self.compiled.media_types, request.headers) {
            return Err(Reject::UnsupportedMediaType);
        }
        let Passed { secret, signed_at } = passed;
        Ok(Verified { alternative, secret, kind: check.kind(), signed_at, record: None })
    }

    /// Where the provider's API must be asked for the record that this request names, below the API's base. `None` where
    /// requests prove themselves.
    ///
    /// # Errors
    /// It names nothing that could be asked for.
    pub fn inquiry(&self, request: &Request<'_>) -> Option<Result<String, Reject>> {
        match self.chosen(request)? {
            (_, _, Check::Fetched(plan)) => Some(plan.path(request)),
            _ => None,
        }
    }

    /// The proof of a request whose record the provider's API gave. The record must be JSON that [`crate::event::scan()`]
    /// passes.
    pub fn confirmed(&self, request: &Request<'_>, record: Vec<u8>) -> Verified {
        let alternative = self.chosen(request).map_or(0, |(alternative, ..)| alternative);
        Verified { alternative, secret: 0, kind: Verification::Fetched, signed_at: None, record: Some(record) }
    }

    /// Does verifying this request cost a public-key operation? A flood of those must not take the time of the others.
    pub fn is_costly(&self, request: &Request<'_>) -> bool {
        self.chosen(request).is_some_and(|(_, plan, check)| plan.is_costly() && check.kind() != Verification::None)
    }

    fn chosen(&self, request: &Request<'_>) -> Option<(usize, &Plan, &Check)> {
        let ways = self.compiled.plans.iter().zip(&self.checks).enumerate();
        let mut ways = ways.map(|(place, (plan, check))| (place, plan, check));
        // What is taken without a proof says nothing that could choose between the ways to prove it.
        let unsigned = self.binding.accept_unsigned.then(|| ways.clone().next()).flatten();
        ways.find(|(_, plan, _)| plan.when.as_ref().is_none_or(|when| when.applies(request))).or(unsigned)
    }

    /// Scan the verified body once: the event in it, or the handshake it is. `request` is the one that was verified, its
    /// body without the encoding.
    ///
    /// # Errors
    /// The body breaks a rule of the envelope; its bytes belong into the dead-letter topic.
    pub fn read<'a>(&self, verified: &Verified, request: &Request<'a>) -> Result<Reading<'a>, Unreadable> {
        self.compiled.reader.read(verified.alternative, request, &self.checks, verified.record.as_deref())
    }

    /// The handshake without a signature that this request is, such as a challenge in a GET. Looks at no body, but for a
    /// secret that the provider hands over.
    pub fn handshake(&self, request: &Request<'_>) -> Option<Challenge> {
        self.compiled.reader.unsigned_handshake(request, &self.checks)
    }

    /// Why a request that is neither an event nor such a handshake is refused: it asked for one and does not fit, or it
    /// has nothing to ask here.
    pub fn refusal(&self, request: &Request<'_>) -> Reject {
        let asked = self.compiled.reader.asks_for_handshake(request);
        if asked { Reject::HandshakeRefused } else { Reject::MethodNotAllowed }
    }

    /// Sign with this private key from now on, where the scheme wants one: only who owns it can.
    #[must_use]
    pub fn signing_with(mut self, signer: Arc<Signer>) -> Rules {
        self.signer = Some(signer);
        self
    }

    /// What the weakest of its proofs covers.
    pub fn coverage(&self) -> Coverage {
        self.compiled.plans.iter().map(Plan::coverage).max().unwrap_or(Coverage::Nothing)
    }

    /// The key pair whose public half the source holds, for schemes without a shared secret.
    pub fn key_kind(&self) -> Option<KeyKind> {
        self.compiled.key_pair().map(|(kind, _)| kind)
    }

    /// The request with which the provider would send this body now, `headers` included, under the first secret.
    ///
    /// # Errors
    /// There is no secret, a header that is part of the signed text is not among `headers`, or the proof belongs into
    /// a body that has no place for it.
    pub fn sign(&self, body: &[u8], headers: &HeaderMap, now: Timestamp) -> Result<Signed, SignError> {
        let mut ways: Vec<_> = self.compiled.plans.iter().zip(&self.checks).collect();
        ways.sort_by_key(|(plan, _)| plan.rank(body));
        let mut signed = Err(SignError::NoSecret);
        for (_, check) in ways {
            let out = Signed { headers: headers.clone(), query: String::new(), body: body.to_vec() };
            signed = check.sign(out, now, self.signer.as_deref());
            if signed.is_ok() {
                break;
            }
        }
        signed
    }

    /// What stands before the provider's own type in the envelope's `type`.
    pub fn type_prefix(&self) -> &str {
        &self.type_prefix
    }

    /// The request headers that are stored with the event.
    pub fn kept_headers(&self) -> &[HeaderName] {
        &self.compiled.kept_headers
    }

    /// The encodings in which its bodies may come.
    pub fn encodings(&self) -> &[Encoding] {
        &self.compiled.encodings
    }

    /// Is the signature of an encoded body over the bytes before the encoding?
    pub fn signs_decoded(&self) -> bool {
        self.compiled.signed_body == SignedBody::Decoded
    }

    /// The facts that rest on headers which the scheme does not sign, see [`super::Provider::unsigned_facts`].
    pub fn unsigned_facts(&self) -> &[&'static str] {
        &self.compiled.unsigned_facts
    }

    /// Can its events have an id? Without one every delivery is an event of its own and nothing is deduplicated.
    pub fn has_id(&self) -> bool {
        self.compiled.reader.has_id()
    }
}
