//! `serve`: the gateway with its listeners.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::watch;

use super::Failure;
use crate::cli::Serve;
use crate::config::{Config, SecretRef};
use crate::gateway::{self, Gateway};
use crate::http::admin;
use crate::http::{Limits, Phase};
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;

pub(super) async fn run(mut config: Config, arguments: &Serve, shutdown: Shutdown) -> Result<ExitCode, Failure> {
    config.gateway.listen = arguments.listen.unwrap_or(config.gateway.listen);
    config.admin.listen = arguments.admin.unwrap_or(config.admin.listen);
    let metrics = Arc::new(Metrics::new().map_err(|error| error.to_string())?);
    let gateway = Gateway::start(&config, &metrics)?;
    let public = gateway::bind(config.gateway.listen).await?;
    let operators = Operators::start(&config, &metrics, Arc::clone(&gateway) as _).await?;
    config.gateway.listen = public.local_addr().map_err(|error| error.to_string())?;
    config.admin.listen = operators.address;
    say_limits(&config);
    let phase = watch::Sender::new(Phase::Serving);
    let listeners = gateway::Listeners { public, phase };
    let unsettled = gateway::serve(gateway, &config, listeners, &metrics, shutdown).await;
    operators.stop().await;
    if unsettled > 0 {
        tracing::warn!(unsettled, "stopped; kafka had not acknowledged these records, and nobody got a 2xx for them");
    } else {
        tracing::info!("stopped");
    }
    Ok(ExitCode::SUCCESS)
}

/// Every effective limit, once, so that nobody has to guess.
fn say_limits(config: &Config) {
    let kafka = &config.kafka.bootstrap_servers;
    let gateway = &config.gateway;
    tracing::info!(listen = %gateway.listen, admin = %config.admin.listen, %kafka, max_connections = gateway.max_connections,
        max_body_bytes_in_flight = gateway.max_body_bytes_in_flight, header_timeout = ?gateway.header_timeout, "serving");
    for source in config.sources.values() {
        tracing::info!(source = source.name, provider = source.provider.name(), path = source.path, topic = source.raw_topic,
            max_body = source.max_body, deadline = ?source.deadline, "source");
    }
}

/// The operators' listener, running.
pub(crate) struct Operators {
    /// Where it listens: with port 0 the one that was given.
    pub(crate) address: std::net::SocketAddr,
    phase: watch::Sender<Phase>,
    task: tokio::task::JoinHandle<()>,
}

impl Operators {
    /// Listen at admin.listen.
    pub(crate) async fn start(
        config: &Config,
        metrics: &Arc<Metrics>,
        operations: Arc<dyn admin::Operations>,
    ) -> Result<Self, String> {
        let listener = gateway::bind(config.admin.listen).await?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        Self::on(listener, address, config, metrics, operations)
    }

    /// Use a listener that is already bound.
    pub(crate) fn on(
        listener: tokio::net::TcpListener,
        address: std::net::SocketAddr,
        config: &Config,
        metrics: &Arc<Metrics>,
        operations: Arc<dyn admin::Operations>,
    ) -> Result<Self, String> {
        let token = config.admin.token.as_ref().map(SecretRef::resolve).transpose();
        let token = token.map_err(|error| format!("admin.token: {error}"))?;
        let access = admin::Access::new(token.as_ref(), address.ip());
        let limits = Limits {
            max_connections: 64,
            header_timeout: config.gateway.header_timeout,
            finish: std::time::Duration::from_secs(1),
        };
        let (watched, ready) = (Arc::clone(&operations), metrics.ready.clone());
        metrics.before_scrape(move || ready.set(i64::from(watched.ready().is_ok())));
        let router = admin::router(Arc::clone(metrics), operations, config.admin.hosts.clone(), access);
        let phase = watch::Sender::new(Phase::Serving);
        let task = tokio::spawn(crate::http::serve(listener, router, limits, None, phase.subscribe()));
        Ok(Self { address, phase, task })
    }

    /// Finish what was begun and stop listening.
    pub(crate) async fn stop(self) {
        self.phase.send_replace(Phase::Stopping);
        // It answers nothing any more either way.
        let _ = self.task.await;
    }
}
