//! Looking at the topics and brokers of a cluster, and bringing the topics to what a configuration needs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigEntry, ConfigResourceResult, ConfigSource, NewTopic,
    ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataBroker};
use serde::Serialize;

use super::brokers::{Broker, SETTINGS};
use super::client::{Role, client_config};
use super::context::LoggingContext;
use super::topics::{Found, Listed, State, Step, Topic, compare};
use crate::config::KafkaConfig;

/// How long one question to the cluster may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one broker may take to tell its settings.
const BROKER_PATIENCE: Duration = Duration::from_secs(5);

/// How long a created topic may take to appear, and how often to look for it.
const VISIBLE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Why the cluster could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// A client cannot be made of these properties.
    #[error("kafka admin client: {0}")]
    Client(String),
    /// Kafka does not answer.
    #[error("kafka at {servers} does not answer: {source}")]
    Away {
        /// Who was asked.
        servers: String,
        /// What the client says.
        source: KafkaError,
    },
}

/// What became of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Its name.
    pub name: String,
    /// It was missing and is there now.
    pub created: bool,
    /// Settings that were altered.
    pub altered: Vec<&'static str>,
    /// What is not as it should be, and why: what `apply` leaves alone on principle, and what the cluster refused.
    pub left: Vec<Left>,
}

/// Something that stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// `topic` as a whole, `partitions`, `replication`, or the name of a setting.
    pub what: &'static str,
    /// The value in the cluster, the value wanted and the reason.
    pub why: String,
}

/// A client with which topics are seen, created and altered.
pub struct Admin {
    client: Arc<AdminClient<LoggingContext>>,
    servers: String,
}

impl Admin {
    /// A client for this cluster; nothing is sent yet.
    ///
    /// # Errors
    /// A property that librdkafka does not take, or a secret that cannot be fetched.
    pub fn new(kafka: &KafkaConfig) -> Result<Self, AdminError> {
        let client = client_config(kafka, Role::Admin)
            .map_err(AdminError::Client)?
            .create_with_context(LoggingContext)
            .map_err(|error| AdminError::Client(error.to_string()))?;
        Ok(Self { client: Arc::new(client), servers: kafka.bootstrap_servers.clone() })
    }

    /// These topics beside what stands in the cluster.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn list(&self, topics: Vec<Topic>) -> Result<Vec<Listed>, AdminError> {
        let found = self.found(&topics).await?;
        Ok(compare(topics, &found))
    }

    /// What each broker says of its own limits. That one of them does not tell is in what is returned.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn brokers(&self) -> Result<Vec<Broker>, AdminError> {
        let mut brokers = Vec::new();
        for id in self.metadata().await?.brokers().iter().map(MetadataBroker::id) {
            // Each is asked for itself: only it knows what stands in its file.
            let options = AdminOptions::new().request_timeout(Some(BROKER_PATIENCE));
            let described = self.client.describe_configs(&[ResourceSpecifier::Broker(id)], &options).await;
            let entries = described.map(|resources| resources.into_iter().flat_map(shown).collect::<Vec<_>>());
            let limits = match entries {
                Err(error) => Err(error.to_string()),
                Ok(entries) if entries.is_empty() => Err("this user lacks DescribeConfigs on the cluster".to_owned()),
                Ok(entries) => {
                    let named = |name: &str| entries.iter().find(|entry| entry.name == name)?.value.as_ref();
                    let limit = |name: &'static str| Some((name, named(name)?.parse().ok()?));
                    Ok(SETTINGS.into_iter().filter_map(limit).collect())
                }
            };
            brokers.push(Broker { id, limits });
        }
        Ok(brokers)
    }

    /// Create what is missing, alter what is safe to alter, and say what was left and why. May be run again at any time.
    ///
    /// # Errors
    /// As [`Admin::list`]. What the cluster refuses for one topic does not stop the others.
    pub async fn apply(&self, topics: Vec<Topic>) -> Result<Vec<Applied>, AdminError> {
        let found = self.found(&topics).await?;
        let mut results = Vec::new();
        for Listed { topic, state } in compare(topics, &found) {
            let mut applied = Applied { name: topic.name.clone(), created: false, altered: vec![], left: vec![] };
            match (state, found.get(&topic.name)) {
                (State::Missing, _) | (_, None) => match self.create(&topic).await? {
                    Ok(()) => applied.created = true,
                    Err(code) => applied.left.push(Left { what: "topic", why: not_created(&topic, code) }),
                },
                (State::Present(differences), Some(found)) => {
                    let (alter, refused): (Vec<_>, Vec<_>) =
                        differences.into_iter().partition(|difference| difference.step == Step::Alter);
                    for difference in refused {
                        if let Step::Refuse(why) = difference.step {
                            let (found, wanted) = (difference.found, difference.wanted);
                            let why = format!("is {found}, wanted {wanted}: {why}");
                            applied.left.push(Left { what: difference.what, why });
                        }
                    }
                    let names: Vec<&'static str> = alter.iter().map(|difference| difference.what).collect();
                    match self.alter(&topic, &names, found).await? {
                        Ok(()) => applied.altered = names,
                        Err(code) => applied.left.extend(
                            names.into_iter().map(|what| Left { what, why: format!("the cluster refuses: {code}") }),
                        ),
                    }
                }
            }
            results.push(applied);
        }
        let created: Vec<&str> = results.iter().filter(|one| one.created).map(|one| one.name.as_str()).collect();
        self.await_visible(&created).await?;
        Ok(results)
    }

    /// Wait until the cluster shows what it has created: whoever looks next, `check` or `serve`, must find it.
    async fn await_visible(&self, names: &[&str]) -> Result<(), AdminError> {
        let end = tokio::time::Instant::now() + VISIBLE;
        let mut look = tokio::time::interval(LOOK_AGAIN);
        while tokio::time::Instant::now() < end {
            look.tick().await;
            let metadata = self.metadata().await?;
            let visible =
                |name: &&str| metadata.topics().iter().any(|topic| topic.name() == *name && topic.error().is_none());
            if names.iter().all(visible) {
                break;
            }
        }
        Ok(())
    }

    /// All topics at once: to ask for one by its name is to ask for its creation where the cluster does that.
    async fn metadata(&self) -> Result<Metadata, AdminError> {
        let client = Arc::clone(&self.client);
        tokio::task::spawn_blocking(move || client.inner().fetch_metadata(None, PATIENCE))
            .await
            .map_err(|error| AdminError::Client(error.to_string()))?
            .map_err(|error| self.away(error))
    }

    async fn found(&self, topics: &[Topic]) -> Result<BTreeMap<String, Found>, AdminError> {
        let mut found = self.placed(topics).await?;
        let names: Vec<String> = found.keys().cloned().collect();
        if names.is_empty() {
            return Ok(found);
        }
        let specifiers: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let resources =
            self.client.describe_configs(&specifiers, &options()).await.map_err(|error| self.away(error))?;
        for (name, resource) in names.iter().zip(resources) {
            let Some(topic) = found.get_mut(name) else { continue };
            for entry in shown(resource) {
                let Some(value) = entry.value else { continue };
                if entry.source == ConfigSource::DynamicTopic {
                    topic.overrides.insert(entry.name.clone(), value.clone());
                }
                topic.settings.insert(entry.name, value);
            }
        }
        Ok(found)
    }

    /// Partitions and replicas of those topics that exist.
    async fn placed(&self, topics: &[Topic]) -> Result<BTreeMap<String, Found>, AdminError> {
        let metadata = self.metadata().await?;
        let wanted = |name: &str| topics.iter().any(|topic| topic.name == name);
        let placed = metadata.topics().iter().filter(|topic| wanted(topic.name()) && topic.error().is_none());
        let found = placed.map(|topic| {
            let replicas = topic.partitions().iter().map(|partition| partition.replicas().len()).min();
            let found = Found {
                partitions: i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX),
                replication: replicas.and_then(|replicas| i32::try_from(replicas).ok()).unwrap_or(0),
                ..Found::default()
            };
            (topic.name().to_owned(), found)
        });
        Ok(found.collect())
    }

    async fn create(&self, topic: &Topic) -> Result<Result<(), RDKafkaErrorCode>, AdminError> {
        let replication = TopicReplication::Fixed(topic.replication);
        let mut new = NewTopic::new(&topic.name, topic.partitions, replication);
        for (name, value) in &topic.settings {
            new = new.set(name, value);
        }
        let results = self.client.create_topics([&new], &options()).await.map_err(|error| self.away(error))?;
        let refused = results.into_iter().find_map(|result| result.err().map(|(_, code)| code));
        // Somebody else was quicker: their topic is looked at the next time.
        Ok(refused.filter(|code| *code != RDKafkaErrorCode::TopicAlreadyExists).map_or(Ok(()), Err))
    }

    /// Set these settings. The request replaces all settings of the topic, so those that others have made go with it.
    async fn alter(
        &self,
        topic: &Topic,
        names: &[&'static str],
        found: &Found,
    ) -> Result<Result<(), RDKafkaErrorCode>, AdminError> {
        if names.is_empty() {
            return Ok(Ok(()));
        }
        let mut request = AlterConfig::new(ResourceSpecifier::Topic(&topic.name));
        for (name, value) in &found.overrides {
            request = request.set(name, value);
        }
        for name in names {
            if let Some(value) = topic.settings.get(name) {
                request = request.set(name, value);
            }
        }
        let results = self.client.alter_configs([&request], &options()).await.map_err(|error| self.away(error))?;
        Ok(results.into_iter().find_map(|result| result.err().map(|(_, code)| code)).map_or(Ok(()), Err))
    }

    fn away(&self, source: KafkaError) -> AdminError {
        AdminError::Away { servers: self.servers.clone(), source }
    }
}

/// What a resource shows of its settings. Each has some: none at all means that this user may not see them, since rdkafka
/// drops what the broker says of why.
fn shown(resource: ConfigResourceResult) -> Vec<ConfigEntry> {
    resource.map(|resource| resource.entries).unwrap_or_default()
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

fn not_created(topic: &Topic, code: RDKafkaErrorCode) -> String {
    match code {
        RDKafkaErrorCode::InvalidReplicationFactor => format!(
            "the cluster has fewer than {} brokers to place copies on; see kafka.topics.replication",
            topic.replication
        ),
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            "this user may not create it; `hookstream topics list --as …` prints topics and ACLs for those who may"
                .to_owned()
        }
        code => format!("the cluster refuses to create it: {code}"),
    }
}
