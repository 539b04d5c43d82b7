//! A gateway in the test's own process, whose clock the test sets and whose network may be a double.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hookstream::config::Config;
use hookstream::gateway::Gateway;
use hookstream::gateway::keys::Transport;
use hookstream::http::{Limits, Phase};
use hookstream::telemetry::Metrics;
use jiff::Timestamp;
use tokio::sync::watch;

use super::kafka::PATIENCE;

/// Serving until it is dropped.
pub(crate) struct InProcess {
    pub(crate) public: SocketAddr,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) metrics: Metrics,
    /// Seconds since 1970.
    pub(crate) now: Arc<AtomicI64>,
    _runtime: tokio::runtime::Runtime,
    _phase: watch::Sender<Phase>,
}

impl InProcess {
    /// Start at this second, on this network for keys, and await that every topic was seen.
    pub(crate) fn start(config: &Config, at: i64, network: Option<Arc<dyn Transport>>) -> InProcess {
        let now = Arc::new(AtomicI64::new(at));
        let clock = Arc::clone(&now);
        let tell = move || Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap();
        let metrics = Metrics::new().unwrap();
        let gateway = Gateway::start_on(config, &metrics, Arc::new(tell), network).unwrap();
        assert!(gateway.await_topics(PATIENCE), "the topics are seen");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let public = listener.local_addr().unwrap();
        let phase = watch::Sender::new(Phase::Serving);
        let limits =
            Limits { max_connections: 200, header_timeout: PATIENCE, idle_timeout: PATIENCE, finish: Duration::ZERO };
        let handler = Arc::clone(&gateway);
        runtime.spawn(hookstream::http::serve(
            listener,
            handler,
            limits,
            None,
            None,
            Arc::default(),
            phase.subscribe(),
        ));
        InProcess { public, gateway, metrics, now, _runtime: runtime, _phase: phase }
    }
}
