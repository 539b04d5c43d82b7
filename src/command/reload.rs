//! A changed configuration, taken over while everything runs.
//!
//! Every ten seconds, and on SIGHUP, the files are read and compared by content. What cannot be used changes nothing and
//! is said; it is tried again until it can be, or until the files say something else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, ConfigError, Fingerprint};
use crate::telemetry::ConfigMetrics;
use crate::telemetry::logging::Logging;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// What a part of the program makes of changed keys.
pub(super) struct Scope {
    /// Keys, or tables, that take effect at once.
    pub(super) live: &'static [&'static str],
    /// Those that are not for this part.
    pub(super) foreign: &'static [&'static str],
}

/// Whether one of the keys stands in one of these tables.
pub(super) fn touches(keys: &BTreeSet<String>, tables: &[&str]) -> bool {
    keys.iter().any(|key| is_among(key, tables))
}

/// `*` stands for one name.
fn is_among(key: &str, tables: &[&str]) -> bool {
    let within = |table: &&str| {
        let mut names = key.split('.');
        table.split('.').all(|part| names.next().is_some_and(|name| part == "*" || part == name))
    };
    tables.iter().any(within)
}

/// What came of taking a configuration over: what needs a restart beside the keys outside of [`Scope::live`].
pub(super) type Applied = Result<Vec<&'static str>, ConfigError>;

/// Looks after the files of one process.
pub(super) struct Reloader {
    scope: Scope,
    /// What the process started with: the measure for what needs a restart.
    started: Config,
    /// What runs.
    running: Config,
    fingerprint: Fingerprint,
    /// What was said of files that cannot be used.
    complaint: Option<(Fingerprint, String)>,
    metrics: ConfigMetrics,
    log: Arc<Logging>,
}

impl Reloader {
    /// `config` as it was loaded, without what the command line says otherwise.
    pub(super) fn new(
        config: &Config,
        fingerprint: Fingerprint,
        scope: Scope,
        metrics: &ConfigMetrics,
        log: &Arc<Logging>,
    ) -> Self {
        metrics.took_over(config.number());
        Self {
            scope,
            started: config.clone(),
            running: config.clone(),
            fingerprint,
            complaint: None,
            metrics: metrics.clone(),
            log: Arc::clone(log),
        }
    }

    /// Look after the files for ever. `apply` gets a configuration and the keys in which it differs from the one that
    /// runs, takes all of it over or nothing, and returns what else needs a restart. It may block.
    pub(super) async fn run<A>(mut self, apply: A)
    where
        A: Fn(&Config, &BTreeSet<String>) -> Applied + Send + Sync + 'static,
    {
        let apply = Arc::new(apply);
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
        let mut timer = tokio::time::interval(LOOK);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        timer.tick().await;
        loop {
            let asked = tokio::select! {
                _ = timer.tick() => false,
                _ = hangup.recv() => true,
            };
            let apply = Arc::clone(&apply);
            // Files and Kafka are waited for elsewhere than where requests are served.
            let looked = tokio::task::spawn_blocking(move || {
                self.look(asked, &*apply);
                self
            });
            match looked.await {
                Ok(reloader) => self = reloader,
                Err(error) => return tracing::error!(%error, "the configuration is no longer looked after"),
            }
        }
    }

    fn look(&mut self, asked: bool, apply: &dyn Fn(&Config, &BTreeSet<String>) -> Applied) {
        let now = self.running.fingerprint();
        if now == self.fingerprint {
            // The files say again what runs.
            if self.complaint.take().is_some() {
                tracing::info!("the configuration is the one that runs again");
                self.metrics.successful.set(1);
            } else if asked {
                tracing::info!("the configuration has not changed");
            }
            return;
        }
        let taken = Config::load_with_fingerprint(&self.running.path).and_then(|(config, fingerprint)| {
            let changed = config.changed_keys(&self.running);
            let waiting = apply(&config, &changed)?;
            self.set_level(&config);
            Ok((config, fingerprint, waiting))
        });
        match taken {
            Ok((config, fingerprint, waiting)) => self.took_over(config, fingerprint, waiting),
            Err(error) => self.complain(now, asked, &error.to_string()),
        }
    }

    fn set_level(&self, config: &Config) {
        let level = config.log.level.as_deref();
        match self.log.set_level(level) {
            Ok(()) if self.running.log.level.as_deref() != level => {
                tracing::debug!(level, "the log level is another one")
            }
            Ok(()) => {}
            Err(error) => tracing::warn!(error, "the log level stays as it is"),
        }
    }

    fn took_over(&mut self, config: Config, fingerprint: Fingerprint, further: Vec<&'static str>) {
        let mut waiting = config.changed_keys(&self.started);
        waiting.retain(|key| !is_among(key, self.scope.live) && !is_among(key, self.scope.foreign));
        waiting.extend(further.into_iter().map(str::to_owned));
        self.metrics.took_over(config.number());
        self.metrics.restart_needed.set(waiting.len().try_into().unwrap_or(i64::MAX));
        let sources = config.sources.len();
        if waiting.is_empty() {
            tracing::info!(sources, "configuration reloaded");
        } else {
            let keys = waiting.into_iter().collect::<Vec<_>>().join(", ");
            tracing::warn!(sources, keys, "configuration reloaded; these keys need a restart");
        }
        (self.running, self.fingerprint, self.complaint) = (config, fingerprint, None);
    }

    fn complain(&mut self, now: Fingerprint, asked: bool, error: &str) {
        self.metrics.successful.set(0);
        let said = self.complaint.as_ref().is_some_and(|(files, said)| *files == now && said == error);
        if !said || asked {
            tracing::error!(error, "the changed configuration cannot be used; the last good one goes on");
        }
        self.complaint = Some((now, error.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::is_among;

    #[test]
    fn a_key_stands_in_its_tables() {
        for (key, table, expected) in [
            ("kafka.properties.sasl.username", "kafka.properties", true),
            ("kafka.propertiesx", "kafka.properties", false),
            ("kafka", "kafka.properties", false),
            ("sources.stripe.secrets", "sources.*.secrets", true),
            ("sources.stripe.topic", "sources.*.secrets", false),
        ] {
            assert_eq!(is_among(key, &[table]), expected, "{key} {table}");
        }
    }
}
