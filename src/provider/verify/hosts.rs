//! Which addresses a key may be fetched from. A URL in a request was written by whoever sent it: it is used only when
//! it is, character by character, one that the provider file allows.

use serde::Deserialize;
use url::Url;

/// A longer address is none of a provider's.
const LONGEST: usize = 512;

/// The hole in a host or a name for an AWS region.
const REGION: &str = "{region}";

/// The one character of a path that stands for a file's name.
const ANY: char = '*';

/// `api.paypal.com`, or `sns.{region}.amazonaws.com`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct HostPattern(String);

impl TryFrom<String> for HostPattern {
    type Error = String;

    fn try_from(text: String) -> Result<HostPattern, String> {
        let plain = text.replacen(REGION, "x", 1);
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let known = plain.split('.').count() >= 2 && plain.split('.').all(label);
        let number = plain.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if known && !number {
            return Ok(HostPattern(text));
        }
        Err(format!("`{text}` is not a host name in lower case, in which {REGION} may stand once"))
    }
}

/// A path such as `/v1/notifications/certs/*`, where `*` is one name of letters, digits, `.`, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct PathPattern(String);

impl TryFrom<String> for PathPattern {
    type Error = String;

    fn try_from(text: String) -> Result<PathPattern, String> {
        if text.starts_with('/') && text.matches(ANY).count() == 1 {
            return Ok(PathPattern(text));
        }
        Err(format!("`{text}` is not a path with one * in it"))
    }
}

/// An address that is allowed, with the region that its host names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) url: Url,
    pub(crate) region: Option<String>,
}

impl HostPattern {
    /// Does it allow this host? With the region that stands in the hole.
    fn allows(&self, host: &str) -> Option<Option<String>> {
        let Some((before, after)) = self.0.split_once(REGION) else {
            return (self.0 == host).then_some(None);
        };
        let region = host.strip_prefix(before)?.strip_suffix(after)?;
        is_region(region).then(|| Some(region.to_owned()))
    }

    /// As the file spells it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl PathPattern {
    fn allows(&self, path: &str) -> bool {
        let Some((before, after)) = self.0.split_once(ANY) else { return false };
        let name = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        name.is_some_and(|name| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            !name.is_empty() && name.bytes().all(plain) && !name.starts_with('.')
        })
    }

    /// As the file spells it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The address in `text`, if it is `https://HOST/PATH` and nothing more: no user, no port, no query, no fragment, and
/// no character that one parser reads otherwise than another.
pub(crate) fn allowed(text: &str, hosts: &[HostPattern], path: &PathPattern) -> Option<Allowed> {
    let rest = text.strip_prefix("https://").filter(|_| text.len() <= LONGEST)?;
    let slash = rest.find('/')?;
    let (host, at) = rest.split_at(slash);
    let region = hosts.iter().find_map(|pattern| pattern.allows(host))?;
    if !path.allows(at) {
        return None;
    }
    // What was checked is the text; what is fetched must be the very same.
    let url = Url::parse(text).ok().filter(|url| url.as_str() == text && url.host_str() == Some(host))?;
    Some(Allowed { url, region })
}

/// `us-east-1`, `ap-southeast-2`, `us-gov-west-1`: words of lower-case letters, then a small number.
pub(crate) fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else { return false };
    let word = |word: &str| (2..=12).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase());
    let words: Vec<&str> = words.split('-').collect();
    (2..=4).contains(&words.len())
        && words.into_iter().all(word)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// A name in which a region may stand.
pub(crate) fn with_region(name: &str, region: Option<&str>) -> Option<String> {
    match region {
        Some(region) => Some(name.replace(REGION, region)),
        None => (!name.contains(REGION)).then(|| name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{HostPattern, PathPattern, allowed, is_region};

    fn sns(text: &str) -> Option<String> {
        let hosts = ["sns.{region}.amazonaws.com", "sns.{region}.amazonaws.com.cn"];
        let hosts = hosts.map(|host| HostPattern::try_from(host.to_owned()).unwrap());
        let path = PathPattern::try_from("/*.pem".to_owned()).unwrap();
        allowed(text, &hosts, &path).map(|allowed| allowed.url.to_string())
    }

    fn paypal(text: &str) -> bool {
        let hosts = [HostPattern::try_from("api.paypal.com".to_owned()).unwrap()];
        let path = PathPattern::try_from("/v1/notifications/certs/*".to_owned()).unwrap();
        allowed(text, &hosts, &path).is_some()
    }

    #[test]
    fn the_providers_own_addresses() {
        for text in [
            "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-0123abcd.pem",
            "https://sns.us-gov-west-1.amazonaws.com/a.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/a.pem",
        ] {
            assert_eq!(sns(text).as_deref(), Some(text));
        }
        assert!(paypal("https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77"));
    }

    #[test]
    fn nothing_else() {
        for text in [
            "http://sns.us-west-2.amazonaws.com/a.pem",
            "HTTPS://sns.us-west-2.amazonaws.com/a.pem",
            "https://SNS.us-west-2.amazonaws.com/a.pem",
            "https://sns.us-west-2.amazonaws.com:443/a.pem",
            "https://sns.us-west-2.amazonaws.com:8443/a.pem",
            "https://u@sns.us-west-2.amazonaws.com/a.pem",
            "https://u:p@sns.us-west-2.amazonaws.com/a.pem",
            "https://evil.test#@sns.us-west-2.amazonaws.com/a.pem",
            "https://evil.test/sns.us-west-2.amazonaws.com/a.pem",
            "https://evil.test\\sns.us-west-2.amazonaws.com/a.pem",
            "https:\\\\sns.us-west-2.amazonaws.com\\a.pem",
            "https://sns.us-west-2.amazonaws.com.evil.test/a.pem",
            "https://sns.us-west-2.amazonaws.com./a.pem",
            "https://sns.s3-us-west-2.amazonaws.com/a.pem",
            "https://sns.evil.amazonaws.com/a.pem",
            "https://sns.a.b-1.amazonaws.com/a.pem",
            "https://sns.us-west-2.amazonaws.com.cn.cn/a.pem",
            "https://sns-us-west-2.amazonaws.com/a.pem",
            "https://xsns.us-west-2.amazonaws.com/a.pem",
            "https://127.0.0.1/a.pem",
            "https://2130706433/a.pem",
            "https://0177.0.0.1/a.pem",
            "https://0x7f.1/a.pem",
            "https://[::ffff:127.0.0.1]/a.pem",
            "https://0.0.0.0/a.pem",
            "https://sns.us-wеst-2.amazonaws.com/a.pem",
            "https://sns.us%2dwest-2.amazonaws.com/a.pem",
            "https://sns.us-west-2.amazonaws.com/a.pem?x=1",
            "https://sns.us-west-2.amazonaws.com/a.pem#x",
            "https://sns.us-west-2.amazonaws.com/a/../b.pem",
            "https://sns.us-west-2.amazonaws.com/..pem",
            "https://sns.us-west-2.amazonaws.com/%2e%2e/b.pem",
            "https://sns.us-west-2.amazonaws.com//a.pem",
            "https://sns.us-west-2.amazonaws.com/a.pem ",
            " https://sns.us-west-2.amazonaws.com/a.pem",
            "https://sns.us-west-2.amazonaws.com/a.pem\n",
            "https://sns.us-west-2.\tamazonaws.com/a.pem",
            "https://sns.us-west-2.amazonaws.com",
            "//sns.us-west-2.amazonaws.com/a.pem",
            "file:///a.pem",
            "",
        ] {
            assert_eq!(sns(text), None, "{text}");
        }
        for text in [
            "https://api.paypal.com.evil.test/v1/notifications/certs/CERT-1",
            "https://api-paypal.com/v1/notifications/certs/CERT-1",
            "https://paypal.com/v1/notifications/certs/CERT-1",
            "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
            "https://api.paypal.com/v1/notifications/certs/CERT-1/../../../x",
            "https://api.paypal.com/v1/notifications/certs/",
            "https://api.paypal.com/v1/oauth2/token",
        ] {
            assert!(!paypal(text), "{text}");
        }
    }

    #[test]
    fn regions_and_patterns() {
        for text in
            ["us", "us-east", "us-east-100", "Us-east-1", "us--east-1", "-us-east-1", "us-east-1-", "s3-us-west-2"]
        {
            assert!(!is_region(text), "{text}");
        }
        for text in
            ["", "com", "A.com", "a..com", "*.a.com", "{region}", "127.0.0.1", "{region}.{region}.com", "a.com:1"]
        {
            assert!(HostPattern::try_from(text.to_owned()).is_err(), "{text}");
        }
        for text in ["", "*", "/a", "/*/*"] {
            assert!(PathPattern::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_allowed_stays_at_home(text in "https://[a-z0-9.@:/#?%\\\\-]{0,20}sns\\.us-east-1\\.amazonaws\\.com[a-z0-9.@:/#?%\\\\-]{0,12}\\.pem") {
            if let Some(url) = sns(&text) {
                prop_assert!(url.starts_with("https://sns.us-east-1.amazonaws.com/"));
            }
        }
    }
}
