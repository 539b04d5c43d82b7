//! What providers themselves publish goes through the gateway and comes out of real Kafka byte for byte, each event with
//! its id, type, subject and time: every example of GitHub's, and Stripe's fixture in every type of event that its own
//! description of the API names.
//!
//! GitHub: npm `@octokit/webhooks-examples` (MIT), generated from its documentation and from contributed deliveries.
//! Stripe: `fixtures3` and `spec3` as Stripe's own mock of its API embeds them (Go module `github.com/stripe/stripe-mock`,
//! MIT). The fixture of an event is one `plan.created`; the other types are that event around the fixture of the object
//! that the description says they carry.

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::http::{Wire, request};
use crate::support::kafka::{Isolation, Seen, cluster};
use crate::support::packages::{Published, go, npm};
use crate::support::serve::{SECRET, Setup, signature};
use crate::support::skip::skip;

const OCTOKIT: [Published; 6] = [
    Published {
        path: "api.github.com/index.json",
        sha256: "09d8f0c617876ae9dad22e26fea5510bfcaad50ee7e602659f6db25b87b25815",
    },
    Published {
        path: "ghes-31/index.json",
        sha256: "e7dd7af48ef706a3045f8bb15cfb96a5410b700ad675e90d498a38a355671bc1",
    },
    Published {
        path: "ghes-32/index.json",
        sha256: "098178d296bd161b7fe31f2e4117ae947200b49d7f2a7d61aca2de5312f4c39e",
    },
    Published {
        path: "ghes-33/index.json",
        sha256: "5f4ba06fa3e9cbf19ec66dcd068645c32125fba9827aa4582888e28954259937",
    },
    Published {
        path: "ghes-34/index.json",
        sha256: "7f86e37cebb616713ba4177175d9eafe42217d7aab601016103b3da2d1a37aea",
    },
    Published {
        path: "ghes-35/index.json",
        sha256: "e6c08d50c960441bb5b53feef5274a09e589b6d8998e5359f522c07b996e03ba",
    },
];

const STRIPE: [Published; 2] = [
    Published {
        path: "embedded/openapi/fixtures3.beta.json",
        sha256: "0849d2f5af35bcbc36891fe8957e83ceeb5b68d09075ea7318232b6cfb40d4d7",
    },
    Published {
        path: "embedded/openapi/spec3.beta.sdk.json",
        sha256: "ef87352a63f0cb8951f5a546764e42b8c28ee914e9e623caabb66b34e577c451",
    },
];

/// GitHub's events of which some example says nowhere when it happened: their time is the moment of receipt.
const UNTIMED: [(&str, &str); 23] = [
    // Their objects are given with times of long before: a repository's `updated_at` is not when this happened to it.
    ("cache_sync", "a repository"),
    ("create", "a reference"),
    ("delete", "a reference"),
    ("gollum", "pages"),
    ("public", "a repository"),
    ("repository", "a repository"),
    ("repository_dispatch", "a branch"),
    ("repository_import", "a repository"),
    ("watch", "a repository"),
    ("workflow_dispatch", "a workflow that changed at some time"),
    // Their objects are given without any time.
    ("content_reference", "a reference"),
    ("enterprise", "nothing"),
    ("github_app_authorization", "a user"),
    ("label", "a label"),
    ("member", "a user"),
    ("membership", "a user and a team"),
    ("org_block", "a user"),
    ("organization", "an organisation and a user; only an invitation has a time"),
    ("secret_scanning_alert", "in old Enterprise Servers an alert with nothing but its resolution"),
    ("star", "the time of the star, which is null once it is taken away"),
    ("team", "a team"),
    ("team_add", "a team"),
    ("user", "a user"),
];

/// One request and what must be told of it.
struct Sent {
    kind: String,
    id: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Send all through one gateway, one after the other on one connection, and give each its record in Kafka.
fn through_kafka(source: &str, events: &[Sent]) -> Option<Vec<Seen>> {
    let kafka = cluster()?;
    let setup = Setup::with_kafka(kafka.bootstrap())
        .env("SECRET", SECRET)
        .table(&format!("[sources.{source}]\nsecrets = [\"env:SECRET\"]\n"));
    setup.create_topics(kafka, 3);
    let topic = format!("{}webhooks.{source}", setup.prefix());
    let serve = setup.ready();
    let mut wire = Wire::connect(serve.public);
    for event in events {
        let headers: Vec<_> = event.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert!(wire.send(request("POST", &format!("/webhooks/{source}"), &headers, &event.body)));
        let answer = wire.answer().expect("an answer");
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("accepted")), "{}: {answer:?}", event.kind);
    }
    let records = kafka.read(&topic, Isolation::Committed, events.len());
    let mut by_key: BTreeMap<_, _> = records.into_iter().map(|seen| (seen.key.clone().unwrap(), seen)).collect();
    let in_order = events.iter().map(|event| by_key.remove(event.id.as_bytes()).expect("a record for each event"));
    Some(in_order.collect())
}

/// The record is the event, whole: the body stands in it as it was sent, and what names it is there.
fn assert_whole(event: &Sent, seen: &Seen, prefix: &str) -> Value {
    let kind = &event.kind;
    let tail = [b"\"data\":".as_slice(), &event.body, b"}"].concat();
    assert!(seen.value.as_deref().unwrap().ends_with(&tail), "{kind}: the body is not there byte for byte");
    let record: Value = serde_json::from_slice(seen.value.as_deref().unwrap()).unwrap();
    assert_eq!(record["id"], json!(event.id), "{kind}");
    assert_eq!(record["providertype"], json!(kind));
    assert_eq!(record["type"], json!(format!("{prefix}{kind}")));
    for (attribute, header) in [("subject", "ce_subject"), ("time", "ce_time")] {
        let value = record[attribute].as_str().unwrap_or_default();
        assert!(!value.is_empty(), "{kind}: no {attribute}");
        assert_eq!(seen.header(header), Some(value), "{kind}");
    }
    record
}

#[test]
fn every_example_of_github_comes_out_byte_for_byte() {
    #[derive(Deserialize)]
    struct Event<'a> {
        name: String,
        #[serde(borrow)]
        examples: Vec<&'a RawValue>,
    }
    let directory = match npm("@octokit/webhooks-examples", "7.6.1", &OCTOKIT) {
        Ok(directory) => directory,
        Err(why) => return skip(&why),
    };
    let mut events = Vec::new();
    for file in &OCTOKIT {
        let text = std::fs::read_to_string(directory.join(file.path)).unwrap();
        for event in serde_json::from_str::<Vec<Event<'_>>>(&text).unwrap() {
            for example in event.examples {
                let body = example.get().as_bytes().to_vec();
                let action = serde_json::from_slice::<Value>(&body).unwrap()["action"].as_str().map(str::to_owned);
                let id = format!("7f3a0c1d-cc78-11e3-81ab-{:012}", events.len());
                let headers = [
                    ("Content-Type", "application/json".to_owned()),
                    ("X-GitHub-Event", event.name.clone()),
                    ("X-GitHub-Delivery", id.clone()),
                    ("X-Hub-Signature-256", format!("sha256={}", signature(&body))),
                ];
                let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
                let kind = action.map_or_else(|| event.name.clone(), |action| format!("{}.{action}", event.name));
                events.push(Sent { kind, id, headers, body });
            }
        }
    }
    assert_eq!(events.len(), 726, "every event of every file");
    let Some(records) = through_kafka("github", &events) else { return };
    let mut untimed = BTreeSet::new();
    for (event, seen) in events.iter().zip(&records) {
        let record = assert_whole(event, seen, "com.github.");
        if record["time"] == record["recordedtime"] {
            untimed.insert(event.kind.split('.').next().unwrap());
        }
    }
    assert_eq!(untimed, UNTIMED.iter().map(|(event, _)| *event).collect());
}

#[test]
fn stripes_fixture_in_every_type_of_event_comes_out_byte_for_byte() {
    let directory = match go("github.com/stripe/stripe-mock", "v0.203.0", &STRIPE) {
        Ok(directory) => directory,
        Err(why) => return skip(&why),
    };
    let read = |file: &Published| -> Value {
        serde_json::from_slice(&std::fs::read(directory.join(file.path)).unwrap()).unwrap()
    };
    let (fixtures, spec) = (read(&STRIPE[0]), read(&STRIPE[1]));
    let schemas = spec["components"]["schemas"].as_object().unwrap();
    let fixture = |schema: &str| {
        let resource = |name: &str| fixtures["resources"].get(name).cloned();
        schemas[schema]["x-resourceId"].as_str().and_then(resource).or_else(|| resource(schema))
    };
    let now = Timestamp::now().as_second();
    let mut events = Vec::new();
    let mut without = BTreeSet::new();
    for (name, schema) in schemas {
        let Some(kind) = schema["x-stripeEvent"]["type"].as_str() else { continue };
        let object = &schema["properties"]["object"];
        // Where it may be of several kinds, the first.
        let object = object["$ref"].as_str().or(object["anyOf"][0]["$ref"].as_str());
        let object = object.and_then(|at| at.strip_prefix("#/components/schemas/"));
        let Some(object) = object.and_then(fixture) else {
            without.insert(name.as_str());
            continue;
        };
        let mut event = fixtures["resources"]["event"].clone();
        event["id"] = json!(format!("evt_fixture{}", events.len()));
        event["type"] = json!(kind);
        event["data"] = json!({"object": object});
        // Indented, as Stripe sends them.
        let body = serde_json::to_vec_pretty(&event).unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("{now}.").as_bytes());
        mac.update(&body);
        let signature = format!("t={now},v1={}", hex::encode(mac.finalize().into_bytes()));
        let headers = vec![
            ("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned()),
            ("Stripe-Signature".to_owned(), signature),
        ];
        events.push(Sent { kind: kind.to_owned(), id: event["id"].as_str().unwrap().to_owned(), headers, body });
    }
    assert_eq!((events.len(), &without), (303, &BTreeSet::new()), "every type that the description names");
    let Some(records) = through_kafka("stripe", &events) else { return };
    for (event, seen) in events.iter().zip(&records) {
        let record = assert_whole(event, seen, "com.stripe.");
        assert_eq!(record["time"], "2009-02-13T23:31:30.000Z", "the fixture's");
    }
}
