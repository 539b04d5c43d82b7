//! The operators' listener, never on the public port: /metrics, /livez, /readyz and /status hold nothing secret and want
//! no token; /explain says what refused requests were about, and is for those who hold the token or the machine.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::config::Secret;
use crate::telemetry::Metrics;

/// What a running part tells operators about itself.
pub trait Operations: Send + Sync + 'static {
    /// Whether this instance can keep its promises now.
    ///
    /// # Errors
    /// Why not, in one sentence.
    fn ready(&self) -> Result<(), String>;

    /// Its state and counts.
    fn status(&self) -> Value;

    /// Why a request was refused, by its id; `None` when nothing is known of it. May take a second.
    fn explain(&self, _request: &str) -> Option<Value> {
        None
    }
}

/// Who may ask for more than health, metrics and status.
#[derive(Clone, Debug)]
pub enum Access {
    /// Whoever reaches the listener, which is on a loopback address.
    Open,
    /// Who presents the token with this SHA-256.
    Token([u8; 32]),
    /// Nobody: the listener can be reached from elsewhere and no token is configured.
    Off,
}

impl Access {
    /// As design and configuration have it: a token where there is one, else only on loopback.
    pub fn new(token: Option<&Secret>, listen: IpAddr) -> Self {
        match token {
            Some(token) => Self::Token(Sha256::digest(token.expose()).into()),
            None if listen.is_loopback() => Self::Open,
            None => Self::Off,
        }
    }

    /// `None` when this request may ask.
    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        let Self::Token(expected) = self else {
            let off = "off: the listener is not on a loopback address; set admin.token to switch it on";
            return matches!(self, Self::Off).then(|| json_page(StatusCode::FORBIDDEN, &json!({ "error": off })));
        };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let digest: [u8; 32] = Sha256::digest(given.unwrap_or_default()).into();
        if given.is_some() && bool::from(digest.ct_eq(expected)) {
            return None;
        }
        let mut response =
            json_page(StatusCode::UNAUTHORIZED, &json!({ "error": "admin.token is wanted, as a bearer token" }));
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(response)
    }
}

/// [`Access`] as it is now: `admin.token` may become another one while the listener runs.
#[derive(Clone, Debug)]
pub struct Door {
    access: Arc<ArcSwap<Access>>,
    listen: IpAddr,
}

impl Door {
    /// The door of a listener at this address.
    pub fn new(token: Option<&Secret>, listen: IpAddr) -> Self {
        Self { access: Arc::new(ArcSwap::from_pointee(Access::new(token, listen))), listen }
    }

    /// From the next request on.
    pub fn change(&self, token: Option<&Secret>) {
        self.access.store(Arc::new(Access::new(token, self.listen)));
    }
}

struct Admin {
    metrics: Arc<Metrics>,
    operations: Arc<dyn Operations>,
    hosts: Vec<String>,
    door: Door,
    /// One diagnosis at a time: each may take a processor for a while.
    turn: Semaphore,
}

/// The operators' routes. `hosts` are the names under which they may be asked, beside IP addresses and localhost.
pub fn router(metrics: Arc<Metrics>, operations: Arc<dyn Operations>, hosts: Vec<String>, door: Door) -> Router {
    let admin = Arc::new(Admin { metrics, operations, hosts, door, turn: Semaphore::new(1) });
    Router::new()
        .route("/metrics", get(metrics_page))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/status", get(status))
        .route("/explain/{request}", get(explain))
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), known_host))
        .with_state(admin)
}

/// Refuse names that we do not know: a page in an operator's browser could otherwise reach us through a name of its
/// own that it points at our address. An IP address in Host cannot come from such a page.
async fn known_host(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    if is_known(host(request.headers()), &admin.hosts) {
        return next.run(request).await;
    }
    text(StatusCode::FORBIDDEN, "this Host is not known; add it to admin.hosts\n")
}

fn host(headers: &HeaderMap) -> &str {
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

fn is_known(host: &str, hosts: &[String]) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok()
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
}

async fn metrics_page(State(admin): State<Arc<Admin>>) -> Response {
    let mut response = Response::new(Body::from(admin.metrics.render()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response
}

async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    match admin.operations.ready() {
        Ok(()) => text(StatusCode::OK, "ready\n"),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("not ready: {why}\n")),
    }
}

async fn status(State(admin): State<Arc<Admin>>) -> Response {
    json_page(StatusCode::OK, &admin.operations.status())
}

async fn explain(State(admin): State<Arc<Admin>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if let Some(refusal) = admin.door.access.load().refusal(&headers) {
        return refusal;
    }
    let Ok(_turn) = admin.turn.acquire().await else {
        return json_page(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": "stopping" }));
    };
    let operations = Arc::clone(&admin.operations);
    match tokio::task::spawn_blocking(move || operations.explain(&id)).await {
        Ok(Some(explanation)) => json_page(StatusCode::OK, &explanation),
        Ok(None) => json_page(StatusCode::NOT_FOUND, &json!({ "error": "no refused request has this id here" })),
        Err(_) => json_page(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": "the diagnosis failed" })),
    }
}

fn json_page(status: StatusCode, page: &Value) -> Response {
    let mut response = Response::new(Body::from(format!("{page:#}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(status: StatusCode, body: &str) -> Response {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Access, host, is_known};
    use crate::config::Secret;

    #[test]
    fn more_than_health_wants_the_token_or_the_machine() {
        let headers = |value: &'static str| {
            [(http::header::AUTHORIZATION, HeaderValue::from_static(value))].into_iter().collect::<HeaderMap>()
        };
        let status =
            |access: &Access, headers: &HeaderMap| access.refusal(headers).map(|response| response.status().as_u16());
        let token = Secret::new(b"fake".to_vec());
        let local = "127.0.0.1".parse().unwrap();
        assert_eq!(status(&Access::new(None, local), &HeaderMap::new()), None);
        assert_eq!(status(&Access::new(None, "0.0.0.0".parse().unwrap()), &headers("Bearer fake")), Some(403));
        let access = Access::new(Some(&token), local);
        assert_eq!(status(&access, &HeaderMap::new()), Some(401), "also on loopback");
        assert_eq!(status(&access, &headers("Bearer fakes")), Some(401));
        assert_eq!(status(&access, &headers("fake")), Some(401));
        assert_eq!(status(&access, &headers("Bearer fake")), None);
    }

    #[test]
    fn names_that_nobody_configured_are_refused() {
        let known = ["serve".to_owned()];
        for (header, expected) in [
            ("localhost:9464", true),
            ("127.0.0.1", true),
            ("10.2.3.4:9464", true),
            ("[::1]:9464", true),
            ("serve:9464", true),
            ("evil.example:9464", false),
            ("localhost.evil.example", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static(header));
            assert_eq!(is_known(host(&headers), &known), expected, "{header}");
        }
    }
}
