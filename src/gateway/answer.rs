//! What a request is answered with.

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::http::RequestId;
use crate::kafka::{DeliveryFailure, ProduceError};
use crate::provider::{Reject, Reply};
use crate::spool::SpoolError;

/// How a request ended: the metric label, and the column in `dev`'s table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Verified and durable.
    Accepted,
    /// Verified, and durable here before.
    Duplicate,
    /// A challenge, answered as the provider wants it.
    Handshake,
    /// Verified and unreadable; its bytes are durable in the dead-letter topic.
    DeadLetter,
    /// Refused with a 4xx.
    Rejected,
    /// Could not be made durable in time: 503.
    Unavailable,
    /// The client went away before the answer.
    HungUp,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Duplicate,
        Self::Handshake,
        Self::DeadLetter,
        Self::Rejected,
        Self::Unavailable,
        Self::HungUp,
    ];

    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Handshake => "handshake",
            Self::DeadLetter => "dead_letter",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::HungUp => "hung_up",
        }
    }
}

/// Where an accepted event is durable: the label `via`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// In Kafka.
    Kafka,
    /// In the spool, if for the whole request one record is only there.
    Spool,
    /// Nothing new was made durable.
    Neither,
}

impl Via {
    /// The metric label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Spool => "spool",
            Self::Neither => "none",
        }
    }
}

/// Why an event could not be made durable in time. The provider is asked to send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Kafka did not acknowledge before the deadline.
    Deadline,
    /// The producer did not take the record.
    Produce(ProduceError),
    /// Kafka gave the record up or refused it.
    Delivery(DeliveryFailure),
    /// Kafka did not have it in time, and the spool did not take it.
    Spool(SpoolError),
    /// The byte budget for bodies in flight is spent.
    Memory,
    /// Public-key signatures came faster than their share of the processors checks them.
    Busy,
    /// Too many copies of one event wait for the first.
    Crowded,
    /// The provider's API did not say in time whether the event is true.
    Inquiry,
    /// A secret that the provider handed over could not be stored.
    SecretsFile,
}

impl Unavailable {
    /// The metric label and log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "kafka_slow",
            Self::Produce(error) => error.as_str(),
            Self::Delivery(failure) => failure.as_str(),
            Self::Spool(error) => error.as_str(),
            Self::Memory => "memory",
            Self::Busy => "signatures",
            Self::Crowded => "crowded",
            Self::Inquiry => "inquiry",
            Self::SecretsFile => "secrets_file",
        }
    }
}

/// A request that ends without a 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The caller's fault.
    Reject(Reject),
    /// Ours, or Kafka's.
    Unavailable(Unavailable),
}

impl From<Reject> for Refused {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}

impl From<Unavailable> for Refused {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

/// A request that ends with what the provider hopes for.
#[derive(Debug)]
pub(super) enum Answer {
    /// The events are durable now, there; the id of the first.
    Accepted(Option<String>, Via),
    /// All of them were durable before; the id of the first.
    Duplicate(Option<String>),
    /// The bytes are durable as a dead letter, there.
    DeadLetter(Via),
    /// What the provider's handshake wants.
    Handshake(Reply),
}

impl Answer {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Accepted(..) => Outcome::Accepted,
            Self::Duplicate(_) => Outcome::Duplicate,
            Self::DeadLetter(_) => Outcome::DeadLetter,
            Self::Handshake(_) => Outcome::Handshake,
        }
    }
}

impl Answer {
    /// Where what was accepted is durable.
    pub(super) fn via(&self) -> Via {
        match self {
            Self::Accepted(_, via) | Self::DeadLetter(via) => *via,
            Self::Duplicate(_) | Self::Handshake(_) => Via::Neither,
        }
    }
}

/// How long a provider should wait before it sends again, in seconds.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// `success` is what the provider wants to hear of a stored event, and `rejected` the status of a request that proves
/// nothing, where those are not ours.
pub(super) fn response(
    result: &Result<Answer, Refused>,
    id: RequestId,
    max_body: usize,
    success: Option<&Reply>,
    rejected: Option<u16>,
) -> Response {
    let mut response = match (result, success) {
        (Ok(Answer::Accepted(..) | Answer::Duplicate(_) | Answer::DeadLetter(_)), Some(success)) => handshake(success),
        (Err(Refused::Reject(reject)), _) if reject.status() == 401 && rejected.is_some() => {
            let mut response = Response::new(Body::empty());
            let status = rejected.and_then(|status| StatusCode::from_u16(status).ok());
            *response.status_mut() = status.unwrap_or(StatusCode::UNAUTHORIZED);
            response
        }
        (result, _) => own(result, id, max_body),
    };
    response.headers_mut().insert(crate::http::REQUEST_ID, id.header());
    response
}

fn own(result: &Result<Answer, Refused>, id: RequestId, max_body: usize) -> Response {
    match result {
        Ok(Answer::Accepted(event, _)) => taken("accepted", event.as_deref()),
        Ok(Answer::Duplicate(event)) => taken("duplicate", event.as_deref()),
        // A retry would not make the body readable: the provider is told that it is done.
        Ok(Answer::DeadLetter(_)) => taken("accepted", None),
        Ok(Answer::Handshake(reply)) => handshake(reply),
        Err(Refused::Reject(reject)) => rejection(*reject, id, max_body),
        Err(Refused::Unavailable(_)) => unavailable(id),
    }
}

/// The body of a 200.
#[derive(Serialize)]
struct Taken<'a> {
    status: &'static str,
    id: Option<&'a str>,
}

/// The body of a refusal.
#[derive(Serialize)]
struct Rejection<'a> {
    status: &'static str,
    error: &'a str,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_bytes: Option<usize>,
}

fn taken(status: &'static str, id: Option<&str>) -> Response {
    json_response(StatusCode::OK, &Taken { status, id })
}

fn rejection(reject: Reject, id: RequestId, max_body: usize) -> Response {
    let status = StatusCode::from_u16(reject.status()).unwrap_or(StatusCode::BAD_REQUEST);
    // The reason stays ours: whoever probes learns no more than the status says.
    let error = status.canonical_reason().unwrap_or("rejected").to_ascii_lowercase().replace([' ', '-'], "_");
    let limit_bytes = (status == StatusCode::PAYLOAD_TOO_LARGE).then_some(max_body);
    let body = Rejection { status: "rejected", error: &error, request_id: id.to_string(), limit_bytes };
    let mut response = json_response(status, &body);
    let headers = response.headers_mut();
    match status {
        StatusCode::METHOD_NOT_ALLOWED => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
        StatusCode::TOO_MANY_REQUESTS => drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))),
        // The rest of the request is not read; the connection cannot be used again.
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            close(headers)
        }
        _ => {}
    }
    response
}

fn unavailable(id: RequestId) -> Response {
    let request_id = id.to_string();
    let body = Rejection { status: "rejected", error: "service_unavailable", request_id, limit_bytes: None };
    let mut response = json_response(StatusCode::SERVICE_UNAVAILABLE, &body);
    response.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS);
    response
}

fn handshake(reply: &Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body.clone()));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    // Some challenges are echoed to whoever asks: no browser may take one for a page.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let content_type = reply.content_type.iter().map(|value| ("content-type", value.as_str()));
    let headers = reply.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in content_type.chain(headers) {
        // A challenge with line ends in it cannot become a header; it is left out.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    // Text and numbers always have a JSON form.
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn close(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}
