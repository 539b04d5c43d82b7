//! `[api]` as it is written, and its checks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use url::Url;

use super::hosts::{self, Hosts};
use super::{Api, Auth, Rate, Route};
use crate::provider::error::Fault;
use crate::provider::glob::Globs;
use crate::provider::verify::header_name;

/// `[api]` as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiSpec {
    base: String,
    #[serde(default)]
    hosts: Vec<String>,
    auth: String,
    credential: String,
    #[serde(default)]
    rate: Option<Rate>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    deleted: Vec<String>,
    records: BTreeMap<String, String>,
}

impl ApiSpec {
    pub(crate) fn compile(&self) -> Result<Api, Fault> {
        let hosts = self.hosts()?;
        let routes = self.records.iter().map(|(pattern, text)| {
            let route = Route::parse(text, &hosts).map_err(|problem| Fault::new(pattern, problem).within("records"))?;
            Ok((pattern.clone(), route))
        });
        let headers = self.headers.iter().map(|(name, value)| {
            header_name(name).map_err(|problem| Fault::new(name, problem).within("headers"))?;
            http::HeaderValue::from_str(value)
                .map_err(|_| Fault::new(name, "is not a header value").within("headers"))?;
            Ok((name.clone(), value.clone()))
        });
        Ok(Api {
            base: self.base.clone(),
            auth: self.auth()?,
            credential: self.credential.clone(),
            rate: self.rate()?,
            headers: headers.collect::<Result<_, Fault>>()?,
            deleted: self.deleted.clone(),
            routes: Globs::new(routes.collect::<Result<Vec<_>, Fault>>()?),
            hosts,
        })
    }

    /// The allowed hosts: those listed, or the base's own.
    fn hosts(&self) -> Result<Hosts, Fault> {
        let tenant = self.base.contains("{tenant}");
        if tenant && self.hosts.is_empty() {
            return Err(Fault::new("hosts", "is missing: a base with {tenant} needs the hosts that it may lead to"));
        }
        let base = Url::parse(&self.base.replace("{tenant}", "tenant.example"));
        let base = base.map_err(|error| Fault::new("base", format!("is not a URL: {error}")))?;
        let host = base.host_str().filter(|_| base.scheme() == "https");
        let host = host.ok_or_else(|| Fault::new("base", "must begin with https:// and a host"))?.to_owned();
        if self.hosts.is_empty() {
            return Ok(Arc::from([host]));
        }
        if !tenant && !self.hosts.iter().any(|pattern| hosts::matches(pattern, &host)) {
            return Err(Fault::new("hosts", format!("must cover the host of base, {host}")));
        }
        match self.hosts.iter().find(|pattern| !hosts::is_pattern(pattern)) {
            Some(pattern) => Err(Fault::new(
                "hosts",
                format!("`{pattern}` must be a host name; * may stand for one whole label, not for the last two"),
            )),
            None => Ok(self.hosts.clone().into()),
        }
    }

    fn auth(&self) -> Result<Auth, Fault> {
        match (self.auth.as_str(), self.auth.strip_prefix("header:")) {
            ("bearer", _) => Ok(Auth::Bearer),
            ("basic", _) => Ok(Auth::Basic),
            (_, Some(name)) => header_name(name).map(Auth::Header).map_err(|problem| Fault::new("auth", problem)),
            _ => Err(Fault::new("auth", format!("`{}` is unknown, expected bearer, basic or header:NAME", self.auth))),
        }
    }

    fn rate(&self) -> Result<Rate, Fault> {
        let rate = self.rate.unwrap_or(Rate::DEFAULT);
        let sound = rate.per_second > 0.0 && rate.per_second <= 10_000.0 && (1..=10_000).contains(&rate.burst);
        sound.then_some(rate).ok_or_else(|| Fault::new("rate", "per_second and burst must lie above 0 and up to 10000"))
    }
}
