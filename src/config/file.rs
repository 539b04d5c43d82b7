//! The configuration file as it is written: every key, its default and its meaning.
//!
//! The docstrings here become docs/reference/config.md and schemas/config.schema.json.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::value::{Bytes, Length, SecretRef};
use crate::event::Format;

/// hookstream.toml
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// A directory of provider files of your own; each adds a provider or replaces the built-in one of that name.
    pub providers_dir: Option<PathBuf>,
    /// The public side of `serve`.
    pub gateway: Gateway,
    /// The side for operators: metrics, health, status. Never on the public port.
    pub admin: Admin,
    /// How to reach Kafka, and the topics.
    pub kafka: Kafka,
    /// The disk that takes events while Kafka is away. Without `dir` there is none.
    pub spool: Spool,
    /// The enricher.
    pub enrich: Enrich,
    /// What is logged to stderr, and how.
    pub log: Log,
    /// One table per source: `[sources.NAME]`, NAME of a-z, 0-9 and `-`, at most 64 characters.
    pub sources: BTreeMap<String, Source>,
}

/// `[gateway]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// Address and port that providers reach.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// The URL under which providers reach this gateway, without a path. Some providers sign it; it never comes from the Host header.
    pub public_url: Option<String>,
    /// Networks of the proxies in front; only they may say in X-Forwarded-For who the sender is.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// Open connections at most; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Bytes of request bodies in memory at most, over all requests; beyond it 503.
    pub max_body_bytes_in_flight: Bytes,
    /// The time in which the headers of a request must be complete, from their first byte; for the first request of a connection from its begin.
    pub header_timeout: Length,
    /// How long a connection may rest between two requests. Longer than the load balancer keeps its own, or requests are lost in between.
    pub idle_timeout: Length,
    /// Refuse what came neither over our own TLS nor from a trusted proxy that says `X-Forwarded-Proto: https`.
    pub require_https: bool,
    /// TLS on the public port, for those without a proxy that does it.
    pub tls: Option<Tls>,
    /// Requests that failed verification, per address and second, before 429. Verified requests never count.
    pub failed_requests_per_second: u32,
    /// How long the listener goes on accepting after SIGTERM, so that load balancers can notice.
    pub drain_delay: Length,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            public_url: None,
            trusted_proxies: Vec::new(),
            max_connections: 10_000,
            max_body_bytes_in_flight: Bytes(64 << 20),
            header_timeout: Length(Duration::from_secs(10)),
            idle_timeout: Length(Duration::from_secs(75)),
            require_https: false,
            tls: None,
            failed_requests_per_second: 20,
            drain_delay: Length(Duration::from_secs(5)),
        }
    }
}

/// `[gateway.tls]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain as PEM, the leaf first. Read again when it changes.
    pub certificate: PathBuf,
    /// Its private key as PEM.
    pub key: PathBuf,
    /// The time in which a handshake must be complete. Default 10s.
    pub handshake_timeout: Option<Length>,
    /// Handshakes under way at most; further ones wait. Default 256.
    pub max_handshakes: Option<usize>,
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Address and port of /metrics, /livez, /readyz, /status and /explain.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Host names under which the admin port may be asked, beside its own address and localhost. Others get 403.
    pub hosts: Vec<String>,
    /// What `hookstream explain` must present (as a bearer token) to ask why a request was refused. On a loopback address it may be left out; on any other, /explain is off without it. A changed one holds without a restart.
    pub token: Option<SecretRef>,
    /// Bytes of refused requests in memory at most, for `hookstream explain`; each for a day at the longest. They are unverified and may hold personal data; they never leave the process. 0 keeps none.
    pub keep_rejects: Bytes,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
            hosts: Vec::new(),
            token: None,
            keep_rejects: Bytes(4 << 20),
        }
    }
}

/// `[kafka]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// Names and settings of the topics.
    pub topics: Topics,
    /// Anything librdkafka knows, for all clients; a value may be `env:NAME` or `file:PATH`. What the guarantees rest on is refused.
    pub properties: BTreeMap<String, Property>,
    /// The same for producers only.
    pub producer: BTreeMap<String, Property>,
    /// The same for consumers only.
    pub consumer: BTreeMap<String, Property>,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap_servers: "localhost:9092".to_owned(),
            topics: Topics::default(),
            properties: BTreeMap::new(),
            producer: BTreeMap::new(),
            consumer: BTreeMap::new(),
        }
    }
}

/// A librdkafka property. A dotted key without quotes arrives as nested tables; both spellings mean the same.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Property {
    /// A literal, `env:NAME` or `file:PATH`.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// true or false.
    Boolean(bool),
    /// The rest of a dotted key.
    Nested(BTreeMap<String, Property>),
}

/// `[kafka.topics]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    /// Put before every topic, consumer group and transactional id.
    pub prefix: String,
    /// The raw topic of a source; `{source}` stands for its name.
    pub raw: String,
    /// The topic of enriched records.
    pub enriched: String,
    /// The topic of claimed ids, which makes the enriched topic exactly-once.
    pub ids: String,
    /// Retry topics; `{delay}` stands for 30s, 5m and 1h.
    pub retry: String,
    /// Where events go that could not be read or enriched.
    pub dead_letter: String,
    /// Partitions of each source's topics. Chosen once.
    pub partitions: i32,
    /// Copies of each partition.
    pub replication: i32,
    /// How many copies must have a record before it counts as written (min.insync.replicas). Default: replication − 1, at least 1.
    pub min_insync_replicas: Option<i32>,
    /// How long raw and enriched records are kept. Never shorter than the enricher's window.
    pub retention: Length,
    /// How long dead letters are kept.
    pub dead_letter_retention: Length,
}

impl Default for Topics {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            prefix: String::new(),
            raw: "webhooks.{source}".to_owned(),
            enriched: "webhooks.{source}.enriched".to_owned(),
            ids: "webhooks.{source}.ids".to_owned(),
            retry: "hookstream.retry.{delay}".to_owned(),
            dead_letter: "hookstream.dead-letter".to_owned(),
            partitions: 6,
            replication: 3,
            min_insync_replicas: None,
            retention: Length(Duration::from_secs(14 * DAY)),
            dead_letter_retention: Length(Duration::from_secs(30 * DAY)),
        }
    }
}

/// `[spool]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spool {
    /// The directory, each instance's own; made where it is missing. What lies there survives the instance and must not be deleted.
    pub dir: Option<PathBuf>,
    /// What it may take on disk; beyond it events are answered 503 while Kafka is away. At least 1MiB.
    pub max_bytes: Bytes,
    /// Allow a directory on tmpfs or in a container's own layer, where a restart may lose acknowledged events.
    pub ephemeral: bool,
}

impl Default for Spool {
    fn default() -> Self {
        Self { dir: None, max_bytes: Bytes(10 << 30), ephemeral: false }
    }
}

/// Where an event goes that Kafka does not take in time.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum WhenAway {
    /// Into the spool: a 200 then rests on this machine's disk.
    Spool,
    /// Nowhere: 503, and the provider sends again. A 200 always rests on Kafka's replicas.
    Refuse,
}

/// `[enrich]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Enrich {
    /// The consumer group, after the prefix.
    pub group: String,
    /// This instance's name in the transactional id; must differ between instances and stay the same over a restart. Default: host name and admin port.
    pub instance: Option<String>,
    /// How long an event's id is remembered: a copy that arrives later than this is taken for a new event.
    pub window: Length,
    /// How long one record may stay undecided before it goes to a retry topic.
    pub time_budget: Length,
    /// Requests under way to one source's API at most.
    pub concurrency: usize,
    /// The largest record taken from an API.
    pub max_record: Bytes,
    /// How often the provider may answer about a record without giving it, before the event becomes a dead letter.
    pub max_attempts: u32,
}

impl Default for Enrich {
    fn default() -> Self {
        Self {
            group: "hookstream-enrich".to_owned(),
            instance: None,
            window: Length(Duration::from_secs(7 * 86_400)),
            time_budget: Length(Duration::from_secs(10)),
            concurrency: 16,
            max_record: Bytes(1 << 20),
            max_attempts: 8,
        }
    }
}

/// `[log]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// auto (text on a terminal, else json), json or text.
    pub format: LogFormat,
    /// error, warn, info, debug or trace, or a filter as RUST_LOG takes it.
    pub level: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// What keys a source's records.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum KeyBy {
    /// The event id: spreads evenly.
    #[default]
    Id,
    /// The event's subject: arrival order per object; hot objects make hot partitions.
    Subject,
}

/// What becomes of an event that is durable here and comes again.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Redeliveries {
    /// It is answered and not stored again.
    #[default]
    Drop,
    /// A minute after the last copy or later it is somebody's deliberate redelivery: stored again, with a run id.
    Pass,
}

/// `[sources.NAME]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Which provider sends here. Default: the source's own name.
    pub provider: Option<String>,
    /// The path providers POST to. Default: /webhooks/NAME.
    pub path: Option<String>,
    /// The URL that the provider calls, where a proxy makes it another than gateway.public_url and the path. Some providers sign it.
    pub public_url: Option<String>,
    /// The secrets that signatures are checked with; several while one is being replaced.
    pub secrets: Vec<SecretRef>,
    /// Roots beside the public ones for certificates that sign (rsa-x509), in PEM: a proxy's that breaks TLS open, a test's.
    pub key_roots: Option<SecretRef>,
    /// For providers that hand their secret over in a handshake (Asana, Notion): the file in which it is kept. Written by
    /// the gateway, one secret a line, readable by its user alone; gateways that share it know the same secrets.
    pub secrets_file: Option<PathBuf>,
    /// Take further secrets by handshake when there is one already, up to ten.
    pub more_secrets: bool,
    /// Short for the only credential that the provider's API needs.
    pub api_key: Option<SecretRef>,
    /// Credentials for the provider's API, named as the provider file names them.
    pub credentials: BTreeMap<String, SecretRef>,
    /// Tenants whose records may be fetched, each with credentials of its own or none (then the source's).
    pub tenants: BTreeMap<String, BTreeMap<String, SecretRef>>,
    /// What else the provider file asks for.
    pub params: BTreeMap<String, String>,
    /// Another base URL for the provider's API: an own server, a test double.
    pub api_base: Option<String>,
    /// Changes to the provider file's [verify] for this source, where the provider allows them (generic).
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub verify: toml::Table,
    /// Changes to the provider file's [event] for this source, where the provider allows them (generic).
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub event: toml::Table,
    /// Take events without any proof of where they come from. Everybody who can reach the path can then write to the topic.
    pub accept_unsigned: bool,
    /// The form of the Kafka records: cloudevents or cloudevents-binary.
    #[serde(deserialize_with = "format")]
    #[schemars(with = "String")]
    pub format: Format,
    /// What keys the Kafka records.
    pub key: KeyBy,
    /// drop, or pass: store an event again that this gateway has stored before, with a run id, so that it is enriched again. For redeliveries by hand of providers that do not retry (GitHub); retries of others would pass too.
    pub redeliveries: Redeliveries,
    /// The raw topic, instead of the template; several sources may share one.
    pub topic: Option<String>,
    /// The largest body taken; larger ones get 413. Default 1MiB.
    pub max_body: Option<Bytes>,
    /// The time in which every request is answered. Default: what the provider file says.
    pub deadline: Option<Length>,
    /// spool or refuse. Default: spool where `[spool]` is configured; several providers switch an endpoint off after hours of 503.
    pub when_kafka_is_away: Option<WhenAway>,
    /// Who may send here: networks, addresses, and "provider" for those that the provider publishes. Empty: all.
    pub allow: Vec<String>,
    /// Requests per second at most, all senders together; beyond it 429. Default: no limit.
    pub max_requests_per_second: Option<u32>,
}

fn format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Format, D::Error> {
    let name = String::deserialize(deserializer)?;
    Format::from_name(&name)
        .ok_or_else(|| D::Error::custom(format!("`{name}` is not a format; write cloudevents or cloudevents-binary")))
}
