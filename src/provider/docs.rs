//! The reference pages that are made from the provider files, and the same facts for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::category::CATEGORIES;
use super::compiled::Provider;
use super::starter;
use super::verify::Plan;
use super::{Catalogue, Effect, Needs};

/// docs/reference/providers.md: all of them, each with a link to its page.
pub fn index_page(catalogue: &Catalogue) -> String {
    let mut page = String::from(
        "# Providers\n\nEach of them is a file in `providers/`, proven by the vectors beside it. `hookstream providers NAME` \
         prints these pages, `hookstream init NAME …` writes the configuration.\n\n\
         | provider | name in the configuration | verified by | API | sends again | unverified facts |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for provider in catalogue.iter() {
        let api = if provider.api().is_some() { "full records" } else { "–" };
        let mut schemes = provider.schemes();
        schemes.dedup();
        let again = if provider.answer().redelivers { "yes" } else { "no" };
        let (title, name, schemes) = (provider.title(), provider.name(), schemes.join(", "));
        let unverified = match provider.unverified().len() {
            0 => "–".to_owned(),
            count => count.to_string(),
        };
        let _ = writeln!(
            page,
            "| [{title}](providers/{name}.md) | `{name}` | {schemes} | {api} | {again} | {unverified} |"
        );
    }
    page.push_str("\n## Categories\n\nOne vocabulary for all providers: the envelope's attribute `category`.\n\n| category | meaning |\n| --- | --- |\n");
    for (name, meaning) in CATEGORIES {
        let _ = writeln!(page, "| `{name}` | {meaning} |");
    }
    page
}

/// docs/reference/providers/NAME.md, and what `hookstream providers NAME` prints: what to configure here and there, how it
/// signs, what its events hold, what to beware of.
pub fn provider_page(provider: &Provider) -> String {
    let (title, name) = (provider.title(), provider.name());
    let url = format!("https://YOUR-HOST/webhooks/{name}");
    let mut text = format!("# {title}\n\n<{}>\n\n## Set it up\n\n", provider.docs());
    let steps: Vec<String> = provider.setup(&url).collect();
    if steps.is_empty() {
        let _ =
            writeln!(text, "Enter `{url}` where {title} asks for the URL of its webhooks; the page above says where.");
    }
    for (number, step) in steps.iter().enumerate() {
        let _ = writeln!(text, "{}. {step}", number + 1);
    }
    if !steps.is_empty() {
        // Nobody can sign in everywhere to look: the reader should not search for a button that was renamed.
        let _ = writeln!(text, "\nThese steps were not checked against {title}'s site, and menus move.");
    }
    let _ = write!(
        text,
        "\nIn hookstream.toml, as `hookstream init {name}` writes it:\n\n```toml\n{}```\n",
        starter::short_table(provider)
    );
    list(&mut text, "To know", provider.notes());
    list(&mut text, "Not verified against a source", provider.unverified());
    text.push_str("\n## In detail\n\n| | |\n| --- | --- |\n");
    for (name, value) in rows(provider) {
        let _ = writeln!(text, "| {name} | {} |", value.replace('|', "\\|"));
    }
    let categories = provider.categories().map(|mapping| {
        let when = if mapping.when.is_empty() { String::new() } else { format!(" when {}", mapping.when) };
        (mapping.pattern, format!("{}{when}", mapping.category.unwrap_or("none")))
    });
    table(&mut text, "Categories", categories);
    if let Some(api) = provider.api() {
        table(&mut text, "Full records", api.routes().map(|(pattern, route)| (pattern, route.as_str().to_owned())));
    }
    if let Some(addresses) = provider.addresses() {
        let _ = write!(
            text,
            "\n## Addresses\n\nThe list is {}. `allow = [\"provider\"]` lets these in and nobody else:\n\n",
            addresses.origin()
        );
        let networks: Vec<String> = addresses.networks().map(|network| format!("`{network}`")).collect();
        let _ = writeln!(text, "{}", networks.join(", "));
    }
    text
}

/// The same facts for programs.
pub fn provider_json(provider: &Provider) -> Value {
    let answer = provider.answer();
    let needs = provider.needs();
    let secrets = needs.secrets.as_ref().map(|need| json!({ "min": need.min, "where": need.place }));
    let variables: Vec<String> = starter::variables(provider).into_iter().map(|variable| variable.name).collect();
    let facts = provider.spec().event.texts();
    let records = provider.api().map(|api| {
        let routes: serde_json::Map<String, Value> =
            api.routes().map(|(pattern, route)| (pattern.to_owned(), json!(route.as_str()))).collect();
        json!({ "hosts": api.hosts(), "routes": routes })
    });
    let addresses = provider.addresses().map(|addresses| {
        let networks: Vec<String> = addresses.networks().map(|network| network.to_string()).collect();
        json!({ "networks": networks, "source": addresses.source(), "date": addresses.date().map(|date| date.to_string()) })
    });
    let disables =
        answer.disables.map(|disables| json!({ "after": disables.after, "effect": disables.effect.as_str() }));
    json!({
        "name": provider.name(),
        "title": provider.title(),
        "docs": provider.docs(),
        "schemes": provider.schemes(),
        "verified_by": provider.compiled.plans.iter().map(Plan::describe).collect::<Vec<_>>(),
        "needs": { "secrets": secrets, "variables": variables, "params": needs.params, "credentials": needs.credentials },
        "setup": provider.setup("{url}").collect::<Vec<_>>(),
        "facts": facts.iter().map(|(fact, places)| ((*fact).to_owned(), json!(places))).collect::<serde_json::Map<_, _>>(),
        "type_prefix": provider.type_prefix(),
        "unsigned_facts": provider.unsigned_facts(),
        "kept_headers": provider.kept_headers().iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "answer": {
            "deadline_ms": u64::try_from(answer.deadline.as_millis()).unwrap_or(u64::MAX),
            "deadline_known": answer.deadline_known,
            "redelivers": answer.redelivers,
            "disables": disables,
        },
        "records": records,
        "categories": provider.categories().map(|mapping| json!({"types": mapping.pattern, "when": mapping.when, "category": mapping.category})).collect::<Vec<_>>(),
        "addresses": addresses,
        "samples": provider.samples().iter().map(|sample| sample.providertype.as_str()).collect::<Vec<_>>(),
        "can_be_set": provider.overridable(),
        "notes": provider.notes(),
        "unverified": provider.unverified(),
    })
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
    let _ = write!(text, "\n## {title}\n\n");
    for item in items {
        let _ = writeln!(text, "- {item}");
    }
}

fn table<'a>(text: &mut String, title: &str, entries: impl Iterator<Item = (&'a str, String)>) {
    let mut entries: Vec<_> = entries.collect();
    if entries.is_empty() {
        return;
    }
    // By pattern alone: the cases of one stay in their order.
    entries.sort_by_key(|(pattern, _)| *pattern);
    let _ = write!(text, "\n## {title}\n\n| event type | |\n| --- | --- |\n");
    for (pattern, value) in entries {
        let _ = writeln!(text, "| `{pattern}` | `{value}` |");
    }
}

#[cfg(test)]
mod tests {
    use super::{index_page, provider_page};
    use crate::provider::Catalogue;

    #[test]
    fn every_provider_has_its_place() {
        let catalogue = Catalogue::embedded().unwrap();
        let index = index_page(&catalogue);
        for provider in catalogue.iter() {
            assert!(index.contains(&format!("](providers/{}.md)", provider.name())));
            let page = provider_page(provider);
            assert!(page.starts_with(&format!("# {}\n", provider.title())));
            let facts = provider.unverified().iter().chain(provider.notes());
            assert!(facts.into_iter().all(|fact| page.contains(fact.as_str())), "{}", provider.name());
        }
        let stripe = provider_page(catalogue.get("stripe").unwrap());
        assert!(
            stripe.contains(
                "hmac-sha256 of `{timestamp}.{body}`, hex in `stripe-signature: t={timestamp},v1={signature}`"
            )
        );
        assert!(stripe.contains("Endpoint URL: https://YOUR-HOST/webhooks/stripe\n"), "{stripe}");
        assert!(stripe.contains("secrets = [\"env:STRIPE_WEBHOOK_SECRET\"]") && stripe.contains("`3.18.12.63/32`"));
        let shopify = provider_page(catalogue.get("shopify").unwrap());
        assert!(shopify.contains("| not signed | id, type, time, tenant |"));
    }
}
