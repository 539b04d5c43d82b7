//! `enrich`: the enricher with its operators' listener.

use std::process::ExitCode;
use std::sync::Arc;

use super::{Failure, Operators};
use crate::cli::Enrich;
use crate::config::Config;
use crate::enrich::{self, Progress};
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;

pub(super) async fn run(mut config: Config, arguments: &Enrich, shutdown: Shutdown) -> Result<ExitCode, Failure> {
    config.admin.listen = arguments.admin.unwrap_or(config.admin.listen);
    let metrics = Arc::new(Metrics::new().map_err(|error| error.to_string())?);
    let progress = Arc::new(Progress::default());
    let operators = Operators::start(&config, &metrics, Arc::clone(&progress) as _).await?;
    tracing::info!(admin = %config.admin.listen, kafka = config.kafka.bootstrap_servers, group = config.enrich.group,
        transactional_id = config.enrich.transactional_id, window = ?config.enrich.window, time_budget = ?config.enrich.time_budget,
        concurrency = config.enrich.concurrency, max_record = config.enrich.max_record, "enriching");
    let ended = enrich::run(&config, &metrics, progress, shutdown).await;
    operators.stop().await;
    ended.map_err(|error| error.to_string())?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
