//! The pull side of a provider: where the full record of an event is fetched, and how politely.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use serde::Deserialize;
use url::Url;

use super::error::Fault;
use super::glob::{self, Globs};
use super::read::{Source, join};
use super::verify::header_name;
use crate::event::Pointer;

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

/// A budget of requests: so many each second on average, so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests per second, fractions allowed.
    pub per_second: f64,
    /// Requests that may go out at once after a pause.
    pub burst: u32,
}

impl Rate {
    /// Where a provider publishes no limit: slow enough for any.
    const DEFAULT: Rate = Rate { per_second: 5.0, burst: 5 };
}

/// How a request proves who sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `Authorization: Basic …` of `user:password`.
    Basic,
    /// The credential alone in a header.
    Header(HeaderName),
}

/// Where a provider's API is and how it is asked.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    hosts: Hosts,
    auth: Auth,
    credential: String,
    rate: Rate,
    headers: Vec<(String, String)>,
    deleted: Vec<String>,
    routes: Globs<Route>,
}

/// Host patterns; `*` stands for one label.
type Hosts = Arc<[String]>;

/// The way from an event to its record's URL.
#[derive(Debug, Clone)]
pub struct Route {
    parts: Vec<Source<Pointer>>,
    pointers: Vec<Pointer>,
    hosts: Hosts,
    text: String,
}

/// Why no URL could be made for an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The event does not hold this value, or holds an empty one.
    #[error("the event has no value at {0}")]
    Missing(Pointer),
    /// A value that would change the shape of the URL, such as `..`.
    #[error("the value at {0} cannot be a part of a URL")]
    Unfit(Pointer),
    /// The result is not a URL.
    #[error("the URL cannot be read: {0}")]
    NotAUrl(String),
    /// The URL leads to a host that the provider file does not name.
    #[error("the host `{0}` is not one that the provider file allows")]
    ForeignHost(String),
    /// The base holds `{tenant}` and the event names none.
    #[error("the event names no tenant")]
    NoTenant,
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
        if !tenant && !self.hosts.iter().any(|pattern| host_matches(pattern, &host)) {
            return Err(Fault::new("hosts", format!("must cover the host of base, {host}")));
        }
        match self.hosts.iter().find(|pattern| !is_host_pattern(pattern)) {
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

/// The last two labels are literal, so that no pattern covers a whole top-level domain.
fn is_host_pattern(pattern: &str) -> bool {
    let labels: Vec<_> = pattern.split('.').collect();
    let literal = |label: &&str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let (stars, last) = labels.split_at(labels.len().saturating_sub(2));
    last.len() == 2 && last.iter().all(literal) && stars.iter().all(|label| *label == "*" || literal(label))
}

fn host_matches(pattern: &str, host: &str) -> bool {
    let (mut pattern, mut host) = (pattern.split('.'), host.split('.'));
    loop {
        match (pattern.next(), host.next()) {
            (None, None) => return true,
            (Some(expected), Some(label)) if expected == label || (expected == "*" && !label.is_empty()) => {}
            _ => return false,
        }
    }
}

impl Api {
    /// The route for an event type: that of the most specific pattern.
    pub fn route(&self, providertype: &str) -> Option<&Route> {
        self.routes.get(providertype)
    }

    /// Every route by its pattern, the most specific first.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &Route)> {
        self.routes.iter()
    }

    /// Does an event of this type say that its record is gone? A 404 then needs no second try.
    pub fn is_deleted_type(&self, providertype: &str) -> bool {
        self.deleted.iter().any(|pattern| glob::matches(pattern, providertype))
    }

    /// The base as the file gives it; may hold `{tenant}`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Does the base depend on the event's tenant? Unless the tenant is signed it must be on the operator's list.
    pub fn needs_tenant(&self) -> bool {
        self.base.contains("{tenant}")
    }

    /// The base for one tenant, on an allowed host.
    ///
    /// # Errors
    /// The tenant is missing where the base needs one, or leads to a host that is not allowed.
    pub fn base_url(&self, tenant: Option<&str>) -> Result<Url, RouteError> {
        let text = match tenant {
            Some(tenant) => self.base.replace("{tenant}", tenant),
            None if self.needs_tenant() => return Err(RouteError::NoTenant),
            None => self.base.clone(),
        };
        let url = Url::parse(&text).map_err(|error| RouteError::NotAUrl(error.to_string()))?;
        allowed(url, &self.hosts)
    }

    /// The hosts that may be asked; `*` stands for one label.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// How requests are authorised.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The name of the credential that they carry.
    pub fn credential(&self) -> &str {
        &self.credential
    }

    /// The provider's limit.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Fixed headers, such as a pinned version.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }
}

/// Refuse user info, ports, other schemes and other hosts.
fn allowed(url: Url, hosts: &[String]) -> Result<Url, RouteError> {
    let host = url.host_str().unwrap_or_default();
    let plain =
        url.scheme() == "https" && url.username().is_empty() && url.password().is_none() && url.port().is_none();
    if plain && hosts.iter().any(|pattern| host_matches(pattern, host)) {
        return Ok(url);
    }
    Err(RouteError::ForeignHost(url.host_str().unwrap_or_default().to_owned()))
}

impl Route {
    /// `/path/{/pointer}` below the base, or `{/pointer}` alone: an absolute URL that the event holds.
    fn parse(text: &str, hosts: &Hosts) -> Result<Route, String> {
        let parts = join(text)?;
        let mut pointers = Vec::new();
        for part in &parts {
            match part {
                Source::Pointer(pointer) => pointers.push(pointer.clone()),
                Source::Literal(_) => {}
                _ => {
                    return Err(format!("`{text}` may hold JSON pointers only: headers are signed by nobody"));
                }
            }
        }
        let relative =
            matches!(parts.first(), Some(Source::Literal(path)) if path.starts_with('/') && !path.starts_with("//"));
        let absolute = matches!(parts.as_slice(), [Source::Pointer(_)]);
        if !relative && !absolute {
            return Err(format!("`{text}` must begin with one `/`, or be a single {{/pointer}}"));
        }
        Ok(Route { parts, pointers, hosts: hosts.clone(), text: text.to_owned() })
    }

    /// The values that the route needs from the event's data.
    pub fn pointers(&self) -> &[Pointer] {
        &self.pointers
    }

    /// As the file spells it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL of the record. Values are percent-encoded and stay one segment each. An absolute URL out of the event
    /// must be on an allowed host, and is asked of `base` when that one is elsewhere (an operator's proxy, `dev`).
    ///
    /// # Errors
    /// A value is missing or unfit, or the URL leads to a foreign host.
    pub fn url(&self, base: &Url, values: &dyn Fn(&Pointer) -> Option<Cow<'_, str>>) -> Result<Url, RouteError> {
        let value = |pointer: &Pointer| {
            let found = values(pointer).filter(|value| !value.is_empty());
            found.map(Cow::into_owned).ok_or_else(|| RouteError::Missing(pointer.clone()))
        };
        if let [Source::Pointer(pointer)] = self.parts.as_slice() {
            let text = value(pointer)?;
            let url = Url::parse(&text).map_err(|error| RouteError::NotAUrl(error.to_string()))?;
            return rebased(allowed(url, &self.hosts)?, base, &self.hosts);
        }
        let mut path = base.path().trim_end_matches('/').to_owned();
        for part in &self.parts {
            match part {
                Source::Literal(text) => path.push_str(text),
                Source::Pointer(pointer) => {
                    let value = value(pointer)?;
                    if matches!(value.as_str(), "." | "..") || value.len() > 1_024 {
                        return Err(RouteError::Unfit(pointer.clone()));
                    }
                    percent_encode(&value, &mut path);
                }
                _ => {}
            }
        }
        base.join(&path).map_err(|error| RouteError::NotAUrl(error.to_string()))
    }
}

/// On `base` instead, if that one is none of the provider's own hosts.
fn rebased(url: Url, base: &Url, hosts: &[String]) -> Result<Url, RouteError> {
    let own = base.host_str().is_some_and(|host| hosts.iter().any(|pattern| host_matches(pattern, host)));
    if own {
        return Ok(url);
    }
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("{}{}{query}", base.path().trim_end_matches('/'), url.path());
    base.join(&path).map_err(|error| RouteError::NotAUrl(error.to_string()))
}

/// Everything but RFC 3986's unreserved characters.
fn percent_encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;
    use url::Url;

    use super::{Api, ApiSpec, RouteError};

    const SHOP: &str = r#"
        base = "https://{tenant}"
        hosts = ["*.myshopify.com"]
        auth = "header:X-Shopify-Access-Token"
        credential = "access_token"
        deleted = ["*/delete"]
        [records]
        "orders/*" = "/orders/{/id}.json?x={/x}"
        "self" = "{/self}"
    "#;

    fn api(text: &str) -> Result<Api, String> {
        let spec: ApiSpec = toml::from_str(text).map_err(|error| error.to_string())?;
        spec.compile().map_err(|fault| fault.in_file("api", text).to_string())
    }

    fn url(kind: &str, base: &str, value: &str) -> Result<String, RouteError> {
        let api = api(SHOP).unwrap();
        let base = Url::parse(base).unwrap();
        api.route(kind).unwrap().url(&base, &|_| Some(Cow::Owned(value.to_owned()))).map(String::from)
    }

    #[test]
    fn values_stay_inside_their_segment() {
        let base = "https://a.myshopify.com";
        assert_eq!(url("orders/create", base, "7").unwrap(), "https://a.myshopify.com/orders/7.json?x=7");
        let hostile = url("orders/create", base, "../x?y=/#@evil").unwrap();
        assert_eq!(
            hostile,
            "https://a.myshopify.com/orders/..%2Fx%3Fy%3D%2F%23%40evil.json?x=..%2Fx%3Fy%3D%2F%23%40evil"
        );
        assert!(matches!(url("orders/create", base, ".."), Err(RouteError::Unfit(_))));
        assert!(matches!(url("orders/create", base, ""), Err(RouteError::Missing(_))));
        assert_eq!(
            url("orders/create", "http://127.0.0.1:9/shop/", "7").unwrap(),
            "http://127.0.0.1:9/shop/orders/7.json?x=7"
        );
    }

    #[test]
    fn absolute_urls_stay_on_allowed_hosts() {
        let base = "https://a.myshopify.com";
        assert_eq!(url("self", base, "https://b.myshopify.com/x?y=1").unwrap(), "https://b.myshopify.com/x?y=1");
        assert_eq!(
            url("self", "http://127.0.0.1:9/shop", "https://b.myshopify.com/x?y=1").unwrap(),
            "http://127.0.0.1:9/shop/x?y=1"
        );
        for foreign in [
            "https://evil.example/x",
            "http://a.myshopify.com/",
            "https://a.myshopify.com:8443/",
            "https://u@a.myshopify.com/",
            "https://myshopify.com/",
            "https://a.b.myshopify.com/",
            "https://a.myshopify.com.evil.example/",
            "https://169.254.169.254/",
            "file:///etc/passwd",
        ] {
            assert!(matches!(url("self", base, foreign), Err(RouteError::ForeignHost(_))), "{foreign}");
        }
        assert!(matches!(url("self", base, "not a url"), Err(RouteError::NotAUrl(_))));
    }

    #[test]
    fn a_tenant_leads_nowhere_else() {
        let api = api(SHOP).unwrap();
        assert_eq!(api.base_url(Some("shop-1.myshopify.com")).unwrap().as_str(), "https://shop-1.myshopify.com/");
        for tenant in [
            "evil.example",
            "evil.example/.myshopify.com",
            "evil.example#.myshopify.com",
            "u@a.myshopify.com",
            "a.myshopify.com:1",
            "",
        ] {
            assert!(api.base_url(Some(tenant)).is_err(), "{tenant}");
        }
        assert_eq!(api.base_url(None), Err(RouteError::NoTenant));
        assert!(api.is_deleted_type("orders/delete") && !api.is_deleted_type("orders/create"));
    }

    #[test]
    fn unsound_files_are_refused() {
        let base = "auth = \"bearer\"\ncredential = \"k\"\nrecords = {}\n";
        for (text, key) in [
            ("base = \"http://x.example\"", "base"),
            ("base = \"https://{tenant}\"", "hosts"),
            ("base = \"https://x.example\"\nhosts = [\"y.example\"]", "hosts"),
            ("base = \"https://{tenant}\"\nhosts = [\"*.com\"]", "hosts"),
            ("base = \"https://{tenant}\"\nhosts = [\"*\"]", "hosts"),
            ("base = \"https://x.example\"\nrate = { per_second = 0, burst = 1 }", "rate"),
        ] {
            let error = api(&format!("{base}{text}")).unwrap_err();
            assert!(error.contains(&format!("{key}: ")), "{text}: {error}");
        }
        for route in ["//evil.example/{/id}", "x/{/id}", "{/a}{/b}", "/x/{header:X-Id}", ""] {
            let text = format!(
                "base = \"https://x.example\"\nauth = \"basic\"\ncredential = \"k\"\n[records]\n\"*\" = \"{route}\""
            );
            assert!(api(&text).is_err(), "{route}");
        }
    }

    proptest! {
        #[test]
        fn no_tenant_escapes(tenant in ".{0,30}|[a-z.@/:#?]{0,20}\\.myshopify\\.com") {
            if let Ok(url) = api(SHOP).unwrap().base_url(Some(&tenant)) {
                prop_assert!(url.host_str().unwrap().ends_with(".myshopify.com"));
                prop_assert_eq!(url.scheme(), "https");
            }
        }
    }
}
