//! docs/use-cases.md: which events of which providers mean the same. Written from the provider files, compared with them,
//! and walked row by row: what a row names is sent through the gateway and found where and as the row says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hookstream::provider::{Binding, CATEGORIES, Catalogue, Filled, Filling, Provider, Reading, Request, Sample};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::reference::compare;
use crate::support::http::{Wire, request};
use crate::support::kafka::{Cluster, Isolation, Seen};
use crate::support::serve::setup;
use crate::support::stand_in::stand_in;

/// What people asked for by name. Who is new may stand beside them, none of these may go.
const ASKED_FOR: [(&str, &[&str]); 25] = [
    ("payment.succeeded", &["stripe", "razorpay", "paypal", "square", "adyen", "mollie", "shopify"]),
    ("payment.failed", &["stripe", "razorpay", "paypal", "square", "adyen", "mollie"]),
    ("payment.refunded", &["stripe", "razorpay", "paypal", "square", "adyen", "mollie", "shopify"]),
    ("order.created", &["shopify", "woocommerce"]),
    ("order.updated", &["shopify", "woocommerce"]),
    ("shipment.updated", &["shopify"]),
    ("stock.changed", &["shopify", "square"]),
    ("subscription.changed", &["stripe", "razorpay", "paypal"]),
    ("code.pushed", &["github", "gitlab", "bitbucket"]),
    ("review.changed", &["github", "gitlab", "bitbucket"]),
    ("job.completed", &["github", "vercel", "replicate"]),
    ("lead.created", &["hubspot", "zoho-crm"]),
    ("contact.created", &["hubspot", "zoho-crm"]),
    ("user.registered", &["clerk", "auth0", "okta"]),
    ("ticket.created", &["zendesk", "freshdesk"]),
    ("ticket.updated", &["zendesk", "freshdesk"]),
    ("message.received", &["slack", "twilio"]),
    ("message.delivered", &["twilio"]),
    ("message.failed", &["twilio"]),
    ("social.mentioned", &["meta", "x"]),
    ("social.commented", &["meta", "x"]),
    ("social.posted", &["meta", "youtube"]),
    ("alert.fired", &["pagerduty", "sns", "event-grid", "sentry"]),
    ("alert.resolved", &["pagerduty", "sns", "event-grid", "sentry"]),
    ("device.reported", &["generic", "cloudevents"]),
];

/// The samples of all providers whose events say what they are, each with the number that makes it unlike its provider's others.
fn samples(catalogue: &Catalogue) -> Vec<(&Provider, &Sample, u64)> {
    catalogue
        .iter()
        // A notice that the API must confirm holds a name alone: what it means stands in the API's answer, which
        // gateway/inquiry.rs gives.
        .filter(|provider| !provider.is_fetched())
        .flat_map(|provider| {
            provider.samples().iter().zip(1..).map(move |(sample, number)| (provider.as_ref(), sample, number))
        })
        .collect()
}

fn filled(sample: &Sample, number: u64, now: Timestamp) -> Filled {
    let (id, uuid) = (format!("use_{number}"), format!("7f3a0c1d-cc78-11e3-81ab-{number:012}"));
    sample.fill(&Filling { id: &id, n: number, uuid: &uuid, now })
}

/// What the gateway makes of a sample: type in the envelope, subject, category. A handshake is no event.
fn meaning(provider: &Provider, filled: &Filled, now: Timestamp) -> Option<(String, Option<String>, &'static str)> {
    let params = provider.needs().params.keys().map(|name| (name.clone(), "word".to_owned())).collect();
    let binding = Binding { accept_unsigned: true, params, ..Binding::default() };
    let rules = provider.bind(&binding).unwrap();
    let request = Request { method: &Method::POST, headers: &filled.headers, query: "", body: &filled.body, now };
    let Reading::Events(events) = rules.read(&rules.verify(&request).unwrap(), &request).unwrap() else { return None };
    let facts = events.into_iter().next()?;
    let kind = format!("{}{}", rules.type_prefix(), facts.providertype);
    Some((kind, facts.subject.map(|subject| subject.into_owned()), facts.category?))
}

fn page() -> String {
    let mut page = String::from(
        "<!-- Written from the provider files; a test compares. Rewrite: HOOKSTREAM_REWRITE=1 cargo test --test it use_cases -->\n\n\
         # Use cases\n\n\
         What people join across providers has one name, the category. It is an attribute of the event (`category`) and a header\n\
         of the record (`ce_category`), so that one filter finds it without parsing a value:\n\n\
         ```sh\n\
         kcat -C -e -b localhost:9092 -t webhooks.stripe -f '%h\\n' | grep ce_category=payment.succeeded\n\
         ```\n\n\
         Sources that share a topic (`topic = \"payments\"` in each of them) answer with one read for all. Beside the types below,\n\
         [the reference](reference/providers.md) lists every pattern that has a category, and the values of the body on which it\n\
         depends: a payment of Square's is `payment.updated` from its first second to its last.\n\n\
         | use | category | events, by source | example | where |\n| --- | --- | --- | --- | --- |\n",
    );
    let catalogue = Catalogue::embedded().unwrap();
    let now: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
    for (category, use_case) in CATEGORIES {
        let mut sources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut example = None;
        for (provider, sample, number) in samples(&catalogue) {
            let filled = filled(sample, number, now);
            let Some((kind, subject, found)) = meaning(provider, &filled, now) else { continue };
            if found == category {
                let kinds = sources.entry(provider.name()).or_default();
                if !kinds.contains(&&*sample.providertype) {
                    kinds.push(&sample.providertype);
                }
                let source = format!("/webhooks/{}", provider.name());
                example.get_or_insert_with(|| {
                    let subject = subject.map(|subject| format!(",\"subject\":{}", json!(subject))).unwrap_or_default();
                    let example =
                        format!("{{\"source\":\"{source}\",\"type\":\"{kind}\"{subject},\"category\":\"{category}\"}}");
                    example.replace('|', "\\|")
                });
            }
        }
        let kinds = |kinds: &Vec<&str>| kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
        let sources: Vec<_> = sources.iter().map(|(source, types)| format!("{source}: {}", kinds(types))).collect();
        let example = example.unwrap_or_default();
        let place = format!("`webhooks.{{source}}`, header `ce_category: {category}`");
        writeln!(page, "| {use_case} | `{category}` | {} | `{example}` | {place} |", sources.join("; ")).unwrap();
    }
    page
}

#[test]
fn the_page_is_what_the_files_say() {
    compare("docs/use-cases.md", &page());
}

/// One row: the category and the types of each source.
struct Row {
    category: String,
    types: BTreeMap<String, Vec<String>>,
}

fn rows(page: &str) -> Vec<Row> {
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [_, category, events, ..] = cells[..] else { panic!("no row: {line}") };
        let types = events.split("; ").filter_map(|part| part.split_once(": "));
        let types = types.map(|(source, kinds)| (source.to_owned(), quoted(kinds))).collect();
        Row { category: category.trim_matches('`').to_owned(), types }
    };
    page.lines().filter(|line| line.starts_with("| ") && line.contains("`ce_category")).map(row).collect()
}

#[test]
fn every_row_names_what_was_asked_for() {
    let rows = rows(include_str!("../../docs/use-cases.md"));
    let named: Vec<_> = rows.iter().map(|row| row.category.as_str()).collect();
    assert_eq!(named, CATEGORIES.map(|(category, _)| category), "one row for each category");
    for (category, sources) in ASKED_FOR {
        let row = rows.iter().find(|row| row.category == category).expect("the row");
        for source in sources {
            assert!(row.types.contains_key(*source), "{category}: {source}");
        }
    }
    assert!(rows.iter().all(|row| !row.types.is_empty()), "a category that no event fills");
}

#[test]
fn every_row_is_found_where_it_says() {
    let rows = rows(include_str!("../../docs/use-cases.md"));
    let catalogue = Catalogue::embedded().unwrap();
    let mut setup = setup().set("gateway.public_url", "https://hooks.example.com");
    for provider in catalogue.iter().filter(|provider| !provider.is_fetched()) {
        let params: String = provider.needs().params.keys().map(|name| format!("{name:?} = \"word\"\n")).collect();
        let name = provider.name();
        setup = setup.table(&format!("[sources.{name}]\naccept_unsigned = true\n[sources.{name}.params]\n{params}"));
    }
    let prefix = setup.prefix().to_owned();
    let serve = setup.on_stand_in();
    let mut wire = Wire::connect(serve.public);
    let mut sent: BTreeMap<&str, usize> = BTreeMap::new();
    let now = Timestamp::now();
    for (provider, sample, number) in samples(&catalogue) {
        let filled = filled(sample, number, now);
        let headers: Vec<_> =
            filled.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let path = format!("/webhooks/{}", provider.name());
        assert!(wire.send(request("POST", &path, &headers, &filled.body)));
        let answer = wire.answer().expect("an answer");
        assert_eq!(answer.status / 100, 2, "{}: {}: {answer:?}", provider.name(), sample.providertype);
        *sent.entry(provider.name()).or_default() += usize::from(meaning(provider, &filled, now).is_some());
    }
    let kafka = Cluster::external(stand_in().address().to_string());
    let records: BTreeMap<&str, Vec<Seen>> = sent
        .iter()
        .map(|(source, count)| {
            (*source, kafka.read(&format!("{prefix}webhooks.{source}"), Isolation::Uncommitted, *count))
        })
        .collect();
    for Row { category, types } in rows {
        for (source, kinds) in types {
            for kind in kinds {
                let means = |seen: &&Seen| {
                    let value: Value = serde_json::from_slice(seen.value.as_deref().unwrap()).unwrap();
                    value["providertype"] == json!(kind) && value["category"] == json!(category)
                };
                let found: Vec<_> = records[&*source].iter().filter(means).collect();
                assert!(!found.is_empty(), "{category}: no {kind} of {source}");
                assert!(found.iter().all(|seen| seen.header("ce_category") == Some(&category)), "{source}: {kind}");
            }
        }
    }
}
