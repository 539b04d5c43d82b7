//! The same delivery again: within minutes and hours by the provider itself, and by a person on purpose. The gateway runs
//! in this process, under a clock that the test sets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hookstream::config::{Config, SecretRef, file};
use hookstream::dev;
use hookstream::gateway::Outcome;
use hookstream::provider::{Catalogue, Filling, Provider};
use jiff::Timestamp;
use serde_json::Value;

use crate::support::http::{exchange, request};
use crate::support::in_process::InProcess;
use crate::support::kafka::{Isolation, PATIENCE, cluster};
use crate::support::stand_in::stand_in;

const START: i64 = 1_795_000_000;

const BASE: &str = "https://hooks.example.com";

/// Those whose events have an id and whose deliveries the contract names.
const MUST: [&str; 15] = [
    "stripe",
    "github",
    "shopify",
    "slack",
    "razorpay",
    "woocommerce",
    "bitbucket",
    "hubspot",
    "zendesk",
    "twilio",
    "gitlab",
    "mailgun",
    "square",
    "standard-webhooks",
    "zoom",
];

fn start(config: &Config) -> InProcess {
    InProcess::start(config, START, None)
}

fn source(provider: &Provider, topic: &str) -> file::Source {
    file::Source {
        secrets: vec![SecretRef::Given(dev::secret(provider))],
        params: dev::params(provider),
        topic: Some(topic.to_owned()),
        ..file::Source::default()
    }
}

/// The provider's first sample, the same each time, signed so many minutes after the start.
fn deliver(running: &InProcess, provider: &Provider, minutes: i64) -> u16 {
    let now = Timestamp::from_second(START + 60 * minutes).unwrap();
    running.now.store(now.as_second(), Ordering::Relaxed);
    let path = format!("/webhooks/{}", provider.name());
    let rules = dev::rules(provider, None, None, &format!("{BASE}{path}")).unwrap();
    let uuid = "01930000-0000-7000-8000-000000000001";
    let moment = Timestamp::from_second(START).unwrap();
    // The first may be a challenge.
    let filled = provider.samples().last().unwrap().fill(&Filling { id: "one", n: 1, uuid, now: moment });
    let signed = rules.sign(&filled.body, &filled.headers, now).unwrap();
    let headers: Vec<(&str, &str)> =
        signed.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let query = if signed.query.is_empty() { String::new() } else { format!("?{}", signed.query) };
    exchange(running.public, request("POST", &format!("{path}{query}"), &headers, &signed.body)).status
}

#[test]
fn retries_over_hours_give_one_record_each() {
    let kafka = stand_in();
    let prefix = format!("retries-{}.", std::process::id());
    for topic in ["all", "hookstream.dead-letter"] {
        kafka.create_topic(&format!("{prefix}{topic}"), 1).unwrap();
    }
    let catalogue = Catalogue::embedded().unwrap();
    let mut config = file::File::default();
    config.kafka.bootstrap_servers = kafka.address().to_string();
    config.kafka.topics.prefix = prefix;
    config.gateway.public_url = Some(BASE.to_owned());
    let can = |provider: &&Arc<Provider>| {
        let rules = dev::rules(provider, None, None, &format!("{BASE}/webhooks/{}", provider.name()));
        // What a private key signs has vectors of its own.
        provider.key_kind().is_none()
            && provider.needs().secrets.is_some()
            && !provider.samples().is_empty()
            && rules.is_ok_and(|rules| rules.has_id())
    };
    let providers: BTreeMap<&str, &Arc<Provider>> =
        catalogue.iter().filter(can).map(|provider| (provider.name(), provider)).collect();
    let missing: Vec<_> = MUST.iter().filter(|name| !providers.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (name, provider) in &providers {
        config.sources.insert((*name).to_owned(), source(provider, "all"));
    }
    let running = start(&Config::from_file("test".as_ref(), config).unwrap());
    let mut surprises = BTreeSet::new();
    for minutes in [0, 1, 6, 36, 96] {
        for (name, provider) in &providers {
            let accepted = running.gateway.journal.ended(Outcome::Accepted);
            let status = deliver(&running, provider, minutes);
            let new = running.gateway.journal.ended(Outcome::Accepted) - accepted;
            if new != u64::from(minutes == 0) || !(200..300).contains(&status) {
                surprises.insert(*name);
            }
        }
    }
    // Linear signs a moment of the body, which a real retry renews; the lifecycle notices of Microsoft Graph have no id.
    assert_eq!(surprises, ["linear", "ms-graph"].into());
    running.gateway.close(PATIENCE);
}

#[test]
fn a_redelivery_by_hand_passes_with_a_run_of_its_own() {
    let Some(kafka) = cluster() else { return };
    let catalogue = Catalogue::embedded().unwrap();
    let github = catalogue.get("github").unwrap();
    let topic = kafka.create_topic("redelivered", 1);
    let letters = kafka.create_topic("redelivered-letters", 1);
    let mut config = file::File::default();
    config.kafka.bootstrap_servers = kafka.bootstrap().to_owned();
    config.kafka.topics.dead_letter = letters;
    let pass = hookstream::config::Redeliveries::Pass;
    config.sources.insert("github".to_owned(), file::Source { redeliveries: pass, ..source(github, &topic) });
    let running = start(&Config::from_file("test".as_ref(), config).unwrap());
    // At once, a moment later, by a person, at once after that, and by a person again.
    for (minutes, accepted) in [(0, 1), (0, 1), (10, 2), (10, 2), (96, 3)] {
        assert_eq!(deliver(&running, github, minutes), 200);
        assert_eq!(running.gateway.journal.ended(Outcome::Accepted), accepted, "after {minutes} min");
    }
    let records = kafka.read(&topic, Isolation::Committed, 3);
    let values: Vec<Value> =
        records.iter().map(|seen| serde_json::from_slice(seen.value.as_ref().unwrap()).unwrap()).collect();
    let runs: Vec<Option<&str>> = values.iter().map(|value| value["run"].as_str()).collect();
    assert_eq!(runs[0], None, "what came by itself has none");
    assert!(runs[1].is_some_and(|run| run.len() == 26) && runs[2].is_some() && runs[1] != runs[2], "{runs:?}");
    assert!(values.iter().all(|value| value["id"] == values[0]["id"] && value["data"] == values[0]["data"]));
    assert!(records.iter().all(|seen| seen.key == records[0].key), "they stay together");
    running.gateway.close(PATIENCE);
}
