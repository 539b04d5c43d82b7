//! Hypotheses about who sent it: another source of ours, another provider, somebody with another secret that is known.

use std::collections::BTreeSet;

use http::HeaderName;

use super::bench::{exact, form, signature, timeless};
use super::case::Case;
use super::{Cause, Finding, Suspect};
use crate::config::Secret;
use crate::provider::Provider;
use crate::provider::verify::{Passed, Plan, SecretForm};

/// The most other sources whose rules are tried.
const MAX_SOURCES: usize = 1_000;

/// The most providers that are named where their headers do not tell them apart.
const MAX_NAMED: usize = 5;

/// Another of the provider's own ways to sign.
pub(super) fn other_way(case: &Case<'_>) -> Option<Finding> {
    let others = case.plans.iter().enumerate().filter(|(place, _)| *place != case.chosen);
    others.into_iter().find_map(|(_, plan)| {
        let passed = case.bench.passes(&timeless(plan), case.secrets())?;
        Some(Finding::proven(
            Cause::OtherScheme,
            format!(
                "The signature matches under {} in another of {}'s ways: {}. The request was judged as: {}.",
                case.secret_name(passed.secret),
                case.title(),
                plan.describe(),
                case.plan.describe()
            ),
            "A proxy drops or adds the header that names the version, or the sender mixes two. Pass all headers on.",
        ))
    })
}

/// The request verifies as it is for another of our sources.
pub(super) fn other_source(case: &Case<'_>) -> Option<Finding> {
    let found = case.inquiry.others.iter().take(MAX_SOURCES).find(|other| {
        let plans = &other.provider.compiled.plans;
        // Whoever takes everything would take this as well.
        let signs = !other.binding.accept_unsigned && plans.iter().all(Plan::needs_secret);
        let headers = plans.iter().any(|plan| marks(plan).any(|name| case.has_header(name)));
        signs && headers && case.bench.tries(other.provider, other.binding)
    })?;
    let (title, name) = (found.provider.title(), found.name);
    let advice = if found.provider.name() == case.source.provider.name() {
        format!(
            "Let the endpoint at {title} that signs with this secret call {}, or exchange the secrets of [sources.{}] and \
             [sources.{name}].",
            found.path, case.source.name
        )
    } else {
        format!("At {title}, set the webhook's URL to {} instead of {}.", found.path, case.source.path)
    };
    let evidence = format!("The request verifies for source `{name}` ({title}), whose path is {}.", found.path);
    let cause = if found.provider.name() == case.source.provider.name() {
        Cause::SecretOfAnother
    } else {
        Cause::OtherProvider
    };
    Some(Finding::proven(cause, evidence, advice))
}

/// It was signed with a secret that is known here, but is not configured for this source.
pub(super) fn other_secret(case: &Case<'_>) -> Option<Finding> {
    let plan = exact(&case.timeless);
    let own = form(&case.plan);
    let signed_with = |secret: &Secret, theirs: Option<SecretForm>| {
        let forms = [Some(own), theirs, Some(SecretForm::Plain)];
        let keys: Vec<Secret> = forms
            .iter()
            .flatten()
            .filter_map(|form| form.decode(secret).ok())
            .map(|key| Secret::new(key.to_vec()))
            .collect();
        // A token is compared as it stands.
        let direct = signature(&case.plan).is_none()
            && case.bench.passes(&case.timeless, std::slice::from_ref(secret)).is_some();
        direct || case.bench.passes(&plan, &keys).is_some()
    };
    let need = case.source.provider.needs().secrets.as_ref();
    for (known, whose) in need.iter().flat_map(|need| &need.known) {
        if signed_with(&Secret::new(known.clone().into_bytes()), None) {
            return Some(Finding::proven(
                Cause::SecretOfAnother,
                format!("It is signed with {whose}, which everybody knows."),
                "Nothing is wrong with the source. Send a real event instead of the test; never configure this secret.",
            ));
        }
    }
    for (whose, secret) in case.inquiry.offered {
        if signed_with(secret, None) {
            return Some(Finding::proven(
                Cause::SecretOfAnother,
                format!("It is signed with {whose}, which is not configured for this source."),
                format!(
                    "If that one is meant, add it to secrets in [sources.{}]; a list of them is a rotation.",
                    case.source.name
                ),
            ));
        }
    }
    for other in case.inquiry.others.iter().take(MAX_SOURCES) {
        let theirs = other.provider.compiled.plans.first().map(form);
        let found = other.binding.secrets.iter().position(|secret| signed_with(secret, theirs));
        if let Some(place) = found {
            return Some(signed_with_theirs(case, other, place));
        }
    }
    None
}

fn signed_with_theirs(case: &Case<'_>, other: &Suspect<'_>, place: usize) -> Finding {
    Finding::proven(
        Cause::SecretOfAnother,
        format!("It is signed with {} of source `{}`.", other.secret_name(place), other.name),
        format!(
            "Either the variables or files of [sources.{}] and [sources.{}] are mixed up, or the provider calls {} where {} is \
             meant.",
            case.source.name, other.name, case.source.path, other.path
        ),
    )
}

/// The header that a plan's proof stands in.
fn marks(plan: &Plan) -> impl Iterator<Item = &HeaderName> {
    let token = plan.credential_headers().iter();
    let signed = signature(plan).map(|plan| plan.at.headers()).unwrap_or_default().iter();
    let jwt = if signature(plan).is_none() { plan.proof_headers() } else { Vec::new() };
    token.chain(signed).chain(jwt).filter(|name| **name != http::header::AUTHORIZATION)
}

/// The provider's plan under which the request passes with our secrets. Where its URL is signed, ours is taken for it.
fn passing<'p>(case: &Case<'_>, provider: &'p Provider) -> Option<(&'p Plan, Passed)> {
    provider.compiled.plans.iter().find_map(|plan| Some((plan, case.bench.passes(&timeless(plan), case.secrets())?)))
}

/// Its headers are another provider's.
pub(super) fn other_provider(case: &Case<'_>) -> Option<Finding> {
    let own: Vec<&HeaderName> = case.plans.iter().flat_map(marks).collect();
    let strangers = || {
        let others = case.inquiry.catalogue.iter().filter(|provider| provider.name() != case.source.provider.name());
        others.filter(|provider| {
            let mut marks = provider.compiled.plans.iter().flat_map(marks);
            marks.any(|name| !own.contains(&name) && case.has_header(name))
        })
    };
    let proven: Vec<_> =
        strangers().filter_map(|provider| Some((provider, passing(case, provider)?))).take(MAX_NAMED).collect();
    if let Some((_, (plan, passed))) = proven.first() {
        let titles = listed(proven.iter().map(|(provider, _)| provider.title().to_owned()));
        let names = listed(proven.iter().map(|(provider, _)| format!("\"{}\"", provider.name())));
        let secret = case.secret_name(passed.secret);
        return Some(Finding::proven(
            Cause::OtherProvider,
            format!("It is signed as {titles} would sign ({}), with {secret}.", plan.describe()),
            format!("Set provider = {names} in [sources.{}].", case.source.name),
        ));
    }
    let known = |provider: &Provider| {
        provider.compiled.kept_headers.iter().filter(|name| !own.contains(name) && case.has_header(name)).count()
    };
    let most = strangers().map(|provider| known(provider)).max()?;
    let likely: Vec<&Provider> =
        strangers().filter(|provider| known(provider) == most).map(AsRef::as_ref).take(MAX_NAMED).collect();
    let provider = likely.first()?;
    let titles = listed(likely.iter().map(|provider| provider.title().to_owned()));
    let names = provider.compiled.plans.iter().flat_map(marks).chain(&provider.compiled.kept_headers);
    let theirs = names.filter(|name| !own.contains(name) && case.has_header(name));
    let names: BTreeSet<String> = theirs.map(|name| format!("`{name}`")).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let there =
        case.inquiry.others.iter().find(|other| likely.iter().any(|provider| other.provider.name() == provider.name()));
    let advice = match there {
        Some(other) => format!(
            "At {}, set the webhook's URL to {}, the path of source `{}`.",
            other.provider.title(),
            other.path,
            other.name
        ),
        None => format!(
            "If {titles} is meant to send here, give it a source of its own: [sources.{}], provider = \"{}\".",
            provider.name(),
            provider.name()
        ),
    };
    let evidence = format!("It carries {names}, which {titles} sends, and came to a source of {}.", case.title());
    Some(Finding::likely(Cause::OtherProvider, evidence, advice))
}

fn listed(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(" or ")
}
