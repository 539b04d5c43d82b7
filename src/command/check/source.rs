//! One source: what keeps it from working, and what its operator should know.

use jiff::civil::Date;

use super::{Finding, Verdict};
use crate::config::{Config, KeyBy, Redeliveries, Secret, SourceConfig};
use crate::dev::{self, DevKey};
use crate::provider::starter::TO_FILL_IN;
use crate::provider::{Coverage, Doubt, Effect, Rules};

/// A published list of addresses is looked at again after so many days.
const FRESH_DAYS: i32 = 90;

/// A shared secret of fewer bytes can be guessed by trying.
const SHORT: usize = 16;

pub(super) fn check(source: &SourceConfig, today: Date, findings: &mut Vec<Finding>) {
    let what = format!("source {}", source.name);
    let mut note = |verdict, detail: &str| findings.push(Finding::new(what.clone(), verdict, detail));
    match source.bind() {
        Err(error) => {
            note(Verdict::Wrong, error.strip_prefix(&format!("[sources.{}] ", source.name)).unwrap_or(&error))
        }
        Ok(rules) => {
            note(Verdict::Ok, &format!("{} at {}, into {}", source.provider.title(), source.path, source.raw_topic));
            proof(source, &rules, &mut note);
            if !rules.has_id() {
                note(
                    Verdict::Note,
                    "no id: each delivery is an event of its own and nothing is deduplicated; event.id turns it on",
                );
            }
        }
    }
    if let Err(error) = source.inquiries() {
        note(Verdict::Wrong, error.strip_prefix(&format!("[sources.{}] ", source.name)).unwrap_or(&error));
    }
    if source.secrets_file().is_some() && source.secrets().is_ok_and(|secrets| secrets.is_empty()) {
        note(Verdict::Note, "no secret was handed over yet: every event is refused until the webhook is set up");
    }
    secrets(source, &mut note);
    for (param, _) in source.params().iter().filter(|(_, value)| *value == TO_FILL_IN) {
        note(Verdict::Wrong, &format!("params.{param} is still \"{TO_FILL_IN}\""));
    }
    addresses(source, today, &mut note);
    if source.key == KeyBy::Subject {
        subject(source, &mut note);
    }
    answers(source, &mut note);
    let unsigned = source.provider.unsigned_facts();
    if !unsigned.is_empty() && !source.accept_unsigned {
        note(Verdict::Note, &format!("not covered by the signature: {}", unsigned.join(", ")));
    }
    let unverified = source.provider.unverified().len();
    if unverified > 0 {
        let facts = if unverified == 1 { "1 fact".to_owned() } else { format!("{unverified} facts") };
        let detail = format!("{facts} of its file without a source; `hookstream providers {}`", source.provider.name());
        note(Verdict::Note, &detail);
    }
    credentials(source, &mut note);
}

/// What is proven of a request, and what is not.
fn proof(source: &SourceConfig, rules: &Rules, note: &mut impl FnMut(Verdict, &str)) {
    if source.accept_unsigned {
        return note(Verdict::Note, "accept_unsigned: whoever reaches the path can write to the topic");
    }
    match rules.coverage() {
        Coverage::Body | Coverage::Nothing => {}
        Coverage::Part => note(
            Verdict::Note,
            "the signature covers a part of the body: whoever saw one request can send other events; restrict with allow",
        ),
        Coverage::Sender => note(
            Verdict::Note,
            "the secret travels with each request and says nothing of the body: whoever saw one can make others",
        ),
    }
}

fn secrets(source: &SourceConfig, note: &mut impl FnMut(Verdict, &str)) {
    // That one is missing was said when the source was bound.
    let Ok(secrets) = source.secrets() else { return };
    let provider = &source.provider;
    let key = |kind| DevKey::existing(kind).and_then(|key| dev::public_secret(provider, &key));
    let known = match provider.key_kind() {
        None => Some(dev::secret(provider)),
        Some(kind) => key(kind),
    };
    if secrets.is_empty() && provider.stores_secrets() && !source.accept_unsigned {
        note(Verdict::Note, "no secret yet: every event is refused until the provider has handed one over");
    }
    for (number, secret) in secrets.iter().enumerate() {
        let name = format!("secret {}", number + 1);
        let doubts = provider.needs().secrets.as_ref().map(|need| need.doubts(secret)).unwrap_or_default();
        for doubt in &doubts {
            let verdict = if matches!(doubt, Doubt::Unlike(_)) { Verdict::Note } else { Verdict::Wrong };
            note(verdict, &format!("{name} {doubt}"));
        }
        if secret.expose() == TO_FILL_IN.as_bytes() {
            note(Verdict::Wrong, &format!("{name} is still \"{TO_FILL_IN}\""));
        } else if provider.key_kind().is_none() && secret.expose().len() < SHORT {
            note(Verdict::Note, &format!("{name} has fewer than {SHORT} bytes: short enough to be guessed"));
        }
        if known.as_ref() == Some(secret) {
            let detail = match provider.key_kind() {
                None => "is the one of `hookstream dev`: everybody knows it",
                Some(_) => "is your dev key: whoever has its file can write to the topic",
            };
            let verdict = if provider.key_kind().is_none() { Verdict::Wrong } else { Verdict::Note };
            note(verdict, &format!("{name} {detail}"));
        }
        if secrets.iter().take(number).any(|earlier| earlier == secret) {
            note(Verdict::Note, &format!("{name} is the same as an earlier one"));
        }
    }
}

fn addresses(source: &SourceConfig, today: Date, note: &mut impl FnMut(Verdict, &str)) {
    let Some(published) = source.provider.addresses().filter(|_| source.allows_provider) else { return };
    let age = published.date().and_then(|date| today.since(date).ok()).map(|span| span.get_days());
    let old = match age {
        None => "; look for changes, or list networks".to_owned(),
        Some(age) if age > FRESH_DAYS => format!("; {age} days old: look for changes, or list networks"),
        Some(_) => String::new(),
    };
    note(Verdict::Note, &format!("allow: the provider's addresses, {}{old}", published.origin()));
}

fn subject(source: &SourceConfig, note: &mut impl FnMut(Verdict, &str)) {
    match source.provider.subjects().as_slice() {
        [] => note(
            Verdict::Note,
            "key = \"subject\", but its events have none unless event.subject is set: the id keys them",
        ),
        [_] => note(Verdict::Note, "key = \"subject\": the events of one busy object all go to one partition"),
        several => note(
            Verdict::Note,
            &format!(
                "key = \"subject\": it is the first of {}; copies that differ in it get different keys",
                several.join(", ")
            ),
        ),
    }
}

/// What becomes of events that we cannot take.
fn answers(source: &SourceConfig, note: &mut impl FnMut(Verdict, &str)) {
    let answer = source.provider.answer();
    if !answer.redelivers && !source.spools {
        note(
            Verdict::Note,
            "the provider does not send again by itself: what is answered 503 while Kafka is away is lost unless it is \
             redelivered by hand; with a spool it is kept (spool.dir)",
        );
    }
    if source.redeliveries == Redeliveries::Pass && answer.redelivers {
        note(
            Verdict::Note,
            "redeliveries = \"pass\": the provider sends again by itself, and each late retry becomes another event",
        );
    }
    if let Some(disables) = answer.disables {
        let after = disables.after.map_or("too many".to_owned(), |count| count.to_string());
        let effect = match disables.effect {
            Effect::Deleted => "deletes the endpoint",
            Effect::Disabled => "switches the endpoint off",
            Effect::Paused => "pauses the endpoint",
        };
        note(Verdict::Note, &format!("the provider {effect} after {after} failed deliveries in a row"));
    }
}

fn credentials(source: &SourceConfig, note: &mut impl FnMut(Verdict, &str)) {
    let own: Vec<Option<&str>> = std::iter::once(None).chain(source.tenants().map(Some)).collect();
    for tenant in own {
        match source.credentials(tenant) {
            Err(error) => {
                note(Verdict::Wrong, error.strip_prefix(&format!("[sources.{}] ", source.name)).unwrap_or(&error));
            }
            Ok(credentials) => {
                if tenant.is_none()
                    && credentials.is_empty()
                    && source.provider.api().is_some()
                    && source.tenants().next().is_none()
                {
                    note(Verdict::Note, "no credentials: events pass the enricher without their records");
                }
                for (name, secret) in &credentials {
                    if is_frayed(secret) {
                        note(
                            Verdict::Wrong,
                            &format!("credential {name} begins or ends with a space, a line break or a quote"),
                        );
                    }
                }
            }
        }
    }
}

fn is_frayed(secret: &Secret) -> bool {
    let stray = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''));
    stray(secret.expose().first()) || stray(secret.expose().last())
}

/// One secret in two sources: often the wrong one in one of them.
pub(super) fn shared_secrets(config: &Config, findings: &mut Vec<Finding>) {
    let mut seen: Vec<(Secret, &str)> = Vec::new();
    for source in config.sources.values() {
        for secret in source.secrets().unwrap_or_default() {
            match seen.iter().find(|(known, _)| *known == secret) {
                None => seen.push((secret, &source.name)),
                Some((_, first)) if *first == source.name => {}
                Some((_, first)) => {
                    let detail = format!("a secret of source {first} too: providers give each endpoint its own");
                    findings.push(Finding::new(format!("source {}", source.name), Verdict::Note, detail));
                }
            }
        }
    }
}
