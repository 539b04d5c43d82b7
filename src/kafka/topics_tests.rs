//! Topics as they should be, and what is done about those that are not.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Difference, Found, Kind, State, Step, Topic, compare, desired};
use crate::config::Config;

fn topics(text: &str) -> Vec<Topic> {
    desired(&Config::parse(Path::new("hookstream.toml"), text, []).unwrap())
}

fn topic(text: &str, name: &str) -> Topic {
    topics(text).into_iter().find(|topic| topic.name == name).unwrap()
}

/// The topic as if `apply` had created it.
fn as_wanted(topic: &Topic) -> Found {
    let settings: BTreeMap<String, String> =
        topic.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Found { partitions: topic.partitions, replication: topic.replication, overrides: settings.clone(), settings }
}

fn differences(topic: &Topic, found: Found) -> Vec<Difference> {
    let found = BTreeMap::from([(topic.name.clone(), found)]);
    match compare(vec![topic.clone()], &found).remove(0).state {
        State::Present(differences) => differences,
        State::Missing => panic!("the topic is there"),
    }
}

const ONE: &str = "[sources.stripe]\n";

#[test]
fn a_source_has_three_topics_and_all_share_four() {
    let names: Vec<_> = topics(ONE).into_iter().map(|topic| (topic.kind, topic.name)).collect();
    let expected = [
        (Kind::Raw, "webhooks.stripe"),
        (Kind::Ids, "webhooks.stripe.ids"),
        (Kind::Enriched, "webhooks.stripe.enriched"),
        (Kind::Retry, "hookstream.retry.30s"),
        (Kind::Retry, "hookstream.retry.5m"),
        (Kind::Retry, "hookstream.retry.1h"),
        (Kind::DeadLetter, "hookstream.dead-letter"),
    ];
    assert_eq!(names, expected.map(|(kind, name)| (kind, name.to_owned())));
}

#[test]
fn ids_outlive_the_window_by_a_day() {
    let text = format!("{ONE}[enrich]\nwindow = \"3d\"\n");
    assert_eq!(topic(&text, "webhooks.stripe.ids").settings["retention.ms"], (4 * 86_400_000).to_string());
    assert_eq!(topic(&text, "webhooks.stripe").settings["retention.ms"], (14 * 86_400_000).to_string());
}

#[test]
fn a_shared_raw_topic_stands_once_and_takes_the_largest_body() {
    let text = "[sources.stripe]\ntopic = \"all\"\n[sources.github]\ntopic = \"all\"\nmax_body = \"4MiB\"\n";
    let all: Vec<_> = topics(text).into_iter().filter(|topic| topic.kind == Kind::Raw).collect();
    assert_eq!(all.len(), 1);
    let size = |topic: &Topic| topic.settings["max.message.bytes"].parse::<u64>().unwrap();
    assert!(size(&all[0]) > 8 << 20);
    let enriched = topic(text, "webhooks.stripe.enriched");
    assert!(size(&enriched) > size(&all[0]), "an enriched record holds the event and a record");
    assert!(size(&topic(text, "hookstream.dead-letter")) >= size(&enriched));
}

#[test]
fn every_topic_takes_the_batches_of_the_client() {
    for topic in topics("[sources.stripe]\nmax_body = \"1KiB\"\n") {
        assert!(topic.settings["max.message.bytes"].parse::<u64>().unwrap() > 1_000_000, "{}", topic.name);
    }
}

#[test]
fn what_is_as_wanted_has_no_differences() {
    for topic in topics(ONE) {
        assert_eq!(differences(&topic, as_wanted(&topic)), []);
    }
}

#[test]
fn ids_and_enriched_follow_the_partitions_the_raw_topic_has() {
    let raw = topic(ONE, "webhooks.stripe");
    let found = BTreeMap::from([(raw.name.clone(), Found { partitions: 12, ..as_wanted(&raw) })]);
    for listed in compare(topics(ONE), &found) {
        match (listed.topic.kind, listed.state) {
            (Kind::Raw, State::Present(differences)) => {
                assert!(matches!(&differences[..], [Difference { what: "partitions", step: Step::Refuse(_), .. }]));
            }
            (Kind::Ids | Kind::Enriched, State::Missing) => assert_eq!(listed.topic.partitions, 12),
            (Kind::Retry, State::Missing) => assert_eq!(listed.topic.partitions, 1),
            (Kind::DeadLetter, State::Missing) => assert_eq!(listed.topic.partitions, 6),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn settings_are_altered_only_towards_keeping_more() {
    let raw = topic(ONE, "webhooks.stripe");
    let with = |name: &str, value: &str| {
        let mut found = as_wanted(&raw);
        found.settings.insert(name.to_owned(), value.to_owned());
        differences(&raw, found).into_iter().map(|difference| difference.step == Step::Alter).collect::<Vec<_>>()
    };
    let (altered, refused, fine): (&[bool], &[bool], &[bool]) = (&[true], &[false], &[]);
    assert_eq!(with("retention.ms", "60000"), altered);
    assert_eq!(with("retention.ms", "-1"), refused);
    assert_eq!(with("retention.ms", "99999999999"), refused);
    assert_eq!(with("retention.bytes", "1000000"), altered);
    assert_eq!(with("cleanup.policy", "compact"), refused);
    assert_eq!(with("max.message.bytes", "1048588"), altered);
    assert_eq!(with("max.message.bytes", "99999999"), fine);
    assert_eq!(with("min.insync.replicas", "1"), altered);
    assert_eq!(with("min.insync.replicas", "3"), fine);
    assert_eq!(with("message.timestamp.type", "LogAppendTime"), altered);
    assert_eq!(with("message.timestamp.before.max.ms", "9223372036854775807"), altered, "Kafka's default");
    assert_eq!(with("message.timestamp.before.max.ms", "60000"), altered);
    assert_eq!(with("unclean.leader.election.enable", "true"), altered);
}

#[test]
fn records_may_be_as_old_as_the_topic_keeps_them() {
    let raw = topic(ONE, "webhooks.stripe");
    assert_eq!(raw.settings["message.timestamp.before.max.ms"], raw.settings["retention.ms"]);
    let with = |age: &str, retention: &str| {
        let mut found = as_wanted(&raw);
        found.settings.insert("message.timestamp.before.max.ms".to_owned(), age.to_owned());
        found.settings.insert("retention.ms".to_owned(), retention.to_owned());
        let all = differences(&raw, found);
        all.into_iter().any(|difference| difference.what == "message.timestamp.before.max.ms")
    };
    assert!(!with("99999999999", "99999999999") && !with("99999999999", "-1"), "somebody keeps more");
    assert!(with("99999999999", "9999999999"));
}

#[test]
fn more_in_sync_replicas_than_replicas_are_refused() {
    let raw = topic(ONE, "webhooks.stripe");
    let mut found = Found { replication: 1, ..as_wanted(&raw) };
    found.settings.insert("min.insync.replicas".to_owned(), "1".to_owned());
    let differences = differences(&raw, found);
    assert_eq!(differences.iter().map(|d| d.what).collect::<Vec<_>>(), ["replication", "min.insync.replicas"]);
    assert!(differences.iter().all(|d| matches!(d.step, Step::Refuse(_))));
}

#[test]
fn settings_that_may_not_be_seen_are_not_taken_for_wrong_ones() {
    let raw = topic(ONE, "webhooks.stripe");
    let found = Found { settings: BTreeMap::new(), overrides: BTreeMap::new(), ..as_wanted(&raw) };
    let [difference] = &*differences(&raw, found) else { panic!("one") };
    assert!(
        difference.what == "settings"
            && matches!(&difference.step, Step::Refuse(why) if why.contains("DescribeConfigs"))
    );
}
