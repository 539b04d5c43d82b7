//! Where a proof, a timestamp or a hash stands in a request: a header, the query, or the body itself.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::Request;
use super::few::Few;
use super::picked::{Picked, Picks};
use super::template::{all, header_name};
use crate::event::{Found, Pointer};
use crate::provider::reject::Reject;

/// The most headers of one numbered family, one for each live key of the provider's.
const MAX_NUMBERED: usize = 16;

/// One place. Those in the body are looked at before it is verified, bounded, and for this value alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Place {
    Header(HeaderName),
    /// `NAME-1` and so on, as many as there are; or several headers each of which may carry it.
    Several(Vec<HeaderName>),
    Query(String),
    Form(String),
    /// With its slot in the scan once compiled.
    Json(Pointer, usize),
}

impl TryFrom<String> for Place {
    type Error = String;

    /// `query:NAME`, `form:NAME`, `/a/json/pointer`, `header:NAME`.
    fn try_from(text: String) -> Result<Place, String> {
        if let Some(name) = text.strip_prefix("header:") {
            return Place::header(name);
        }
        if text.starts_with('/') {
            return Place::json(&text);
        }
        match text.split_once(':') {
            Some(("query", name)) if !name.is_empty() => Ok(Place::Query(name.to_owned())),
            Some(("form", name)) if !name.is_empty() => Ok(Place::Form(name.to_owned())),
            _ => Err(format!("`{text}` is none of header:NAME, query:NAME, form:NAME and /a/json/pointer")),
        }
    }
}

impl Place {
    /// A header, several with commas between them, or with `*` at its end a numbered family of them.
    pub(crate) fn header(name: &str) -> Result<Place, String> {
        if name.contains(',') {
            return name.split(',').map(|name| header_name(name.trim())).collect::<Result<_, _>>().map(Place::Several);
        }
        match name.strip_suffix('*') {
            None => header_name(name).map(Place::Header),
            Some(family) => {
                let names = (1..=MAX_NUMBERED).map(|number| header_name(&format!("{family}{number}")));
                names.collect::<Result<_, _>>().map(Place::Several)
            }
        }
    }

    pub(crate) fn json(pointer: &str) -> Result<Place, String> {
        let pointer: Pointer = pointer.parse().map_err(|error: crate::event::PointerError| error.to_string())?;
        Ok(Place::Json(pointer, 0))
    }

    /// Note what must be picked from the body.
    pub(crate) fn register(&mut self, picks: &mut Picks) {
        match self {
            Place::Json(pointer, slot) => *slot = picks.slot(pointer),
            Place::Form(_) => picks.form(),
            Place::Header(_) | Place::Several(_) | Place::Query(_) => {}
        }
    }

    /// Put every value that stands here into `values`, empty ones included. `item` is the item of a batch that is looked at.
    pub(crate) fn values<'a>(
        &self,
        request: &Request<'a>,
        picked: &'a Picked<'a>,
        item: Option<&Found<'a>>,
        values: &mut Few<Cow<'a, str>>,
    ) -> Result<(), Reject> {
        match self {
            Place::Header(_) | Place::Several(_) => {
                for name in self.headers() {
                    for value in all(request.headers, name) {
                        values.push(Cow::Borrowed(ascii(value).ok_or(Reject::SignatureMalformed)?));
                    }
                }
            }
            Place::Query(name) => query(request.query, name).for_each(|value| values.push(value)),
            Place::Form(name) => picked.form(name).for_each(|value| values.push(Cow::Borrowed(value.as_ref()))),
            Place::Json(_, slot) => {
                let text = item.or(picked.found()).and_then(|found| found.text(*slot));
                text.into_iter().for_each(|value| values.push(value));
            }
        }
        Ok(())
    }

    /// The one value that stands here; `None` when there is none, an error when there are several.
    pub(crate) fn value<'a>(
        &self,
        request: &Request<'a>,
        picked: &'a Picked<'a>,
        item: Option<&Found<'a>>,
    ) -> Result<Option<Cow<'a, str>>, Reject> {
        let mut values = Few::default();
        self.values(request, picked, item, &mut values)?;
        match values {
            Few::None => Ok(None),
            Few::One(value) => Ok(Some(value)),
            Few::More(_) => Err(Reject::SignatureMalformed),
        }
    }

    /// The headers that it looks at.
    pub(crate) fn headers(&self) -> &[HeaderName] {
        match self {
            Place::Header(name) => std::slice::from_ref(name),
            Place::Several(names) => names,
            Place::Query(_) | Place::Form(_) | Place::Json(..) => &[],
        }
    }

    /// Is there a value, in the body or in the first item of its batch?
    pub(crate) fn stands_in(&self, found: &Found<'_>) -> bool {
        let Place::Json(_, slot) = self else { return false };
        found.raw(*slot).is_some() || found.item(0).is_some_and(|(_, item)| item.raw(*slot).is_some())
    }

    /// For the docs.
    pub(crate) fn describe(&self) -> String {
        match self {
            Place::Header(name) => name.to_string(),
            Place::Several(names) => match names.as_slice() {
                [first, ..] if first.as_str().ends_with("-1") => format!("{first}, -2 …"),
                names => names.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(", "),
            },
            Place::Query(name) => format!("query:{name}"),
            Place::Form(name) => format!("form:{name}"),
            Place::Json(pointer, _) => pointer.to_string(),
        }
    }
}

/// What [`HeaderValue::to_str`] says, some words at a time: a header's value holds no control characters but tabs.
fn ascii(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii())
}

/// All values of a parameter of the query, decoded.
pub(crate) fn query<'a>(query: &'a str, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
    url::form_urlencoded::parse(query.as_bytes()).filter(move |(key, _)| key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};
    use jiff::Timestamp;

    use super::{Picked, Place};
    use crate::provider::reject::Reject;
    use crate::provider::verify::Request;

    #[test]
    fn the_one_value_stands_alone() {
        let (place, picked) = (Place::header("x-time").unwrap(), Picked::default());
        let mut headers = HeaderMap::new();
        let value = |headers: &HeaderMap| {
            let request = Request { method: &Method::POST, headers, query: "", body: b"", now: Timestamp::UNIX_EPOCH };
            place.value(&request, &picked, None).map(|value| value.map(|value| value.into_owned()))
        };
        assert_eq!(value(&headers), Ok(None));
        headers.append("x-time", HeaderValue::from_static("17"));
        assert_eq!(value(&headers), Ok(Some("17".to_owned())));
        headers.append("x-time", HeaderValue::from_static("17"));
        assert_eq!(value(&headers), Err(Reject::SignatureMalformed));
    }
}
