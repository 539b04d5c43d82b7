//! The pull side of a provider: where the full record of an event is fetched, and how politely.

mod hosts;
mod route;
mod spec;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use url::Url;

use super::glob::{self, Globs};
use crate::config::Secret;
use hosts::{Hosts, allowed};
pub use route::{Route, RouteError};
pub(crate) use spec::ApiSpec;

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

    /// Everything a request to this API carries besides its address.
    ///
    /// # Errors
    /// A header value, the credential among them, that cannot be sent.
    pub fn request_headers(&self, secret: &Secret) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::try_from(name).map_err(|_| format!("`{name}` is not a header name"))?;
            headers.insert(
                name,
                HeaderValue::try_from(value).map_err(|_| "a header value of the provider file cannot be sent")?,
            );
        }
        let text = secret.expose();
        let (name, value) = match self.auth() {
            Auth::Bearer => (http::header::AUTHORIZATION, [b"Bearer ".as_slice(), text].concat()),
            Auth::Basic => (http::header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(text)).into_bytes()),
            Auth::Header(name) => (name.clone(), text.to_vec()),
        };
        let unfit =
            |_| format!("credential `{}` cannot be sent in a header; does it end in a line break?", self.credential());
        let mut value = HeaderValue::from_bytes(&value).map_err(unfit)?;
        // Keeps it out of every Debug output, ours and the client's.
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(headers)
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
