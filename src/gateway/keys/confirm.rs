//! Confirming subscriptions after the answer: a few tries, few at once, each end counted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use url::Url;

use super::transport::{Ask, Failure, Transport};
use crate::telemetry::SourceMetrics;

/// How many are under way at once. Whoever sends a signed confirmation again and again gets no more than that.
const AT_ONCE: usize = 16;

/// What one try may take.
const TRY: Duration = Duration::from_secs(10);

/// The waits before each try.
const WAITS: [Duration; 4] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(60)];

/// Confirms subscriptions.
pub(in crate::gateway) struct Confirmations {
    transport: Arc<dyn Transport>,
    turns: Arc<Semaphore>,
}

impl Confirmations {
    pub(in crate::gateway) fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Confirm one beside the answer. Its address holds a token, so only the host is told to anybody.
    pub(in crate::gateway) fn start(&self, url: Url, source: Arc<str>, metrics: SourceMetrics) {
        let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else {
            metrics.confirmation("dropped").inc();
            tracing::warn!(source = &*source, "subscription not confirmed: too many at once");
            return;
        };
        let transport = Arc::clone(&self.transport);
        tokio::spawn(async move {
            let host = url.host_str().unwrap_or_default().to_owned();
            let mut last = Failure::TimedOut;
            for wait in WAITS {
                tokio::time::sleep(wait).await;
                let ask = transport.fetch(Ask { url: url.clone(), body: None });
                match tokio::time::timeout(TRY, ask).await.unwrap_or(Err(Failure::TimedOut)) {
                    Ok(_) => {
                        metrics.confirmation("confirmed").inc();
                        tracing::info!(source = &*source, host, "subscription confirmed");
                        return;
                    }
                    Err(failure) => last = failure,
                }
            }
            metrics.confirmation("failed").inc();
            tracing::error!(
                source = &*source,
                host,
                problem = last.as_str(),
                "subscription not confirmed; request it again"
            );
            drop(turn);
        });
    }
}
