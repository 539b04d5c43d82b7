//! What a reload replaces as a whole. A request takes one of these at its start and keeps its source to the end.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::admission::PerSecond;
use super::keys::Network;
use super::source::Source;
use crate::config::Config;
use crate::provider::Catalogue;
use crate::spool::Spool;
use crate::telemetry::GatewayMetrics;

/// The sources by path, and what is decided before one is known.
pub(super) struct Sources {
    pub(super) by_path: HashMap<String, Arc<Source>>,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) require_https: bool,
    pub(super) failures: Arc<PerSecond<IpAddr>>,
    /// For `explain`: what other providers' requests look like.
    pub(super) catalogue: Catalogue,
}

impl Sources {
    /// Compile every source. What a source of `before` has learnt (its duplicates, bodies and rate) stays with the
    /// source of the same name and provider.
    ///
    /// # Errors
    /// A source that lacks what its scheme needs.
    pub(super) fn new(
        config: &Config,
        spool: Option<&Arc<Spool>>,
        network: &Network,
        metrics: &GatewayMetrics,
        before: Option<&Self>,
    ) -> Result<Self, String> {
        let mut by_path = HashMap::new();
        for source in config.sources.values() {
            let known = before.and_then(|before| before.named(&source.name));
            let compiled = Source::new(source, config, spool, metrics, network, known)?;
            by_path.insert(source.path.clone(), Arc::new(compiled));
        }
        let limit = config.gateway.failed_requests_per_second;
        let failures = match before {
            Some(before) if before.failures.limit() == limit => Arc::clone(&before.failures),
            _ => Arc::new(PerSecond::new(limit)),
        };
        let gateway = &config.gateway;
        let (trusted_proxies, require_https) = (gateway.trusted_proxies.clone(), gateway.require_https);
        let catalogue = config.catalogue.clone();
        Ok(Self { by_path, failures, trusted_proxies, require_https, catalogue })
    }

    /// The source of this name.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Source>> {
        self.by_path.values().find(|source| *source.name == *name)
    }
}

/// Every topic that a gateway of this configuration writes to, and these.
pub(super) fn topics(config: &Config, further: &[Arc<str>]) -> Vec<Arc<str>> {
    let raw = config.sources.values().map(|source| source.raw_topic.clone());
    let topics = raw.chain([config.kafka.topics.dead_letter_topic()]).map(Arc::from);
    let topics: BTreeSet<Arc<str>> = topics.chain(further.iter().cloned()).collect();
    topics.into_iter().collect()
}
