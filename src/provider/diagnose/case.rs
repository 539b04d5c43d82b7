//! One case: the request, the plan it was judged by, and the bench on which assumptions are tried.

use super::bench::{self, Bench};
use super::{Inquiry, Suspect};
use crate::config::Secret;
use crate::provider::compiled::Compiled;
use crate::provider::verify::{Plan, Request};

/// Everything that the hypotheses look at.
pub(super) struct Case<'a> {
    pub(super) inquiry: &'a Inquiry<'a>,
    pub(super) source: &'a Suspect<'a>,
    pub(super) request: Request<'a>,
    /// The provider's ways to verify, as this source has them.
    pub(super) plans: Vec<Plan>,
    /// The place among them of the one that the request was judged by.
    pub(super) chosen: usize,
    /// That plan.
    pub(super) plan: Plan,
    /// The same for any time: with it, what is asked is the signature alone.
    pub(super) timeless: Plan,
    pub(super) bench: Bench<'a>,
}

impl<'a> Case<'a> {
    pub(super) fn new(inquiry: &'a Inquiry<'a>, compiled: Compiled) -> Option<Case<'a>> {
        let source = &inquiry.source;
        let request = inquiry.request;
        let applies = |plan: &Plan| plan.when.as_ref().is_none_or(|when| when.applies(&request));
        let chosen = compiled.plans.iter().position(applies).unwrap_or_default();
        let plan = compiled.plans.get(chosen)?.clone();
        let binding = source.binding;
        let bench = Bench::new(request, &binding.params, binding.public_url.as_deref());
        let timeless = bench::timeless(&plan);
        Some(Case { inquiry, source, request, plans: compiled.plans, chosen, plan, timeless, bench })
    }

    pub(super) fn secrets(&self) -> &'a [Secret] {
        &self.source.binding.secrets
    }

    /// A configured secret as the operator knows it.
    pub(super) fn secret_name(&self, place: usize) -> String {
        self.source.secret_name(place)
    }

    pub(super) fn title(&self) -> &'a str {
        self.source.provider.title()
    }

    /// Where the provider shows the secret.
    pub(super) fn where_to_look(&self) -> String {
        let place = self.source.provider.needs().secrets.as_ref().map(|need| need.place.as_str());
        place.map(|place| format!("{} shows it at: {place}.", self.title())).unwrap_or_default()
    }

    /// May a source set this key of the scheme otherwise?
    pub(super) fn may_set(&self, key: &str) -> bool {
        self.source.provider.overridable().iter().any(|known| known == key)
    }

    pub(super) fn has_header(&self, name: &http::HeaderName) -> bool {
        self.request.headers.contains_key(name)
    }
}

impl Suspect<'_> {
    pub(super) fn secret_name(&self, place: usize) -> String {
        match self.secret_names.get(place) {
            Some(name) if self.secret_names.len() > 1 => format!("secret {} ({name})", place + 1),
            Some(name) => format!("the secret ({name})"),
            None => format!("secret {}", place + 1),
        }
    }
}
