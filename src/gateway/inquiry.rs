//! Asking a provider's API whether an event is true, for senders that sign nothing: bounded in time, size and number.

use std::time::{Duration, Instant};

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use url::Url;

use super::answer::Unavailable;
use crate::event::{Wanted, scan};
use crate::http::client::{self, Client};

/// The largest record, in bytes.
const MAX_RECORD: usize = 1 << 20;

/// How many questions of one source are under way at once: whoever makes us ask must not use up more.
const AT_ONCE: usize = 8;

/// What stays for Kafka when the answer came late.
const FOR_KAFKA: Duration = Duration::from_secs(1);

/// One source's way to its provider's API.
pub(super) struct Inquiries {
    client: Client,
    base: Url,
    headers: HeaderMap,
    turns: Semaphore,
}

impl Inquiries {
    pub(super) fn new(base: Url, mut headers: HeaderMap) -> Result<Self, String> {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Ok(Self { client: client::client()?, base, headers, turns: Semaphore::new(AT_ONCE) })
    }

    /// The record at this path; `None` where the provider knows none.
    ///
    /// # Errors
    /// The provider did not say so in time, or nothing that can be understood: the sender is asked to come again.
    pub(super) async fn ask(&self, path: &str, until: Instant) -> Result<Option<Vec<u8>>, Unavailable> {
        let until = until.checked_sub(FOR_KAFKA).unwrap_or(until);
        timeout_at(until.into(), self.asked(path)).await.map_err(|_| Unavailable::Inquiry)?
    }

    async fn asked(&self, path: &str) -> Result<Option<Vec<u8>>, Unavailable> {
        let _turn = self.turns.acquire().await.map_err(|_| Unavailable::Inquiry)?;
        let url = self.base.join(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        let url = url.map_err(|_| Unavailable::Inquiry)?;
        let request = self.client.get(url).headers(self.headers.clone());
        let response = request.send().await.map_err(|_| Unavailable::Inquiry)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            status => {
                tracing::warn!(status = status.as_u16(), "the provider's API did not say whether an event is true");
                return Err(Unavailable::Inquiry);
            }
        }
        let record = client::read(response, MAX_RECORD).await.map_err(|_| Unavailable::Inquiry)?;
        scan(&record, &Wanted::none()).map_err(|_| Unavailable::Inquiry)?;
        Ok(Some(record.into()))
    }
}
