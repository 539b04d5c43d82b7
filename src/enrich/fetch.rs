//! Asking a provider's API for one record: bounded in time and size, no redirects, no proxies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use url::Url;

use super::account::AccountId;
use super::answer::{Answer, Exchange, Fetched, refusal};
use super::limits::limits;
use crate::event::{Wanted, scan};
use crate::http::client::{self, Client, Unread};
use crate::kafka::Partition;
use crate::telemetry::EnrichMetrics;

/// Results that wait for the owner loop; a task that has one more waits with it.
const RESULTS: usize = 256;

/// An ETag longer than this is not kept; RFC 9110 sets no limit, memory does.
const LONGEST_ETAG: usize = 256;

/// Whose request it is. The epoch tells one assignment of a partition from the next.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    /// The record's partition.
    pub(crate) partition: Partition,
    /// Its assignment.
    pub(crate) epoch: u64,
    /// The record's offset.
    pub(crate) offset: i64,
    /// The account that asks.
    pub(crate) account: AccountId,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Ask {
    /// Whose it is.
    pub(crate) ticket: Ticket,
    /// The source, for the metrics.
    pub(crate) source: Arc<str>,
    /// The record's address; its host has been checked.
    pub(crate) url: Url,
    /// Credentials and version pins.
    pub(crate) headers: Arc<HeaderMap>,
    /// The time it may take, body included.
    pub(crate) patience: Duration,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// Whose it was.
    pub(crate) ticket: Ticket,
    /// What came.
    pub(crate) answer: Answer,
    /// The request.
    pub(crate) exchange: Exchange,
}

/// Starts requests on the runtime; their ends come back over one bounded channel.
#[derive(Debug)]
pub(crate) struct Fetcher {
    client: Client,
    runtime: Handle,
    results: mpsc::Sender<Done>,
    max_record: usize,
    metrics: EnrichMetrics,
}

impl Fetcher {
    /// A fetcher, and where its results come out.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub(crate) fn new(
        runtime: Handle,
        max_record: usize,
        metrics: EnrichMetrics,
    ) -> Result<(Self, mpsc::Receiver<Done>), String> {
        let client = client::client()?;
        let (results, done) = mpsc::channel(RESULTS);
        Ok((Self { client, runtime, results, max_record, metrics }, done))
    }

    /// Start a request. Its end comes over the channel, whatever it is.
    pub(crate) fn start(&self, ask: Ask) {
        let (client, results, metrics) = (self.client.clone(), self.results.clone(), self.metrics.clone());
        let max_record = self.max_record;
        self.runtime.spawn(async move {
            let start = Instant::now();
            let mut exchange = Exchange { url: ask.url.to_string(), began: Timestamp::now(), status: None };
            let request = fetch(&client, &ask, max_record, &mut exchange.status);
            let answer = tokio::time::timeout(ask.patience, request).await.unwrap_or(Answer::TimedOut);
            metrics.fetched(&ask.source, answer.status_class(), start.elapsed());
            // Nobody listens any more only while the process ends.
            let _ = results.send(Done { ticket: ask.ticket, answer, exchange }).await;
        });
    }
}

async fn fetch(http: &Client, ask: &Ask, max_record: usize, status: &mut Option<u16>) -> Answer {
    let mut headers = HeaderMap::clone(&ask.headers);
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    let response = match http.get(ask.url.clone()).headers(headers).send().await {
        Ok(response) => response,
        Err(_) => return Answer::Unreachable,
    };
    *status = Some(response.status().as_u16());
    // No redirect is followed, so this cannot differ; were it otherwise, the answer is not from where we asked.
    if response.url().host() != ask.url.host() {
        return Answer::Redirected;
    }
    if !matches!(response.status(), StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION) {
        let limits = limits(response.headers(), Timestamp::now());
        return refusal(response.status(), limits.retry_after, limits.used_up);
    }
    let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
    let etag = etag.filter(|etag| etag.len() <= LONGEST_ETAG).map(str::to_owned);
    match client::read(response, max_record).await {
        Ok(record) => readable(record, etag),
        Err(Unread::TooLarge) => Answer::TooLarge,
        Err(Unread::Encoding) => Answer::Unreadable("encoding"),
        Err(Unread::Broken) => Answer::Unreachable,
    }
}

/// A record goes into the enriched event verbatim, so it must keep the envelope's rules.
fn readable(record: Bytes, etag: Option<String>) -> Answer {
    match scan(&record, &Wanted::none()) {
        Ok(_) => Answer::Record(Fetched { record, etag }),
        Err(unreadable) => Answer::Unreadable(unreadable.as_str()),
    }
}
