//! The hosts that a provider's API may be asked on: nothing an event says leads anywhere else.

use std::sync::Arc;

use url::Url;

use super::RouteError;

/// Host patterns; `*` stands for one label.
pub(super) type Hosts = Arc<[String]>;

/// The last two labels are literal, so that no pattern covers a whole top-level domain.
pub(super) fn is_pattern(pattern: &str) -> bool {
    let labels: Vec<_> = pattern.split('.').collect();
    let literal = |label: &&str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let (stars, last) = labels.split_at(labels.len().saturating_sub(2));
    last.len() == 2 && last.iter().all(literal) && stars.iter().all(|label| *label == "*" || literal(label))
}

pub(super) fn matches(pattern: &str, host: &str) -> bool {
    let (mut pattern, mut host) = (pattern.split('.'), host.split('.'));
    loop {
        match (pattern.next(), host.next()) {
            (None, None) => return true,
            (Some(expected), Some(label)) if expected == label || (expected == "*" && !label.is_empty()) => {}
            _ => return false,
        }
    }
}

/// Does any of the patterns cover `host`?
pub(super) fn covers(hosts: &[String], host: &str) -> bool {
    hosts.iter().any(|pattern| matches(pattern, host))
}

/// Refuse user info, ports, other schemes and other hosts.
pub(super) fn allowed(url: Url, hosts: &[String]) -> Result<Url, RouteError> {
    let host = url.host_str().unwrap_or_default();
    let plain =
        url.scheme() == "https" && url.username().is_empty() && url.password().is_none() && url.port().is_none();
    if plain && covers(hosts, host) {
        return Ok(url);
    }
    Err(RouteError::ForeignHost(url.host_str().unwrap_or_default().to_owned()))
}
