//! `explain`, as the running gateway answers it: secrets and bodies stay in here, findings go out.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Gateway;
use super::rejects::{Evidence, Refusal};
use super::source::Source;
use crate::provider::diagnose::{self, Cause, Diagnosis, Finding, Inquiry, Suspect, diagnose};
use crate::provider::{Reject, Request};

impl Gateway {
    /// Why the request with this id was refused; `None` when nothing is known of it. Takes up to a second of one
    /// processor.
    pub(super) fn explain(&self, id: &str) -> Option<Value> {
        let refusal = self.journal.rejects.find(id)?;
        let sources = self.sources.load();
        let source = refusal.source.as_ref().and_then(|name| sources.named(name));
        let looked_at = refusal.reason.status() == 401;
        let diagnosis = match (source, &refusal.evidence) {
            (Some(source), Some(evidence)) if looked_at => self.diagnosis(source, &refusal, evidence),
            (source, evidence) => {
                let finding = self.refused(source.map(AsRef::as_ref), &refusal, evidence.as_deref());
                Diagnosis { verdict: Err(refusal.reason), findings: vec![finding], tried: 0, cut_short: false }
            }
        };
        Some(json!({
            "request_id": refusal.id.to_string(),
            "at": crate::event::rfc3339_millis(refusal.at),
            "source": refusal.source.as_deref(),
            "provider": source.map(|source| source.provider().title()),
            "reason": refusal.reason.as_str(),
            "address": refusal.address.to_string(),
            "explained": diagnosis.is_explained(),
            "findings": diagnosis.findings,
            "tried": diagnosis.tried,
            "cut_short": diagnosis.cut_short,
        }))
    }

    fn diagnosis(&self, source: &Source, refusal: &Refusal, evidence: &Evidence) -> Diagnosis {
        let Some(body) = &evidence.body else {
            return kept_no_more(refusal.reason, "Its body was too large to be kept (256 KiB).");
        };
        let rules = source.rules.now();
        let sources = self.sources.load();
        let others = sources.by_path.values().filter(|other| other.name != source.name);
        let others: Vec<_> = others.map(|other| (other, other.rules.now())).collect();
        let others: Vec<Suspect<'_>> = others.iter().map(|(other, rules)| other.suspect(rules)).collect();
        let offered = [(
            "the secret that `hookstream send` and `dev` use without a configuration".to_owned(),
            crate::dev::secret(source.provider()),
        )];
        diagnose(&Inquiry {
            request: request(evidence, body, refusal.at),
            path: evidence.uri.path(),
            source: source.suspect(&rules),
            others: &others,
            offered: &offered,
            catalogue: &sources.catalogue,
            captured: false,
            verified: Some(source.counters.verified()),
        })
    }

    /// What else a request is refused for.
    fn refused(&self, source: Option<&Source>, refusal: &Refusal, evidence: Option<&Evidence>) -> Finding {
        let found = |what: String, advice: &str| Finding::proven(Cause::Refused, what, advice);
        let Some(evidence) = evidence.filter(|_| refusal.reason != Reject::TooManyRequests) else {
            return kept_no_more(refusal.reason, "Its headers and body are not kept.").findings.swap_remove(0);
        };
        match (refusal.reason, source) {
            (Reject::UnknownSource, _) => found(
                format!("No source has the path that it came to, which has {} characters.", evidence.uri.path().len()),
                &self.nearest(evidence.uri.path()),
            ),
            (Reject::AddressNotAllowed, Some(source)) => found(
                format!("It came from {}, which is not among allow of [sources.{}].", refusal.address, source.name),
                "Add the provider's new network to allow. If this is the address of your own proxy, name the proxy in \
                 gateway.trusted_proxies, so that the sender's own address is looked at.",
            ),
            (Reject::MethodNotAllowed, Some(source)) => found(
                format!("It is a {} request, and is no handshake of the provider's.", evidence.method),
                &format!(
                    "Events come by POST to {}. A redirect on the way (http to https, a slash at the end) turns a POST \
                     into a GET: enter the final URL at the provider.",
                    source.path()
                ),
            ),
            (Reject::BodyTooLarge, Some(source)) => found(
                format!("Its body has more than {} bytes.", source.max_body),
                &format!("Raise max_body in [sources.{}], then run `hookstream topics apply`.", source.name),
            ),
            (reason, _) => diagnose::refused(reason),
        }
    }

    /// The path that was meant, as far as that can be told.
    fn nearest(&self, path: &str) -> String {
        let plain = |path: &str| path.trim_matches('/').replace("//", "/").to_ascii_lowercase();
        let wanted = plain(path);
        let sources = self.sources.load();
        let mut paths: Vec<&str> = sources.by_path.values().map(|source| source.path()).collect();
        paths.sort_unstable();
        let near = paths.iter().find(|known| plain(known) == wanted);
        let inside = || paths.iter().find(|known| wanted.ends_with(&plain(known)) || plain(known).ends_with(&wanted));
        match near.or_else(inside).filter(|_| !wanted.is_empty()) {
            Some(known) => format!(
                "It differs from {known} in slashes, capital letters or a part before it. Enter that path at the provider, or \
                 set path in the source to what the provider calls."
            ),
            None => format!("The paths are: {}. Enter one of them at the provider.", paths.join(", ")),
        }
    }
}

fn request<'a>(evidence: &'a Evidence, body: &'a [u8], at: Timestamp) -> Request<'a> {
    let query = evidence.uri.query().unwrap_or_default();
    Request { method: &evidence.method, headers: &evidence.headers, query, body, now: at }
}

fn kept_no_more(reason: Reject, why: &str) -> Diagnosis {
    let advice = "Have it delivered again and ask at once, or capture the request and ask with `hookstream explain FILE`. \
                  admin.keep_rejects says how much is kept; what is beyond an address's allowance of failures is not.";
    let finding = Finding::possible(Cause::Unexplained, format!("{} {why}", reason.docs()), advice);
    Diagnosis { verdict: Err(reason), findings: vec![finding], tried: 0, cut_short: false }
}
