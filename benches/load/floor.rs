//! The floors: the least that a program must do for an event. Each runs as a process of its own, started by the harness.
//!
//! `verify` reads the body and verifies the HMAC; `produce` writes the gateway's records to Kafka and nothing else; `both`
//! verifies, parses into a typed struct, produces the gateway's record and awaits its delivery. All talk HTTP; `produce`
//! is told over it when to run.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::Thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::serve::ListenerExt;
use hmac::{Hmac, Mac};
use hookstream::config::Config;
use hookstream::kafka::Role;
use hookstream::kafka::client::client_config;
use http::{HeaderMap, StatusCode};
use rdkafka::ClientContext;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::Sha256;
use tokio::sync::oneshot;

use super::event::{self, BODIES, Body, Template};
use super::pace::Schedule;
use super::process::{self, Machine};
use super::sample::{Plan, Sample};

/// Which floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Verify,
    Produce,
    Both,
}

/// What a floor is told at its start.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) kind: Kind,
    /// The gateway's configuration, for the same Kafka settings.
    pub(crate) config: String,
    pub(crate) topic: String,
    pub(crate) template: Template,
}

/// What the producing floor is asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) plan: Plan,
    /// Records under way at most.
    pub(crate) in_flight: usize,
}

struct Floor {
    task: Task,
    keyed: Hmac<Sha256>,
    producer: Producer,
}

type Producer = ThreadedProducer<Deliveries>;

/// Run the floor that `file` describes, until it is killed.
pub(crate) fn run(file: &Path) {
    let task: Task = serde_json::from_slice(&std::fs::read(file).expect("read the task")).expect("a task");
    let config = Config::parse(Path::new("hookstream.toml"), &task.config, []).expect("the gateway's configuration");
    let producer = client_config(&config.kafka, Role::Producer)
        .and_then(|config| config.create_with_context(Deliveries).map_err(|error| error.to_string()))
        .expect("a producer");
    let floor = Arc::new(Floor { task, keyed: event::keyed(), producer });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listen");
        println!("{}", listener.local_addr().expect("an address"));
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("no delay"));
        axum::serve(listener, Router::new().fallback(answer).with_state(floor)).await.expect("serve");
    });
}

async fn answer(State(floor): State<Arc<Floor>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a body");
    match floor.task.kind {
        Kind::Produce => {
            let order: Order = serde_json::from_slice(&body).expect("an order");
            let run = tokio::task::spawn_blocking(move || produce_window(&floor, &order));
            let sample = run.await.expect("the window");
            Response::new(axum::body::Body::from(serde_json::to_vec(&sample).expect("JSON")))
        }
        _ if !verified(&floor, &parts.headers, &body) => status(StatusCode::UNAUTHORIZED),
        Kind::Verify => status(StatusCode::OK),
        Kind::Both => produce_one(&floor, &body).await,
    }
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(axum::body::Body::from(r#"{"status":"accepted"}"#));
    *response.status_mut() = status;
    response
}

fn verified(floor: &Floor, headers: &HeaderMap, body: &[u8]) -> bool {
    let Some((signed_at, signature)) =
        headers.get("stripe-signature").and_then(|value| value.to_str().ok()?.strip_prefix("t=")?.split_once(",v1="))
    else {
        return false;
    };
    let mut tag = [0; 32];
    hex::decode_to_slice(signature, &mut tag).is_ok()
        && floor.keyed.clone().chain_update(signed_at).chain_update(".").chain_update(body).verify(&tag.into()).is_ok()
}

/// What the envelope takes from an event.
#[derive(Deserialize)]
#[allow(dead_code, reason = "reading them is what is measured")]
struct Event<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    created: i64,
    #[serde(borrow)]
    account: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

async fn produce_one(floor: &Floor, body: &[u8]) -> Response {
    let Ok(event) = serde_json::from_slice::<Event<'_>>(body) else { return status(StatusCode::BAD_REQUEST) };
    let (request, outcome) = oneshot::channel();
    send(floor, &event.id, body, Waiting::Request(request));
    if outcome.await != Ok(true) {
        return status(StatusCode::SERVICE_UNAVAILABLE);
    }
    Response::new(axum::body::Body::from(format!(r#"{{"status":"accepted","id":"{}"}}"#, event.id)))
}

/// Who waits for a delivery.
enum Waiting {
    Request(oneshot::Sender<bool>),
    Window(Arc<Window>, Instant),
}

struct Deliveries;

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Waiting>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Box<Waiting>) {
        match *waiting {
            // Who hung up need not know.
            Waiting::Request(request) => drop(request.send(result.is_ok())),
            Waiting::Window(window, due) => window.delivered(due, result.is_ok()),
        }
    }
}

fn send(floor: &Floor, id: &str, body: &[u8], waiting: Waiting) {
    let template = &floor.task.template;
    let headers = template.headers(id);
    let mut owned = OwnedHeaders::new_with_capacity(headers.len());
    for (key, value) in headers {
        owned = owned.insert(Header { key, value: Some(value) });
    }
    let value = template.value(id, body);
    let record =
        BaseRecord::with_opaque_to(&floor.task.topic, Box::new(waiting)).key(id).payload(&value).headers(owned);
    floor.producer.send(record).map_err(|(error, _)| error).expect("a queue with room");
}

/// The deliveries of one window.
struct Window {
    limit: usize,
    in_flight: AtomicUsize,
    failed: AtomicU64,
    /// While the window is measured.
    latencies: Mutex<Option<Vec<Duration>>>,
    sender: Thread,
}

impl Window {
    fn delivered(&self, due: Instant, ok: bool) {
        if !ok {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(latencies) = &mut *self.latencies.lock().expect("the latencies") {
            latencies.push(due.elapsed());
        }
        if self.in_flight.fetch_sub(1, Ordering::Relaxed) == self.limit {
            self.sender.unpark();
        }
    }
}

/// One window of the producing floor, open or closed loop as the plan says.
fn produce_window(floor: &Floor, order: &Order) -> Sample {
    let Order { plan, in_flight } = *order;
    let window = Arc::new(Window {
        limit: if plan.rate.is_some() { usize::MAX } else { in_flight },
        in_flight: AtomicUsize::new(0),
        failed: AtomicU64::new(0),
        latencies: Mutex::default(),
        sender: std::thread::current(),
    });
    let mut bodies: Vec<Body> = (0..BODIES).map(Body::new).collect();
    let start = Instant::now();
    let schedule = plan.rate.map(Schedule::begin);
    let (from, until) = (start + plan.warm_up, start + plan.warm_up + plan.length);
    let mut measured = None;
    let mut number = 0;
    loop {
        let now = Instant::now();
        if now >= until {
            break;
        }
        if now >= from && measured.is_none() {
            measured = Some((process::cpu(std::process::id()), Machine::now(), now));
            *window.latencies.lock().expect("the latencies") = Some(Vec::new());
        }
        let due = schedule.map_or(now, |schedule| schedule.due(number));
        if due > now {
            std::thread::park_timeout(due - now);
        } else if window.in_flight.load(Ordering::Relaxed) >= window.limit {
            std::thread::park_timeout(until - now);
        } else {
            window.in_flight.fetch_add(1, Ordering::Relaxed);
            let body = bodies[number as usize % BODIES].number(number);
            send(floor, &event::id(number), body, Waiting::Window(Arc::clone(&window), due));
            number += 1;
        }
    }
    let (cpu, machine, since) = measured.expect("a window");
    let (cpu, machine, length) = (process::cpu(std::process::id()) - cpu, machine.since(), since.elapsed());
    let latencies = window.latencies.lock().expect("the latencies").take().expect("a window");
    floor.producer.flush(Duration::from_secs(20)).expect("deliveries");
    let failed = window.failed.load(Ordering::Relaxed);
    Sample { accepted: number - failed, failed, ..Sample::new(latencies, length, cpu, machine) }
}
