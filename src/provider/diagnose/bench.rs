//! The work bench: one changed assumption after the other, each judged by the verifier itself, within a budget.

use std::cell::Cell;
use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::config::Secret;
use crate::provider::bind::Binding;
use crate::provider::compiled::Provider;
use crate::provider::verify::{Keys, Passed, Plan, Proof, Request, SecretForm, SignaturePlan, Window};

/// The most assumptions that one diagnosis tries.
const MAX_TRIED: u32 = 8_000;

/// The most bytes that one diagnosis hashes: a fraction of a second of one processor.
const MAX_HASHED: usize = 128 << 20;

/// What a trial costs beside its body, in bytes hashed: compiling it, and its keys.
const OVERHEAD: usize = 2_048;

/// What a public-key operation costs, in bytes hashed in the same time.
const PUBLIC_KEY: usize = 64 << 10;

/// One source's settings, and what is left of the budget.
pub(super) struct Bench<'a> {
    pub(super) request: Request<'a>,
    pub(super) params: &'a BTreeMap<String, String>,
    pub(super) public_url: Option<&'a str>,
    tried: Cell<u32>,
    hashed: Cell<usize>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        request: Request<'a>,
        params: &'a BTreeMap<String, String>,
        public_url: Option<&'a str>,
    ) -> Bench<'a> {
        Bench { request, params, public_url, tried: Cell::new(0), hashed: Cell::new(0) }
    }

    /// Does the request as it came pass this plan under one of these secrets?
    pub(super) fn passes(&self, plan: &Plan, secrets: &[Secret]) -> Option<Passed> {
        self.passes_as(plan, secrets, &self.request, self.public_url)
    }

    /// Does this request, sent to this URL?
    pub(super) fn passes_as(
        &self,
        plan: &Plan,
        secrets: &[Secret],
        request: &Request<'_>,
        url: Option<&str>,
    ) -> Option<Passed> {
        // One after the other: a secret that this plan cannot use must not hide the others.
        let tries = |(place, secret): (usize, &Secret)| {
            self.charge(plan, request).then_some(())?;
            let keys = Keys { secrets: std::slice::from_ref(secret), params: self.params, public_url: url };
            let passed = plan.bind(&keys).ok()?.verify(request).ok()?;
            Some(Passed { secret: place, ..passed })
        };
        secrets.iter().enumerate().find_map(tries)
    }

    /// Does the request as it came verify for another source?
    pub(super) fn tries(&self, provider: &Provider, binding: &Binding) -> bool {
        let plan = provider.compiled.plans.first();
        plan.is_some_and(|plan| self.charge(plan, &self.request))
            && provider.bind(binding).is_ok_and(|rules| rules.verify(&self.request).is_ok())
    }

    fn charge(&self, plan: &Plan, request: &Request<'_>) -> bool {
        if self.is_spent() {
            return false;
        }
        let public = if plan.is_costly() { PUBLIC_KEY } else { 0 };
        self.tried.set(self.tried.get() + 1);
        self.hashed.set(self.hashed.get().saturating_add(request.body.len() + OVERHEAD + public));
        true
    }

    pub(super) fn is_spent(&self) -> bool {
        self.tried.get() >= MAX_TRIED || self.hashed.get() >= MAX_HASHED
    }

    pub(super) fn tried(&self) -> u32 {
        self.tried.get()
    }
}

/// The plan for any time and any request: what is asked is the signature alone.
pub(super) fn timeless(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.when = None;
    if let Some(clock) = signature_mut(&mut plan).and_then(|signature| signature.clock.as_mut()) {
        clock.window = Window { past: SignedDuration::MAX, future: SignedDuration::MAX };
    }
    plan
}

/// The plan for keys that are given as they are.
pub(super) fn exact(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    match &mut plan.proof {
        Proof::Signature(signature) => signature.secret = SecretForm::Exact,
        Proof::Jwt(jwt) => jwt.secret = SecretForm::Exact,
        Proof::Token(_) | Proof::Fetched(_) | Proof::None => {}
    }
    plan
}

/// How the plan turns secrets into keys.
pub(super) fn form(plan: &Plan) -> SecretForm {
    match &plan.proof {
        Proof::Signature(signature) => signature.secret,
        Proof::Jwt(jwt) => jwt.secret,
        Proof::Token(_) | Proof::Fetched(_) | Proof::None => SecretForm::Plain,
    }
}

pub(super) fn signature(plan: &Plan) -> Option<&SignaturePlan> {
    match &plan.proof {
        Proof::Signature(signature) => Some(signature),
        Proof::Jwt(_) | Proof::Token(_) | Proof::Fetched(_) | Proof::None => None,
    }
}

pub(super) fn signature_mut(plan: &mut Plan) -> Option<&mut SignaturePlan> {
    match &mut plan.proof {
        Proof::Signature(signature) => Some(signature),
        Proof::Jwt(_) | Proof::Token(_) | Proof::Fetched(_) | Proof::None => None,
    }
}
