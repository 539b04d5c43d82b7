//! What the enricher knows of a source: its topics, its routes to full records, and the accounts that may ask.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use url::Url;

use super::account::{Account, AccountId, Accounts};
use super::verdict::Skip;
use crate::config::{Config, SourceConfig};
use crate::event::{Envelope, Format, Pointer, Wanted, scan};
use crate::provider::{Api, Provider, Route, RouteError};

/// One source, compiled.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// The form of its records.
    pub(crate) format: Format,
    /// Where its raw records come from.
    pub(crate) raw_topic: Arc<str>,
    /// Where its enriched records go.
    pub(crate) enriched_topic: Arc<str>,
    /// Where its claimed ids go.
    pub(crate) ids_topic: Arc<str>,
    /// Its provider's name.
    pub(crate) provider: Arc<Provider>,
    /// The source's own account, if it has credentials.
    account: Option<AccountId>,
    /// Accounts of tenants on the operator's list.
    tenants: BTreeMap<String, Option<AccountId>>,
    api_base: Option<Url>,
    /// The values that each route needs, by the route's text.
    wanted: HashMap<String, Wanted>,
}

/// What is to be fetched for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The record's address.
    pub(crate) url: Url,
    /// Who asks.
    pub(crate) account: AccountId,
    /// The event says that the object was deleted.
    pub(crate) deleted: bool,
}

/// All sources by name.
#[derive(Debug)]
pub(crate) struct Sources(BTreeMap<String, Arc<Source>>);

impl Sources {
    /// Compile every source and open its accounts.
    ///
    /// # Errors
    /// A credential that is missing or cannot be sent in a header; the message names the source.
    pub(crate) fn new(config: &Config) -> Result<(Self, Accounts), String> {
        let mut accounts = Accounts::default();
        let mut sources = BTreeMap::new();
        for source in config.sources.values() {
            let compiled = Source::new(source, config, &mut accounts)
                .map_err(|message| format!("[sources.{}] {message}", source.name))?;
            sources.insert(source.name.clone(), Arc::new(compiled));
        }
        Ok((Self(sources), accounts))
    }

    /// The source of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Source>> {
        self.0.get(name)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.0.values()
    }

    /// The sources whose events come in this raw topic; none for other topics.
    pub(crate) fn of_topic<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a Arc<Source>> + 'a {
        self.iter().filter(move |source| *source.raw_topic == *topic)
    }

    /// Whether everything in a raw topic waits for one and the same account.
    pub(crate) fn has_one_account(&self, topic: &str) -> bool {
        let mut sources = self.of_topic(topic);
        sources.next().is_some_and(|only| only.tenants.is_empty()) && sources.next().is_none()
    }
}

impl Source {
    fn new(source: &SourceConfig, config: &Config, accounts: &mut Accounts) -> Result<Self, String> {
        let topics = &config.kafka.topics;
        let name: Arc<str> = source.name.as_str().into();
        let mut open = |tenant: Option<&str>| -> Result<Option<AccountId>, String> {
            let Some(api) = source.provider.api() else { return Ok(None) };
            let credentials = source.credentials(tenant)?;
            let Some(secret) = credentials.get(api.credential()) else { return Ok(None) };
            let headers = api.request_headers(secret)?;
            Ok(Some(accounts.open(Account::new(Arc::clone(&name), tenant, headers, api.rate()))))
        };
        let account = open(None)?;
        let mut tenants = BTreeMap::new();
        for tenant in source.tenants() {
            tenants.insert(tenant.to_owned(), open(Some(tenant))?);
        }
        let routes = source.provider.api().into_iter().flat_map(Api::routes);
        Ok(Self {
            format: source.format,
            raw_topic: source.raw_topic.as_str().into(),
            enriched_topic: topics.enriched_topic(&source.name).into(),
            ids_topic: topics.ids_topic(&source.name).into(),
            provider: Arc::clone(&source.provider),
            account,
            tenants,
            api_base: source.api_base.clone(),
            wanted: routes.map(|(_, route)| (route.as_str().to_owned(), Wanted::new(route.pointers()))).collect(),
            name,
        })
    }

    /// What is to be fetched for an event, or why nothing is.
    ///
    /// # Errors
    /// Why the event is passed on without a record.
    pub(crate) fn target(&self, event: &Envelope<'_>) -> Result<Target, Skip> {
        let kind = event.attributes.providertype.as_deref().ok_or(Skip::NoRoute)?;
        let api = self.provider.api().ok_or(Skip::NoRoute)?;
        let route = api.route(kind).ok_or(Skip::NoRoute)?;
        let tenant = event.attributes.tenant.as_deref();
        let account = self.account_of(tenant, api.needs_tenant())?.ok_or(Skip::NoCredentials)?;
        let base = match &self.api_base {
            Some(base) => base.clone(),
            None => api.base_url(tenant).map_err(|error| skip(&error))?,
        };
        let url = self.url(route, &base, event)?;
        Ok(Target { url, account, deleted: api.is_deleted_type(kind) })
    }

    /// A tenant may be named by a header that nobody signed. It chooses a host or a credential only when the operator
    /// has listed it.
    fn account_of(&self, tenant: Option<&str>, needed: bool) -> Result<Option<AccountId>, Skip> {
        match tenant.and_then(|tenant| self.tenants.get(tenant)) {
            Some(account) => Ok(*account),
            None if needed => Err(Skip::UnknownTenant),
            None => Ok(self.account),
        }
    }

    fn url(&self, route: &Route, base: &Url, event: &Envelope<'_>) -> Result<Url, Skip> {
        let text = event.data.text().ok_or(Skip::NoAddress)?;
        let wanted = self.wanted.get(route.as_str()).ok_or(Skip::NoAddress)?;
        let found = scan(text, wanted).map_err(|_| Skip::NoAddress)?;
        let value = |pointer: &Pointer| {
            let slot = route.pointers().iter().position(|other| other == pointer)?;
            found.text(slot).map(Cow::into_owned)
        };
        route.url(base, &|pointer| value(pointer).map(Cow::Owned)).map_err(|error| skip(&error))
    }
}

fn skip(error: &RouteError) -> Skip {
    match error {
        RouteError::Missing(_) | RouteError::Unfit(_) | RouteError::NotAUrl(_) => Skip::NoAddress,
        RouteError::ForeignHost(_) => Skip::HostNotAllowed,
        RouteError::NoTenant => Skip::UnknownTenant,
    }
}
