//! `check`: everything that can be found wrong before a webhook is lost over it.

mod files;
mod source;

use std::process::ExitCode;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Failure, Output, Row};
use crate::cli::Check;
use crate::config::Config;
use crate::http::Identity;
use crate::kafka::admin::{Admin, AdminError};
use crate::kafka::brokers::{self, Broker};
use crate::kafka::topics::{self, Difference, Listed, State, Topic};
use crate::provider::starter::EXAMPLE_HOST;

/// How a row of the table ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
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
    files::check(config, &mut findings);
    gateway(config, &mut findings);
    if config.sources.is_empty() {
        findings.push(Finding::new("sources", Verdict::Wrong, "none; `hookstream init PROVIDER …` writes some"));
    }
    check_listener(config, &mut findings);
    producer_limit(config, &mut findings);
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    for source in config.sources.values() {
        source::check(source, today, &mut findings);
    }
    if let Some(spool) = &config.spool {
        super::spool::check(spool, &mut |verdict, detail| findings.push(Finding::new("spool", verdict, detail)));
    }
    source::shared_secrets(config, &mut findings);
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
        let loaded = Identity::load(&tls.certificate, &tls.key);
        match loaded.and_then(|identity| identity.untimely(now).map_or(Ok(identity), Err)) {
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

/// Whether the producer lets through what the largest body becomes; by default it does.
fn producer_limit(config: &Config, findings: &mut Vec<Finding>) {
    let set =
        [&config.kafka.properties, &config.kafka.producer].map(|properties| properties.resolve().unwrap_or_default());
    let limit = set.iter().flatten().rfind(|(name, _)| name == "message.max.bytes");
    let Some(limit) = limit.and_then(|(_, value)| value.parse::<u64>().ok()) else { return };
    let wanted = topics::desired(config);
    let largest = wanted.iter().filter_map(|topic| topic.settings.get("max.message.bytes")?.parse::<u64>().ok()).max();
    if largest.is_some_and(|largest| limit < largest) {
        let detail = format!(
            "message.max.bytes is set to {limit}, and the largest record can have {} bytes: it would be refused after it was verified",
            largest.unwrap_or_default()
        );
        findings.push(Finding::new("kafka.producer", Verdict::Wrong, detail));
    }
}

fn gateway(config: &Config, findings: &mut Vec<Finding>) {
    let mut note = |detail: &str| findings.push(Finding::new("gateway", Verdict::Note, detail));
    match &config.gateway.public_url {
        Some(url) if url.contains(EXAMPLE_HOST) => note("public_url is still the example; providers must reach yours"),
        Some(url) if url.starts_with("http://") => note("public_url is http; most providers call nothing but https"),
        _ => {}
    }
    if config.gateway.trusted_proxies.is_empty() && config.sources.values().any(|source| !source.allow.is_empty()) {
        note("allow is used without trusted_proxies: behind a proxy every request has the address of the proxy");
    }
}

async fn check_kafka(config: &Config, findings: &mut Vec<Finding>) {
    let kafka = &config.kafka.bootstrap_servers;
    let wanted = topics::desired(config);
    let (listed, brokers) = match look(config, wanted.clone()).await {
        Err(error) => return findings.push(Finding::new(format!("kafka {kafka}"), Verdict::Wrong, error.to_string())),
        Ok(found) => found,
    };
    findings.push(Finding::new(format!("kafka {kafka}"), Verdict::Ok, "answers"));
    if config.kafka.topics.replication < 3 || config.kafka.topics.min_insync_replicas < 2 {
        let detail = "fewer than 3 replicas or 2 in sync: a 2xx then rests on one broker's page cache";
        findings.push(Finding::new("durability", Verdict::Note, detail));
    }
    for finding in brokers::compare(&wanted, &brokers) {
        let (verdict, detail) = match finding {
            brokers::Finding::Closed(detail) => (Verdict::Wrong, detail),
            brokers::Finding::Unknown(detail) => (Verdict::Note, detail),
            brokers::Finding::Open(detail) => (Verdict::Ok, detail),
        };
        findings.push(Finding::new("brokers", verdict, detail));
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

/// The topics and the brokers as they are.
async fn look(config: &Config, wanted: Vec<Topic>) -> Result<(Vec<Listed>, Vec<Broker>), AdminError> {
    let admin = Admin::new(&config.kafka)?;
    Ok((admin.list(wanted).await?, admin.brokers().await?))
}

/// Whether events cannot get through, or not be enriched, while this difference stands.
fn stops_events(difference: &Difference) -> bool {
    matches!(difference.what, "partitions" | "cleanup.policy" | "max.message.bytes")
}
