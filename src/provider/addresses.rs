//! The addresses that a provider says it sends from: what `allow = ["provider"]` stands for.

use ipnet::IpNet;
use jiff::civil::Date;
use serde::Deserialize;

use super::error::Fault;

/// The most ranges of one provider; every request is held against them.
const MOST: usize = 256;

/// `[addresses]`: a published list, where it was published, and as of which day, if that is known.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    ranges: Vec<Range>,
    source: String,
    #[serde(default, deserialize_with = "day")]
    date: Option<Date>,
}

/// A network, or a single address.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct Range(IpNet);

impl TryFrom<String> for Range {
    type Error = String;

    fn try_from(text: String) -> Result<Range, String> {
        network(&text).map(Range)
    }
}

/// A network such as `10.0.0.0/8`, or a single address as the network of itself.
///
/// # Errors
/// What would be right.
pub fn network(text: &str) -> Result<IpNet, String> {
    let length = match (text.contains('/'), text.contains(':')) {
        (true, _) => "",
        (false, true) => "/128",
        (false, false) => "/32",
    };
    let net = format!("{text}{length}").parse::<IpNet>();
    let net = net.map_err(|_| format!("`{text}` is not an address and not a network such as 192.0.2.0/24"))?;
    if net != net.trunc() {
        return Err(format!("`{text}` has bits beyond its length; the network is {}", net.trunc()));
    }
    Ok(net)
}

impl Addresses {
    /// The networks, all of them.
    pub fn networks(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.ranges.iter().map(|range| range.0)
    }

    /// Where the provider publishes them.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The day as of which the list is known to hold; `None` where it comes from a copy of unknown age.
    pub fn date(&self) -> Option<Date> {
        self.date
    }

    /// "as of 2026-11-21, from …", in words.
    pub fn origin(&self) -> String {
        let age = self.date.map_or_else(|| "of unknown age".to_owned(), |date| format!("as of {date}"));
        format!("{age}, from {}", self.source)
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.ranges.is_empty() || self.ranges.len() > MOST {
            return Err(Fault::new("ranges", format!("holds {}; it must hold 1 to {MOST}", self.ranges.len())));
        }
        if self.ranges.iter().any(|range| range.0.prefix_len() == 0) {
            return Err(Fault::new("ranges", "lets everybody in"));
        }
        if self.source.is_empty() {
            return Err(Fault::new("source", "is empty: say where the provider publishes them"));
        }
        Ok(())
    }
}

fn day<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map(Some)
        .map_err(|_| serde::de::Error::custom(format!("`{text}` is not a day such as \"2026-11-21\"")))
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn networks_and_single_addresses() {
        for (text, network_) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1/128"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), network_);
        }
        for text in ["", "/", "192.0.2.0/33", "192.0.2", "provider", "192.0.2.1/24", "192.0.2.1:80", "::1/", "a/8"] {
            assert!(network(text).is_err(), "{text}");
        }
    }
}
