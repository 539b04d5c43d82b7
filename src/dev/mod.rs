//! `dev`: everything in one process, to see the whole path work within a minute.
//!
//! The same gateway and the same enricher as `serve` and `enrich`; only what they talk to is a stand-in: Kafka
//! (librdkafka's mock cluster, unless --kafka names a real one) and the providers' APIs (`sandbox`).

mod keys;
mod sandbox;
mod secrets;
mod show;
mod sources;
mod table;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cli::{Cli, Dev};
use crate::command::{Failure, Operators};
use crate::config::Config;
use crate::enrich::{self, Progress};
use crate::gateway::{self, Gateway, Outcome};
use crate::http::admin::Operations;
use crate::http::{Lanes, Phase};
use crate::kafka::admin::Admin;
use crate::kafka::{StandIn, topics};
use crate::provider::Catalogue;
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;
pub use keys::DevKey;
use sandbox::Sandbox;
pub use secrets::{knows_one_of, params, public_secret, rules, secret, secrets, signing};
use show::Show;

/// How long the enricher may take to own its partitions before the samples are sent all the same.
const READY: Duration = Duration::from_secs(20);

/// What runs, as operators see it.
struct Everything {
    gateway: Arc<Gateway>,
    enricher: Arc<Progress>,
    addresses: Value,
    sources: Value,
    topics: Value,
}

impl Operations for Everything {
    fn ready(&self) -> Result<(), String> {
        self.gateway.ready()?;
        self.enricher.ready()
    }

    fn status(&self) -> Value {
        json!({
            "ready": self.ready().is_ok(),
            "addresses": self.addresses,
            "sources": self.sources,
            "topics": self.topics,
            "gateway": self.gateway.status(),
            "enricher": self.enricher.status(),
        })
    }

    fn explain(&self, request: &str) -> Option<Value> {
        Operations::explain(self.gateway.as_ref(), request)
    }
}

/// Run until told to stop.
///
/// # Errors
/// A configuration, a port or a Kafka that cannot be used.
pub async fn run(cli: &Cli, arguments: &Dev, shutdown: Shutdown) -> Result<ExitCode, Failure> {
    let own = !arguments.secret.is_empty() || arguments.public_url.is_some() || !arguments.source.is_empty();
    if cli.config.is_some() && own {
        let message =
            "--secret, --source and --public-url are for dev's own sources; with --config write them into the file";
        return Err(Failure::Failed(message.to_owned()));
    }
    let start = Instant::now();
    let public = listen(arguments.listen).await?;
    let admin = listen(arguments.admin).await?;
    let (stand_in, kafka) = match &arguments.kafka {
        Some(kafka) => (None, kafka.clone()),
        None => {
            let stand_in = StandIn::start(listen(arguments.kafka_listen).await?)?;
            let address = stand_in.address().to_string();
            (Some(stand_in), address)
        }
    };
    let catalogue = Catalogue::embedded().map_err(|error| error.to_string())?;
    let sandbox = Sandbox::start(&catalogue).await?;
    let mut config = match &cli.config {
        Some(file) => {
            let mut config = Config::load(file)?;
            config.kafka.bootstrap_servers.clone_from(&kafka);
            config
        }
        None => sources::built_in(arguments, &catalogue, &sandbox, &kafka, local(&public)?)?,
    };
    config.gateway.drain_delay = Duration::ZERO;
    // Samples come over plain HTTP from this process.
    (config.gateway.tls, config.gateway.require_https) = (None, false);
    config.gateway.listen = local(&public)?;
    config.admin.listen = local(&admin)?;
    let config = Arc::new(config);
    create_topics(&config, stand_in.as_ref()).await?;

    let metrics = Arc::new(Metrics::new().map_err(|error| error.to_string())?);
    let gateway = Gateway::start(&config, &metrics)?;
    let enricher = Arc::new(Progress::default());
    let mut enriching = {
        let (config, metrics, progress, shutdown) =
            (Arc::clone(&config), Arc::clone(&metrics), Arc::clone(&enricher), shutdown.clone());
        tokio::spawn(async move { enrich::run(&config, &metrics, progress, shutdown).await })
    };
    let everything = Arc::new(Everything {
        gateway: Arc::clone(&gateway),
        enricher: Arc::clone(&enricher),
        addresses: json!({ "kafka": kafka, "gateway": config.gateway.listen.to_string(), "admin": config.admin.listen.to_string() }),
        sources: config.sources.values().map(|source| json!({ "name": source.name, "provider": source.provider.name(), "path": source.path, "topic": source.raw_topic })).collect(),
        topics: topics::desired(&config).iter().map(|topic| json!(topic.name)).collect(),
    });
    let operators = Operators::on(admin, config.admin.listen, &config, &metrics, Arc::clone(&everything) as _)?;
    let mut show = Show::new(arguments, &config, &gateway, &enricher, stand_in.is_none());
    show.banner()?;
    let phase = watch::Sender::new(Phase::Serving);
    let listeners = gateway::Listeners { public, tls: None, phase, lanes: Lanes::start()? };
    let serving = {
        let (gateway, config, metrics, shutdown) =
            (Arc::clone(&gateway), Arc::clone(&config), Arc::clone(&metrics), shutdown.clone());
        tokio::spawn(async move { gateway::serve(gateway, &config, listeners, &metrics, shutdown).await })
    };
    let ready = await_ready(&everything, &shutdown).await;
    show.ready(start.elapsed(), ready)?;
    tokio::select! {
        shown = show.run(&shutdown) => shown?,
        // It goes on until it is told to stop; whatever ends it earlier is said now.
        ended = &mut enriching => {
            ended.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            return Err(Failure::Failed("the enricher ended by itself".to_owned()));
        }
    }

    shutdown.hurry();
    let rest = serving.await.map_err(|error| error.to_string())?;
    enriching.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    operators.stop().await;
    show.farewell(gateway.journal.received(), gateway.journal.ended(Outcome::Accepted), rest.unsettled)?;
    Ok(ExitCode::SUCCESS)
}

/// Listen there, or, where the port is taken, on a free one of the same address.
async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    match TcpListener::bind(address).await {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            gateway::bind(SocketAddr::new(address.ip(), 0)).await
        }
        Err(error) => Err(format!("cannot listen on {address}: {error}")),
        Ok(listener) => Ok(listener),
    }
}

fn local(listener: &TcpListener) -> Result<SocketAddr, String> {
    listener.local_addr().map_err(|error| error.to_string())
}

async fn create_topics(config: &Arc<Config>, stand_in: Option<&StandIn>) -> Result<(), Failure> {
    match stand_in {
        Some(stand_in) => {
            for topic in topics::desired(config) {
                stand_in.create_topic(&topic.name, topic.partitions)?;
            }
        }
        None => {
            let admin = Admin::new(&config.kafka).map_err(|error| error.to_string())?;
            admin.apply(topics::desired(config)).await.map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Wait until gateway and enricher are ready. Joined before the samples are sent, the enricher shows its rows at once.
async fn await_ready(everything: &Everything, shutdown: &Shutdown) -> bool {
    let end = tokio::time::Instant::now() + READY;
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while everything.ready().is_err() || !everything.enricher.reads_all() {
        tokio::select! {
            _ = look.tick() => if tokio::time::Instant::now() > end { return false },
            () = shutdown.requested() => return false,
        }
    }
    true
}
