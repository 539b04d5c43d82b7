//! Which of several ways to verify a request chooses: by a header, a header's value, or a parameter of its query.

use http::HeaderName;
use serde::Deserialize;

use super::template::{all, header_name};
use super::{Request, place};

/// `NAME`, `NAME=value`, `NAME=beginning*`, `query:NAME`. Every alternative needs its proof: choosing is not skipping.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct When {
    place: Chooser,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Chooser {
    Present(HeaderName),
    Equal(HeaderName, String),
    Begins(HeaderName, String),
    Query(String),
}

impl TryFrom<String> for When {
    type Error = String;

    fn try_from(text: String) -> Result<When, String> {
        let place = match (text.strip_prefix("query:"), text.split_once('=')) {
            (Some(name), _) if !name.is_empty() => Chooser::Query(name.to_owned()),
            (_, Some((name, value))) => match value.strip_suffix('*') {
                Some(beginning) => Chooser::Begins(header_name(name)?, beginning.to_owned()),
                None => Chooser::Equal(header_name(name)?, value.to_owned()),
            },
            (_, None) => Chooser::Present(header_name(&text)?),
        };
        Ok(When { place, text })
    }
}

impl When {
    /// Is it this alternative's turn?
    pub(crate) fn applies(&self, request: &Request<'_>) -> bool {
        let values = |name| all(request.headers, name).filter_map(|value| value.to_str().ok());
        match &self.place {
            Chooser::Present(name) => all(request.headers, name).next().is_some(),
            Chooser::Equal(name, expected) => values(name).any(|value| value == expected),
            Chooser::Begins(name, expected) => values(name).any(|value| value.starts_with(expected.as_str())),
            Chooser::Query(name) => place::query(request.query, name).next().is_some(),
        }
    }

    /// The header that it looks at.
    pub(crate) fn header(&self) -> Option<&HeaderName> {
        match &self.place {
            Chooser::Present(name) | Chooser::Equal(name, _) | Chooser::Begins(name, _) => Some(name),
            Chooser::Query(_) => None,
        }
    }

    /// As the file spells it.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};
    use jiff::Timestamp;

    use super::When;
    use crate::provider::verify::Request;

    fn applies(text: &str, query: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("x-version", HeaderValue::from_static("v1"));
        let request =
            Request { method: &Method::POST, headers: &headers, query, body: b"", now: Timestamp::UNIX_EPOCH };
        When::try_from(text.to_owned()).unwrap().applies(&request)
    }

    #[test]
    fn each_form() {
        assert!(applies("X-Version", "") && applies("X-Version=v1", "") && applies("X-Version=v*", ""));
        assert!(!applies("X-Other", "") && !applies("X-Version=v2", "") && !applies("X-Version=w*", ""));
        assert!(applies("query:a", "b=1&a") && !applies("query:a", "b=a"));
        for text in ["", "=", "query:", "a b", "a b=c"] {
            assert!(When::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
