//! What a body may have been before something between the provider and us wrote it anew.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::json;

/// Bodies beyond this are not written anew, in bytes: each variant is as long as the body.
const LARGEST: usize = 1 << 20;

/// The byte order mark of UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A body as it may have been, and how that differs from what arrived.
pub(super) type Variant = (String, Vec<u8>);

/// Every body that is worth a try, the likely ones first. Made one after the other: few are held at a time.
pub(super) fn variants(body: &[u8]) -> impl Iterator<Item = Variant> {
    let small = body.len() <= LARGEST;
    let text = std::str::from_utf8(body).ok().filter(|_| small);
    let json = text.into_iter().flat_map(json::rewritten);
    let own = if small { ends(body) } else { Vec::new() };
    let others = [charset, form, carried];
    let all = own.into_iter().chain(json).chain(others.into_iter().filter(move |_| small).flat_map(|make| make(body)));
    all.filter(move |(_, variant)| variant != body)
}

/// Beginning, end and line ends.
fn ends(body: &[u8]) -> Vec<Variant> {
    let mut out = Vec::new();
    let mut add = |how: &str, bytes: Vec<u8>| out.push((how.to_owned(), bytes));
    for (end, name) in [("\n", "a line break"), ("\r\n", "a carriage return and a line break"), (" ", "a space")] {
        add(&format!("with {name} at its end"), [body, end.as_bytes()].concat());
        if let Some(cut) = body.strip_suffix(end.as_bytes()) {
            add(&format!("without {name} at its end"), cut.to_vec());
        }
    }
    add("without the white space at its ends", body.trim_ascii().to_vec());
    let crlf = replaced(body, b"\r\n", b"\n");
    add("with \\r\\n instead of \\n as line ends", replaced(&crlf, b"\n", b"\r\n"));
    add("with \\n instead of \\r\\n as line ends", crlf);
    match body.strip_prefix(BOM) {
        Some(rest) => add("without its byte order mark", rest.to_vec()),
        None => add("with a byte order mark", [BOM, body].concat()),
    }
    out
}

fn replaced(body: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(&first) = rest.first() {
        match rest.strip_prefix(from) {
            Some(after) => {
                out.extend_from_slice(to);
                rest = after;
            }
            None => {
                out.push(first);
                rest = &rest[1..];
            }
        }
    }
    out
}

/// Between Latin-1 and UTF-8, either way.
fn charset(body: &[u8]) -> Vec<Variant> {
    let mut out = Vec::new();
    if body.is_ascii() {
        return out;
    }
    if let Ok(text) = std::str::from_utf8(body) {
        let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        out.extend(
            latin.map(|bytes| ("in Latin-1 instead of UTF-8 (or encoded once instead of twice)".to_owned(), bytes)),
        );
    }
    let utf8: String = body.iter().map(|&byte| char::from(byte)).collect();
    out.push(("read as Latin-1 and written as UTF-8".to_owned(), utf8.into_bytes()));
    out
}

/// Other spellings of a form.
fn form(body: &[u8]) -> Vec<Variant> {
    let Some(text) = std::str::from_utf8(body).ok().filter(|text| text.contains('=') && !text.contains(['{', '\n']))
    else {
        return payload(body);
    };
    let mut out = Vec::new();
    let mut add = |how: &str, text: String| out.push((how.to_owned(), text.into_bytes()));
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    let written = |fields: &[(String, String)]| -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    };
    let plain = written(&fields);
    let mut sorted = fields;
    sorted.sort();
    add("as a form with + for spaces", text.replace("%20", "+"));
    add("as a form with %20 for spaces", text.replace('+', "%20"));
    add("as a form encoded as browsers do", plain.clone());
    add("as a form encoded as browsers do, %20 for spaces", plain.replace('+', "%20"));
    add("as a form with small hexadecimal digits", escapes(text, |digits| digits.to_ascii_lowercase()));
    add("as a form with capital hexadecimal digits", escapes(text, |digits| digits.to_ascii_uppercase()));
    add("as a form with its fields sorted", written(&sorted));
    out
}

/// The percent-encodings of a text, changed.
fn escapes(text: &str, change: impl Fn(&str) -> String) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.char_indices().nth(2).map_or(part.len(), |(at, _)| at);
        let (digits, rest) = part.split_at(end);
        out.push('%');
        out.push_str(&change(digits));
        out.push_str(rest);
    }
    out
}

/// JSON that was unpacked from a form (`payload=…`).
fn payload(body: &[u8]) -> Vec<Variant> {
    let form: String = url::form_urlencoded::byte_serialize(body).collect();
    vec![("as a form with the field `payload`".to_owned(), format!("payload={form}").into_bytes())]
}

/// A body that something carries inside something else: base64 (API gateways), a JSON string.
fn carried(body: &[u8]) -> Vec<Variant> {
    let mut out = Vec::new();
    if let Ok(inner) = STANDARD.decode(body.trim_ascii()) {
        out.push(("decoded from base64, in which an API gateway wraps bodies".to_owned(), inner));
    }
    if let Ok(inner) = serde_json::from_slice::<String>(body) {
        out.push(("unwrapped from the JSON string that it was put into".to_owned(), inner.into_bytes()));
    }
    if let Ok(text) = std::str::from_utf8(body) {
        let wrapped = serde_json::to_vec(text).unwrap_or_default();
        out.push(("as the JSON string that it was unwrapped from".to_owned(), wrapped));
    }
    out
}

/// Does the body look as if something had sorted its keys?
pub(super) fn sorted_keys(body: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= LARGEST)?;
    json::is_sorted(text).then_some(
        "The keys of the body stand in alphabetical order everywhere, as many programs write JSON and few people do.",
    )
}

/// What shows that the body did not arrive as it was sent, where nothing can be undone.
pub(super) fn damage(body: &[u8], declared: Option<usize>, is_json: bool) -> Option<&'static str> {
    if body.is_empty() {
        return Some(
            "The body is empty. A proxy dropped it, or a redirect on the way turned the POST into another request.",
        );
    }
    if declared.is_some_and(|declared| declared > body.len()) {
        return Some("The body is shorter than its Content-Length.");
    }
    if body.starts_with(&[0x1f, 0x8b]) {
        return Some(
            "The body is compressed (gzip) and no Content-Encoding says so: something compressed it on the way.",
        );
    }
    let text = String::from_utf8_lossy(body);
    if text.contains('\u{fffd}') {
        return Some(
            "The body holds replacement characters (U+FFFD) or is no UTF-8: something decoded it in the wrong character set.",
        );
    }
    if !is_json {
        return None;
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Err(error) if error.is_eof() => Some("The body breaks off in the middle of its JSON."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{damage, variants};

    fn leads_to(received: &[u8], sent: &[u8]) -> bool {
        variants(received).any(|(_, variant)| variant == sent)
    }

    #[test]
    fn what_proxies_do_to_bodies() {
        assert!(leads_to(b"{\"a\":1}\n", b"{\"a\":1}") && leads_to(b"{\"a\":1}", b"{\"a\":1}\n"));
        assert!(leads_to(b"a\nb", b"a\r\nb") && leads_to(b"a\r\nb", b"a\nb"));
        assert!(leads_to(b"\xef\xbb\xbf{}", b"{}") && leads_to(b"{}", b"\xef\xbb\xbf{}"));
        assert!(leads_to("é".as_bytes(), b"\xe9") && leads_to(b"\xe9", "é".as_bytes()));
        assert!(leads_to("Ã©".as_bytes(), "é".as_bytes()), "encoded twice");
        assert!(leads_to(b"a=1%202&b=%c3", b"a=1+2&b=%c3") && leads_to(b"a=%c3", b"a=%C3"));
        assert!(leads_to(b"b=2&a=1", b"a=1&b=2"));
        assert!(leads_to(br#"{"a":1}"#, b"payload=%7B%22a%22%3A1%7D"));
        assert!(leads_to(b"eyJhIjoxfQ==", br#"{"a":1}"#));
        assert!(leads_to(br#""{\"a\":1}""#, br#"{"a":1}"#));
        assert!(leads_to(br#"{"a":1}"#, br#"{"a": 1}"#));
    }

    #[test]
    fn what_cannot_be_undone_is_seen() {
        assert!(damage(b"", None, false).is_some_and(|what| what.contains("empty")));
        assert!(damage(b"{}", Some(3), true).is_some_and(|what| what.contains("Content-Length")));
        assert!(damage(b"\x1f\x8b\x08", None, true).is_some_and(|what| what.contains("gzip")));
        assert!(damage(b"{\"a\":", None, true).is_some_and(|what| what.contains("breaks off")));
        assert!(damage("{\"a\":\"\u{fffd}\"}".as_bytes(), None, true).is_some());
        assert_eq!(damage(b"{\"a\":1}", Some(7), true), None);
        assert_eq!(damage(b"{\"a\":", None, false), None);
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..60), form in "[a%=&+é]{0,20}") {
            let _ = variants(&body).count() + variants(form.as_bytes()).count();
        }
    }
}
