//! `serve`: the gateway with its listeners.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Failure;
use super::reload::{Reloader, Scope, touches};
use crate::cli::Serve;
use crate::config::{Config, ConfigError, Fingerprint, Secret, SecretRef, SourceConfig, TlsConfig};
use crate::dev;
use crate::gateway::{self, Gateway};
use crate::http::admin::{self, Operations};
use crate::http::{Identity, Lanes, Limits, Phase, Tls};
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;
use crate::telemetry::logging::Logging;

/// What a reload does not take over needs a restart: addresses, bounds of the listener, everything not named here.
const SCOPE: Scope = Scope {
    live: &[
        "sources",
        "providers_dir",
        "log.level",
        "admin.token",
        "gateway.public_url",
        "gateway.trusted_proxies",
        "gateway.failed_requests_per_second",
        "gateway.max_body_bytes_in_flight",
        "gateway.require_https",
        "kafka.bootstrap_servers",
        "kafka.properties",
        "kafka.producer",
        "kafka.topics",
    ],
    foreign: &["enrich", "kafka.consumer"],
};

/// What the producer is made of.
const PRODUCER: [&str; 3] = ["kafka.bootstrap_servers", "kafka.properties", "kafka.producer"];

pub(super) async fn run(
    mut config: Config,
    fingerprint: Fingerprint,
    arguments: &Serve,
    log: &Arc<Logging>,
    shutdown: Shutdown,
) -> Result<ExitCode, Failure> {
    refuse_known_secrets(&config)?;
    let loaded = config.clone();
    config.gateway.listen = arguments.listen.unwrap_or(config.gateway.listen);
    config.admin.listen = arguments.admin.unwrap_or(config.admin.listen);
    let metrics = Arc::new(Metrics::new().map_err(|error| error.to_string())?);
    let identity = load_identity(&config, None)?;
    if let Some(identity) = &identity {
        metrics.gateway.certificate_expires(identity.expires);
    }
    let tls = identity.map(Tls::new);
    let upcoming = Arc::new(Upcoming::default());
    // First of all: while a well-filled spool is read, whoever watches over the process must see that it lives.
    let operators = Operators::start(&config, &metrics, Arc::clone(&upcoming) as _).await?;
    // Blocks this thread, which the listener does not need.
    let gateway = Gateway::start(&config, &metrics)?;
    let _ = upcoming.0.set(Arc::clone(&gateway));
    let public = gateway::bind(config.gateway.listen).await?;
    config.gateway.listen = public.local_addr().map_err(|error| error.to_string())?;
    config.admin.listen = operators.address;
    say_limits(&config);
    let reloader = Reloader::new(&loaded, fingerprint, SCOPE, &metrics.config, log);
    let reloads = {
        let (gateway, files) = (Arc::clone(&gateway), Mutex::new(loaded.kafka.fingerprint()));
        let (tls, gauges, door) = (tls.clone(), metrics.gateway.clone(), operators.door.clone());
        tokio::spawn(reloader.run(move |config, changed| {
            refuse_known_secrets(config)?;
            // A listener stays what it is, plain or TLS; the certificate is another one.
            let identity = if tls.is_some() { load_identity(config, tls.as_deref())? } else { None };
            let token = admin_token(config)?;
            let now = config.kafka.fingerprint();
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            gateway.reload(config, touches(changed, &PRODUCER) || now != *files)?;
            *files = now;
            door.change(token.as_ref());
            if let (Some(tls), Some(identity)) = (&tls, identity) {
                gauges.certificate_expires(identity.expires);
                tls.replace(identity);
            }
            Ok(Vec::new())
        }))
    };
    let phase = watch::Sender::new(Phase::Serving);
    let listeners = gateway::Listeners { public, tls, phase, lanes: Lanes::start()? };
    let rest = gateway::serve(gateway, &config, listeners, &metrics, shutdown).await;
    reloads.abort();
    operators.stop().await;
    Ok(farewell(rest))
}

/// The gateway for operators, who may ask before there is one.
#[derive(Default)]
struct Upcoming(OnceLock<Arc<Gateway>>);

impl Operations for Upcoming {
    fn ready(&self) -> Result<(), String> {
        self.0
            .get()
            .map_or_else(|| Err("starting; a well-filled spool takes its time to read".to_owned()), |it| it.ready())
    }

    fn status(&self) -> Value {
        self.0.get().map_or_else(|| json!({ "ready": false }), |gateway| gateway.status())
    }

    fn explain(&self, request: &str) -> Option<Value> {
        Operations::explain(&**self.0.get()?, request)
    }
}

/// What sysexits.h calls EX_TEMPFAIL: acknowledged records remain in the spool, and the volume must stay.
pub(super) const RECORDS_REMAIN: u8 = 75;

fn farewell(rest: gateway::Rest) -> ExitCode {
    if rest.spooled > 0 {
        tracing::warn!(
            records = rest.spooled,
            "stopped; records remain in the spool: start again on this directory, or `hookstream spool drain`"
        );
        return ExitCode::from(RECORDS_REMAIN);
    }
    if rest.unsettled > 0 {
        let unsettled = rest.unsettled;
        tracing::warn!(unsettled, "stopped; kafka had not acknowledged these records, and nobody got a 2xx for them");
    } else {
        tracing::info!("stopped");
    }
    ExitCode::SUCCESS
}

/// What everybody knows proves nothing.
fn refuse_known_secrets(config: &Config) -> Result<(), ConfigError> {
    let known = |source: &&SourceConfig| source.secrets().is_ok_and(|secrets| dev::knows_one_of(&secrets));
    match config.sources.values().find(known) {
        None => Ok(()),
        Some(source) => Err(ConfigError {
            origin: config.path.display().to_string(),
            message: format!(
                "[sources.{}] secrets: one of them is the secret of `hookstream dev`, which everybody knows; set the one that {} shows you",
                source.name,
                source.provider.title()
            ),
        }),
    }
}

/// The certificate of the public port. One outside its time serves all the same, rather than that a clock which is wrong for a
/// moment keeps the gateway down; it takes no other's place that is within its own.
fn load_identity(config: &Config, in_use: Option<&Tls>) -> Result<Option<Identity>, ConfigError> {
    let load = |tls: &TlsConfig| Identity::load(&tls.certificate, &tls.key);
    let wrong = |message| ConfigError { origin: config.path.display().to_string(), message };
    let identity = config.gateway.tls.as_ref().map(load).transpose().map_err(wrong)?;
    let now = Timestamp::now();
    if let Some(why) = identity.as_ref().and_then(|identity| identity.untimely(now)) {
        if in_use.is_some_and(|tls| tls.untimely(now).is_none()) {
            return Err(wrong(format!("gateway.tls.certificate: {why}")));
        }
        tracing::error!("{why} It is served all the same; clients may refuse it");
    }
    Ok(identity)
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

/// What `admin.token` is now.
pub(super) fn admin_token(config: &Config) -> Result<Option<Secret>, ConfigError> {
    let wrong =
        |error| ConfigError { origin: config.path.display().to_string(), message: format!("admin.token: {error}") };
    config.admin.token.as_ref().map(SecretRef::resolve).transpose().map_err(wrong)
}

/// The operators' listener, running.
pub(crate) struct Operators {
    /// Where it listens: with port 0 the one that was given.
    pub(crate) address: std::net::SocketAddr,
    /// Who may ask for more than health; follows `admin.token`.
    pub(crate) door: admin::Door,
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
        let door = admin::Door::new(admin_token(config).map_err(|error| error.to_string())?.as_ref(), address.ip());
        let limits = Limits {
            max_connections: 64,
            header_timeout: config.gateway.header_timeout,
            idle_timeout: config.gateway.idle_timeout,
            finish: std::time::Duration::from_secs(1),
        };
        let (watched, ready) = (Arc::clone(&operations), metrics.ready.clone());
        metrics.before_scrape(move || ready.set(i64::from(watched.ready().is_ok())));
        let router = admin::router(Arc::clone(metrics), operations, config.admin.hosts.clone(), door.clone());
        let phase = watch::Sender::new(Phase::Serving);
        let task =
            tokio::spawn(crate::http::serve(listener, router, limits, None, None, Arc::default(), phase.subscribe()));
        Ok(Self { address, door, phase, task })
    }

    /// Finish what was begun and stop listening.
    pub(crate) async fn stop(self) {
        self.phase.send_replace(Phase::Stopping);
        // It answers nothing any more either way.
        let _ = self.task.await;
    }
}
