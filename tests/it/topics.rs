//! `topics list` and `topics apply` against real Kafka.

use std::path::Path;

use hookstream::config::Config;
use hookstream::kafka::admin::{Admin, Applied};
use hookstream::kafka::topics::{Listed, State, desired};
use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::kafka::{self, Cluster, Isolation, PATIENCE, await_that, block_on};

/// One source, topics under this prefix, one replica, and further lines.
fn config(kafka: &Cluster, prefix: &str, topics: &str, source: &str) -> Config {
    let text = format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n[kafka.topics]\nprefix = \"{prefix}.\"\nreplication = 1\n{topics}\n[sources.stripe]\n{source}\n",
        kafka.bootstrap()
    );
    Config::parse(Path::new("hookstream.toml"), &text, []).unwrap()
}

fn apply(config: &Config) -> Vec<Applied> {
    let admin = Admin::new(&config.kafka).unwrap();
    block_on(admin.apply(desired(config))).unwrap()
}

fn list(config: &Config) -> Vec<Listed> {
    let admin = Admin::new(&config.kafka).unwrap();
    block_on(admin.list(desired(config))).unwrap()
}

fn named<'a>(applied: &'a [Applied], suffix: &str) -> &'a Applied {
    applied.iter().find(|applied| applied.name.ends_with(suffix)).unwrap()
}

fn left(applied: &Applied) -> Vec<&str> {
    applied.left.iter().map(|left| left.what).collect()
}

#[test]
fn apply_creates_what_is_missing_and_then_finds_nothing_to_do() {
    let Some(kafka) = kafka::cluster() else { return };
    let prefix = kafka.unique("new");
    let config = config(kafka, &prefix, "partitions = 3", "");
    assert!(list(&config).iter().all(|listed| listed.state == State::Missing));

    let applied = apply(&config);
    assert!(applied.iter().all(|applied| applied.created && applied.left.is_empty()), "{applied:#?}");
    await_that("the metadata shows all topics as wanted", || {
        list(&config).iter().all(|listed| listed.state == State::Present(vec![]))
    });
    assert_eq!(kafka.partition_count(&format!("{prefix}.webhooks.stripe.ids")), 3);

    let again = apply(&config);
    assert!(again.iter().all(|applied| !applied.created && applied.altered.is_empty() && applied.left.is_empty()));
}

/// The room that `max.message.bytes` gives is enough for the largest body in its largest form.
#[test]
fn the_largest_record_fits() {
    let Some(kafka) = kafka::cluster() else { return };
    let prefix = kafka.unique("large");
    let config = config(kafka, &prefix, "partitions = 1", "max_body = \"3MiB\"");
    apply(&config);
    let topic = format!("{prefix}.webhooks.stripe");
    await_that("the topic has a leader", || kafka.partition_count(&topic) == 1);
    let producer: BaseProducer = kafka.client().set("message.max.bytes", "100000000").create().unwrap();
    // As for a body after a byte order mark: once as data, once in a header, and the envelope.
    let body = noise(3 << 20);
    let headers = rdkafka::message::OwnedHeaders::new()
        .insert(rdkafka::message::Header { key: "hookstream-raw-body", value: Some(&body) })
        .insert(rdkafka::message::Header { key: "rest", value: Some(&vec![b'x'; 60 << 10]) });
    producer.send(BaseRecord::to(&topic).key("k").payload(&body).headers(headers)).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
    assert_eq!(kafka.read_all(&topic, Isolation::Committed)[0].value.as_ref(), Some(&body));
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let step = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Some((*state >> 56) as u8)
    };
    std::iter::successors(Some(1u64), |_| None)
        .flat_map(|mut state| std::iter::from_fn(move || step(&mut state)))
        .take(length)
        .collect()
}

#[test]
fn a_changed_configuration_is_followed_only_where_nothing_is_lost() {
    let Some(kafka) = kafka::cluster() else { return };
    let prefix = kafka.unique("changed");
    let raw = format!("{prefix}.webhooks.stripe");
    // Made by somebody else: too few partitions, a size limit, and a setting of their own.
    let theirs = NewTopic::new(&raw, 2, TopicReplication::Fixed(1))
        .set("retention.bytes", "1000000000")
        .set("segment.ms", "3600000")
        .set("retention.ms", "-1");
    kafka.create_topic_named(&theirs);

    let config = config(kafka, &prefix, "partitions = 4\nretention = \"20d\"", "max_body = \"2MiB\"");
    let applied = apply(&config);
    let of_raw = named(&applied, "webhooks.stripe");
    assert_eq!(of_raw.altered, ["max.message.bytes", "retention.bytes"]);
    assert_eq!(left(of_raw), ["partitions", "retention.ms"]);
    assert!(named(&applied, ".ids").created);
    assert_eq!(kafka.partition_count(&format!("{raw}.ids")), 2, "as many as the raw topic has");
    assert_eq!(kafka.partition_count(&format!("{prefix}.hookstream.dead-letter")), 4);
    assert_eq!(setting(kafka, &raw, "segment.ms"), "3600000", "their own setting is still there");
    assert_eq!(setting(kafka, &raw, "retention.bytes"), "-1");
}

fn setting(kafka: &Cluster, topic: &str, name: &str) -> String {
    use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
    let admin: AdminClient<rdkafka::client::DefaultClientContext> = kafka.admin_config().create().unwrap();
    let described = block_on(admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &AdminOptions::new())).unwrap();
    described[0].as_ref().unwrap().get(name).unwrap().value.clone().unwrap()
}

#[test]
fn more_replicas_than_brokers_are_explained() {
    let Some(kafka) = kafka::cluster() else { return };
    if kafka.nodes().len() != 1 {
        return;
    }
    let prefix = kafka.unique("replicas");
    let text = format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n[kafka.topics]\nprefix = \"{prefix}.\"\n[sources.stripe]\n",
        kafka.bootstrap()
    );
    let config = Config::parse(Path::new("hookstream.toml"), &text, []).unwrap();
    let applied = apply(&config);
    assert!(applied.iter().all(|applied| !applied.created && applied.left[0].why.contains("kafka.topics.replication")));
}
