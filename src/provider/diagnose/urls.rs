//! The URLs that a provider may have called, where it signs the URL and a proxy changed it.

use http::HeaderMap;

/// The most URLs that are tried.
const MOST: usize = 400;

/// The ports that are written out where they need not be, or are an inner one.
const PORTS: [&str; 5] = ["", ":443", ":80", ":8080", ":8443"];

/// Headers in which proxies pass on the host, and the path, that they were asked for.
const HOSTS: [&str; 3] = ["x-forwarded-host", "x-original-host", "host"];
const PATHS: [&str; 4] = ["x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri"];

/// Every URL without its query that is worth a try, each once, the configured one left out.
pub(super) fn candidates(configured: Option<&str>, path: &str, headers: &HeaderMap, others: &[String]) -> Vec<String> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| is_sane(text));
    let (own_host, own_path) = configured.map_or(("", ""), parts);
    let mut hosts: Vec<&str> = vec![own_host];
    hosts.extend(HOSTS.iter().filter_map(|name| value(name)).map(|list| list.split(',').next().unwrap_or(list).trim()));
    hosts.extend(others.iter().map(|url| parts(url).0));
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

    use super::{MOST, candidates};

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
}
