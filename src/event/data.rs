//! What an event carries: the provider's body, or what stands for it.

use std::borrow::Cow;

use super::{Unreadable, form};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The payload of an event. What kind of body it is, the provider file says, never the Content-Type header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// JSON, byte for byte as it came (or one item of a batch, as it stood there). It has been scanned.
    Json(&'a [u8]),
    /// JSON that is not the body verbatim: a form, or JSON after a byte order mark. The body rides in a header.
    Derived {
        /// The scanned JSON.
        json: Cow<'a, [u8]>,
        /// The exact bytes of the request.
        body: &'a [u8],
    },
    /// XML, SOAP and other bytes, with the type the provider file gives.
    Bytes {
        /// The media type.
        content_type: Cow<'a, str>,
        /// The bytes.
        body: Cow<'a, [u8]>,
    },
    /// An empty body.
    None,
}

impl<'a> Data<'a> {
    /// A JSON body, not yet scanned: [`Data::text`] is what to scan. A byte order mark is the one thing cut off.
    pub fn json(body: &'a [u8]) -> Data<'a> {
        match body.strip_prefix(BYTE_ORDER_MARK) {
            Some(json) => Data::Derived { json: Cow::Borrowed(json), body },
            None if body.is_empty() => Data::None,
            None => Data::Json(body),
        }
    }

    /// A form body as a JSON object of strings. Where a name is repeated, the first value stands: nothing that is
    /// appended to a body can then change a field, and the body itself, with every value, rides along.
    ///
    /// # Errors
    /// A name or a value that is not UTF-8 after decoding.
    pub fn form(body: &'a [u8]) -> Result<Data<'a>, Unreadable> {
        if body.is_empty() {
            return Ok(Data::None);
        }
        Ok(Data::Derived { json: Cow::Owned(form::to_json(body)?), body })
    }

    /// The body of a provider that sends JSON, or a form: as it is, or, where a form has this field, the JSON in it. Which
    /// of them it is, the bytes say.
    ///
    /// # Errors
    /// As [`Data::form`].
    pub fn json_or_form(body: &'a [u8], field: &str) -> Result<Data<'a>, Unreadable> {
        if !form::is_form(body) {
            return Ok(Data::json(body));
        }
        match form::field(body, field)? {
            Some(json) => Ok(Data::Derived { json: Cow::Owned(json), body }),
            None => Data::form(body),
        }
    }

    /// The JSON text, if there is one: what to [`super::scan()`].
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Data::Json(json) => Some(json),
            Data::Derived { json, .. } => Some(json),
            Data::Bytes { .. } | Data::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_cut_off_and_kept() {
        let body = b"\xEF\xBB\xBF{}";
        let data = Data::json(body);
        assert_eq!(data.text(), Some(&b"{}"[..]));
        assert_eq!(data, Data::Derived { json: Cow::Borrowed(b"{}"), body });
    }

    #[test]
    fn an_empty_body_is_no_data() {
        assert_eq!(Data::json(b""), Data::None);
        assert_eq!(Data::form(b""), Ok(Data::None));
        assert_eq!(Data::json(b" ").text(), Some(&b" "[..]));
    }
}
