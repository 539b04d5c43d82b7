//! `enrich`: the enricher with its operators' listener.

use std::process::ExitCode;
use std::sync::Arc;

use super::{Failure, Operators};
use crate::cli::Enrich;
use crate::config::{Config, ConfigError};
use crate::enrich::{self, EnrichError, Progress};
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;

pub(super) async fn run(mut config: Config, arguments: &Enrich, shutdown: Shutdown) -> Result<ExitCode, Failure> {
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
    let ended = enrich::run(&config, &metrics, progress, shutdown).await;
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
