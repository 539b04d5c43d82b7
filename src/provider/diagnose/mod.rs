//! Why a request does not verify, and what to do: one changed assumption after the other is tried with the verifier
//! itself, so that what is called proven is. Pure, bounded, and never on the path of a request.
//!
//! `search` is the order of the hypotheses; `bench` holds the budget; `secrets`, `bodies` and `urls` list what may have
//! happened; `shape`, `clock` and `senders` hold the hypotheses about the rest.

mod bench;
mod bodies;
mod case;
mod clock;
mod finding;
mod json;
mod search;
mod secrets;
mod senders;
mod shape;
#[cfg(test)]
mod tests;
mod urls;

use http::Method;

pub use finding::{Cause, Certainty, Diagnosis, Finding};

use super::bind::{self, Binding};
use super::catalogue::Catalogue;
use super::compiled::Provider;
use super::reject::Reject;
use super::rules::Rules;
pub(crate) use search::refused;

use super::verify::Request;
use crate::config::Secret;
use case::Case;

/// One configured source.
#[derive(Debug, Clone, Copy)]
pub struct Suspect<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its provider.
    pub provider: &'a Provider,
    /// Its settings, secrets included.
    pub binding: &'a Binding,
    /// What the operator calls its secrets, such as `env:STRIPE_WEBHOOK_SECRET`, in the same order.
    pub secret_names: &'a [String],
    /// The path at which it takes requests.
    pub path: &'a str,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Inquiry<'a> {
    /// The request as it arrived.
    pub request: Request<'a>,
    /// The path that it was sent to; the whole URL where a captured request has it.
    pub path: &'a str,
    /// The source that refused it.
    pub source: Suspect<'a>,
    /// All other sources.
    pub others: &'a [Suspect<'a>],
    /// Further secrets that it may be signed with, each with what to call it.
    pub offered: &'a [(String, Secret)],
    /// Every provider known.
    pub catalogue: &'a Catalogue,
    /// Was it captured somewhere, so that its time says nothing?
    pub captured: bool,
    /// How many requests of the source verified since the start, where that is known.
    pub verified: Option<u64>,
}

/// Find out why a request does not verify.
pub fn diagnose(inquiry: &Inquiry<'_>) -> Diagnosis {
    let source = inquiry.source;
    let rules = source.provider.bind(source.binding);
    if let Some(rules) = rules.as_ref().ok().filter(|_| inquiry.request.method != Method::POST) {
        return unposted(inquiry, rules);
    }
    let verdict = match &rules {
        Ok(rules) => rules.verify(&inquiry.request).map(|_| ()),
        Err(_) => Err(Reject::SignatureMismatch),
    };
    let mut findings = Vec::new();
    if let Err(error) = &rules {
        let advice = "Correct it in the configuration; `hookstream check` says when it is right.";
        findings.push(Finding::proven(Cause::Configuration, format!("[sources.{}] {error}.", source.name), advice));
    }
    let compiled = bind::compiled(source.provider, &source.binding.overrides).ok();
    let Some(case) = compiled.and_then(|compiled| Case::new(inquiry, compiled)) else {
        return Diagnosis { verdict, findings, tried: 0, cut_short: false };
    };
    match verdict {
        Ok(()) => findings.push(verifies(&case)),
        Err(reject) => case.examine(reject, &mut findings),
    }
    if !findings.iter().any(|finding| finding.certainty < Certainty::Possible) {
        findings.push(case.unexplained());
    }
    findings.sort_by_key(|finding| finding.certainty);
    Diagnosis { verdict, findings, tried: case.bench.tried(), cut_short: case.bench.is_spent() }
}

/// Events come by POST. What comes otherwise is a challenge, or is refused before anybody looks for a signature.
fn unposted(inquiry: &Inquiry<'_>, rules: &Rules) -> Diagnosis {
    let (source, method) = (inquiry.source, inquiry.request.method);
    let request = Request { body: b"", ..inquiry.request };
    let (verdict, finding) = match (rules.handshake(&request), rules.refusal(&request)) {
        (Some(_), _) => {
            let advice = "Nothing is wrong with it: it holds no event, and events come by POST.";
            let what = format!("It is a {method} request, a challenge that the settings of now answer.");
            (Ok(()), Finding::proven(Cause::Verifies, what, advice))
        }
        (None, reject @ Reject::MethodNotAllowed) => {
            let what = format!(
                "It is a {method} request, and is no handshake of the provider's: the signature is not looked at."
            );
            let curl = if inquiry.captured { " A curl command line without --data is a GET as well." } else { "" };
            let advice = format!(
                "Events come by POST to {}. A redirect on the way (http to https, a slash at the end) turns a POST into a GET: \
                 enter the final URL at {}.{curl}",
                source.path,
                source.provider.title()
            );
            (Err(reject), Finding::proven(Cause::Refused, what, advice))
        }
        (None, reject) => (Err(reject), refused(reject)),
    };
    Diagnosis { verdict, findings: vec![finding], tried: 0, cut_short: false }
}

fn verifies(case: &Case<'_>) -> Finding {
    let advice = if case.inquiry.captured {
        "Nothing is wrong with secret, body and URL as they stand here: look at what reaches the gateway instead."
    } else {
        "Have it delivered again. What was wrong has been corrected since, or another instance has other settings."
    };
    Finding::proven(Cause::Verifies, "The request verifies with the settings of now.", advice)
}
