//! `topics`: what Kafka needs to hold, compared, created, or printed for somebody else to create.

use std::process::ExitCode;

use serde_json::json;

use super::{Failure, Output, Row, output};
use crate::cli::{Topics, TopicsApply, TopicsList};
use crate::config::Config;
use crate::kafka::acl;
use crate::kafka::admin::Admin;
use crate::kafka::print::print;
use crate::kafka::topics::{self, Listed, State, Step};

pub(super) async fn run(config: Config, arguments: &Topics) -> Result<ExitCode, Failure> {
    if config.sources.is_empty() {
        return Err(Failure::Failed(format!(
            "{} has no [sources.NAME]; there is no topic to speak of",
            config.path.display()
        )));
    }
    match arguments {
        Topics::List(arguments) => list(&config, arguments).await,
        Topics::Apply(arguments) => apply(&config, arguments).await,
    }
}

async fn list(config: &Config, arguments: &TopicsList) -> Result<ExitCode, Failure> {
    let topics = topics::desired(config);
    if let Some(language) = arguments.r#as {
        let text = print(language, &config.kafka.bootstrap_servers, &topics, &acl::needed(config, &topics));
        output::print_bytes(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let listed = Admin::new(&config.kafka)
        .map_err(|error| error.to_string())?
        .list(topics)
        .await
        .map_err(|error| error.to_string())?;
    let rows: Vec<Row> = listed.iter().map(row).collect();
    Output::new(arguments.json).table(&rows)?;
    let complete = listed.iter().all(|listed| listed.state == State::Present(Vec::new()));
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn apply(config: &Config, arguments: &TopicsApply) -> Result<ExitCode, Failure> {
    let output = Output::new(arguments.json);
    let admin = Admin::new(&config.kafka).map_err(|error| error.to_string())?;
    let topics = topics::desired(config);
    if arguments.dry_run {
        let listed = admin.list(topics).await.map_err(|error| error.to_string())?;
        output.table(&listed.iter().map(row).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let applied = admin.apply(topics).await.map_err(|error| error.to_string())?;
    let rows: Vec<Row> = applied
        .iter()
        .map(|applied| {
            let done = match (applied.created, applied.altered.as_slice()) {
                (true, _) => "created".to_owned(),
                (false, []) => "as it was".to_owned(),
                (false, altered) => format!("altered {}", altered.join(", ")),
            };
            let left: Vec<String> = applied.left.iter().map(|left| format!("{} {}", left.what, left.why)).collect();
            vec![("topic", json!(applied.name)), ("done", json!(done)), ("left as it is", json!(left.join("; ")))]
        })
        .collect();
    output.table(&rows)?;
    let complete = applied.iter().all(|applied| applied.left.is_empty());
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A topic as it should be beside what is there.
pub(super) fn row(listed: &Listed) -> Row {
    let topic = &listed.topic;
    let state = match &listed.state {
        State::Missing => "missing; `topics apply` creates it".to_owned(),
        State::Present(differences) if differences.is_empty() => "ok".to_owned(),
        State::Present(differences) => {
            let each = differences.iter().map(|difference| {
                let step = match &difference.step {
                    Step::Alter => "`topics apply` sets it".to_owned(),
                    Step::Refuse(why) => why.to_string(),
                };
                format!("{} is {}, wanted {}: {step}", difference.what, difference.found, difference.wanted)
            });
            each.collect::<Vec<_>>().join("; ")
        }
    };
    let setting = |name: &str| topic.settings.get(name).cloned();
    vec![
        ("topic", json!(topic.name)),
        ("kind", json!(topic.kind.as_str())),
        ("partitions", json!(topic.partitions)),
        ("replication", json!(topic.replication)),
        ("cleanup", json!(setting("cleanup.policy"))),
        ("retention ms", json!(setting("retention.ms"))),
        ("max bytes", json!(setting("max.message.bytes"))),
        ("state", json!(state)),
    ]
}
