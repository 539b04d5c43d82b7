//! The configuration: one file, overridden by the environment, validated once at start.
//!
//! `file` is what people write; `Config` is what the program uses. After [`Config::load`] no string is parsed again.

mod environment;
pub mod file;
mod properties;
mod redact;
mod secret;
mod secrets_file;
mod source;
mod topics;
mod value;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use crate::provider::Catalogue;
pub use file::{KeyBy, LogFormat, Redeliveries, WhenAway};
pub use properties::Properties;
pub use secret::Secret;
pub use secrets_file::{Mark as SecretsMark, SecretsFile};
pub use source::SourceConfig;
pub use topics::{RETRY_DELAYS, TopicsConfig};
pub use value::{Bytes, Length, SecretRef};
pub use watch::Fingerprint;

/// A wrong configuration: the process ends with code 78 and this message.
#[derive(Debug)]
pub struct ConfigError {
    /// The file, or the variable, that is wrong.
    pub origin: String,
    /// What is wrong and what is allowed, with the key.
    pub message: String,
}

impl ConfigError {
    fn new(origin: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { origin: origin.to_string(), message: message.to_string().trim_end().to_owned() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

impl std::error::Error for ConfigError {}

/// Everything the program was told, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it was read from.
    pub path: PathBuf,
    /// Where provider files of the operator's own are.
    pub providers_dir: Option<PathBuf>,
    /// The public side.
    pub gateway: GatewayConfig,
    /// The operators' side.
    pub admin: AdminConfig,
    /// Kafka and the topics.
    pub kafka: KafkaConfig,
    /// The spool, where there is one.
    pub spool: Option<SpoolConfig>,
    /// The enricher.
    pub enrich: EnrichConfig,
    /// Logging.
    pub log: file::Log,
    /// The sources by name.
    pub sources: BTreeMap<String, SourceConfig>,
    /// Every provider known.
    pub catalogue: Catalogue,
    /// What was written, with the overrides; empty where there was no text.
    written: toml::Table,
}

/// `[gateway]`, checked.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The public address.
    pub listen: SocketAddr,
    /// The URL providers know, without a trailing slash.
    pub public_url: Option<String>,
    /// Who may say in X-Forwarded-For where a request came from.
    pub trusted_proxies: Vec<IpNet>,
    /// Open connections at most.
    pub max_connections: usize,
    /// Bytes of bodies in memory at most.
    pub max_body_bytes_in_flight: usize,
    /// Time for a request's headers.
    pub header_timeout: Duration,
    /// Time between two requests of a connection.
    pub idle_timeout: Duration,
    /// Whether plain HTTP is refused.
    pub require_https: bool,
    /// TLS on the public port.
    pub tls: Option<TlsConfig>,
    /// Failed requests per address and second.
    pub failed_requests_per_second: u32,
    /// How long SIGTERM leaves the listener open.
    pub drain_delay: Duration,
}

/// `[gateway.tls]`, checked; its files not yet read.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Time for a handshake.
    pub handshake_timeout: Duration,
    /// Handshakes under way at most.
    pub max_handshakes: usize,
}

impl TlsConfig {
    fn new(file: file::Tls) -> Result<Self, String> {
        let max_handshakes = at_least_one("gateway.tls.max_handshakes", file.max_handshakes.unwrap_or(256))?;
        let handshake_timeout = file.handshake_timeout.map_or(Duration::from_secs(10), |length| length.0);
        Ok(Self { certificate: file.certificate, key: file.key, handshake_timeout, max_handshakes })
    }
}

/// `[admin]`, checked.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// The operators' address.
    pub listen: SocketAddr,
    /// Further host names that may be asked for.
    pub hosts: Vec<String>,
    /// What must be presented to ask for more than health and metrics.
    pub token: Option<SecretRef>,
    /// Bytes of refused requests that are kept at most.
    pub keep_rejects: usize,
}

/// `[spool]`, checked.
#[derive(Clone, Debug)]
pub struct SpoolConfig {
    /// The directory.
    pub dir: PathBuf,
    /// What it may take on disk.
    pub max_bytes: u64,
    /// Whether it may lie where a restart may lose it.
    pub ephemeral: bool,
}

/// `[kafka]`, checked.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `host:port` list.
    pub bootstrap_servers: String,
    /// Topic names and settings.
    pub topics: TopicsConfig,
    /// Properties for every client.
    pub properties: Properties,
    /// Properties for producers.
    pub producer: Properties,
    /// Properties for consumers.
    pub consumer: Properties,
}

/// `[enrich]`, checked.
#[derive(Clone, Debug)]
pub struct EnrichConfig {
    /// The consumer group, with the prefix.
    pub group: String,
    /// This instance's name, where one is configured.
    instance: Option<String>,
    /// How long ids are remembered.
    pub window: Duration,
    /// How long a record may stay undecided.
    pub time_budget: Duration,
    /// Requests under way per source.
    pub concurrency: usize,
    /// The largest record taken, in bytes.
    pub max_record: usize,
    /// Attempts before the dead letter.
    pub max_attempts: u32,
}

impl Config {
    /// Read, override and check the configuration.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line, key and what is allowed.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let advice = "name another with --config FILE or HOOKSTREAM_CONFIG, or write one with `hookstream init`";
            ConfigError::new(path.display(), format!("cannot read the configuration: {error}; {advice}"))
        })?;
        Self::parse(path, &text, variables())
    }

    /// The same from a text and a given environment; provider files are still read from disk.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(
        path: &Path,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let origin = path.display().to_string();
        // The file alone first: its errors then carry their line.
        let file: file::File =
            toml::from_str(text).map_err(|error| ConfigError::new(&origin, redact::located(&error, text)))?;
        let (written, file) = environment::overridden(file, text, variables)?;
        Ok(Self { written, ..Self::from_file(path, file)? })
    }

    /// The same from what a file would say; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_file(path: &Path, file: file::File) -> Result<Self, ConfigError> {
        Self::check(path, file).map_err(|error| match error {
            Fault::Here(message) => ConfigError::new(path.display(), message),
            Fault::Elsewhere(error) => error,
        })
    }

    fn check(path: &Path, file: file::File) -> Result<Self, Fault> {
        let mut catalogue = Catalogue::embedded().map_err(|error| ConfigError::new("built-in providers", error))?;
        let providers_dir = file.providers_dir.as_ref().map(|dir| path.parent().unwrap_or(Path::new(".")).join(dir));
        if let Some(dir) = &providers_dir {
            add_providers(&mut catalogue, dir)?;
        }
        let topics = TopicsConfig::new(&file.kafka.topics)?;
        if file.enrich.window.0 > topics.retention {
            return Err(
                "enrich.window is longer than kafka.topics.retention; ids would outlive the events they stand for"
                    .to_owned()
                    .into(),
            );
        }
        if file.gateway.require_https && file.gateway.tls.is_none() && file.gateway.trusted_proxies.is_empty() {
            return Err("gateway.require_https: nothing could get in without [gateway.tls] or gateway.trusted_proxies"
                .to_owned()
                .into());
        }
        let public_url = file.gateway.public_url.as_deref().map(public_url).transpose()?;
        let mut sources = BTreeMap::new();
        for (name, source) in &file.sources {
            let source = SourceConfig::new(name, source, &catalogue, &topics, public_url.as_deref())
                .map_err(|message| format!("[sources.{name}] {message}"))?;
            sources.insert(name.clone(), source);
        }
        paths_are_distinct(&sources)?;
        let spool = spool(&file.spool)?;
        for source in sources.values_mut() {
            source
                .decide_spooling(spool.is_some())
                .map_err(|message| format!("[sources.{}] {message}", source.name))?;
        }
        let group = topics.prefixed(&file.enrich.group);
        Ok(Self {
            path: path.to_owned(),
            providers_dir,
            gateway: GatewayConfig {
                listen: file.gateway.listen,
                public_url,
                trusted_proxies: file.gateway.trusted_proxies,
                max_connections: at_least_one("gateway.max_connections", file.gateway.max_connections)?,
                max_body_bytes_in_flight: size(
                    "gateway.max_body_bytes_in_flight",
                    file.gateway.max_body_bytes_in_flight,
                )?,
                header_timeout: file.gateway.header_timeout.0,
                idle_timeout: file.gateway.idle_timeout.0,
                require_https: file.gateway.require_https,
                tls: file.gateway.tls.map(TlsConfig::new).transpose()?,
                failed_requests_per_second: file.gateway.failed_requests_per_second,
                drain_delay: file.gateway.drain_delay.0,
            },
            admin: AdminConfig {
                listen: file.admin.listen,
                hosts: file.admin.hosts,
                token: file.admin.token,
                keep_rejects: usize::try_from(file.admin.keep_rejects.0).unwrap_or(usize::MAX),
            },
            enrich: EnrichConfig {
                instance: file.enrich.instance,
                group,
                window: file.enrich.window.0,
                time_budget: file.enrich.time_budget.0,
                concurrency: at_least_one("enrich.concurrency", file.enrich.concurrency)?,
                max_record: size("enrich.max_record", file.enrich.max_record)?,
                max_attempts: file.enrich.max_attempts.max(1),
            },
            kafka: KafkaConfig {
                bootstrap_servers: file.kafka.bootstrap_servers,
                topics,
                properties: Properties::new("kafka.properties", &file.kafka.properties)?,
                producer: Properties::new("kafka.producer", &file.kafka.producer)?,
                consumer: Properties::new("kafka.consumer", &file.kafka.consumer)?,
            },
            spool,
            log: file.log,
            sources,
            catalogue,
            written: toml::Table::new(),
        })
    }

    /// The transactional id of this process: group and instance, by default the host's name and the admin port in use.
    pub fn transactional_id(&self) -> String {
        let given = self.enrich.instance.clone();
        let instance = given.unwrap_or_else(|| {
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            format!("{host}-{}", self.admin.listen.port())
        });
        format!("{}.{instance}", self.enrich.group)
    }

    /// The largest body of any source, in bytes: what topics, brokers and producers must let through.
    pub fn max_body(&self) -> usize {
        self.sources.values().map(|source| source.max_body).max().unwrap_or(source::DEFAULT_MAX_BODY)
    }
}

/// The environment, as far as it can be meant for us: other variables may hold bytes that are no text.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// What went wrong in a check: in the main file, or in another one.
enum Fault {
    Here(String),
    Elsewhere(ConfigError),
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::Here(message)
    }
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::Elsewhere(error)
    }
}

/// Add the provider files of a directory, or put them in the place of those of their names.
///
/// # Errors
/// The first fault, with file, line, key and what is allowed there.
pub fn add_providers(catalogue: &mut Catalogue, dir: &Path) -> Result<(), ConfigError> {
    for (name, text) in own_files(dir, false)? {
        catalogue.add(&name, &text).map_err(|error| ConfigError::new(&name, error))?;
    }
    Ok(())
}

/// The provider files of a directory, or the vector files, each with what errors call it, in the order of their names.
///
/// # Errors
/// A directory or a file that cannot be read.
pub fn own_files(dir: &Path, vectors: bool) -> Result<Vec<(String, String)>, ConfigError> {
    let unreadable =
        |error: std::io::Error| ConfigError::new(dir.display(), format!("cannot read providers_dir: {error}"));
    let files = provider_files(dir, vectors).map_err(unreadable)?;
    let read = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).map_err(|error| ConfigError::new(file.display(), error))?;
        Ok((file.display().to_string(), text))
    };
    files.iter().map(read).collect()
}

/// The paths of a directory's provider files, or vector files, in one order on every file system.
fn provider_files(dir: &Path, vectors: bool) -> std::io::Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".toml") && name.ends_with(".vectors.toml") == vectors {
            files.insert(path);
        }
    }
    Ok(files)
}

/// The URL of `gateway.public_url`, without a slash at its end.
///
/// # Errors
/// Why it is none.
pub fn public_url(text: &str) -> Result<String, String> {
    let wrong = |why: &str| format!("gateway.public_url: `{text}` {why}; write for example https://hooks.example.com");
    let url = url::Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("is not an http or https URL"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or fragment"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn paths_are_distinct(sources: &BTreeMap<String, SourceConfig>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for source in sources.values() {
        if !seen.insert(&source.path) {
            return Err(format!(
                "[sources.{}] path `{}` belongs to another source already; each needs its own",
                source.name, source.path
            ));
        }
    }
    Ok(())
}

/// The smallest spool, in bytes: a few segments, each with a few records.
const SMALLEST_SPOOL: u64 = 1 << 20;

fn spool(file: &file::Spool) -> Result<Option<SpoolConfig>, String> {
    let Some(dir) = &file.dir else { return Ok(None) };
    if file.max_bytes.0 < SMALLEST_SPOOL {
        return Err(format!("spool.max_bytes: {} is less than 1MiB", file.max_bytes));
    }
    Ok(Some(SpoolConfig { dir: dir.clone(), max_bytes: file.max_bytes.0, ephemeral: file.ephemeral }))
}

fn size(key: &str, bytes: Bytes) -> Result<usize, String> {
    usize::try_from(bytes.0)
        .map_err(|_| format!("{key}: {} bytes do not fit this machine", bytes.0))
        .and_then(|n| at_least_one(key, n))
}

fn at_least_one(key: &str, number: usize) -> Result<usize, String> {
    if number == 0 { Err(format!("{key}: must be at least 1")) } else { Ok(number) }
}

#[cfg(test)]
mod tests;
