//! Topics and ACLs in the words of other tools, for clusters where hookstream may not create them itself.

use std::fmt::Write;

use serde_json::json;

use super::acl::{Acl, Command, Pattern, Resource};
use super::topics::Topic;

/// A tool's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// A shell script of Kafka's own kafka-topics.sh and kafka-acls.sh.
    KafkaTopics,
    /// Kubernetes resources for the Strimzi operator.
    Strimzi,
    /// Resources of the Terraform provider Mongey/kafka.
    Terraform,
    /// One JSON object.
    Json,
}

/// The topics and the ACLs as a whole file. `bootstrap` is where a script finds the cluster if not told otherwise.
pub fn print(language: Language, bootstrap: &str, topics: &[Topic], acls: &[Acl]) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = match language {
        Language::KafkaTopics => kafka_topics(&mut out, bootstrap, topics, acls),
        Language::Strimzi => strimzi(&mut out, topics, acls),
        Language::Terraform => terraform(&mut out, topics, acls),
        Language::Json => {
            writeln!(out, "{:#}", json!({ "topics": topics, "acls": acls.iter().map(with_user).collect::<Vec<_>>() }))
        }
    };
    out
}

fn with_user(acl: &Acl) -> serde_json::Value {
    let mut value = json!(acl);
    if let Some(object) = value.as_object_mut() {
        object.insert("principal".to_owned(), json!(format!("User:{}", acl.command.user())));
    }
    value
}

/// Say what a right is for where it can be left out: a line of its own in languages whose comments begin with `#`.
fn only_for(out: &mut String, indent: &str, acl: &Acl) -> std::fmt::Result {
    match acl.only_for {
        Some(what) => writeln!(out, "{indent}# Only for this: {what}."),
        None => Ok(()),
    }
}

fn kafka_topics(out: &mut String, bootstrap: &str, topics: &[Topic], acls: &[Acl]) -> std::fmt::Result {
    write!(
        out,
        r#"#!/bin/sh
# The topics of hookstream and the ACLs of its users. Needs Kafka's bin directory in PATH.
#   BOOTSTRAP=host:port        the cluster
#   COMMAND_CONFIG=FILE        a client's properties, where the cluster wants TLS or a password
set -eu
BOOTSTRAP="${{BOOTSTRAP:-{bootstrap}}}"
topic() {{ kafka-topics.sh --bootstrap-server "$BOOTSTRAP" ${{COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"}} "$@"; }}
allow() {{ kafka-acls.sh --bootstrap-server "$BOOTSTRAP" ${{COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"}} --add "$@"; }}

"#
    )?;
    for topic in topics {
        let Topic { name, partitions, replication, .. } = topic;
        write!(
            out,
            "topic --create --if-not-exists --topic {name} --partitions {partitions} --replication-factor {replication}"
        )?;
        for (name, value) in &topic.settings {
            write!(out, " \\\n  --config {name}={value}")?;
        }
        out.push_str("\n\n");
    }
    for acl in acls {
        only_for(out, "", acl)?;
        write!(out, "allow --allow-principal User:{}", acl.command.user())?;
        for operation in &acl.operations {
            write!(out, " --operation {}", operation.as_str())?;
        }
        if acl.pattern == Pattern::Prefixed {
            out.push_str(" --resource-pattern-type prefixed");
        }
        let option = match acl.resource {
            Resource::Topic => "--topic",
            Resource::Group => "--group",
            Resource::TransactionalId => "--transactional-id",
            Resource::Cluster => "--cluster",
        };
        for name in &acl.names {
            write!(out, " \\\n  {option}")?;
            if acl.resource != Resource::Cluster {
                write!(out, " {name}")?;
            }
        }
        out.push_str("\n\n");
    }
    // One newline at the end, not two.
    out.pop();
    Ok(())
}

fn strimzi(out: &mut String, topics: &[Topic], acls: &[Acl]) -> std::fmt::Result {
    out.push_str(
        "# For Strimzi 0.49 and later (before: v1beta2). `my-cluster` stands for the name of your Kafka resource.\n",
    );
    for topic in topics {
        write!(
            out,
            "---
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata:
  name: {resource}
  labels:
    strimzi.io/cluster: my-cluster
spec:
  topicName: {name}
  partitions: {partitions}
  replicas: {replication}
  config:
",
            resource = kubernetes_name(&topic.name),
            name = topic.name,
            partitions = topic.partitions,
            replication = topic.replication,
        )?;
        for (name, value) in &topic.settings {
            writeln!(out, "    {name}: \"{value}\"")?;
        }
    }
    for command in [Command::Serve, Command::Enrich, Command::Topics] {
        write!(
            out,
            "---
apiVersion: kafka.strimzi.io/v1
kind: KafkaUser
metadata:
  name: {user}
  labels:
    strimzi.io/cluster: my-cluster
spec:
  authentication:
    type: scram-sha-512
  authorization:
    type: simple
    acls:
",
            user = command.user(),
        )?;
        for acl in acls.iter().filter(|acl| acl.command == command) {
            only_for(out, "      ", acl)?;
            let (kind, pattern) = (
                match acl.resource {
                    Resource::Topic => "topic",
                    Resource::Group => "group",
                    Resource::TransactionalId => "transactionalId",
                    Resource::Cluster => "cluster",
                },
                match acl.pattern {
                    Pattern::Literal => "literal",
                    Pattern::Prefixed => "prefix",
                },
            );
            let operations: Vec<_> = acl.operations.iter().map(|operation| operation.as_str()).collect();
            for name in &acl.names {
                let which = match acl.resource {
                    // There is but one.
                    Resource::Cluster => String::new(),
                    _ => format!(", name: \"{name}\", patternType: {pattern}"),
                };
                writeln!(out, "      - resource: {{ type: {kind}{which} }}")?;
                writeln!(out, "        operations: [{}]", operations.join(", "))?;
            }
        }
    }
    Ok(())
}

/// A name that Kubernetes takes: lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit.
fn kubernetes_name(topic: &str) -> String {
    let clean = topic.to_ascii_lowercase().replace('_', "-");
    clean.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

fn terraform(out: &mut String, topics: &[Topic], acls: &[Acl]) -> std::fmt::Result {
    out.push_str(
        r#"terraform {
  required_providers {
    kafka = {
      source = "Mongey/kafka"
    }
  }
}
"#,
    );
    for topic in topics {
        write!(
            out,
            r#"
resource "kafka_topic" "{label}" {{
  name               = "{name}"
  partitions         = {partitions}
  replication_factor = {replication}
  config = {{
"#,
            label = terraform_label(&topic.name),
            name = topic.name,
            partitions = topic.partitions,
            replication = topic.replication,
        )?;
        let width = topic.settings.keys().map(|name| name.len() + 2).max().unwrap_or(0);
        for (name, value) in &topic.settings {
            writeln!(out, "    {:width$} = \"{value}\"", format!("\"{name}\""))?;
        }
        out.push_str("  }\n}\n");
    }
    for acl in acls {
        for name in &acl.names {
            for operation in &acl.operations {
                let (kind, pattern) = (
                    match acl.resource {
                        Resource::Topic => "Topic",
                        Resource::Group => "Group",
                        Resource::TransactionalId => "TransactionalID",
                        Resource::Cluster => "Cluster",
                    },
                    match acl.pattern {
                        Pattern::Literal => "Literal",
                        Pattern::Prefixed => "Prefixed",
                    },
                );
                let user = acl.command.user();
                let operation = operation.as_str();
                out.push('\n');
                only_for(out, "", acl)?;
                write!(
                    out,
                    r#"resource "kafka_acl" "{label}" {{
  resource_type                = "{kind}"
  resource_name                = "{name}"
  resource_pattern_type_filter = "{pattern}"
  acl_principal                = "User:{user}"
  acl_host                     = "*"
  acl_operation                = "{operation}"
  acl_permission_type          = "Allow"
}}
"#,
                    label = terraform_label(&format!("{user}_{kind}_{name}_{operation}").to_ascii_lowercase()),
                )?;
            }
        }
    }
    Ok(())
}

/// An identifier of Terraform's: letters, digits, `_` and `-`, and no digit first.
fn terraform_label(name: &str) -> String {
    let mut label: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    if label.starts_with(|c: char| !c.is_ascii_alphabetic()) {
        label.insert(0, '_');
    }
    label
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::ValueEnum;

    use super::*;
    use crate::config::Config;
    use crate::kafka::{acl, topics};

    const CONFIG: &str = r#"
[kafka]
bootstrap_servers = "kafka.example.com:9092"
[kafka.topics]
prefix = "eu."
[sources.stripe]
secrets = ["env:S"]
[sources.shop-eu]
provider = "shopify"
max_body = "2MiB"
"#;

    /// Run with `HOOKSTREAM_WRITE_GOLDEN=1` to write the files anew; the diff is then for a reader.
    #[test]
    fn each_language_is_as_in_its_file() {
        let config = Config::parse(Path::new("hookstream.toml"), CONFIG, []).unwrap();
        let topics = topics::desired(&config);
        let acls = acl::needed(&config, &topics);
        for (language, file) in
            Language::value_variants().iter().zip(["topics.sh", "topics.yaml", "topics.tf", "topics.json"])
        {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
            let printed = print(*language, &config.kafka.bootstrap_servers, &topics, &acls);
            if std::env::var_os("HOOKSTREAM_WRITE_GOLDEN").is_some() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, &printed).unwrap();
            }
            assert_eq!(printed, std::fs::read_to_string(&path).unwrap(), "{file} is not what is printed");
        }
    }

    #[test]
    fn names_are_made_fit_for_other_tools() {
        assert_eq!(kubernetes_name("EU_webhooks.stripe-"), "eu-webhooks.stripe");
        assert_eq!(terraform_label("eu.webhooks.stripe"), "eu_webhooks_stripe");
        assert_eq!(terraform_label("1st"), "_1st");
    }
}
