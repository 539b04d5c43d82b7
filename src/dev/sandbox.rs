//! The providers' APIs on loopback: for the record of a sample event it answers what the provider file says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{StatusCode, Uri};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::provider::{Catalogue, Filling, Provider, Sample};

/// Values that stand where a sample's own id and number would: what is found in their place in a path is the id or
/// number. The number is short, since a sample may put digits of its own before it.
const ANY_ID: &str = "anyid";
const ANY_NUMBER: u64 = 7_077;

/// The running APIs.
pub(super) struct Sandbox {
    addresses: BTreeMap<String, SocketAddr>,
    tenants: BTreeMap<String, Vec<String>>,
}

/// One sample's record and the path at which it is found.
struct Answer {
    sample: Sample,
    path: Pattern,
}

/// A path with at most one hole.
enum Pattern {
    Fixed(String),
    Id(String, String),
    Number(String, String),
}

impl Sandbox {
    /// Listen once for each provider that has an API.
    pub(super) async fn start(catalogue: &Catalogue) -> Result<Self, String> {
        let mut sandbox = Self { addresses: BTreeMap::new(), tenants: BTreeMap::new() };
        for provider in catalogue.iter().filter(|provider| provider.api().is_some()) {
            let listener =
                TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| error.to_string())?;
            let address = listener.local_addr().map_err(|error| error.to_string())?;
            let base = Url::parse(&format!("http://{address}")).map_err(|error| error.to_string())?;
            let answers: Vec<Answer> =
                provider.samples().iter().filter_map(|sample| answer(provider, sample, &base)).collect();
            let router = Router::new().fallback(record).with_state(Arc::new(answers));
            tokio::spawn(async move { axum::serve(listener, router).await });
            sandbox.addresses.insert(provider.name().to_owned(), address);
            if provider.api().is_some_and(|api| api.needs_tenant()) {
                sandbox.tenants.insert(provider.name().to_owned(), tenants(provider));
            }
        }
        Ok(sandbox)
    }

    /// The base URL of a provider's API.
    pub(super) fn base(&self, provider: &str) -> Option<String> {
        self.addresses.get(provider).map(|address| format!("http://{address}"))
    }

    /// The tenants that a provider's samples come from.
    pub(super) fn tenants(&self, provider: &Provider) -> Vec<String> {
        self.tenants.get(provider.name()).cloned().unwrap_or_default()
    }
}

/// The values of those headers that look like a shop's host.
fn tenants(provider: &Provider) -> Vec<String> {
    let allowed = |value: &&String| value.ends_with(".myshopify.com");
    provider.samples().iter().flat_map(|sample| sample.headers.values()).filter(allowed).cloned().collect()
}

fn any() -> Filling<'static> {
    Filling { id: ANY_ID, n: ANY_NUMBER, uuid: ANY_ID, now: Timestamp::UNIX_EPOCH }
}

fn answer(provider: &Provider, sample: &Sample, base: &Url) -> Option<Answer> {
    sample.record.as_ref()?;
    let body: Value = serde_json::from_slice(&sample.fill(&any()).body).ok()?;
    let route = provider.api()?.route(&sample.providertype)?;
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    };
    let url = route.url(base, &|pointer| body.pointer(&pointer.to_string()).and_then(text)).ok()?;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Some(Answer { sample: sample.clone(), path: Pattern::new(&path) })
}

impl Pattern {
    fn new(path: &str) -> Self {
        let own = |(before, after): (&str, &str)| (before.to_owned(), after.to_owned());
        if let Some((before, after)) = path.split_once(ANY_ID).map(own) {
            return Self::Id(before, after);
        }
        match path.split_once(&ANY_NUMBER.to_string()).map(own) {
            Some((before, after)) => Self::Number(before, after),
            None => Self::Fixed(path.to_owned()),
        }
    }

    /// The id and number that make this path out of the pattern.
    fn matches(&self, path: &str) -> Option<(String, u64)> {
        let between = |before: &str, after: &str| path.strip_prefix(before)?.strip_suffix(after).map(str::to_owned);
        match self {
            Self::Fixed(fixed) => (fixed == path).then(|| ("1".to_owned(), 1)),
            Self::Id(before, after) => Some((between(before, after)?, 1)),
            Self::Number(before, after) => Some((String::new(), between(before, after)?.parse().ok()?)),
        }
    }
}

async fn record(State(answers): State<Arc<Vec<Answer>>>, uri: Uri) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let found = answers.iter().find_map(|answer| {
        let (id, n) = answer.path.matches(path)?;
        answer.sample.fill(&Filling { id: &id, n, uuid: &id, now: Timestamp::now() }).record
    });
    // A real event of a real provider, received by dev: there is no record of it here, and saying so is more use than a 404.
    let body = found
        .unwrap_or_else(|| json!({ "sandbox": "hookstream dev knows no record for this", "path": path }).to_string());
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_path_gives_back_the_id_it_was_made_of() {
        let pattern = Pattern::new("/v1/invoices/in_anyid");
        assert_eq!(pattern.matches("/v1/invoices/in_dev_1"), Some(("dev_1".to_owned(), 1)));
        assert_eq!(pattern.matches("/v1/charges/in_dev_1"), None);
        let pattern = Pattern::new("/orders/82097077.json");
        assert_eq!(pattern.matches("/orders/82093.json"), Some((String::new(), 3)));
        assert_eq!(pattern.matches("/orders/8209x.json"), None);
    }
}
