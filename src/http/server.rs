//! The accept loop. axum's own installs no timer, so that a client could hold a connection for ever with half a header;
//! this one bounds the head of a request in time and size, the connections in number, and the drain in time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use prometheus::{IntCounterVec, IntGauge};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

/// hyper's read buffer per connection, in bytes. What does not fit a head gets hyper's own bare 431; the gateway's
/// limit for headers is lower, so that most of them get an answer with a request id.
const READ_BUFFER: usize = 16 * 1024;

/// How long to rest when the process has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What answers the requests of a listener.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answer a request that came from `peer`.
    fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;
}

impl Handler for Router {
    async fn answer(&self, _peer: SocketAddr, request: Request<Incoming>) -> Response<Body> {
        self.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

/// Where in its life a listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Serving,
    /// Still accepting, every answer says `Connection: close`: load balancers are noticing.
    Draining,
    /// No longer accepting; what was begun is finished.
    Stopping,
}

/// Bounds of a listener.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// From accept, or the end of the last answer, to the end of a request's head; and how long a client may leave an
    /// answer unread.
    pub header_timeout: Duration,
    /// How long begun requests may take once the listener is stopping.
    pub finish: Duration,
}

/// Counters of a listener.
#[derive(Clone)]
pub struct Connections {
    /// Open ones.
    pub open: IntGauge,
    /// Ended with an error, by reason.
    pub errors: IntCounterVec,
}

/// Serve until the phase is [`Phase::Stopping`] and what was begun is finished, or `limits.finish` is over.
pub async fn serve(
    listener: TcpListener,
    handler: impl Handler,
    limits: Limits,
    connections: Option<Connections>,
    phase: watch::Receiver<Phase>,
) {
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let graceful = GracefulShutdown::new();
    let mut stopping = phase.clone();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places, limits.header_timeout) => accepted,
            // A closed channel means that the owner is gone: stop as well.
            _ = stopping.wait_for(|phase| *phase == Phase::Stopping) => break,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let service = {
            let (handler, phase) = (handler.clone(), phase.clone());
            hyper::service::service_fn(move |request| answer(handler.clone(), peer, phase.clone(), request))
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(READ_BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        let connections = connections.clone();
        tokio::spawn(async move {
            if let Some(connections) = &connections {
                connections.open.inc();
            }
            let ended = connection.await;
            if let Some(connections) = &connections {
                connections.open.dec();
                if let Err(error) = ended {
                    connections.errors.with_label_values(&[reason(&error)]).inc();
                }
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.finish, graceful.shutdown()).await.is_err() {
        tracing::warn!("some connections were not finished in time and are cut");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    unread: Duration,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // An answer is one small write; waiting to fill a segment would only delay it.
            let _ = stream.set_nodelay(true);
            // Whoever sends requests and reads no answer would otherwise keep its place for ever.
            let unread = unread.as_millis().try_into().unwrap_or(u32::MAX);
            let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, unread);
            Some((stream, peer, place))
        }
        Err(error) => {
            // Out of descriptors, mostly. Without a rest this would spin.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn answer(
    handler: impl Handler,
    peer: SocketAddr,
    phase: watch::Receiver<Phase>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let mut response = handler.answer(peer, request).await;
    if *phase.borrow() != Phase::Serving {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Why a connection ended, from a closed list.
fn reason(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        "headers_too_large"
    } else if error.is_timeout() {
        "header_timeout"
    } else if error.is_parse() {
        "malformed"
    } else if error.is_incomplete_message() {
        "cut_off"
    } else {
        "other"
    }
}
