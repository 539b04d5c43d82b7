//! What the headers of an answer say about a provider's limits. Pure.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// No pause longer than this is believed; a broken header must not silence an account for weeks.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// The marks of a rate limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The pause that the provider asks for.
    pub(crate) retry_after: Option<Duration>,
    /// It says that nothing is left of the budget.
    pub(crate) used_up: bool,
}

/// Read Retry-After (RFC 9110 10.2.3: seconds or a date; Shopify sends fractions) and the `x-ratelimit-*` headers that
/// GitHub sends with 403.
pub(crate) fn limits(headers: &HeaderMap, now: Timestamp) -> Limits {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let used_up = text("x-ratelimit-remaining") == Some("0");
    let retry_after = text(RETRY_AFTER.as_str()).and_then(|value| pause(value, now));
    let reset = text("x-ratelimit-reset").filter(|_| used_up);
    let until_reset =
        reset.and_then(|value| value.parse().ok()).and_then(|at| until(Timestamp::from_second(at).ok()?, now));
    Limits { retry_after: retry_after.or(until_reset), used_up }
}

fn pause(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok().map(|pause| pause.min(LONGEST));
    }
    until(DateTimeParser::new().parse_timestamp(value).ok()?, now)
}

fn until(at: Timestamp, now: Timestamp) -> Option<Duration> {
    // A moment that has passed asks for no pause; the provider's clock may run before ours.
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default().min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &'static str)]) -> Limits {
        let now: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        limits(&headers, now)
    }

    fn seconds(headers: &[(&'static str, &'static str)]) -> Option<f64> {
        read(headers).retry_after.map(|pause| pause.as_secs_f64())
    }

    #[test]
    fn seconds_fractions_and_dates() {
        assert_eq!(seconds(&[("retry-after", "120")]), Some(120.0));
        assert_eq!(seconds(&[("retry-after", "2.5")]), Some(2.5));
        assert_eq!(seconds(&[("retry-after", "Fri, 20 Nov 2026 10:01:30 GMT")]), Some(90.0));
        assert_eq!(seconds(&[("retry-after", "Fri, 20 Nov 2026 09:00:00 GMT")]), Some(0.0));
        assert_eq!(seconds(&[("retry-after", "99999999")]), Some(86_400.0));
        for broken in ["", "soon", "-5", "NaN", "inf", "20 Nov"] {
            assert_eq!(seconds(&[("retry-after", broken)]), None, "{broken}");
        }
    }

    #[test]
    fn a_used_up_budget_waits_for_its_reset() {
        let spent = read(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795168860")]);
        assert_eq!(spent, Limits { retry_after: Some(Duration::from_secs(60)), used_up: true });
        assert_eq!(read(&[("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "1795168860")]), Limits::default());
    }
}
