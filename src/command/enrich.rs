//! `enrich`: the enricher with its operators' listener.

use std::process::ExitCode;
use std::sync::Arc;

use super::reload::{Reloader, Scope};
use super::serve::admin_token;
use super::{Failure, Operators};
use crate::cli::Enrich;
use crate::config::{Config, ConfigError, Fingerprint};
use crate::enrich::{self, EnrichError, Progress};
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;
use crate::telemetry::logging::Logging;

/// Credentials of the providers' APIs, and the operators' token, are taken over; all else is a matter of a rolling restart, which loses nothing.
const SCOPE: Scope = Scope {
    live: &["log.level", "admin.token"],
    foreign: &[
        "gateway",
        "sources.*.secrets",
        "sources.*.path",
        "sources.*.public_url",
        "sources.*.verify",
        "sources.*.allow",
        "sources.*.deadline",
        "sources.*.max_requests_per_second",
    ],
};

pub(super) async fn run(
    mut config: Config,
    fingerprint: Fingerprint,
    arguments: &Enrich,
    log: &Arc<Logging>,
    shutdown: Shutdown,
) -> Result<ExitCode, Failure> {
    let loaded = config.clone();
    config.admin.listen = arguments.admin.unwrap_or(config.admin.listen);
    let metrics = Arc::new(Metrics::new().map_err(|error| error.to_string())?);
    let progress = Arc::new(Progress::default());
    let operators = Operators::start(&config, &metrics, Arc::clone(&progress) as _).await?;
    // Another instance on this host listens elsewhere: the port in use tells their transactional ids apart.
    config.admin.listen = operators.address;
    let settings = &config.enrich;
    tracing::info!(admin = %operators.address, kafka = %config.kafka.bootstrap_servers, group = settings.group,
        transactional_id = config.transactional_id(), window = ?settings.window, time_budget = ?settings.time_budget,
        concurrency = settings.concurrency, max_record = settings.max_record, max_attempts = settings.max_attempts, "enriching");
    let reloader = Reloader::new(&loaded, fingerprint, SCOPE, &metrics.config, log);
    let reloads = {
        let (progress, kafka) = (Arc::clone(&progress), loaded.kafka.fingerprint());
        let door = operators.door.clone();
        let names: Vec<String> = loaded.sources.keys().cloned().collect();
        tokio::spawn(reloader.run(move |config, _| {
            let wrong = |message| ConfigError { origin: config.path.display().to_string(), message };
            let token = admin_token(config)?;
            progress.renew(config).map_err(wrong)?;
            door.change(token.as_ref());
            let mut waiting = Vec::new();
            if !config.sources.keys().eq(&names) {
                waiting.push("sources");
            }
            if config.kafka.fingerprint() != kafka {
                waiting.push("files of kafka.properties or kafka.consumer");
            }
            Ok(waiting)
        }))
    };
    let ended = enrich::run(&config, &metrics, progress, shutdown).await;
    reloads.abort();
    operators.stop().await;
    match ended {
        Ok(()) => {
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        Err(EnrichError::Start(message)) => {
            Err(Failure::Config(ConfigError { origin: config.path.display().to_string(), message }))
        }
        Err(error) => Err(Failure::Failed(error.to_string())),
    }
}
