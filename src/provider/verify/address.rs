//! The URL that a provider signs. It comes from the configuration and the request's own query, never from a header
//! that whoever sends the request may choose.

use std::borrow::Cow;

use serde::Deserialize;

/// In which forms a provider may have signed the URL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UrlForm {
    /// As configured.
    #[default]
    Exact,
    /// As configured, without its port, with the scheme's own port, and each of these escaped as WHATWG's URLs are
    /// (twilio-node, `validateRequest`; its last resort, the query as Node's old `querystring` wrote it, is left out).
    Ports,
    /// As configured, and with the percent-encodings undone that HubSpot decodes before it signs.
    Decoded,
}

/// The characters whose encoding HubSpot undoes before it signs. Two lists are published, and no SDK settles which of them
/// holds: the table of developers.hubspot.com ("Validating requests", v3), and the one that goes around among its users.
const DECODED: [&str; 2] = [":/?@!$'()*,;", ":/@&=+$`\",;><?"];

impl UrlForm {
    /// Every text that may have been signed, each once.
    pub(crate) fn variants<'a>(self, base: &'a str, query: &str) -> Vec<Cow<'a, str>> {
        let full = if query.is_empty() { Cow::Borrowed(base) } else { Cow::Owned(format!("{base}?{query}")) };
        let others = match self {
            UrlForm::Exact => Vec::new(),
            UrlForm::Ports => escaped(&full).into_iter().fold(ports(&full), |mut forms, escaped| {
                forms.extend(ports(&escaped));
                forms.push(escaped);
                forms
            }),
            UrlForm::Decoded => DECODED.iter().map(|characters| decoded(&full, characters)).collect(),
        };
        let mut variants = vec![full];
        for other in others {
            if !variants.contains(&Cow::Borrowed(other.as_str())) {
                variants.push(Cow::Owned(other));
            }
        }
        variants
    }

    /// For the docs.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            UrlForm::Exact => "",
            UrlForm::Ports => ", with and without its port, verbatim or escaped",
            UrlForm::Decoded => ", verbatim or percent-decoded",
        }
    }
}

/// Without a port, and with the scheme's own where there is none.
fn ports(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Vec::new();
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host_start = authority.rfind('@').map_or(0, |at| at + 1);
    let bracket = authority.rfind(']').unwrap_or(host_start);
    let port = authority[bracket..].find(':').map(|at| bracket + at);
    let default = if scheme == "http" { "80" } else { "443" };
    match port {
        Some(at) => vec![format!("{scheme}://{}{path}", &authority[..at])],
        None => vec![format!("{scheme}://{authority}:{default}{path}")],
    }
}

/// As every browser and Node write it: `'` in a query as `%27`, a space as `%20`, the host in lower case.
fn escaped(url: &str) -> Option<String> {
    url::Url::parse(url).ok().map(String::from)
}

fn decoded(url: &str, characters: &str) -> String {
    let mut parts = url.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).map(char::from);
        match code.filter(|code| characters.contains(*code)).zip(part.get(2..)) {
            Some((code, rest)) => {
                out.push(code);
                out.push_str(rest);
            }
            None => out.extend(["%", part]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::UrlForm;

    fn variants(form: UrlForm, base: &str, query: &str) -> Vec<String> {
        form.variants(base, query).into_iter().map(|url| url.into_owned()).collect()
    }

    #[test]
    fn twilio_signs_with_or_without_the_port() {
        assert!(
            variants(UrlForm::Ports, "https://x.example/p", "q=it's")
                .contains(&"https://x.example/p?q=it%27s".to_owned())
        );
        let found = variants(UrlForm::Ports, "https://a:b@x.example/p", "q=1");
        assert_eq!(found, ["https://a:b@x.example/p?q=1", "https://a:b@x.example:443/p?q=1"]);
        assert_eq!(
            variants(UrlForm::Ports, "http://x.example:1234", ""),
            ["http://x.example:1234", "http://x.example", "http://x.example/", "http://x.example:1234/"]
        );
        assert_eq!(variants(UrlForm::Ports, "http://[::1]/p", ""), ["http://[::1]/p", "http://[::1]:80/p"]);
        assert_eq!(variants(UrlForm::Ports, "https://[::1]:8443/p", ""), ["https://[::1]:8443/p", "https://[::1]/p"]);
    }

    #[test]
    fn hubspot_may_have_decoded_it() {
        let found = variants(UrlForm::Decoded, "https://x.example/p", "u=a%3ab%2Fc%20d");
        assert_eq!(found, ["https://x.example/p?u=a%3ab%2Fc%20d", "https://x.example/p?u=a:b/c%20d"]);
        let found = variants(UrlForm::Decoded, "https://x.example/p", "u=1%2B2%3D3%21");
        let [verbatim, table, other] = ["u=1%2B2%3D3%21", "u=1%2B2%3D3!", "u=1+2=3%21"];
        assert_eq!(found, [verbatim, table, other].map(|query| format!("https://x.example/p?{query}")));
        assert_eq!(variants(UrlForm::Decoded, "https://x.example/p", "").len(), 1);
    }

    proptest! {
        #[test]
        fn no_query_panics(query in ".{0,60}", base in "https?://[a-z@:\\[\\]0-9]{0,12}/?") {
            for form in [UrlForm::Exact, UrlForm::Ports, UrlForm::Decoded] {
                prop_assert!((1..=4).contains(&form.variants(&base, &query).len()));
            }
        }
    }
}
