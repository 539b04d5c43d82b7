//! The names of everything that hookstream owns in Kafka, from the templates in `[kafka.topics]`.

use std::time::Duration;

use super::file::Topics;

/// The delays of the retry topics, shortest first, with the names they carry in the topic.
pub const RETRY_DELAYS: [(Duration, &str); 3] =
    [(Duration::from_secs(30), "30s"), (Duration::from_secs(300), "5m"), (Duration::from_secs(3600), "1h")];

/// Topic names and settings, validated.
#[derive(Clone, Debug)]
pub struct TopicsConfig {
    /// Put before every topic, group and transactional id.
    pub prefix: String,
    raw: String,
    enriched: String,
    ids: String,
    retry: String,
    dead_letter: String,
    /// Partitions of each source's topics.
    pub partitions: i32,
    /// Copies of each partition.
    pub replication: i32,
    /// Copies that must have a record before it counts as written.
    pub min_insync_replicas: i32,
    /// Retention of raw and enriched records.
    pub retention: Duration,
    /// Retention of dead letters.
    pub dead_letter_retention: Duration,
}

impl TopicsConfig {
    /// Check the templates and numbers of `[kafka.topics]`.
    ///
    /// # Errors
    /// One sentence that names the key and what is allowed.
    pub(super) fn new(file: &Topics) -> Result<Self, String> {
        for (key, template, placeholder) in [
            ("raw", &file.raw, "{source}"),
            ("enriched", &file.enriched, "{source}"),
            ("ids", &file.ids, "{source}"),
            ("retry", &file.retry, "{delay}"),
            ("dead_letter", &file.dead_letter, ""),
        ] {
            let named =
                file.prefix.clone() + &template.replacen(placeholder, "x", usize::from(!placeholder.is_empty()));
            if !template.contains(placeholder) {
                return Err(format!(
                    "kafka.topics.{key}: `{template}` must contain {placeholder}, or all would share one topic"
                ));
            }
            if !is_topic_name(&named) {
                return Err(format!(
                    "kafka.topics.{key}: `{template}` does not make a topic name; allowed are letters, digits, `.`, `_` and `-`, at most 249"
                ));
            }
        }
        if !(1..=10_000).contains(&file.partitions) {
            return Err(format!("kafka.topics.partitions: {} is not between 1 and 10000", file.partitions));
        }
        if !(1..=100).contains(&file.replication) {
            return Err(format!("kafka.topics.replication: {} is not between 1 and 100", file.replication));
        }
        let min_insync_replicas = file.min_insync_replicas.unwrap_or((file.replication - 1).max(1));
        if !(1..=file.replication).contains(&min_insync_replicas) {
            return Err(format!(
                "kafka.topics.min_insync_replicas: {min_insync_replicas} is not between 1 and the replication, {}",
                file.replication
            ));
        }
        Ok(Self {
            prefix: file.prefix.clone(),
            raw: file.raw.clone(),
            enriched: file.enriched.clone(),
            ids: file.ids.clone(),
            retry: file.retry.clone(),
            dead_letter: file.dead_letter.clone(),
            partitions: file.partitions,
            replication: file.replication,
            min_insync_replicas,
            retention: file.retention.0,
            dead_letter_retention: file.dead_letter_retention.0,
        })
    }

    fn of_source(&self, template: &str, source: &str) -> String {
        self.prefixed(&template.replace("{source}", source))
    }

    /// A name with the prefix before it: groups, transactional ids.
    pub fn prefixed(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The raw topic that the template gives a source. A source may name another: see `SourceConfig::raw_topic`.
    pub fn raw_topic(&self, source: &str) -> String {
        self.of_source(&self.raw, source)
    }

    /// The topic of a source's enriched records.
    pub fn enriched_topic(&self, source: &str) -> String {
        self.of_source(&self.enriched, source)
    }

    /// The topic of a source's claimed ids.
    pub fn ids_topic(&self, source: &str) -> String {
        self.of_source(&self.ids, source)
    }

    /// The retry topic of one of [`RETRY_DELAYS`], by its name.
    pub fn retry_topic(&self, delay: &str) -> String {
        self.prefixed(&self.retry.replace("{delay}", delay))
    }

    /// The topic of dead letters.
    pub fn dead_letter_topic(&self) -> String {
        self.prefixed(&self.dead_letter)
    }
}

/// Kafka's own rule for topic names.
pub(super) fn is_topic_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 249
        && name != "."
        && name != ".."
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::{Topics, TopicsConfig};

    #[test]
    fn names_follow_templates_and_prefix() {
        let topics = TopicsConfig::new(&Topics { prefix: "eu.".to_owned(), ..Topics::default() }).unwrap();
        assert_eq!(topics.raw_topic("stripe"), "eu.webhooks.stripe");
        assert_eq!(topics.retry_topic("5m"), "eu.hookstream.retry.5m");
        assert_eq!(topics.dead_letter_topic(), "eu.hookstream.dead-letter");
        assert_eq!(topics.min_insync_replicas, 2);
    }

    #[test]
    fn a_template_that_mixes_sources_is_refused() {
        let error = TopicsConfig::new(&Topics { ids: "ids".to_owned(), ..Topics::default() }).unwrap_err();
        assert!(error.contains("kafka.topics.ids") && error.contains("{source}"), "{error}");
    }

    #[test]
    fn a_name_that_kafka_would_refuse_is_refused_here() {
        let error =
            TopicsConfig::new(&Topics { raw: "web hooks {source}".to_owned(), ..Topics::default() }).unwrap_err();
        assert!(error.contains("kafka.topics.raw"), "{error}");
    }
}
