//! A curl command line, as browsers and dashboards copy it: its words as a shell would cut them, and of curl's options
//! those that shape a request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderValue, REFERER, USER_AGENT};
use http::{HeaderMap, Method};

use super::captured::{Captured, header, method};
use super::windows;

/// Options with a value that says nothing about the request.
const IGNORED: [&str; 18] = [
    "-o",
    "--output",
    "-m",
    "--max-time",
    "--connect-timeout",
    "-x",
    "--proxy",
    "--cacert",
    "-E",
    "--cert",
    "--key",
    "-w",
    "--write-out",
    "--resolve",
    "--retry",
    "-c",
    "--cookie-jar",
    "--limit-rate",
];

/// The options whose value follows, long and short.
const VALUED: [&str; 20] = [
    "-X",
    "--request",
    "-H",
    "--header",
    "-d",
    "--data",
    "--data-ascii",
    "--data-raw",
    "--data-binary",
    "--data-urlencode",
    "--json",
    "-u",
    "--user",
    "--url",
    "-A",
    "--user-agent",
    "-e",
    "--referer",
    "-b",
    "--cookie",
];

/// Read a command line; `file` fetches what `@` names.
pub(super) fn parse(text: &str, file: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Captured, String> {
    let text = text.trim_start().trim_start_matches("$ ");
    let words = if windows::is_it(text) { windows::words(text) } else { words(text) }?;
    let mut words = words.into_iter().skip(1);
    let mut found = Captured { method: Method::GET, url: String::new(), headers: HeaderMap::new(), body: Vec::new() };
    let (mut named, mut parts): (Option<Method>, Vec<Vec<u8>>) = (None, Vec::new());
    while let Some(word) = words.next() {
        let (option, attached) = split(&word);
        if !word.starts_with('-') || word == "-" {
            found.url = word;
            continue;
        }
        if option == "-F" || option == "--form" {
            return Err(
                "multipart forms (-F) hold a boundary that curl chooses anew; capture the request itself".to_owned()
            );
        }
        let takes = VALUED.contains(&option) || IGNORED.contains(&option);
        let value = match (takes, attached) {
            (false, _) => continue,
            (true, Some(value)) => value.to_owned(),
            (true, None) => words.next().ok_or_else(|| format!("{option} has no value"))?,
        };
        let mut put = |name, value: &str| {
            let value = HeaderValue::from_str(value).map_err(|_| format!("{option} is not a header's value"));
            value.map(|value| drop(found.headers.insert(name, value)))
        };
        match option {
            "-X" | "--request" => named = Some(method(&value)?),
            "--url" => found.url = value,
            "-H" | "--header" => {
                // `Name;` is an empty header, `Name:` none.
                let (name, value) = value.split_once(':').or(value.split_once(';')).unwrap_or((&value, ""));
                let (name, value) = header(name, value.as_bytes())?;
                found.headers.append(name, value);
            }
            "-u" | "--user" => put(AUTHORIZATION, &format!("Basic {}", STANDARD.encode(value)))?,
            "-A" | "--user-agent" => put(USER_AGENT, &value)?,
            "-e" | "--referer" => put(REFERER, &value)?,
            "-b" | "--cookie" => put(COOKIE, &value)?,
            data if data.starts_with("--data") || data == "-d" || data == "--json" => {
                parts.push(content(data, &value, file)?)
            }
            _ => {}
        }
    }
    if found.url.is_empty() {
        return Err("the curl command line names no URL".to_owned());
    }
    let has_body = !parts.is_empty();
    found.body = parts.join(&b'&');
    if has_body && !found.headers.contains_key(CONTENT_TYPE) {
        found.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    }
    found.method = named.unwrap_or(if has_body { Method::POST } else { Method::GET });
    Ok(found)
}

/// An option and the value in the same word: `-XPOST`, `--request=POST`.
fn split(word: &str) -> (&str, Option<&str>) {
    match word.split_once('=') {
        Some((name, value)) if name.starts_with("--") => (name, Some(value)),
        _ if word.starts_with("--") || word.len() <= 2 || !word.is_char_boundary(2) => (word, None),
        _ => {
            let (option, value) = word.split_at(2);
            (option, Some(value))
        }
    }
}

/// What an option of the `--data` family sends.
fn content(option: &str, value: &str, file: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Vec<u8>, String> {
    let encode = |text: &[u8]| url::form_urlencoded::byte_serialize(text).collect::<String>();
    match (option, value.strip_prefix('@')) {
        ("--data-raw", _) | ("-d" | "--data" | "--data-ascii" | "--data-binary" | "--json", None) => Ok(value.into()),
        ("--data-binary" | "--json", Some(name)) => file(name),
        // What curl does to a text file: line ends are dropped.
        ("-d" | "--data" | "--data-ascii", Some(name)) => {
            file(name).map(|bytes| bytes.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect())
        }
        (_, Some(name)) => file(name).map(|bytes| encode(&bytes).into_bytes()),
        (_, None) => Ok(match value.split_once('=') {
            Some(("", text)) => encode(text.as_bytes()),
            Some((name, text)) => format!("{name}={}", encode(text.as_bytes())),
            None => encode(value.as_bytes()),
        }
        .into_bytes()),
    }
}

/// The words of a command line as bash cuts them: quotes of all three kinds, backslashes, lines that go on.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some('\r') => drop(chars.next_if_eq(&'\n')),
                Some(c) => word.get_or_insert_default().push(c),
            },
            '\'' => quoted(&mut chars, '\'', word.get_or_insert_default())?,
            '"' => quoted(&mut chars, '"', word.get_or_insert_default())?,
            '$' if chars.next_if_eq(&'\'').is_some() => ansi(&mut chars, word.get_or_insert_default())?,
            '|' | ';' | '>' if word.is_none() => break,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn quoted(chars: &mut Chars<'_>, quote: char, out: &mut String) -> Result<(), String> {
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => match chars.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => out.push(c),
                Some('\n') | None => {}
                Some(c) => out.extend(['\\', c]),
            },
            c => out.push(c),
        }
    }
    Err(format!("the curl command line has a {quote} that is not closed"))
}

/// `$'…'` with its escapes.
fn ansi(chars: &mut Chars<'_>, out: &mut String) -> Result<(), String> {
    while let Some(c) = chars.next() {
        match c {
            '\'' => return Ok(()),
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('x') => out.extend(code(chars, 2)),
                Some('u') => unit(chars, out),
                Some('U') => out.extend(code(chars, 8)),
                Some(c) => out.push(c),
                None => {}
            },
            c => out.push(c),
        }
    }
    Err("the curl command line has a $' that is not closed".to_owned())
}

/// A code of UTF-16; browsers write other characters as pairs of them.
fn unit(chars: &mut Chars<'_>, out: &mut String) {
    let high = number(chars, 4);
    let is_high = (0xd800..0xdc00).contains(&high);
    let mut ahead = chars.clone();
    if is_high && ahead.next() == Some('\\') && ahead.next() == Some('u') {
        let low = number(&mut ahead, 4);
        *chars = ahead;
        out.extend(char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff)));
    } else {
        out.extend(char::from_u32(high));
    }
}

fn code(chars: &mut Chars<'_>, digits: usize) -> Option<char> {
    char::from_u32(number(chars, digits))
}

fn number(chars: &mut Chars<'_>, digits: usize) -> u32 {
    let mut number = 0_u32;
    for _ in 0..digits {
        let Some(digit) = chars.peek().and_then(|c| c.to_digit(16)) else { break };
        number = number.wrapping_mul(16).wrapping_add(digit);
        chars.next();
    }
    number
}

#[cfg(test)]
mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::super::captured::Captured;
    use super::parse;

    fn read(name: &str) -> Result<Vec<u8>, String> {
        if name == "body.json" { Ok(b"{\n}\n".to_vec()) } else { Err(format!("no {name}")) }
    }

    fn curl(text: &str) -> Captured {
        parse(text, &read).unwrap()
    }

    #[test]
    fn as_browsers_copy_it() {
        let found = curl(
            "curl 'https://x.example/hook?a=1' \\\n  -X POST -H 'X-A: it'\\''s' --compressed \\\r\n  -H \"X-B: \\\"b\\\" \\z\" --data-raw $'{\"a\":\"\\u0041\\n\\'\\xe9\\ud83d\\ude00\"}' | jq .",
        );
        assert_eq!((found.method.clone(), found.path(), found.query()), (Method::POST, "/hook", "a=1"));
        assert_eq!(
            (found.headers["x-a"].as_bytes(), found.headers["x-b"].as_bytes()),
            (&b"it's"[..], &b"\"b\" \\z"[..])
        );
        assert_eq!(String::from_utf8(found.body).unwrap(), "{\"a\":\"A\n'é😀\"}");
    }

    #[test]
    fn the_data_family() {
        for (options, body) in [
            ("-d a=1 -d b=2", "a=1&b=2"),
            ("-da=1", "a=1"),
            ("--data=a=1", "a=1"),
            ("-d @body.json", "{}"),
            ("--data-binary @body.json", "{\n}\n"),
            ("--data-raw @body.json", "@body.json"),
            ("--data-urlencode 'a=b c'", "a=b+c"),
            ("--json '{}'", "{}"),
        ] {
            let found = curl(&format!("$ curl -s -o /dev/null -w '%{{http_code}}' https://x.example/p {options}"));
            assert_eq!(
                (found.url.as_str(), String::from_utf8(found.body).unwrap().as_str()),
                ("https://x.example/p", body),
                "{options}"
            );
            assert_eq!(found.method, Method::POST);
        }
        assert_eq!(curl("curl -XPUT -u a:b --url http://x").headers["authorization"], "Basic YTpi");
        assert_eq!(curl("curl http://x").method, Method::GET);
    }

    #[test]
    fn as_browsers_copy_it_on_windows() {
        let found = curl(
            "curl ^\"https://x.example/hook^\" ^\r\n  -H ^\"content-type: application/json^\" ^\r\n  --data-raw ^\"^{^\\^\"a^\\^\":1^}^\"",
        );
        assert_eq!((found.method.clone(), found.path()), (Method::POST, "/hook"));
        assert_eq!((found.headers.len(), String::from_utf8(found.body).unwrap().as_str()), (1, "{\"a\":1}"));
        let found = curl("curl \"https://x.example/hook\" ^\r\n -H \"X-A: b\" ^\r\n --data-raw \"{\\\"a\\\":1}\"");
        assert_eq!((found.url.as_str(), found.headers["x-a"].as_bytes()), ("https://x.example/hook", &b"b"[..]));
        assert_eq!(found.body, b"{\"a\":1}");
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for text in [
            "curl",
            "curl -H",
            "curl 'x",
            "curl \"x",
            "curl $'x",
            "curl -F a=b http://x",
            "curl -d @none http://x",
            "curl -H 'a b: c' http://x",
        ] {
            assert!(parse(text, &read).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "curl [-XHdu'\"$\\\\ a=@:é]{0,40}") {
            let _ = parse(&text, &read);
        }
    }
}
