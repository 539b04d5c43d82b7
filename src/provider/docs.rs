//! The reference page that is made from the provider files.

use std::fmt::Write as _;

use super::category::CATEGORIES;
use super::compiled::Provider;
use super::{Catalogue, Effect, Needs};

/// docs/reference/providers.md.
pub fn providers_page(catalogue: &Catalogue) -> String {
    let mut page = String::from(
        "# Providers\n\nEach of them is a file in `providers/`, proven by the vectors beside it.\n\n\
         | provider | name in the configuration | verified by | API |\n| --- | --- | --- | --- |\n",
    );
    for provider in catalogue.iter() {
        let api = if provider.api().is_some() { "full records" } else { "–" };
        let mut schemes = provider.schemes();
        schemes.dedup();
        let schemes = schemes.join(", ");
        let title = provider.title();
        let _ = writeln!(page, "| [{title}](#{}) | `{}` | {schemes} | {api} |", anchor(title), provider.name());
    }
    for provider in catalogue.iter() {
        page.push('\n');
        page.push_str(&provider_section(provider));
    }
    page.push_str("\n## Categories\n\nOne vocabulary for all providers: the envelope's attribute `category`.\n\n| category | meaning |\n| --- | --- |\n");
    for (name, meaning) in CATEGORIES {
        let _ = writeln!(page, "| `{name}` | {meaning} |");
    }
    page
}

/// As renderers make them from a heading.
fn anchor(title: &str) -> String {
    title.to_lowercase().replace(' ', "-")
}

/// One provider: what to configure, how it signs, what its events hold.
pub fn provider_section(provider: &Provider) -> String {
    let mut text = format!("## {}\n\n<{}>\n\n| | |\n| --- | --- |\n", provider.title(), provider.docs());
    for (name, value) in rows(provider) {
        let _ = writeln!(text, "| {name} | {} |", value.replace('|', "\\|"));
    }
    list(&mut text, "To know", provider.notes());
    list(&mut text, "Not verified against a source", provider.unverified());
    table(&mut text, "Categories", provider.categories());
    if let Some(api) = provider.api() {
        table(&mut text, "Full records", api.routes().map(|(pattern, route)| (pattern, route.as_str())));
    }
    text
}

fn rows(provider: &Provider) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
    row("configure", format!("`provider = \"{}\"`", provider.name()));
    needs(provider.needs(), &mut row);
    for plan in &provider.compiled.plans {
        row("verified by", plan.describe());
    }
    for (fact, places) in provider.spec().event.texts() {
        let places: Vec<_> = places.iter().map(|place| format!("`{place}`")).collect();
        let places = if places.is_empty() { "–".to_owned() } else { places.join(", else ") };
        let prefix = provider.type_prefix();
        let prefix = if fact == "type" && !prefix.is_empty() { format!("`{prefix}` and ") } else { String::new() };
        row(fact, format!("{prefix}{places}"));
    }
    let split: Vec<_> = provider.spec().event.split.0.iter().map(|split| format!("`{}`", split.0)).collect();
    if !split.is_empty() {
        row("batches", format!("one event for each of {}", split.join(" and ")));
    }
    if let Some(field) = &provider.spec().form_field {
        row("forms", format!("a body that begins as a form is one; the JSON in its field `{field}` is the event"));
    }
    if provider.spec().lines {
        row("lines", "a body may hold one JSON value a line, each an event of its own".to_owned());
    }
    if !provider.spec().media_types.is_empty() {
        let types: Vec<_> = provider.spec().media_types.iter().map(|kind| format!("`{kind}`")).collect();
        row("media types", format!("{}; anything else is refused with 415", types.join(", ")));
    }
    if !provider.unsigned_facts().is_empty() {
        row("not signed", provider.unsigned_facts().join(", "));
    }
    for handshake in &provider.spec().handshake {
        row("handshake", handshake.describe());
    }
    let answer = provider.answer();
    let known = if answer.deadline_known { "" } else { " (assumed; none is published)" };
    row("waits", format!("{} s{known}", answer.deadline.as_secs_f64()));
    row("sends again", if answer.redelivers { "yes" } else { "no" }.to_owned());
    if let Some(disables) = answer.disables {
        let after = disables.after.map(|count| format!(" after {count} failures in a row")).unwrap_or_default();
        let effect = match disables.effect {
            Effect::Deleted => "deleted: set it up anew",
            Effect::Disabled => "disabled: switch it on again",
            Effect::Paused => "paused: it is tried again later",
        };
        row("gives up", format!("the endpoint is {effect}{after}"));
    }
    if let Some(success) = provider.success() {
        let body = String::from_utf8_lossy(&success.body).into_owned();
        let body = if body.is_empty() { "no body".to_owned() } else { format!("`{body}`") };
        row("wants to hear", format!("{} and {body}", success.status));
    }
    if let Some(status) = provider.rejected() {
        row("when refused", format!("{status} and no body, where the proof fails"));
    }
    let kept: Vec<_> = provider.kept_headers().iter().map(|name| format!("`{name}`")).collect();
    if !kept.is_empty() {
        row("kept headers", kept.join(", "));
    }
    if let Some(api) = provider.api() {
        let rate = api.rate();
        let hosts = api.hosts().join(", ");
        row("API", format!("{hosts}; {} requests a second, {} at once", rate.per_second, rate.burst));
    }
    if !provider.overridable().is_empty() {
        let keys: Vec<_> = provider.overridable().iter().map(|key| format!("`{key}`")).collect();
        row("can be set", keys.join(", "));
    }
    rows
}

fn needs(needs: &Needs, row: &mut impl FnMut(&str, String)) {
    if let Some(secrets) = &needs.secrets {
        row("`secrets`", format!("at least {}: {}", secrets.min, secrets.place));
        if !secrets.looks_like.is_empty() {
            row("looks like", secrets.looks());
        }
        let not: Vec<_> = secrets.not.iter().map(|(look, what)| format!("{what} (`{look}`)")).collect();
        if !not.is_empty() {
            row("not to be confused with", not.join(", "));
        }
        if !secrets.others.is_empty() {
            row("other secrets", secrets.others.join("; "));
        }
    }
    for (name, place) in &needs.params {
        row(&format!("`params.{name}`"), place.clone());
    }
    for (name, place) in &needs.credentials {
        row(&format!("`credentials.{name}`"), format!("for full records: {place}"));
    }
}

fn list(text: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = write!(text, "\n{title}:\n\n");
    for item in items {
        let _ = writeln!(text, "- {item}");
    }
}

fn table<'a, 'b>(text: &mut String, title: &str, entries: impl Iterator<Item = (&'a str, &'b str)>) {
    let mut entries: Vec<_> = entries.collect();
    if entries.is_empty() {
        return;
    }
    entries.sort_unstable();
    let _ = write!(text, "\n{title}:\n\n| event type | |\n| --- | --- |\n");
    for (pattern, value) in entries {
        let _ = writeln!(text, "| `{pattern}` | `{value}` |");
    }
}

#[cfg(test)]
mod tests {
    use super::providers_page;
    use crate::provider::Catalogue;

    #[test]
    fn every_provider_has_its_place() {
        let catalogue = Catalogue::embedded().unwrap();
        let page = providers_page(&catalogue);
        for provider in catalogue.iter() {
            assert!(page.contains(&format!("\n## {}\n", provider.title())));
            assert!(provider.unverified().iter().all(|claim| page.contains(claim.as_str())));
        }
        assert!(
            page.contains(
                "hmac-sha256 of `{timestamp}.{body}`, hex in `stripe-signature: t={timestamp},v1={signature}`"
            )
        );
        assert!(page.contains("| not signed | id, type, time, tenant |"));
    }
}
