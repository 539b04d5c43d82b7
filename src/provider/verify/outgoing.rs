//! The way back: a request of our own, with the proof written where the provider would put it.

use http::{HeaderMap, HeaderValue};

use super::picked::Picks;
use super::place::Place;
use crate::event::Found;
use crate::provider::error::SignError;

/// A request as the provider would send it, or on its way to become one.
#[derive(Debug, Clone, Default)]
pub struct Signed {
    /// All headers, the proof among them where it stands there.
    pub headers: HeaderMap,
    /// The query without its question mark; empty where the proof stands elsewhere.
    pub query: String,
    /// The body, with the proof in it where it stands there.
    pub body: Vec<u8>,
}

/// Signs a text with a private key: only who owns the key can, so the caller brings it.
pub type Signer = dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync;

impl Signed {
    /// Write one value that stands in the request once.
    pub(super) fn put(&mut self, place: &Place, picks: &Picks, value: &str) -> Result<(), SignError> {
        match place {
            Place::Header(_) | Place::Several(_) => {
                let name = place.headers().first().ok_or(SignError::NotAHeaderValue)?;
                let mut value = HeaderValue::from_str(value).map_err(|_| SignError::NotAHeaderValue)?;
                value.set_sensitive(true);
                self.headers.insert(name, value);
            }
            Place::Query(name) => self.query = with_field(self.query.as_bytes(), name, value),
            Place::Form(name) => self.body = with_field(&self.body, name, value).into_bytes(),
            Place::Json(..) => {
                let picked = picks.read(&self.body);
                let absent = || SignError::NoPlace(place.describe());
                let one = replacement(place, picked.found().ok_or_else(absent)?, value).ok_or_else(absent)?;
                self.replace(vec![one]);
            }
        }
        Ok(())
    }

    /// Write a value into every item of a batch.
    pub(super) fn put_each(
        &mut self,
        place: &Place,
        picks: &Picks,
        value: impl Fn(&Found<'_>) -> Result<String, SignError>,
    ) -> Result<(), SignError> {
        let absent = || SignError::NoPlace(place.describe());
        let picked = picks.read(&self.body);
        let found = picked.found().ok_or_else(absent)?;
        let items = (0..found.items().unwrap_or_default()).filter_map(|number| found.item(number));
        let one = |(_, item): (&[u8], Found<'_>)| replacement(place, &item, &value(&item)?).ok_or_else(absent);
        let all = items.map(one).collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() {
            return Err(absent());
        }
        self.replace(all);
        Ok(())
    }

    /// From the end to the beginning, so that the places before stay where they are.
    fn replace(&mut self, mut all: Vec<(std::ops::Range<usize>, String)>) {
        all.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
        for (span, text) in all {
            self.body.splice(span, text.into_bytes());
        }
    }
}

/// What to write where: a number stays a number.
fn replacement(place: &Place, found: &Found<'_>, value: &str) -> Option<(std::ops::Range<usize>, String)> {
    let Place::Json(_, slot) = place else { return None };
    let is_number = found.raw(*slot)?.first().is_some_and(u8::is_ascii_digit);
    let text = if is_number { value.to_owned() } else { serde_json::Value::from(value).to_string() };
    Some((found.span(*slot)?, text))
}

/// A query or a form with one field set: in its place, or at the end; everything else byte for byte.
fn with_field(fields: &[u8], name: &str, value: &str) -> String {
    let field: String = url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    let text = String::from_utf8_lossy(fields);
    let is_it = |part: &str| url::form_urlencoded::parse(part.as_bytes()).any(|(key, _)| key == name);
    let mut set = false;
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        if !is_it(part) {
            parts.push(part);
        } else if !std::mem::replace(&mut set, true) {
            parts.push(&field);
        }
    }
    if !set {
        parts.push(&field);
    }
    parts.join("&")
}

#[cfg(test)]
mod tests {
    use super::{Picks, Place, Signed, with_field};

    #[test]
    fn a_field_is_set_where_it_stands() {
        assert_eq!(with_field(b"", "a", "x y&"), "a=x+y%26");
        assert_eq!(with_field(b"b=%2B&a=1&c=2&a=3", "a", "4"), "b=%2B&a=4&c=2");
        assert_eq!(with_field(b"b=1", "a", "2"), "b=1&a=2");
    }

    #[test]
    fn a_value_in_the_body_keeps_its_kind() {
        let mut picks = Picks::default();
        let places = ["/a", "/b/c"].map(|pointer| {
            let mut place = Place::json(pointer).unwrap();
            place.register(&mut picks);
            place
        });
        let picks = picks.close();
        let mut signed = Signed { body: br#"{"a": 1, "b": {"c" :"x"}, "d":2}"#.to_vec(), ..Signed::default() };
        signed.put(&places[0], &picks, "17").unwrap();
        signed.put(&places[1], &picks, "y\"").unwrap();
        assert_eq!(String::from_utf8(signed.body.clone()).unwrap(), r#"{"a": 17, "b": {"c" :"y\""}, "d":2}"#);
        signed.body = b"{}".to_vec();
        assert!(signed.put(&places[0], &picks, "17").is_err());
    }
}
