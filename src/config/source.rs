//! One source: a configured endpoint of a provider.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use ipnet::IpNet;
use url::Url;

use super::file::{KeyBy, Redeliveries, Source, WhenAway};
use super::secrets_file::SecretsFile;
use super::topics::{TopicsConfig, is_topic_name};
use super::value::SecretRef;
use crate::config::Secret;
use crate::event::Format;
use crate::provider::{Binding, Catalogue, MAX_SECRETS, Provider, Rules, network};

/// The largest body taken where nothing else is said: what Kafka takes by default, with room for the envelope.
pub(super) const DEFAULT_MAX_BODY: usize = 1 << 20;

/// The largest body that any source may be told to take. GitHub sends up to 25 MB; the clients' own limits in
/// `kafka::client` leave room for such a body, its envelope and its second copy in a header.
const LARGEST_MAX_BODY: u64 = 32 << 20;

/// In `allow`: the addresses that the provider publishes.
const PROVIDER: &str = "provider";

/// `[sources.NAME]`, checked; its secrets not yet fetched.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// The source's own name.
    pub name: String,
    /// The provider that sends here.
    pub provider: Arc<Provider>,
    /// The path providers POST to.
    pub path: String,
    /// The form of the Kafka records.
    pub format: Format,
    /// What keys them.
    pub key: KeyBy,
    /// Whether an event that is durable may be stored again.
    pub redeliveries: Redeliveries,
    /// The raw topic.
    pub raw_topic: String,
    /// The largest body, in bytes.
    pub max_body: usize,
    /// The time in which every request is answered.
    pub deadline: Duration,
    /// Networks that may send; empty means all.
    pub allow: Vec<IpNet>,
    /// Whether the provider's published addresses are among them.
    pub allows_provider: bool,
    /// Requests per second at most.
    pub max_requests_per_second: Option<u32>,
    /// Where the provider's API is, when not where the provider file says.
    pub api_base: Option<Url>,
    /// Whether the spool takes what Kafka does not take in time.
    pub spools: bool,
    /// Whether unsigned events are taken.
    pub accept_unsigned: bool,
    when_kafka_is_away: Option<WhenAway>,
    secrets: Vec<SecretRef>,
    key_roots: Option<SecretRef>,
    secrets_file: Option<SecretsFile>,
    credentials: BTreeMap<String, SecretRef>,
    tenants: BTreeMap<String, BTreeMap<String, SecretRef>>,
    params: BTreeMap<String, String>,
    overrides: toml::Table,
    public_url: Option<String>,
}

impl SourceConfig {
    pub(super) fn new(
        name: &str,
        file: &Source,
        catalogue: &Catalogue,
        topics: &TopicsConfig,
        public_url: Option<&str>,
    ) -> Result<Self, String> {
        if !is_source_name(name) {
            return Err("the name of a source is 1 to 64 of a-z, 0-9 and `-`".to_owned());
        }
        let provider_name = file.provider.as_deref().unwrap_or(name);
        let provider = catalogue.get(provider_name).cloned();
        let unknown = || format!("provider `{provider_name}` is not known{}", catalogue.near(provider_name));
        let provider = provider.ok_or_else(unknown)?;
        let path = file.path.clone().unwrap_or_else(|| format!("/webhooks/{name}"));
        if !is_path(&path) {
            return Err(format!("path `{path}` must begin with `/` and hold neither spaces, `?`, `#`, `%` nor `//`"));
        }
        let raw_topic = match &file.topic {
            Some(topic) => topics.prefixed(topic),
            None => topics.raw_topic(name),
        };
        if !is_topic_name(&raw_topic) {
            return Err(format!(
                "topic `{raw_topic}` is not a topic name; allowed are letters, digits, `.`, `_` and `-`, at most 249"
            ));
        }
        let max_body = file.max_body.map_or(DEFAULT_MAX_BODY as u64, |bytes| bytes.0);
        if !(1..=LARGEST_MAX_BODY).contains(&max_body) {
            return Err(format!("max_body: {max_body} bytes is not between 1 and 32MiB"));
        }
        let deadline = file.deadline.map_or(provider.answer().deadline, |length| length.0);
        if !(Duration::from_secs(2)..=Duration::from_secs(30)).contains(&deadline) {
            return Err(format!(
                "deadline: {deadline:?} is not between 2s and 30s; the body and Kafka need some of it"
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            format: file.format,
            key: file.key,
            redeliveries: file.redeliveries,
            raw_topic,
            max_body: usize::try_from(max_body).unwrap_or(DEFAULT_MAX_BODY),
            deadline,
            allow: allowed(&file.allow, &provider)?,
            allows_provider: file.allow.iter().any(|entry| entry == PROVIDER),
            max_requests_per_second: file.max_requests_per_second,
            api_base: file.api_base.as_deref().map(api_base).transpose()?,
            spools: file.when_kafka_is_away == Some(WhenAway::Spool),
            when_kafka_is_away: file.when_kafka_is_away,
            accept_unsigned: file.accept_unsigned,
            secrets: file.secrets.clone(),
            key_roots: file.key_roots.clone(),
            secrets_file: secrets_file(file, &provider)?,
            credentials: credentials(file, &provider)?,
            tenants: file.tenants.clone(),
            params: file.params.clone(),
            overrides: overrides(file),
            public_url: match &file.public_url {
                Some(url) => Some(own_url(url)?),
                None => public_url.map(|base| format!("{base}{path}")),
            },
            path,
            provider,
        })
    }

    /// Settle where events go while Kafka is away, once it is known whether there is a spool.
    pub(super) fn decide_spooling(&mut self, spool: bool) -> Result<(), String> {
        self.spools = match self.when_kafka_is_away {
            Some(WhenAway::Spool) if !spool => {
                return Err("when_kafka_is_away = \"spool\" needs a spool; set spool.dir".to_owned());
            }
            Some(given) => given == WhenAway::Spool,
            None => spool,
        };
        Ok(())
    }

    /// How many live secrets it has, or may come to have.
    pub fn secret_count(&self) -> usize {
        if self.secrets_file.is_some() { MAX_SECRETS } else { self.secrets.len() }
    }

    /// Where secrets are kept that the provider hands over.
    pub fn secrets_file(&self) -> Option<&SecretsFile> {
        self.secrets_file.as_ref()
    }

    /// Fetch the secrets and compile what runs per request.
    ///
    /// # Errors
    /// What is missing, and where to find it at the provider.
    pub fn bind(&self) -> Result<Rules, String> {
        self.bind_with(self.secrets()?)
    }

    /// The same with other secrets.
    ///
    /// # Errors
    /// A secret that the scheme cannot use.
    pub fn bind_with(&self, secrets: Vec<Secret>) -> Result<Rules, String> {
        self.bind_as(&self.binding(secrets)?)
    }

    /// The same from settings that [`SourceConfig::binding`] made.
    ///
    /// # Errors
    /// As [`SourceConfig::bind_with`].
    pub fn bind_as(&self, binding: &Binding) -> Result<Rules, String> {
        self.provider.bind(binding).map_err(|error| self.at(&error.to_string()))
    }

    /// Its settings, with these secrets.
    ///
    /// # Errors
    /// A credential, or the further roots, whose variable or file is missing.
    pub fn binding(&self, secrets: Vec<Secret>) -> Result<Binding, String> {
        Ok(Binding {
            secrets,
            params: self.params.clone(),
            credentials: if self.provider.key_hosts().is_empty() { BTreeMap::new() } else { self.credentials(None)? },
            key_roots: self.key_roots.as_ref().map(SecretRef::resolve).transpose().map_err(|error| self.at(&error))?,
            public_url: self.public_url.clone(),
            overrides: self.overrides.clone(),
            accept_unsigned: self.accept_unsigned,
            secrets_follow: self.secrets_file.is_some(),
        })
    }

    /// What the secrets are called in the file, such as `env:STRIPE_WEBHOOK_SECRET`, in their order.
    pub fn secret_names(&self) -> Vec<String> {
        self.secrets.iter().map(SecretRef::to_string).collect()
    }

    /// The credentials for the provider's API that hold for a tenant, fetched; empty where none are configured.
    ///
    /// # Errors
    /// The credential whose variable or file is missing.
    pub fn credentials(&self, tenant: Option<&str>) -> Result<BTreeMap<String, Secret>, String> {
        let own = tenant.and_then(|tenant| self.tenants.get(tenant)).filter(|own| !own.is_empty());
        own.unwrap_or(&self.credentials)
            .iter()
            .map(|(name, reference)| reference.resolve().map(|secret| (name.clone(), secret)).map_err(|e| self.at(&e)))
            .collect()
    }

    /// Where and with what headers the provider's API is asked whether an event is true; `None` where requests prove
    /// themselves.
    ///
    /// # Errors
    /// The credential is missing, and where to find it.
    pub fn inquiries(&self) -> Result<Option<(Url, HeaderMap)>, String> {
        let Some(api) = self.provider.api().filter(|_| self.provider.is_fetched()) else { return Ok(None) };
        let credentials = self.credentials(None)?;
        let Some(secret) = credentials.get(api.credential()) else {
            let place = self.provider.needs().credentials.get(api.credential()).map(String::as_str).unwrap_or_default();
            return Err(self.at(&format!(
                "credentials.{} is missing: without it no event of {} can be confirmed (find it at: {place})",
                api.credential(),
                self.provider.title()
            )));
        };
        let headers = api.request_headers(secret).map_err(|error| self.at(&error))?;
        let base = match &self.api_base {
            Some(base) => base.clone(),
            None => api.base_url(None).map_err(|error| self.at(&error.to_string()))?,
        };
        Ok(Some((base, headers)))
    }

    /// The provider's parameters.
    pub fn params(&self) -> &BTreeMap<String, String> {
        &self.params
    }

    /// The tenants whose records may be fetched.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.keys().map(String::as_str)
    }

    /// The secrets, fetched; behind the configured ones those that were handed over.
    ///
    /// # Errors
    /// The one whose variable or file is missing.
    pub fn secrets(&self) -> Result<Vec<Secret>, String> {
        let secrets = self.secrets.iter().map(SecretRef::resolve).collect::<Result<Vec<_>, _>>();
        let stored = self.secrets_file.as_ref().map_or(Ok(Vec::new()), SecretsFile::read);
        let mut secrets = secrets.map_err(|error| self.at(&error))?;
        secrets.extend(stored.map_err(|error| self.at(&error))?);
        Ok(secrets)
    }

    /// The files that its secrets and credentials come from.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let tenants = self.tenants.values().flat_map(BTreeMap::values);
        let references = self.secrets.iter().chain(self.credentials.values()).chain(tenants);
        references.filter_map(|reference| reference.file().map(Path::to_path_buf))
    }

    /// The CloudEvents source attribute of its events.
    pub fn event_source(&self) -> String {
        format!("/webhooks/{}", self.name)
    }

    fn at(&self, message: &str) -> String {
        format!("[sources.{}] {message}", self.name)
    }
}

fn secrets_file(file: &Source, provider: &Provider) -> Result<Option<SecretsFile>, String> {
    match &file.secrets_file {
        None if file.more_secrets => Err("more_secrets says nothing without secrets_file".to_owned()),
        None => Ok(None),
        Some(_) if !provider.stores_secrets() => {
            Err(format!("secrets_file: {} hands no secret over; give secrets", provider.title()))
        }
        Some(_) if file.accept_unsigned => {
            Err("secrets_file stands beside accept_unsigned; keep one of them".to_owned())
        }
        Some(path) => {
            let room = if file.more_secrets { MAX_SECRETS - file.secrets.len().min(MAX_SECRETS) } else { 1 };
            SecretsFile::new(path, if file.secrets.is_empty() || file.more_secrets { room } else { 0 }).map(Some)
        }
    }
}

fn credentials(file: &Source, provider: &Provider) -> Result<BTreeMap<String, SecretRef>, String> {
    let known: Vec<&str> = provider.needs().credentials.keys().map(String::as_str).collect();
    let mut credentials = file.credentials.clone();
    if let Some(reference) = &file.api_key {
        let [only] = known.as_slice() else {
            return Err(format!(
                "api_key is short for a provider's only credential; {} takes {}",
                provider.name(),
                listed(&known)
            ));
        };
        credentials.insert((*only).to_owned(), reference.clone());
    }
    for name in credentials.keys().chain(file.tenants.values().flat_map(BTreeMap::keys)) {
        if !known.contains(&name.as_str()) {
            return Err(format!(
                "credential `{name}` is not one that {} takes; it takes {}",
                provider.name(),
                listed(&known)
            ));
        }
    }
    Ok(credentials)
}

/// The networks of `allow`, the provider's own in the place of their name.
fn allowed(entries: &[String], provider: &Provider) -> Result<Vec<IpNet>, String> {
    let mut networks = Vec::new();
    for entry in entries {
        if entry != PROVIDER {
            networks.push(network(entry).map_err(|why| format!("allow: {why}"))?);
            continue;
        }
        let published = provider.addresses().ok_or_else(|| {
            format!(
                "allow: \"{PROVIDER}\" stands for the addresses that a provider publishes, and none are known of {}; \
                 write networks, or leave allow out",
                provider.title()
            )
        })?;
        networks.extend(published.networks());
    }
    Ok(networks)
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn overrides(file: &Source) -> toml::Table {
    let mut overrides = toml::Table::new();
    for (key, table) in [("verify", &file.verify), ("event", &file.event)] {
        if !table.is_empty() {
            overrides.insert(key.to_owned(), toml::Value::Table(table.clone()));
        }
    }
    overrides
}

/// Kept as written: it is a text that somebody signs.
fn own_url(text: &str) -> Result<String, String> {
    api_base(text).map_err(|_| format!("public_url `{text}` is not an http or https URL"))?;
    if text.contains(['?', '#']) {
        return Err(format!("public_url `{text}` ends before its query: what is called is added from the request"));
    }
    Ok(text.to_owned())
}

fn api_base(text: &str) -> Result<Url, String> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| format!("api_base `{text}` is not an http or https URL"))
}

fn is_source_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains("//")
        && path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'%'))
}
