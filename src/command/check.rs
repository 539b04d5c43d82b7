//! `check`: everything that can be found wrong before a webhook is lost over it.

use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Failure, Output, Row};
use crate::cli::Check;
use crate::config::{Config, SourceConfig};
use crate::dev;
use crate::http::Identity;
use crate::kafka::admin::Admin;
use crate::kafka::topics::{self, Difference, State};

/// How a row of the table ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// It works; somebody should know something.
    Note,
    /// It does not work.
    Wrong,
}

/// A certificate that expires within this time is mentioned; the alert begins with it too.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

struct Finding {
    what: String,
    verdict: Verdict,
    detail: String,
}

impl Finding {
    fn new(what: impl Into<String>, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { what: what.into(), verdict, detail: detail.into() }
    }

    fn row(&self) -> Row {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Wrong => "WRONG",
        };
        vec![("what", json!(self.what)), ("result", json!(verdict)), ("detail", json!(self.detail))]
    }
}

pub(super) async fn run(config: &Config, arguments: &Check) -> Result<ExitCode, Failure> {
    let mut findings = vec![Finding::new(config.path.display().to_string(), Verdict::Ok, "read, every key known")];
    if config.sources.is_empty() {
        findings.push(Finding::new("sources", Verdict::Wrong, "none; add a [sources.NAME]"));
    }
    check_listener(config, &mut findings);
    for source in config.sources.values() {
        check_source(source, &mut findings);
    }
    if !arguments.offline {
        check_kafka(config, &mut findings).await;
    }
    Output::new(arguments.json).table(&findings.iter().map(Finding::row).collect::<Vec<_>>())?;
    let wrong = findings.iter().any(|finding| finding.verdict == Verdict::Wrong);
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What reaches the public port, and whether its certificate serves.
fn check_listener(config: &Config, findings: &mut Vec<Finding>) {
    let gateway = &config.gateway;
    let mut note = |verdict, detail: &str| findings.push(Finding::new("gateway", verdict, detail));
    if let Some(tls) = &gateway.tls {
        let now = Timestamp::now();
        match Identity::load(&tls.certificate, &tls.key, now) {
            Err(error) => note(Verdict::Wrong, &error),
            Ok(identity) if identity.expires.duration_since(now) < EXPIRES_SOON => {
                note(Verdict::Note, &format!("the certificate expires soon, at {}", identity.expires));
            }
            Ok(identity) => note(Verdict::Ok, &format!("TLS with a certificate until {}", identity.expires)),
        }
    } else if !gateway.listen.ip().is_loopback() && !gateway.require_https {
        note(
            Verdict::Note,
            "plain HTTP on a public address: tokens and bodies can be read on the way; put a proxy with TLS in front and set gateway.require_https, or set [gateway.tls]",
        );
    }
    for source in config.sources.values().filter(|source| source.max_body > gateway.max_body_bytes_in_flight) {
        let detail = format!(
            "a body of max_body ({} bytes) does not fit gateway.max_body_bytes_in_flight ({}): it would always be answered 503",
            source.max_body, gateway.max_body_bytes_in_flight
        );
        findings.push(Finding::new(format!("source {}", source.name), Verdict::Wrong, detail));
    }
}

fn check_source(source: &SourceConfig, findings: &mut Vec<Finding>) {
    let what = format!("source {}", source.name);
    let mut note = |verdict, detail: &str| findings.push(Finding::new(what.clone(), verdict, detail));
    match source.bind() {
        Err(error) => note(Verdict::Wrong, &error),
        Ok(rules) => {
            note(Verdict::Ok, &format!("{} at {}, into {}", source.provider.title(), source.path, source.raw_topic));
            if !rules.has_id() {
                note(
                    Verdict::Note,
                    "no id: each delivery is an event of its own and nothing is deduplicated; event.id turns it on",
                );
            }
        }
    }
    if source.accept_unsigned {
        note(Verdict::Note, "accept_unsigned: whoever reaches the path can write to the topic");
    }
    if source.secrets().is_ok_and(|secrets| dev::knows_one_of(&secrets)) {
        note(Verdict::Wrong, "a secret of `hookstream dev` is used; everybody knows it, and `serve` refuses it");
    }
    if source.key == crate::config::KeyBy::Subject {
        note(
            Verdict::Note,
            "key = \"subject\": hot objects make hot partitions, and the subject must be the same in every copy",
        );
    }
    if !source.provider.answer().redelivers {
        note(
            Verdict::Note,
            "the provider does not send again by itself: what is answered 503 is lost unless it is redelivered by hand",
        );
    }
    let unsigned = source.provider.unsigned_facts();
    if !unsigned.is_empty() {
        note(Verdict::Note, &format!("not covered by the signature: {}", unsigned.join(", ")));
    }
    match (source.provider.api().is_some(), source.credentials(None)) {
        (_, Err(error)) => note(Verdict::Wrong, &error),
        (true, Ok(credentials)) if credentials.is_empty() && source.tenants().next().is_none() => {
            note(Verdict::Note, "no credentials: events pass the enricher without their records");
        }
        _ => {}
    }
}

async fn check_kafka(config: &Config, findings: &mut Vec<Finding>) {
    let kafka = &config.kafka.bootstrap_servers;
    let listed = match Admin::new(&config.kafka) {
        Ok(admin) => admin.list(topics::desired(config)).await,
        Err(error) => Err(error),
    };
    let listed = match listed {
        Err(error) => return findings.push(Finding::new(format!("kafka {kafka}"), Verdict::Wrong, error.to_string())),
        Ok(listed) => listed,
    };
    findings.push(Finding::new(format!("kafka {kafka}"), Verdict::Ok, "answers"));
    if config.kafka.topics.replication < 3 || config.kafka.topics.min_insync_replicas < 2 {
        let detail = "fewer than 3 replicas or 2 in sync: a 2xx then rests on one broker's page cache";
        findings.push(Finding::new("durability", Verdict::Note, detail));
    }
    for listed in &listed {
        let row = super::topics::row(listed);
        let detail = row.last().and_then(|(_, value)| value.as_str()).unwrap_or_default();
        let verdict = match &listed.state {
            State::Missing => Verdict::Wrong,
            State::Present(differences) if differences.is_empty() => Verdict::Ok,
            State::Present(differences) if differences.iter().any(stops_events) => Verdict::Wrong,
            State::Present(_) => Verdict::Note,
        };
        findings.push(Finding::new(format!("topic {}", listed.topic.name), verdict, detail));
    }
}

/// Whether events cannot get through, or not be enriched, while this difference stands.
fn stops_events(difference: &Difference) -> bool {
    matches!(difference.what, "partitions" | "cleanup.policy" | "max.message.bytes")
}
