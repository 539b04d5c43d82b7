//! `application/x-www-form-urlencoded` bodies as a JSON object of strings (WHATWG URL, section 5.1).

use std::collections::HashSet;

use super::{Flaw, Unreadable, json, text};

/// The JSON object of a form. Of a repeated name the first value stands.
///
/// # Errors
/// A name or a value that is not UTF-8 after decoding, or longer than JSON readers allow.
pub(super) fn to_json(body: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut object = Vec::with_capacity(body.len() + body.len() / 4 + 2);
    object.push(b'{');
    let mut seen = HashSet::new();
    let mut offset = 0;
    for pair in body.split(|&b| b == b'&') {
        let at = offset;
        offset += pair.len() + 1;
        if pair.is_empty() {
            continue;
        }
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let name = decode(&pair[..equals], at, text::MAX_NAME, Flaw::NameTooLong)?;
        let value = decode(pair.get(equals + 1..).unwrap_or_default(), at, text::MAX_STRING, Flaw::StringTooLong)?;
        if seen.contains(&name) {
            continue;
        }
        if object.len() > 1 {
            object.push(b',');
        }
        json::string(&mut object, &name);
        object.push(b':');
        json::string(&mut object, &value);
        seen.insert(name);
    }
    object.push(b'}');
    Ok(object)
}

/// Is this body a form and cannot be JSON? A form begins with a name and `=`, none of whose characters opens a JSON
/// object, array or string; and no other JSON value holds a `=`. So the bytes decide, not a header that nobody signs.
pub(super) fn is_form(body: &[u8]) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~*+%".contains(&byte);
    memchr::memchr(b'=', body).is_some_and(|end| end > 0 && body[..end].iter().all(|&byte| name(byte)))
}

/// The first value of a field, decoded; `None` where there is no such field.
///
/// # Errors
/// The value is not UTF-8 after decoding, or longer than the body of an event may be.
pub(super) fn field(body: &[u8], wanted: &str) -> Result<Option<Vec<u8>>, Unreadable> {
    let mut offset = 0;
    for pair in body.split(|&b| b == b'&') {
        let at = offset;
        offset += pair.len() + 1;
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        if decode(&pair[..equals], at, text::MAX_NAME, Flaw::NameTooLong)? == wanted {
            let value = pair.get(equals + 1..).unwrap_or_default();
            return decode(value, at, usize::MAX, Flaw::StringTooLong).map(|value| Some(value.into_bytes()));
        }
    }
    Ok(None)
}

/// `+` is a space, `%XX` a byte; a percent sign before anything else stands for itself.
fn decode(encoded: &[u8], at: usize, limit: usize, too_long: Flaw) -> Result<String, Unreadable> {
    let mut plain = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, tail) = match (first, hex_pair(tail)) {
            (b'+', _) => (b' ', tail),
            (b'%', Some(byte)) => (byte, &tail[2..]),
            _ => (first, tail),
        };
        plain.push(byte);
        rest = tail;
    }
    // Counted as JSON will write it, six bytes for a control character at worst.
    if plain.len() > limit / 6 && json::string_length(&plain) > limit {
        return Err(Unreadable::new(too_long, at));
    }
    String::from_utf8(plain).map_err(|_| Unreadable::new(Flaw::Utf8, at))
}

fn hex_pair(text: &[u8]) -> Option<u8> {
    let digit = |n: usize| text.get(n).and_then(|&b| char::from(b).to_digit(16));
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &str) -> String {
        String::from_utf8(to_json(body.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn forms_become_objects_of_strings() {
        assert_eq!(
            form("From=%2B4915&Body=a+b%26c&Empty=&Bare"),
            r#"{"From":"+4915","Body":"a b&c","Empty":"","Bare":""}"#
        );
        assert_eq!(form("payload=%7B%22a%22%3A1%7D"), r#"{"payload":"{\"a\":1}"}"#);
        assert_eq!(form("a=100%&b=%zz&c=%4"), r#"{"a":"100%","b":"%zz","c":"%4"}"#);
        assert_eq!(form("&&a=1&"), r#"{"a":"1"}"#);
        assert_eq!(form("a=%00%0A"), r#"{"a":"\u0000\n"}"#);
    }

    #[test]
    fn the_first_of_a_repeated_name_stands() {
        assert_eq!(form("a=1&b=2&a=3&%61=4"), r#"{"a":"1","b":"2"}"#);
    }

    #[test]
    fn a_form_and_json_are_told_apart_by_their_bytes() {
        for form in ["payload=%7B%7D", "a=", "a.b%5B0%5D=1&c=2"] {
            assert!(is_form(form.as_bytes()), "{form}");
            assert!(serde_json::from_str::<serde_json::Value>(form).is_err());
        }
        for other in
            ["", "=", "{\"a\":\"payload=1\"}", "[\"a=b\"]", "\"a=b\"", "12", "true", " a=1", "\u{feff}a=1", "a b=1"]
        {
            assert!(!is_form(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_field_is_decoded_once() {
        assert_eq!(
            field(b"a=1&payload=%7B%22b%22%3A%22%2525+c%22%7D&payload=2", "payload"),
            Ok(Some(br#"{"b":"%25 c"}"#.to_vec()))
        );
        assert_eq!(field(b"a=1", "payload"), Ok(None));
        assert!(field(b"payload=%ff", "payload").is_err());
    }

    #[test]
    fn bytes_that_are_not_text_are_refused() {
        assert_eq!(to_json(b"a=1&b=%ff"), Err(Unreadable::new(Flaw::Utf8, 4)));
    }
}
