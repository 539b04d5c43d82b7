//! The life of `serve`: bind, serve, drain, flush, end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};

use super::Gateway;
use crate::config::Config;
use crate::http::{BACKLOG, Connections, Handshakes, Lanes, Limits, Phase, Tls};
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;

/// What begun requests may take once nothing new is accepted: nearly the longest deadline that a provider really keeps. With the
/// drain delay, `FLUSH` (while which a last look for topics ends), the operators' listener (1 s) and a disk's last sync it stays
/// within the 20 s that SIGTERM promises.
const FINISH: Duration = Duration::from_secs(9);

/// What the drain and the producer may take to settle what is still under way. Nobody was promised anything for these records: whoever
/// was, has been answered.
const FLUSH: Duration = Duration::from_secs(3);

/// Bind an address, and say which one when it cannot be had. Async since the listener belongs to the runtime.
///
/// # Errors
/// One sentence with the address and what to do.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart need not wait for what the connections of before leave behind.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} is taken by another process; choose another with --listen or --admin")
        }
        _ => format!("cannot listen on {address}: {error}"),
    })
}

/// The public listener and its phase.
pub struct Listeners {
    /// Where providers come in.
    pub public: TcpListener,
    /// TLS there.
    pub tls: Option<Arc<Tls>>,
    /// Steers the drain.
    pub phase: watch::Sender<Phase>,
    /// Where connections are served.
    pub lanes: Lanes,
}

/// What an instance leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// Records whose fate in Kafka stayed open; whoever was promised something for them finds them in the spool.
    pub unsettled: usize,
    /// Records that remain in the spool.
    pub spooled: u64,
}

/// Serve until told to stop; then drain as the contract of SIGTERM says. Returns what remains.
pub async fn serve(
    gateway: Arc<Gateway>,
    config: &Config,
    listeners: Listeners,
    metrics: &Metrics,
    shutdown: Shutdown,
) -> Rest {
    let limits = Limits {
        max_connections: config.gateway.max_connections,
        header_timeout: config.gateway.header_timeout,
        idle_timeout: config.gateway.idle_timeout,
        finish: FINISH,
    };
    let connections =
        Connections { open: metrics.gateway.connections.clone(), errors: metrics.gateway.connection_errors.clone() };
    let Listeners { public, tls, phase, lanes } = listeners;
    // Held to the end: what a sender that hung up has left there goes on until the gateway is closed.
    let lanes = Arc::new(lanes);
    let handshakes = tls.zip(config.gateway.tls.as_ref()).map(|(tls, bounds)| Handshakes {
        tls,
        timeout: bounds.handshake_timeout,
        places: Arc::new(Semaphore::new(bounds.max_handshakes)),
    });
    let handler = Arc::clone(&gateway);
    let (served_on, connections) = (Arc::clone(&lanes), Some(connections));
    let server = crate::http::serve(public, handler, limits, handshakes, connections, served_on, phase.subscribe());
    let server = tokio::spawn(server);
    shutdown.requested().await;
    gateway.drain();
    phase.send_replace(Phase::Draining);
    tracing::info!(delay = ?config.gateway.drain_delay, "draining: still accepting, so that load balancers can notice");
    // A second signal, or SIGINT, skips the delay.
    let _ = tokio::time::timeout(config.gateway.drain_delay, shutdown.hurried()).await;
    phase.send_replace(Phase::Stopping);
    if server.await.is_err() {
        tracing::error!("the listener ended with a panic");
    }
    let rest = tokio::task::spawn_blocking(move || gateway.close(FLUSH)).await.unwrap_or_default();
    drop(lanes);
    rest
}
