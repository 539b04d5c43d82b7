//! How a connection ends once its listener is stopping: what its client has sent by then is read and answered.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::Service;
use tokio::sync::watch;
use tokio::task::coop::has_budget_remaining;

use super::pace::Pace;
use super::server::Phase;

/// How long a silent connection is kept after the stop. What the kernel holds of it was sent before anybody could know,
/// and may not have been seen yet; what is on the wire arrives within this.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// How long a handshake may take after the stop: one that is meant needs a few round trips.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// Drive a connection to its end; after the stop to the end of the request that it is at.
pub(super) async fn drive<I, S>(
    connection: http1::Connection<I, S>,
    phase: watch::Receiver<Phase>,
    pace: &Pace,
) -> hyper::Result<()>
where
    I: Read + Write + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<Body>>,
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let mut connection = pin!(connection);
    let told = phase.clone();
    let mut over = pin!(after_the_stop(phase, LAST_WORDS));
    let (mut is_over, mut last, mut waits) = (false, false, false);
    poll_fn(|cx| {
        // First of all: what has come is not to be cut off.
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        // It has the task's waker from the first time; nothing can have come of it while the phase is the same.
        if !waits || told.has_changed().unwrap_or(true) {
            is_over = is_over || over.as_mut().poll(cx).is_ready();
            // A task that has used up its turn is not registered by the poll.
            waits = has_budget_remaining();
        }
        // A head that has begun is finished within its time; its answer then says that it was the last.
        if last || !is_over || pace.is_in_head() {
            return Poll::Pending;
        }
        last = true;
        connection.as_mut().graceful_shutdown();
        connection.as_mut().poll(cx)
    })
    .await
}

/// Until a handshake that is not done yet is given up.
pub(super) async fn handshake_over(phase: watch::Receiver<Phase>) {
    after_the_stop(phase, HANDSHAKE).await;
}

async fn after_the_stop(mut phase: watch::Receiver<Phase>, grace: Duration) {
    // A closed channel means that the owner is gone: the same.
    let _ = phase.wait_for(|phase| *phase == Phase::Stopping).await;
    tokio::time::sleep(grace).await;
}
