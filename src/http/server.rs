//! The accept loop. axum's own installs no timer, so that a client could hold a connection for ever with half a header;
//! this one bounds the head of a request in time and size, the connections in number, and the drain in time.

use std::convert::Infallible;
use std::io;
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
use prometheus::{IntCounterVec, IntGauge};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit as Place, Semaphore, watch};
use tokio::time::timeout;
use tower::ServiceExt;

use super::door::{Guest, Readable};
use super::ending;
use super::lanes::{Lanes, Seat};
use super::pace::{Pace, Paced};
use super::tls::Tls;

/// hyper's read buffer per connection, in bytes. What does not fit a head gets hyper's own bare 431; the gateway's
/// limit for headers is lower, so that most of them get an answer with a request id. The smallest that hyper takes:
/// ten thousand connections at rest each hold one.
const READ_BUFFER: usize = 8 * 1024;

/// Connections that may wait in the kernel until they are taken in, where it lets them (`net.core.somaxconn`). The usual 128
/// are full in a moment of a burst, and whoever finds them full tries again a second later.
pub const BACKLOG: u32 = 4_096;

/// How long to rest when the process has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether it came over TLS of ours.
    pub tls: bool,
}

/// What answers the requests of a listener.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answer a request that came from `peer` and was kept waiting for `waited` before it was read.
    fn answer(
        &self,
        peer: Peer,
        waited: Duration,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

impl Handler for Router {
    async fn answer(&self, _peer: Peer, _waited: Duration, request: Request<Incoming>) -> Response<Body> {
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
    /// From accept, or a head's first byte, to its end; and how long a client may leave an answer unread.
    pub header_timeout: Duration,
    /// How long a connection may rest between two requests.
    pub idle_timeout: Duration,
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

/// TLS of a listener, with the bounds of its handshakes.
#[derive(Clone)]
pub struct Handshakes {
    /// The certificate.
    pub tls: Arc<Tls>,
    /// From accept to the end of a handshake.
    pub timeout: Duration,
    /// How many may be under way; further ones wait, and the wait counts.
    pub places: Arc<Semaphore>,
}

/// Serve until the phase is [`Phase::Stopping`] and what was begun is finished, or `limits.finish` is over.
pub async fn serve(
    listener: TcpListener,
    handler: impl Handler,
    limits: Limits,
    handshakes: Option<Handshakes>,
    connections: Option<Connections>,
    lanes: Arc<Lanes>,
    phase: watch::Receiver<Phase>,
) {
    let places = Arc::new(Semaphore::new(limits.max_connections));
    // Closed once no connection holds it any more.
    let open = watch::Sender::new(());
    let mut stopping = phase.clone();
    let begin = |(stream, address): (TcpStream, SocketAddr), place: Option<Place>| {
        let connection = Connection {
            handler: handler.clone(),
            limits: limits.clone(),
            connections: connections.clone(),
            phase: phase.clone(),
        };
        let (handshakes, held) = (handshakes.clone(), open.subscribe());
        let serve = |stream, seat| connection.run(stream, address, handshakes, (place, seat, held));
        lanes.serve(stream, serve).unwrap_or_else(|error| tracing::warn!(%error, "cannot serve a connection"));
    };
    loop {
        tokio::select! {
            accepted = accept(&listener, &places, limits.header_timeout) => {
                if let Some((accepted, place)) = accepted {
                    begin(accepted, Some(place));
                }
            }
            // A closed channel means that the owner is gone: stop as well.
            _ = stopping.wait_for(|phase| *phase == Phase::Stopping) => break,
        }
    }
    // The kernel has taken these already; with the listener they would be reset. So no place is waited for: there are no
    // more of them than its queue holds, and each ends with its first answer.
    take_in(listener, limits.header_timeout, |accepted| begin(accepted, None))
        .unwrap_or_else(|error| tracing::warn!(%error, "cannot take in what the kernel has accepted"));
    if timeout(limits.finish, open.closed()).await.is_err() {
        tracing::warn!("some connections were not finished in time and are cut");
    }
}

/// One connection and what it needs of its listener.
struct Connection<H> {
    handler: H,
    limits: Limits,
    connections: Option<Connections>,
    phase: watch::Receiver<Phase>,
}

/// What a connection holds as long as it lives: those that came last have no place.
type Held = (Option<Place>, Seat, watch::Receiver<()>);

impl<H: Handler> Connection<H> {
    async fn run(self, stream: TcpStream, address: SocketAddr, handshakes: Option<Handshakes>, held: Held) {
        let guest = held.1.guest();
        let connections = self.connections.clone();
        if let Some(connections) = &connections {
            connections.open.inc();
        }
        let ended = match handshakes {
            None => self.answer(stream, guest, Peer { address, tls: false }).await,
            // Boxed, so that a connection without TLS does not hold the room of one with it.
            Some(handshakes) => Box::pin(self.shake_hands(stream, guest, address, handshakes)).await,
        };
        if let Some(connections) = &connections {
            connections.open.dec();
            if let Err(reason) = ended {
                connections.errors.with_label_values(&[reason]).inc();
            }
        }
    }

    async fn shake_hands(
        self,
        stream: TcpStream,
        guest: Guest,
        address: SocketAddr,
        by: Handshakes,
    ) -> Result<(), &'static str> {
        let handshake = timeout(by.timeout, async {
            // Never closed.
            let _turn = by.places.acquire().await;
            by.tls.acceptor().accept(stream).await
        });
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            () = ending::handshake_over(self.phase.clone()) => return Ok(()),
        };
        let stream = shaken.map_err(|_| "tls_timeout")?.map_err(|_| "tls_handshake")?;
        self.answer(stream, guest, Peer { address, tls: true }).await
    }

    /// Answer its requests until it ends; else why it ended.
    async fn answer<S>(self, stream: S, guest: Guest, peer: Peer) -> Result<(), &'static str>
    where
        S: AsyncRead + AsyncWrite + Readable + Unpin + Send + 'static,
    {
        let (stream, pace) = Paced::new(stream, guest, self.limits.header_timeout, self.limits.idle_timeout);
        let service = {
            let service = Arc::new(Service::new(self.handler, peer, Arc::clone(&pace), self.phase.clone()));
            hyper::service::service_fn(move |request| {
                // At once, and not when the answer is first asked for.
                service.pace.answering();
                answer(Arc::clone(&service), request)
            })
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // The stream looks after it.
            .header_read_timeout(None)
            .max_buf_size(READ_BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        let ended = ending::drive(connection, self.phase, &pace).await;
        if pace.timed_out() {
            return Err("header_timeout");
        }
        ended.map_err(|error| reason(&error))
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    unread: Duration,
) -> Option<((TcpStream, SocketAddr), Place)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            adjust(&stream, unread);
            Some(((stream, peer), place))
        }
        Err(error) => {
            // Out of descriptors, mostly. Without a rest this would spin.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Everything that the kernel has accepted, and the end of the listener. Asks the kernel itself: that something waits may
/// not have been told to us yet.
fn take_in(listener: TcpListener, unread: Duration, mut begin: impl FnMut((TcpStream, SocketAddr))) -> io::Result<()> {
    let listener = listener.into_std()?;
    for _ in 0..BACKLOG {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                let stream = TcpStream::from_std(stream)?;
                adjust(&stream, unread);
                begin((stream, peer));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            // Its client was not patient.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn adjust(stream: &TcpStream, unread: Duration) {
    // An answer is one small write; waiting to fill a segment would only delay it.
    let _ = stream.set_nodelay(true);
    // Whoever sends requests and reads no answer would otherwise keep its place for ever.
    let unread = unread.as_millis().try_into().unwrap_or(u32::MAX);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, unread);
}

/// What answers the requests of one connection. In one piece, so that a request counts no references that all cores share.
struct Service<H> {
    handler: H,
    peer: Peer,
    pace: Arc<Pace>,
    /// As it was seen when the connection began.
    phase: watch::Receiver<Phase>,
    /// Whether the listener was no longer serving then.
    last: bool,
}

impl<H> Service<H> {
    fn new(handler: H, peer: Peer, pace: Arc<Pace>, mut phase: watch::Receiver<Phase>) -> Self {
        let last = *phase.borrow_and_update() != Phase::Serving;
        Self { handler, peer, pace, phase, last }
    }

    /// Whether each answer is the connection's last. Phases only go on, so that any change is a farewell.
    fn is_ending(&self) -> bool {
        self.last || self.phase.has_changed().unwrap_or(true)
    }
}

async fn answer<H: Handler>(by: Arc<Service<H>>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    // Boxed, so that a connection at rest does not hold the room of a request.
    let mut response = Box::pin(by.handler.answer(by.peer, by.pace.waited(), request)).await;
    if by.is_ending() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    // Whoever closes says nothing else there.
    if response.headers().contains_key(CONNECTION) {
        by.pace.ending()
    } else {
        by.pace.resting()
    }
    Ok(response)
}

/// Why a connection ended, from a closed list.
fn reason(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        "headers_too_large"
    } else if error.is_parse() {
        "malformed"
    } else if error.is_incomplete_message() {
        "cut_off"
    } else {
        "other"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_the_last_as_soon_as_the_listener_is_about_to_go() {
        let (sender, phase) = watch::channel(Phase::Serving);
        let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: false };
        let begin = || Service::new((), peer, Arc::default(), phase.clone());
        let early = begin();
        assert!(!early.is_ending());
        sender.send_replace(Phase::Draining);
        assert!(early.is_ending() && begin().is_ending(), "one that began before, and one that begins now");
        let (sender, phase) = watch::channel(Phase::Serving);
        let orphan = Service::new((), peer, Arc::default(), phase);
        drop(sender);
        assert!(orphan.is_ending(), "whoever would tell is gone");
    }
}
