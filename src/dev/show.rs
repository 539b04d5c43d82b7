//! What `dev` says, from the banner to the farewell.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::secrets;
use super::sources::providers;
use super::table::Table;
use crate::cli::Dev;
use crate::command::{Output, Sender, client, print};
use crate::config::Config;
use crate::enrich::{Progress, Settled};
use crate::gateway::{Fate, Gateway, Outcome};
use crate::provider::Provider;
use crate::shutdown::Shutdown;

/// How long after the last sample the sum is drawn, at the latest.
const SETTLE: Duration = Duration::from_secs(10);

/// The type of the samples that are no events.
const HANDSHAKE: &str = "url_verification";

/// The output of one `dev`.
pub(super) struct Show {
    table: Table,
    json: bool,
    samples: bool,
    real_kafka: bool,
    asked: [SocketAddr; 3],
    secrets: Vec<(String, String)>,
    config: Arc<Config>,
    gateway: Arc<Gateway>,
    enricher: Arc<Progress>,
}

impl Show {
    pub(super) fn new(
        arguments: &Dev,
        config: &Arc<Config>,
        gateway: &Arc<Gateway>,
        enricher: &Arc<Progress>,
        real_kafka: bool,
    ) -> Self {
        let shown = |name: &str| {
            let first = config.sources.get(name)?.secrets().ok()?.into_iter().next()?;
            Some((name.to_owned(), first.expose_text()?.to_owned()))
        };
        Self {
            table: Table::new(Output::new(arguments.json)),
            json: arguments.json,
            samples: !arguments.no_samples,
            real_kafka,
            asked: [arguments.listen, arguments.admin, arguments.kafka_listen],
            secrets: if arguments.print_secrets {
                ordered(config).into_iter().filter_map(shown).collect()
            } else {
                Vec::new()
            },
            config: Arc::clone(config),
            gateway: Arc::clone(gateway),
            enricher: Arc::clone(enricher),
        }
    }

    fn say(&self, line: &str) -> Result<(), String> {
        if self.json { Ok(()) } else { print(line) }
    }

    pub(super) fn banner(&self) -> Result<(), String> {
        let config = &self.config;
        let kafka = &config.kafka.bootstrap_servers;
        if self.json {
            let row = json!({ "gateway": config.gateway.listen.to_string(), "kafka": kafka, "admin": config.admin.listen.to_string() });
            print(&row.to_string())?;
            return self
                .secrets
                .iter()
                .try_for_each(|(source, secret)| print(&json!({ "source": source, "secret": secret }).to_string()));
        }
        let what = if self.real_kafka {
            "gateway, enricher and the providers' APIs, on your Kafka"
        } else {
            "gateway, enricher, a Kafka stand-in and the providers' APIs; nothing is kept"
        };
        self.say(&format!("hookstream {} dev: {what}", env!("CARGO_PKG_VERSION")))?;
        let paths: Vec<&str> = config.sources.values().map(|source| source.path.as_str()).collect();
        let gateway = config.gateway.listen;
        match paths.iter().map(|path| path.strip_prefix("/webhooks/")).collect::<Option<Vec<_>>>() {
            Some(_) => {
                let names: Vec<&str> = ordered(config);
                self.say(&format!("  post to    http://{gateway}/webhooks/{{{}}}", names.join(",")))?;
            }
            None => self.say(&format!("  post to    http://{gateway} {}", paths.join(" ")))?,
        }
        let kind = if self.real_kafka {
            "yours; records stay there"
        } else {
            "in memory, transactions isolate nothing; --kafka host:port uses yours"
        };
        self.say(&format!("  topics at  {kafka:<22} {kind}"))?;
        self.say(&format!("  look at    http://{}  metrics, health, status", config.admin.listen))?;
        for (what, asked, got) in [("gateway", self.asked[0], gateway), ("admin", self.asked[1], config.admin.listen)] {
            if asked != got && asked.port() != 0 {
                self.say(&format!("  note       {asked} is taken; the {what} listens on {got}"))?;
            }
        }
        if !self.real_kafka && self.asked[2].port() != 0 && self.asked[2].to_string() != *kafka {
            self.say(&format!("  note       {} is taken; the Kafka stand-in listens on {kafka}", self.asked[2]))?;
        }
        for (source, secret) in &self.secrets {
            self.say(&format!("  secret     {source:<17} {secret}"))?;
        }
        self.say("")
    }

    pub(super) fn ready(&self, after: Duration, ready: bool) -> Result<(), String> {
        let after = after.as_secs_f64();
        match (ready, self.samples) {
            (true, true) => self.say(&format!(
                "  ready in {after:.1} s. One signed sample from each source, through the front door:"
            ))?,
            (true, false) => self.say(&format!("  ready in {after:.1} s.\n"))?,
            (false, _) => self.say("  kafka or the enricher is not ready yet; going on all the same\n")?,
        }
        self.table.head()
    }

    /// Send the samples, then show what comes until told to stop.
    pub(super) async fn run(&mut self, shutdown: &Shutdown) -> Result<(), String> {
        let mut fates = self.gateway.journal.watch();
        let mut settled = self.enricher.watch();
        if self.samples {
            self.samples(&mut fates).await?;
            self.settle(&mut fates, &mut settled).await?;
            self.sum()?;
        }
        self.next_steps()?;
        loop {
            tokio::select! {
                () = shutdown.requested() => return Ok(()),
                fate = fates.recv() => self.fate(fate)?,
                event = settled.recv() => self.settled(event)?,
            }
        }
    }

    async fn samples(&mut self, fates: &mut broadcast::Receiver<Fate>) -> Result<(), String> {
        let config = Arc::clone(&self.config);
        let client = client()?;
        let mut number = 0;
        let mut again = None;
        for source in ordered(&config).into_iter().filter_map(|name| config.sources.get(name)) {
            let url = format!("http://{}{}", config.gateway.listen, source.path);
            // The first event, and the handshakes before it.
            let samples = source.provider.samples();
            let events = samples.iter().position(|sample| sample.providertype != HANDSHAKE);
            for sample in samples.iter().take(events.map_or(samples.len(), |first| first + 1)) {
                let sender = Sender::of(secrets::signing(source.bind()?, None)?, sample, url.clone(), client.clone());
                number += u64::from(sample.providertype != HANDSHAKE);
                let id = format!("dev_{number}");
                sender.send_as(number, &id, false).await?;
                let handshake = (sample.providertype == HANDSHAKE).then_some(HANDSHAKE);
                self.next(fates, handshake, handshake.map(|_| "answered with its challenge")).await?;
                again.get_or_insert((sender, id, number));
            }
        }
        let Some((sender, id, number)) = again else { return Ok(()) };
        sender.send_as(number, &id, false).await?;
        self.next(fates, None, Some("sent twice, as providers do")).await?;
        sender.send_as(number, &id, true).await?;
        self.next(fates, None, Some("forged")).await
    }

    /// Show the next fate: the answer has been seen, so its fate is known.
    async fn next(
        &mut self,
        fates: &mut broadcast::Receiver<Fate>,
        kind: Option<&str>,
        note: Option<&str>,
    ) -> Result<(), String> {
        let fate = fates.recv().await.map_err(|error| error.to_string())?;
        self.table.fate(&fate, kind, note)
    }

    fn fate(&mut self, fate: Result<Fate, RecvError>) -> Result<(), String> {
        match fate {
            Ok(fate) => self.table.fate(&fate, None, None),
            Err(RecvError::Lagged(missed)) => self.say(&format!("      … {missed} more")),
            Err(RecvError::Closed) => Ok(()),
        }
    }

    fn settled(&mut self, event: Result<Settled, RecvError>) -> Result<(), String> {
        match event {
            Ok(event) => {
                let summary = self.summary(&event);
                self.table.settled(&event, summary.as_deref())
            }
            Err(RecvError::Lagged(missed)) => self.say(&format!("      … {missed} more")),
            Err(RecvError::Closed) => Ok(()),
        }
    }

    /// What the record holds, in the words of the sample that it belongs to.
    fn summary(&self, event: &Settled) -> Option<String> {
        let record: Value = serde_json::from_slice(event.record.as_ref()?).ok()?;
        let provider = &self.config.sources.get(&*event.source)?.provider;
        provider.samples().iter().find_map(|sample| sample.summarise(&record))
    }

    /// Wait until every accepted event is finished, or the time is over.
    async fn settle(
        &mut self,
        fates: &mut broadcast::Receiver<Fate>,
        settled: &mut broadcast::Receiver<Settled>,
    ) -> Result<(), String> {
        let end = tokio::time::Instant::now() + SETTLE;
        self.table.gather();
        while self.table.finished < self.gateway.journal.ended(Outcome::Accepted) {
            let next = async {
                tokio::select! {
                    event = settled.recv() => self.settled(event),
                    fate = fates.recv() => self.fate(fate),
                }
            };
            match tokio::time::timeout_at(end, next).await {
                Ok(shown) => shown?,
                Err(_) => break,
            }
        }
        self.table.gathered()
    }

    fn sum(&self) -> Result<(), String> {
        let journal = &self.gateway.journal;
        let counts = Outcome::ALL.map(|outcome| (outcome, journal.ended(outcome)));
        let ended: u64 = counts.iter().map(|(_, count)| count).sum();
        let accepted = journal.ended(Outcome::Accepted);
        if self.json {
            let counts: serde_json::Map<String, Value> =
                counts.iter().map(|(outcome, count)| (outcome.as_str().to_owned(), json!(count))).collect();
            return print(
                &json!({ "received": journal.received(), "counts": counts, "finished": self.table.finished })
                    .to_string(),
            );
        }
        let parts: Vec<String> = counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(outcome, count)| format!("{count} {}", outcome.as_str()))
            .collect();
        let in_flight = journal.received().saturating_sub(ended);
        self.say(&format!(
            "\n  {} received = {} + {in_flight} in flight; {} of {accepted} finished, once",
            journal.received(),
            parts.join(" + "),
            self.table.finished
        ))
    }

    fn next_steps(&self) -> Result<(), String> {
        if self.json {
            return Ok(());
        }
        let program = std::env::args().next().unwrap_or_else(|| "hookstream".to_owned());
        let (gateway, kafka) = (self.config.gateway.listen, &self.config.kafka.bootstrap_servers);
        let Some(source) = ordered(&self.config).first().copied().and_then(|name| self.config.sources.get(name)) else {
            return Ok(());
        };
        let (name, path) = (&source.name, &source.path);
        let enriched = self.config.kafka.topics.enriched_topic(name);
        let to = if gateway.port() == 8080 { String::new() } else { format!(" --to http://{gateway}") };
        let at = if *kafka == "127.0.0.1:9092" { String::new() } else { format!(" --kafka {kafka}") };
        self.say("  Now you, in another terminal:")?;
        for (command, what) in [
            (format!("{program} send {name}{to}"), "a signed event"),
            (format!("{program} send {name}{to} --tamper"), "refused; the line here says why"),
            (format!("{program} tail {enriched}{at}"), "the records"),
            (format!("kcat -b {kafka} -C -t {enriched}"), "the same, with your own tools"),
            (format!("stripe listen --forward-to {gateway}{path}"), "real ones: dev --secret stripe=whsec_…"),
        ] {
            if !command.starts_with("stripe") || name == "stripe" {
                // A long command stands alone: it is there to be copied, and a screen is narrow.
                let what = if command.chars().count() > 60 { "" } else { what };
                self.say(format!("    {command:<58}  {what}").trim_end())?;
            }
        }
        self.say("  waiting for webhooks; Ctrl-C stops")
    }

    pub(super) fn farewell(&self, received: u64, stored: u64, unsettled: usize) -> Result<(), String> {
        if self.json {
            return print(
                &json!({ "stopped": true, "received": received, "stored": stored, "unsettled": unsettled }).to_string(),
            );
        }
        let kept = if self.real_kafka { "kept in your Kafka" } else { "all forgotten now" };
        let open =
            if unsettled == 0 { "0 lost".to_owned() } else { format!("{unsettled} not acknowledged, and answered so") };
        self.say(&format!("  stopped: {received} received, {stored} stored, {open}, {kept}. Next: README, “For real”"))
    }
}

/// The sources in the order in which people know them.
fn ordered(config: &Config) -> Vec<&str> {
    let by_provider = providers(&config.catalogue).into_iter().map(Provider::name);
    let known: Vec<&str> = by_provider.filter(|name| config.sources.contains_key(*name)).collect();
    let others = config.sources.keys().map(String::as_str).filter(|name| !known.contains(name));
    known.iter().copied().chain(others).collect()
}
