//! The operators' listener: /metrics, /livez, /readyz, /status. Nothing secret, no token, never on the public port.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::telemetry::Metrics;

/// What a running part tells operators about itself.
pub trait Operations: Send + Sync + 'static {
    /// Whether this instance can keep its promises now.
    ///
    /// # Errors
    /// Why not, in one sentence.
    fn ready(&self) -> Result<(), String>;

    /// Its state and counts.
    fn status(&self) -> serde_json::Value;
}

struct Admin {
    metrics: Arc<Metrics>,
    operations: Arc<dyn Operations>,
    hosts: Vec<String>,
}

/// The operators' routes. `hosts` are the names under which they may be asked, beside IP addresses and localhost.
pub fn router(metrics: Arc<Metrics>, operations: Arc<dyn Operations>, hosts: Vec<String>) -> Router {
    let admin = Arc::new(Admin { metrics, operations, hosts });
    Router::new()
        .route("/metrics", get(metrics_page))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/status", get(status))
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
    let mut response = Response::new(Body::from(format!("{:#}\n", admin.operations.status())));
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

    use super::{host, is_known};

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
