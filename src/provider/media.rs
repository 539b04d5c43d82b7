//! The media types that a provider may send. The header is signed by nobody: it may refuse a body, never choose its reader.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::verify::only;

/// `type/subtype`; `application/*+json` stands for every such subtype. In lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaType {
    before: String,
    /// What stands behind the `*`.
    after: Option<String>,
}

impl MediaType {
    /// One pattern of a provider file.
    pub(crate) fn parse(text: &str) -> Result<MediaType, String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/+-.*".contains(c);
        if text.matches('/').count() != 1 || !text.chars().all(fits) || text.matches('*').count() > 1 {
            return Err(format!("`{text}` is no media type in lower case, such as application/*+json"));
        }
        Ok(match text.split_once('*') {
            Some((before, after)) => MediaType { before: before.to_owned(), after: Some(after.to_owned()) },
            None => MediaType { before: text.to_owned(), after: None },
        })
    }

    fn matches(&self, kind: &str) -> bool {
        match (&self.after, kind.strip_prefix(self.before.as_str())) {
            (Some(after), Some(rest)) => rest.len() > after.len() && rest.ends_with(after.as_str()),
            (None, Some(rest)) => rest.is_empty(),
            (_, None) => false,
        }
    }
}

/// Is the body of one of these types? One without a type is; so is every body where none are given.
pub(crate) fn is_one_of(types: &[MediaType], headers: &HeaderMap) -> bool {
    if types.is_empty() || !headers.contains_key(CONTENT_TYPE) {
        return true;
    }
    let kind = only(headers, &CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    types.iter().any(|known| known.matches(&kind))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{MediaType, is_one_of};

    #[test]
    fn types_and_their_patterns() {
        let types: Vec<_> =
            ["application/json", "application/*+json"].iter().map(|text| MediaType::parse(text).unwrap()).collect();
        let sent = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", HeaderValue::from_static(value));
            is_one_of(&types, &headers)
        };
        assert!(sent("application/json") && sent("Application/JSON; charset=utf-8"));
        assert!(sent("application/cloudevents+json") && is_one_of(&types, &HeaderMap::new()));
        for other in ["", "text/plain", "application/json2", "application/+json", "application/xml"] {
            assert!(!sent(other), "{other}");
        }
        let mut twice = HeaderMap::new();
        twice.append("content-type", HeaderValue::from_static("application/json"));
        twice.append("content-type", HeaderValue::from_static("text/plain"));
        assert!(!is_one_of(&types, &twice));
        assert!(is_one_of(&[], &twice));
        for wrong in ["json", "a/b/c", "A/b", "*/*", ""] {
            assert!(MediaType::parse(wrong).is_err(), "{wrong}");
        }
    }
}
