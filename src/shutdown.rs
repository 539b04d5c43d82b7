//! When to stop: signals become a state that every part can wait for.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    None,
    /// SIGTERM: finish in order.
    Requested,
    /// SIGINT, or a second SIGTERM: skip the delays.
    Hurried,
}

/// A handle to wait for the end. Clones see the same state.
#[derive(Clone, Debug)]
pub struct Shutdown {
    urgency: watch::Sender<Urgency>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { urgency: watch::Sender::new(Urgency::None) }
    }
}

impl Shutdown {
    /// Listen for SIGTERM and SIGINT.
    ///
    /// # Errors
    /// The operating system's, where handlers cannot be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let state = shutdown.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => state.raise(if state.is_requested() { Urgency::Hurried } else { Urgency::Requested }),
                    _ = interrupt.recv() => state.raise(Urgency::Hurried),
                }
            }
        });
        Ok(shutdown)
    }

    /// Ask for an orderly end from within.
    pub fn request(&self) {
        self.raise(Urgency::Requested);
    }

    /// Ask for a quick end from within.
    pub fn hurry(&self) {
        self.raise(Urgency::Hurried);
    }

    /// Whether the end was asked for.
    pub fn is_requested(&self) -> bool {
        *self.urgency.borrow() >= Urgency::Requested
    }

    /// Wait until the end is asked for.
    pub async fn requested(&self) {
        self.at_least(Urgency::Requested).await;
    }

    /// Wait until the end is urgent.
    pub async fn hurried(&self) {
        self.at_least(Urgency::Hurried).await;
    }

    async fn at_least(&self, urgency: Urgency) {
        // Never closed: this handle holds a sender.
        let _ = self.urgency.subscribe().wait_for(|now| *now >= urgency).await;
    }

    fn raise(&self, urgency: Urgency) {
        self.urgency.send_if_modified(|now| {
            let raised = urgency > *now;
            *now = urgency.max(*now);
            raised
        });
    }
}
