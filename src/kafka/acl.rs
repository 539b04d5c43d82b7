//! The rights that each command needs on a cluster with ACLs, and no others.
//!
//! Write implies Describe, and so does Read; an idempotent producer needs no right on the cluster since Kafka 3.0
//! (KIP-679). `tests/it/secured.rs` runs the commands under exactly these.

use serde::Serialize;

use super::topics::{Kind, Topic};
use crate::config::Config;

/// The command a right is for; each runs as a user of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// `hookstream serve`.
    Serve,
    /// `hookstream enrich`.
    Enrich,
    /// `hookstream topics list` and `apply`, and `check`.
    Topics,
}

impl Command {
    /// The user that printed ACLs name; the principal is `User:` and this.
    pub fn user(self) -> &'static str {
        match self {
            Self::Serve => "hookstream-serve",
            Self::Enrich => "hookstream-enrich",
            Self::Topics => "hookstream-topics",
        }
    }
}

/// What a right is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Topics.
    Topic,
    /// Consumer groups.
    Group,
    /// Transactional ids.
    TransactionalId,
    /// The cluster as a whole, and with it its brokers.
    Cluster,
}

/// The name that Kafka has for the cluster where a resource must have one.
const CLUSTER: &str = "kafka-cluster";

/// How a name is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// This name.
    Literal,
    /// Every name that begins so.
    Prefixed,
}

/// What is allowed. The words are Kafka's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Operation {
    /// Fetch records; join a group.
    Read,
    /// Produce.
    Write,
    /// Create the topic.
    Create,
    /// See that it exists.
    Describe,
    /// See its settings.
    DescribeConfigs,
    /// Change its settings.
    AlterConfigs,
}

impl Operation {
    /// Kafka's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Create => "Create",
            Self::Describe => "Describe",
            Self::DescribeConfigs => "DescribeConfigs",
            Self::AlterConfigs => "AlterConfigs",
        }
    }
}

/// Rights of one command on some resources of one type, from any host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acl {
    /// Who.
    pub command: Command,
    /// On what type of resource.
    pub resource: Resource,
    /// How the names are meant.
    pub pattern: Pattern,
    /// On which.
    pub names: Vec<String>,
    /// What is allowed.
    pub operations: Vec<Operation>,
    /// What it is for, where all but one thing works without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_for: Option<&'static str>,
}

/// The rights that the commands need for these topics.
pub fn needed(config: &Config, topics: &[Topic]) -> Vec<Acl> {
    use Operation::{AlterConfigs, Create, Describe, DescribeConfigs, Read, Write};

    let of = |kinds: &[Kind]| -> Vec<String> {
        topics.iter().filter(|topic| kinds.contains(&topic.kind)).map(|topic| topic.name.clone()).collect()
    };
    let right = |command, resource, names, operations: &[Operation]| Acl {
        command,
        resource,
        pattern: Pattern::Literal,
        names,
        operations: operations.to_vec(),
        only_for: None,
    };
    let on_topics = |command, names, operations| right(command, Resource::Topic, names, operations);
    let group = &config.enrich.group;
    vec![
        on_topics(Command::Serve, of(&[Kind::Raw, Kind::DeadLetter]), &[Write]),
        on_topics(Command::Enrich, of(&[Kind::Raw]), &[Read]),
        on_topics(Command::Enrich, of(&[Kind::Ids, Kind::Retry]), &[Read, Write]),
        on_topics(Command::Enrich, of(&[Kind::Enriched, Kind::DeadLetter]), &[Write]),
        right(Command::Enrich, Resource::Group, vec![group.clone()], &[Read]),
        Acl {
            // Every instance has an id of its own, which begins with the group's name.
            pattern: Pattern::Prefixed,
            ..right(Command::Enrich, Resource::TransactionalId, vec![format!("{group}.")], &[Write])
        },
        on_topics(
            Command::Topics,
            topics.iter().map(|topic| topic.name.clone()).collect(),
            &[Create, Describe, DescribeConfigs, AlterConfigs],
        ),
        // Kafka asks for it where a broker's settings are read: a broker is no resource of its own in ACLs.
        Acl {
            only_for: Some("`hookstream check` compares the largest record with the brokers' limits"),
            ..right(Command::Topics, Resource::Cluster, vec![CLUSTER.to_owned()], &[DescribeConfigs])
        },
    ]
    .into_iter()
    .filter(|acl| !acl.names.is_empty())
    .collect()
}
