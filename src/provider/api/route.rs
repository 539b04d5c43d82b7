//! From an event to the URL of its record.

use std::borrow::Cow;

use url::Url;

use super::hosts::{Hosts, allowed, covers};
use crate::event::Pointer;
use crate::provider::read::{Source, join};

/// The way from an event to its record's URL.
#[derive(Debug, Clone)]
pub struct Route {
    parts: Vec<Source<Pointer>>,
    pointers: Vec<Pointer>,
    hosts: Hosts,
    text: String,
}

/// Why no URL could be made for an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The event does not hold this value, or holds an empty one.
    #[error("the event has no value at {0}")]
    Missing(Pointer),
    /// A value that would change the shape of the URL, such as `..`.
    #[error("the value at {0} cannot be a part of a URL")]
    Unfit(Pointer),
    /// The result is not a URL.
    #[error("the URL cannot be read: {0}")]
    NotAUrl(String),
    /// The URL leads to a host that the provider file does not name.
    #[error("the host `{0}` is not one that the provider file allows")]
    ForeignHost(String),
    /// The base holds `{tenant}` and the event names none.
    #[error("the event names no tenant")]
    NoTenant,
}

impl Route {
    /// `/path/{/pointer}` below the base, or `{/pointer}` alone: an absolute URL that the event holds.
    pub(super) fn parse(text: &str, hosts: &Hosts) -> Result<Route, String> {
        let parts = join(text)?;
        let mut pointers = Vec::new();
        for part in &parts {
            match part {
                Source::Pointer(pointer) => pointers.push(pointer.clone()),
                Source::Literal(_) => {}
                _ => {
                    return Err(format!("`{text}` may hold JSON pointers only: headers are signed by nobody"));
                }
            }
        }
        let relative =
            matches!(parts.first(), Some(Source::Literal(path)) if path.starts_with('/') && !path.starts_with("//"));
        let absolute = matches!(parts.as_slice(), [Source::Pointer(_)]);
        if !relative && !absolute {
            return Err(format!("`{text}` must begin with one `/`, or be a single {{/pointer}}"));
        }
        Ok(Route { parts, pointers, hosts: hosts.clone(), text: text.to_owned() })
    }

    /// The values that the route needs from the event's data.
    pub fn pointers(&self) -> &[Pointer] {
        &self.pointers
    }

    /// As the file spells it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL of the record. Values are percent-encoded and stay one segment each. An absolute URL out of the event
    /// must be on an allowed host, and is asked of `base` when that one is elsewhere (an operator's proxy, `dev`).
    ///
    /// # Errors
    /// A value is missing or unfit, or the URL leads to a foreign host.
    pub fn url(&self, base: &Url, values: &dyn Fn(&Pointer) -> Option<Cow<'_, str>>) -> Result<Url, RouteError> {
        let value = |pointer: &Pointer| {
            let found = values(pointer).filter(|value| !value.is_empty());
            found.map(Cow::into_owned).ok_or_else(|| RouteError::Missing(pointer.clone()))
        };
        if let [Source::Pointer(pointer)] = self.parts.as_slice() {
            let text = value(pointer)?;
            let url = Url::parse(&text).map_err(|error| RouteError::NotAUrl(error.to_string()))?;
            return rebased(allowed(url, &self.hosts)?, base, &self.hosts);
        }
        let mut path = base.path().trim_end_matches('/').to_owned();
        for part in &self.parts {
            match part {
                Source::Literal(text) => path.push_str(text),
                Source::Pointer(pointer) => {
                    let value = value(pointer)?;
                    if matches!(value.as_str(), "." | "..") || value.len() > 1_024 {
                        return Err(RouteError::Unfit(pointer.clone()));
                    }
                    percent_encode(&value, &mut path);
                }
                _ => {}
            }
        }
        base.join(&path).map_err(|error| RouteError::NotAUrl(error.to_string()))
    }
}

/// On `base` instead, if that one is none of the provider's own hosts.
fn rebased(url: Url, base: &Url, hosts: &[String]) -> Result<Url, RouteError> {
    let own = base.host_str().is_some_and(|host| covers(hosts, host));
    if own {
        return Ok(url);
    }
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("{}{}{query}", base.path().trim_end_matches('/'), url.path());
    base.join(&path).map_err(|error| RouteError::NotAUrl(error.to_string()))
}

/// Everything but RFC 3986's unreserved characters.
fn percent_encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
}
