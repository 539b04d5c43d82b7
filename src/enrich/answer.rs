//! What one request to a provider's API came to: a closed list, and what follows from each for the account.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;

/// The outcome of one request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The record, checked as JSON.
    Record(Fetched),
    /// 404: not there, or not there yet; providers are eventually consistent.
    NotFound,
    /// 410: gone for good.
    Gone,
    /// 401: our credentials are refused. Says nothing about the record.
    Unauthorized,
    /// 403 that is no rate limit: this record is not for us.
    Forbidden,
    /// 429, or 403 with the marks of a rate limit, with the pause that the provider asks for.
    RateLimited(Option<Duration>),
    /// 3xx: no redirect is followed, it could lead anywhere.
    Redirected,
    /// Any other status below 500 that is not a record.
    Refused(StatusCode),
    /// 5xx, with the pause that the provider asks for.
    ServerError(StatusCode, Option<Duration>),
    /// No connection, or it broke.
    Unreachable,
    /// No complete answer in time.
    TimedOut,
    /// The record is larger than `enrich.max_record`.
    TooLarge,
    /// The body is not JSON, or breaks a rule of the envelope.
    Unreadable(&'static str),
}

/// A record as the provider's API gave it.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    /// The JSON, byte for byte.
    pub(crate) record: Bytes,
    /// The ETag header.
    pub(crate) etag: Option<String>,
}

/// The request that an answer belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// Where the record was asked for; credentials are never in it.
    pub(crate) url: String,
    /// When the request began.
    pub(crate) began: Timestamp,
    /// The status of the answer, if one came.
    pub(crate) status: Option<u16>,
}

/// What an answer means for the account's breaker and budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// The provider is well.
    Well,
    /// It is well and wants a pause.
    Pause(Duration),
    /// It did not answer, or not as one that is well.
    Trouble,
    /// It refuses our credentials.
    Refused,
}

/// The pause after a 429 that names none.
const UNNAMED_PAUSE: Duration = Duration::from_secs(10);

impl Answer {
    /// What the answer means for the account.
    pub(crate) fn health(&self) -> Health {
        match self {
            Self::Record(_)
            | Self::NotFound
            | Self::Gone
            | Self::Forbidden
            | Self::Redirected
            | Self::Refused(_)
            | Self::TooLarge
            | Self::Unreadable(_) => Health::Well,
            Self::RateLimited(pause) => Health::Pause(pause.unwrap_or(UNNAMED_PAUSE)),
            Self::ServerError(..) | Self::Unreachable | Self::TimedOut => Health::Trouble,
            Self::Unauthorized => Health::Refused,
        }
    }

    /// The pause that the provider asks for.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(pause) | Self::ServerError(_, pause) => *pause,
            Self::Record(_)
            | Self::NotFound
            | Self::Gone
            | Self::Unauthorized
            | Self::Forbidden
            | Self::Redirected
            | Self::Refused(_)
            | Self::Unreachable
            | Self::TimedOut
            | Self::TooLarge
            | Self::Unreadable(_) => None,
        }
    }

    /// The name in headers, logs and dead letters.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Record(_) => "record",
            Self::NotFound => NOT_FOUND,
            Self::Gone => "gone",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::RateLimited(_) => "rate_limited",
            Self::Redirected => "redirected",
            Self::Refused(_) => "refused",
            Self::ServerError(..) => "server_error",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::TooLarge => "record_too_large",
            Self::Unreadable(_) => "record_unreadable",
        }
    }

    /// One short sentence for a dead letter; no secrets, no content.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Refused(status) | Self::ServerError(status, _) => {
                format!("the provider answered {}", status.as_u16())
            }
            Self::Unreadable(flaw) => format!("the provider's record is not readable JSON: {flaw}"),
            Self::Record(_) => "the record came".to_owned(),
            Self::NotFound => "the provider answered 404".to_owned(),
            Self::Gone => "the provider answered 410".to_owned(),
            Self::Unauthorized => "the provider refuses the credentials (401)".to_owned(),
            Self::Forbidden => "the credentials may not read this record (403)".to_owned(),
            Self::RateLimited(_) => "the provider asks for fewer requests".to_owned(),
            Self::Redirected => "the provider redirects; redirects are not followed".to_owned(),
            Self::Unreachable => "no connection to the provider".to_owned(),
            Self::TimedOut => "the provider did not answer in time".to_owned(),
            Self::TooLarge => "the record is larger than enrich.max_record".to_owned(),
        }
    }

    /// The label of the fetch metrics.
    pub(crate) fn status_class(&self) -> &'static str {
        match self {
            Self::Record(_) | Self::TooLarge | Self::Unreadable(_) => "2xx",
            Self::Redirected => "3xx",
            Self::NotFound
            | Self::Gone
            | Self::Unauthorized
            | Self::Forbidden
            | Self::RateLimited(_)
            | Self::Refused(_) => "4xx",
            Self::ServerError(..) => "5xx",
            Self::TimedOut => "timeout",
            Self::Unreachable => "unreachable",
        }
    }
}

/// The reason under which a record waits for its second try after a 404.
pub(crate) const NOT_FOUND: &str = "not_found";

/// Classify a status that brings no record. `limited` says that the headers bear the marks of a rate limit.
pub(crate) fn refusal(status: StatusCode, retry_after: Option<Duration>, limited: bool) -> Answer {
    match status.as_u16() {
        401 => Answer::Unauthorized,
        403 | 429 if limited || retry_after.is_some() => Answer::RateLimited(retry_after),
        403 => Answer::Forbidden,
        404 => Answer::NotFound,
        410 => Answer::Gone,
        429 => Answer::RateLimited(None),
        // The request came too late or too early for the provider: its trouble, not the record's.
        408 | 425 => Answer::ServerError(status, retry_after),
        300..=399 => Answer::Redirected,
        500.. => Answer::ServerError(status, retry_after),
        _ => Answer::Refused(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, retry_after: Option<u64>, limited: bool) -> &'static str {
        let status = StatusCode::from_u16(status).unwrap();
        refusal(status, retry_after.map(Duration::from_secs), limited).as_str()
    }

    #[test]
    fn statuses_are_told_apart() {
        for (status, retry_after, limited, expected) in [
            (401, None, false, "unauthorized"),
            (403, None, false, "forbidden"),
            (403, Some(60), false, "rate_limited"),
            (403, None, true, "rate_limited"),
            (404, None, false, "not_found"),
            (410, None, false, "gone"),
            (429, None, false, "rate_limited"),
            (408, None, false, "server_error"),
            (301, None, false, "redirected"),
            (304, None, false, "redirected"),
            (400, None, false, "refused"),
            (422, None, false, "refused"),
            (204, None, false, "refused"),
            (500, None, false, "server_error"),
            (503, Some(9), false, "server_error"),
        ] {
            assert_eq!(class(status, retry_after, limited), expected, "{status}");
        }
    }
}
