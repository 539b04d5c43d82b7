//! The URLs that a provider may have called, where it signs the URL and a proxy changed it.

use std::borrow::Cow;

use http::HeaderMap;

/// The most URLs that are tried.
const MOST: usize = 400;

/// The ports that are written out where they need not be, or are an inner one.
const PORTS: [&str; 5] = ["", ":443", ":80", ":8080", ":8443"];

/// Headers in which proxies pass on the host, and the path, that they were asked for.
const HOSTS: [&str; 3] = ["x-forwarded-host", "x-original-host", "host"];
const PATHS: [&str; 4] = ["x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri"];

/// Queries of more parameters than this are tried whole, sorted and turned round alone.
const MOST_PARAMETERS: usize = 16;

/// Up to so many parameters every order is tried.
const MOST_ORDERED: usize = 4;

/// The queries from which a proxy may have made this one, none at all first, each with what to say of it behind the URL.
pub(super) fn queries(query: &str) -> Vec<(String, Cow<'static, str>)> {
    let mut out: Vec<(String, Cow<'static, str>)> = Vec::new();
    if query.is_empty() {
        return out;
    }
    let mut add = |text: String, how: Cow<'static, str>| {
        if text != query && !out.iter().any(|(known, _)| *known == text) {
            out.push((text, how));
        }
    };
    add(String::new(), " without its query".into());
    let parameters: Vec<&str> = query.split('&').collect();
    let mut sorted = parameters.clone();
    sorted.sort_unstable();
    add(sorted.join("&"), " with the parameters of its query sorted".into());
    let turned: Vec<&str> = parameters.iter().rev().copied().collect();
    add(turned.join("&"), ANOTHER_ORDER.into());
    add(query.replace("%20", "+"), " with its spaces written as `+`".into());
    add(query.replace('+', "%20"), " with its spaces written as `%20`".into());
    if parameters.len() <= MOST_PARAMETERS {
        for place in 0..parameters.len() {
            let rest = parameters.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, text)| *text);
            let name = parameters.get(place).map_or("", |text| text.split('=').next().unwrap_or(text));
            add(rest.collect::<Vec<_>>().join("&"), without(name));
        }
    }
    if parameters.len() <= MOST_ORDERED {
        orders(&parameters, &mut Vec::new(), &mut |order| add(order.join("&"), ANOTHER_ORDER.into()));
    }
    out
}

const ANOTHER_ORDER: &str = " with the parameters of its query in another order";

/// A name that is none may be a token, and is not repeated.
fn without(name: &str) -> Cow<'static, str> {
    let is_name =
        (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if is_name {
        format!(" without `{name}` in its query").into()
    } else {
        " without one parameter of its query".into()
    }
}

/// Every order of a few texts.
fn orders<'a>(rest: &[&'a str], begun: &mut Vec<&'a str>, found: &mut dyn FnMut(&[&'a str])) {
    if rest.is_empty() {
        return found(begun);
    }
    for (place, next) in rest.iter().enumerate() {
        let others: Vec<&str> =
            rest.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, text)| *text).collect();
        begun.push(next);
        orders(&others, begun, found);
        begun.pop();
    }
}

/// Every URL without its query that is worth a try, each once, the configured one left out. The path may be a whole URL,
/// as captured requests have it.
pub(super) fn candidates(configured: Option<&str>, path: &str, headers: &HeaderMap, others: &[String]) -> Vec<String> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| is_sane(text));
    let (own_host, own_path) = configured.map_or(("", ""), parts);
    let (asked_host, path) = if path.contains("://") { parts(path) } else { ("", path) };
    let www = own_host.strip_prefix("www.").map_or_else(|| format!("www.{own_host}"), str::to_owned);
    let mut hosts: Vec<&str> = vec![own_host, asked_host];
    hosts.extend(HOSTS.iter().filter_map(|name| value(name)).map(|list| list.split(',').next().unwrap_or(list).trim()));
    hosts.extend(others.iter().map(|url| parts(url).0));
    hosts.extend((!own_host.is_empty()).then_some(www.as_str()));
    let mut paths: Vec<String> = vec![own_path.to_owned(), path.to_owned()];
    paths.extend(value("x-forwarded-prefix").map(|prefix| format!("{}{path}", prefix.trim_end_matches('/'))));
    paths.extend(PATHS.iter().filter_map(|name| value(name)).map(|path| {
        let path = if path.contains("://") { parts(path).1 } else { path };
        path.split('?').next().unwrap_or(path).to_owned()
    }));
    paths.extend(others.iter().map(|url| parts(url).1.to_owned()));
    let slashed: Vec<String> = paths.iter().map(|path| turned(path)).collect();
    paths.extend(slashed);
    let mut out: Vec<String> = Vec::new();
    for path in &paths {
        for host in hosts.iter().filter(|host| !host.is_empty()) {
            for scheme in ["https", "http"] {
                for port in PORTS {
                    let bare = without_port(host);
                    let host = if port.is_empty() { (*host).to_owned() } else { format!("{bare}{port}") };
                    for url in [format!("{scheme}://{host}{path}"), format!("{scheme}://{bare}{path}")] {
                        if out.len() < MOST && configured != Some(&url) && !out.contains(&url) {
                            out.push(url);
                        }
                    }
                }
            }
        }
    }
    out
}

/// Host with port, and path.
fn parts(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_at(rest.find('/').unwrap_or(rest.len()))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// With a slash at the end where there is none, and without where there is one.
fn turned(path: &str) -> String {
    path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned)
}

fn is_sane(text: &str) -> bool {
    text.len() <= 512 && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{MOST, candidates, queries};

    #[test]
    fn what_proxies_do_to_urls() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "10.0.0.7:8080"),
            ("x-forwarded-host", "hooks.example.com, inner"),
            ("x-forwarded-prefix", "/api/"),
            ("x-original-url", "/in/twilio?a=b"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let found = candidates(Some("https://old.example.com/webhooks/twilio"), "/webhooks/twilio", &headers, &[]);
        for expected in [
            "http://old.example.com/webhooks/twilio",
            "https://old.example.com:443/webhooks/twilio",
            "https://old.example.com/webhooks/twilio/",
            "https://hooks.example.com/webhooks/twilio",
            "https://hooks.example.com/api/webhooks/twilio",
            "https://hooks.example.com/in/twilio",
            "http://10.0.0.7:8080/webhooks/twilio",
            "https://www.old.example.com/webhooks/twilio",
        ] {
            assert!(found.iter().any(|url| url == expected), "{expected}");
        }
        assert!(found.len() <= MOST && !found.iter().any(|url| url == "https://old.example.com/webhooks/twilio"));
    }

    #[test]
    fn without_anything_known_there_is_nothing_to_try() {
        assert!(candidates(None, "/p", &HeaderMap::new(), &[]).is_empty());
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("["));
        assert!(candidates(Some("::"), "", &headers, &["://".to_owned()]).len() <= MOST);
    }
    #[test]
    fn what_proxies_do_to_queries() {
        assert!(queries("").is_empty());
        let texts = |query: &str| queries(query).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(texts("a=1"), [""]);
        assert_eq!(texts("b&a"), ["", "a&b", "a", "b"]);
        assert_eq!(texts("d&c&b&a").len(), 23 + 1 + 4, "every order, none, and one left out");
        let many: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
        assert_eq!(texts(&many.join("&")).len(), 3);
        let said: String = queries("eyJhbGciOi%3D&x=1").into_iter().map(|(_, how)| how).collect();
        assert!(!said.contains("eyJ") && said.contains("`x`"), "{said}");
    }
}
