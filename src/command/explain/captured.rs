//! A captured request, in whatever form a provider's dashboard, a browser or a proxy hands it out: raw HTTP, a curl
//! command line, a HAR file, or the JSON of an API gateway.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use super::curl;

/// A request as somebody captured it.
#[derive(Debug, PartialEq, Eq)]
pub struct Captured {
    /// The method.
    pub method: Method,
    /// As it stands there: a whole URL, or a path with its query.
    pub url: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, to the last byte.
    pub body: Vec<u8>,
}

impl Captured {
    /// Read a text; `file` fetches what a curl command line names with `@`.
    ///
    /// # Errors
    /// What it should look like.
    pub fn parse(bytes: &[u8], file: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Captured, String> {
        let start = bytes.trim_ascii_start();
        if [&b"curl "[..], b"$ curl ", b"curl.exe "].iter().any(|word| start.starts_with(word)) {
            let text = std::str::from_utf8(bytes).map_err(|_| "the curl command line is not UTF-8")?;
            return curl::parse(text, file);
        }
        if start.starts_with(b"{")
            && let Ok(value) = serde_json::from_slice::<Value>(start)
        {
            return json(&value);
        }
        raw(start)
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        let rest = self
            .url
            .split_once("://")
            .map_or(self.url.as_str(), |(_, rest)| rest.find(['/', '?']).map_or("/", |at| &rest[at..]));
        rest.split(['?', '#']).next().unwrap_or(rest)
    }

    /// The query, without its question mark.
    pub fn query(&self) -> &str {
        let url = self.url.split('#').next().unwrap_or(&self.url);
        url.split_once('?').map_or("", |(_, query)| query)
    }

    /// The URL without its query, where it is a whole one.
    pub fn base(&self) -> Option<String> {
        let base = self.url.split(['?', '#']).next()?;
        base.contains("://").then(|| base.to_owned())
    }
}

/// One header, or a sentence about it.
pub(super) fn header(name: &str, value: &[u8]) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || format!("`{}` is not a header", super::super::visible(name));
    let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
    Ok((name, HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| wrong())?))
}

pub(super) fn method(text: &str) -> Result<Method, String> {
    text.parse().map_err(|_| format!("`{}` is not a method", super::super::visible(text)))
}

/// A request as it goes over the wire; line ends with and without a carriage return.
fn raw(bytes: &[u8]) -> Result<Captured, String> {
    let wrong = "this is neither raw HTTP (`POST /path HTTP/1.1`, headers, an empty line, the body) nor a curl command line, a \
                 HAR file or an API gateway's JSON";
    let (line, mut rest) = line(bytes).ok_or(wrong)?;
    let line = std::str::from_utf8(line).map_err(|_| wrong)?;
    let mut words = line.split_ascii_whitespace();
    let (first, second) = (words.next().ok_or(wrong)?, words.next());
    if !first.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(wrong.to_owned());
    }
    let mut headers = HeaderMap::new();
    while let Some((line, after)) = self::line(rest) {
        rest = after;
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|&byte| byte == b':').ok_or(wrong)?;
        let name = std::str::from_utf8(&line[..colon]).map_err(|_| wrong)?;
        let (name, value) = header(name, &line[colon + 1..])?;
        headers.append(name, value);
    }
    let url = second.ok_or(wrong)?.to_owned();
    Ok(Captured { method: method(first)?, url, headers, body: rest.to_vec() })
}

/// The next line and what follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.is_empty() {
        return None;
    }
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    Some((line, bytes.get(end + 1..).unwrap_or_default()))
}

/// HAR 1.2 (`log.entries[0].request`), one of its requests, or an object with `headers` and `body`.
fn json(value: &Value) -> Result<Captured, String> {
    let request = value.pointer("/log/entries/0/request").or(value.get("request")).unwrap_or(value);
    let text = |names: &[&str]| names.iter().find_map(|name| request.pointer(name)?.as_str());
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &Value| -> Result<(), String> {
        // HTTP/2's pseudo-headers are none.
        if let Some(value) = value.as_str().filter(|_| !name.starts_with(':')) {
            let (name, value) = header(name, value.as_bytes())?;
            headers.append(name, value);
        }
        Ok(())
    };
    match request.get("headers") {
        Some(Value::Array(list)) => {
            for entry in list {
                add(entry["name"].as_str().unwrap_or_default(), &entry["value"])?;
            }
        }
        Some(Value::Object(map)) => map.iter().try_for_each(|(name, value)| add(name, value))?,
        _ => return Err("the JSON has no `headers`; it should be a HAR file or an API gateway's event".to_owned()),
    }
    let body = text(&["/postData/text", "/body"]).unwrap_or_default();
    let is_base64 =
        request["isBase64Encoded"] == true || request.pointer("/postData/encoding") == Some(&"base64".into());
    let body = if is_base64 { STANDARD.decode(body).map_err(|_| "its body is not base64")? } else { body.into() };
    let path = text(&["/url", "/rawPath", "/path"]).unwrap_or("/");
    let url = match text(&["/rawQueryString"]).filter(|query| !query.is_empty() && !path.contains('?')) {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let name = text(&["/method", "/httpMethod", "/requestContext/http/method"]).unwrap_or("POST");
    Ok(Captured { method: method(name)?, url, headers, body })
}

#[cfg(test)]
mod tests {
    use super::Captured;

    fn parse(text: &str) -> Result<Captured, String> {
        Captured::parse(text.as_bytes(), &|_| Err("no file".to_owned()))
    }

    #[test]
    fn raw_http() {
        let text =
            "POST /webhooks/stripe?a=b HTTP/1.1\r\nHost: x.example\r\nStripe-Signature: t=1,v1=ab\r\n\r\n{\"a\":1}\n";
        for text in [text.to_owned(), text.replace("\r\n", "\n"), format!("\n{text}")] {
            let captured = parse(&text).unwrap();
            assert_eq!((captured.path(), captured.query(), captured.base()), ("/webhooks/stripe", "a=b", None));
            assert_eq!(captured.headers["stripe-signature"], "t=1,v1=ab");
            assert_eq!(captured.body, b"{\"a\":1}\n", "to the last byte");
        }
        assert_eq!(parse("POST /").unwrap().body, b"");
    }

    #[test]
    fn har_and_gateway_json() {
        let har = r#"{"log":{"entries":[{"request":{"method":"POST","url":"https://x.example/hook?q=1",
            "headers":[{"name":":path","value":"/"},{"name":"X-A","value":"1"}],"postData":{"text":"b=c"}}}]}}"#;
        let captured = parse(har).unwrap();
        assert_eq!((captured.path(), captured.query(), captured.body.as_slice()), ("/hook", "q=1", &b"b=c"[..]));
        assert_eq!(captured.base().as_deref(), Some("https://x.example/hook"));
        assert_eq!(captured.headers.len(), 1);
        let event =
            r#"{"rawPath":"/hook","rawQueryString":"q=1","headers":{"x-a":"1"},"body":"e30=","isBase64Encoded":true}"#;
        let captured = parse(event).unwrap();
        assert_eq!((captured.path(), captured.query(), captured.body.as_slice()), ("/hook", "q=1", &b"{}"[..]));
    }

    #[test]
    fn what_is_none_says_what_it_should_be() {
        for text in ["", "hello", "{\"a\":1}", "post / HTTP/1.1", "POST", "POST / HTTP/1.1\nno colon\n\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
