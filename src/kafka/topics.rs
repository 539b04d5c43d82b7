//! The topics a configuration needs, and how they differ from what stands in the cluster.
//!
//! Pure: `admin` asks the cluster and changes it, `print` writes the same for clusters that somebody else administers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::config::{Config, RETRY_DELAYS, SourceConfig};
use crate::provider::BodyKind;

/// What a record may hold beside bodies: attributes, headers and key, in bytes. A request's headers are at most 7 KiB,
/// and what is kept of them stands in the record twice at most.
const ENVELOPE: u64 = 64 << 10;

/// The broker's limit is for a whole batch, and the client fills batches up to one million bytes (`batch.size`); a batch
/// over the limit is refused for good. Kafka's own default leaves that room, so no topic gets less.
const ROOM_FOR_A_BATCH: u64 = 1_048_588;

/// Ids are kept for this long after the enricher has stopped asking for them.
const IDS_MARGIN: Duration = Duration::from_secs(86_400);

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Verified events, as they came.
    Raw,
    /// The ids that the enricher has claimed.
    Ids,
    /// Events with their full records.
    Enriched,
    /// Events that wait for their next attempt.
    Retry,
    /// Events that nobody could read or enrich.
    DeadLetter,
}

impl Kind {
    /// The word for tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Ids => "ids",
            Self::Enriched => "enriched",
            Self::Retry => "retry",
            Self::DeadLetter => "dead-letter",
        }
    }
}

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// The raw topic whose partition numbers it shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// The number of partitions.
    pub partitions: i32,
    /// Copies of each partition.
    pub replication: i32,
    /// Topic settings by their Kafka names.
    pub settings: BTreeMap<&'static str, String>,
}

/// A topic as it stands in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Found {
    /// The number of partitions.
    pub partitions: i32,
    /// Copies of the partition that has the fewest.
    pub replication: i32,
    /// Every setting in effect, by name; none where they may not be seen.
    pub settings: BTreeMap<String, String>,
    /// Those of them that are set on the topic itself.
    pub overrides: BTreeMap<String, String>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `partitions`, `replication`, `settings` that are not shown, or the name of one.
    pub what: &'static str,
    /// The value in the cluster.
    pub found: String,
    /// The value that the configuration asks for.
    pub wanted: String,
    /// What `apply` does about it.
    pub step: Step,
}

/// What `apply` does about a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "do", content = "why")]
pub enum Step {
    /// Alter the setting.
    Alter,
    /// Leave it, for this reason.
    Refuse(Cow<'static, str>),
}

/// A topic beside what was found of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The topic as it should be.
    #[serde(flatten)]
    pub topic: Topic,
    /// What is there.
    #[serde(flatten)]
    pub state: State,
}

/// What is there of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "differences")]
pub enum State {
    /// Nothing.
    Missing,
    /// The topic, with these differences.
    Present(Vec<Difference>),
}

/// Every topic that this configuration writes or reads, sources in the order of their names.
pub fn desired(config: &Config) -> Vec<Topic> {
    let names = &config.kafka.topics;
    let topic = |name: String, kind, beside: Option<&str>, retention: Duration, largest: u64| Topic {
        name,
        kind,
        beside: beside.map(str::to_owned),
        partitions: names.partitions,
        replication: names.replication,
        settings: BTreeMap::from([
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", retention.as_millis().to_string()),
            // Age alone decides: a size limit on the cluster would delete events that nobody has read yet.
            ("retention.bytes", "-1".to_owned()),
            ("max.message.bytes", largest.max(ROOM_FOR_A_BATCH).to_string()),
            ("min.insync.replicas", names.min_insync_replicas.to_string()),
            // The time of a record is when hookstream received or fetched it, not when the broker appended it.
            ("message.timestamp.type", "CreateTime".to_owned()),
            // Kafka would take what is older than that and delete it at once, unread: with a clock that stands at 1970
            // a 2xx would be given for nothing.
            ("message.timestamp.before.max.ms", retention.as_millis().to_string()),
            // A 2xx was given for what an out-of-sync leader would throw away.
            ("unclean.leader.election.enable", "false".to_owned()),
        ]),
    };
    let record_cap = u64::try_from(config.enrich.max_record).unwrap_or(u64::MAX);
    let with_record = |raw: u64| raw.saturating_add(record_cap).saturating_add(ENVELOPE);

    let mut largest_raw: BTreeMap<&str, u64> = BTreeMap::new();
    for source in config.sources.values() {
        let largest = largest_raw.entry(&source.raw_topic).or_default();
        *largest = (*largest).max(largest_record(source));
    }
    let mut topics = Vec::new();
    for (&raw, &largest) in &largest_raw {
        topics.push(topic(raw.to_owned(), Kind::Raw, None, names.retention, largest));
    }
    for source in config.sources.values() {
        let raw = Some(source.raw_topic.as_str());
        let largest = largest_raw.get(source.raw_topic.as_str()).copied().unwrap_or(ENVELOPE);
        let ids = names.ids_topic(&source.name);
        topics.push(topic(ids, Kind::Ids, raw, config.enrich.window + IDS_MARGIN, ENVELOPE));
        let enriched = names.enriched_topic(&source.name);
        topics.push(topic(enriched, Kind::Enriched, raw, names.retention, with_record(largest)));
    }
    let largest = with_record(largest_raw.values().copied().max().unwrap_or(ENVELOPE));
    for (_, delay) in RETRY_DELAYS {
        // One partition is enough for what waits. More of them would count as work when the group shares out
        // partitions, and could leave one instance with them and another with all that comes in.
        let retry = topic(names.retry_topic(delay), Kind::Retry, None, names.retention, largest);
        topics.push(Topic { partitions: 1, ..retry });
    }
    topics.push(topic(names.dead_letter_topic(), Kind::DeadLetter, None, names.dead_letter_retention, largest));
    topics
}

/// The largest record that a source's largest body can become, in bytes. A body that is not carried verbatim rides in a
/// header as well: JSON after a byte order mark, or a form, whose object can be four times as long as the form
/// (`a&b&` becomes `{"a":"","b":""}`). Base64 is shorter than either.
fn largest_record(source: &SourceConfig) -> u64 {
    let body = u64::try_from(source.max_body).unwrap_or(u64::MAX);
    let copies = match source.provider.body_kind() {
        BodyKind::Json | BodyKind::Bytes => 2,
        BodyKind::Form => 5,
    };
    body.saturating_mul(copies).saturating_add(ENVELOPE)
}

/// Every topic beside what was found under its name. A topic that shares partition numbers with a raw topic is wanted
/// with as many as that one has, whatever the configuration says now.
pub fn compare(topics: Vec<Topic>, found: &BTreeMap<String, Found>) -> Vec<Listed> {
    let beside = |mut topic: Topic| {
        if let Some(raw) = topic.beside.as_ref().and_then(|raw| found.get(raw)) {
            topic.partitions = raw.partitions;
        }
        let state = match found.get(&topic.name) {
            None => State::Missing,
            Some(found) => State::Present(differences(&topic, found)),
        };
        Listed { topic, state }
    };
    topics.into_iter().map(beside).collect()
}

fn differences(topic: &Topic, found: &Found) -> Vec<Difference> {
    let mut differences = Vec::new();
    if found.partitions != topic.partitions {
        let why = match topic.kind {
            Kind::Raw => "copies of an event on both sides of the change would have two owners",
            Kind::Ids | Kind::Enriched => "each of its partitions belongs to the raw topic's partition of that number",
            Kind::Retry | Kind::DeadLetter => "partitions are chosen once; this number works too",
        };
        differences.push(Difference {
            what: "partitions",
            found: found.partitions.to_string(),
            wanted: topic.partitions.to_string(),
            step: Step::Refuse(why.into()),
        });
    }
    if found.replication < topic.replication {
        differences.push(Difference {
            what: "replication",
            found: found.replication.to_string(),
            wanted: topic.replication.to_string(),
            step: Step::Refuse("moving replicas is for kafka-reassign-partitions".into()),
        });
    }
    if found.settings.is_empty() {
        differences.push(Difference {
            what: "settings",
            found: "not shown".to_owned(),
            wanted: "all of them".to_owned(),
            step: Step::Refuse("this user lacks DescribeConfigs on the topic".into()),
        });
        return differences;
    }
    for (&what, wanted) in &topic.settings {
        let value = found.settings.get(what).map_or("", String::as_str);
        if let Some(step) = step(what, value, wanted, found) {
            differences.push(Difference { what, found: value.to_owned(), wanted: wanted.clone(), step });
        }
    }
    differences
}

/// What to do about one setting; `None` where it serves as it is.
fn step(name: &str, found: &str, wanted: &str, topic: &Found) -> Option<Step> {
    if found == wanted {
        return None;
    }
    // -1 stands for no limit.
    let number = |text: &str| text.parse::<i64>().ok().map(|n| if n < 0 { i64::MAX } else { n });
    let (have, want) = (number(found).unwrap_or(0), number(wanted).unwrap_or(0));
    match name {
        "cleanup.policy" => {
            Some(Step::Refuse("it decides what Kafka deletes; change it yourself if you mean it".into()))
        }
        "retention.ms" if have > want => {
            Some(Step::Refuse("a shorter retention deletes records; change it yourself if you mean it".into()))
        }
        // More room than needed, or a stricter promise, serves.
        "max.message.bytes" | "min.insync.replicas" if have > want => None,
        // Whoever keeps records for longer may take older ones.
        "message.timestamp.before.max.ms" if have > want => {
            let kept = topic.settings.get("retention.ms").map_or("", String::as_str);
            (number(kept).unwrap_or(0) < have).then_some(Step::Alter)
        }
        "min.insync.replicas" if want > i64::from(topic.replication) => {
            let why = format!("with {} replicas the topic would refuse every write", topic.replication);
            Some(Step::Refuse(why.into()))
        }
        _ => Some(Step::Alter),
    }
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
