//! The addresses that a provider says it sends from: what `allow = ["provider"]` stands for.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::civil::Date;
use serde::Deserialize;

use super::error::Fault;

/// The most ranges of one provider; every request is held against them.
const MOST: usize = 256;

/// `[addresses]`: a published list, where it was published, and as of which day.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    ranges: Vec<Range>,
    source: String,
    #[serde(deserialize_with = "day")]
    date: Date,
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
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
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

    /// The day as of which the list is known to hold.
    pub fn date(&self) -> Date {
        self.date
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

fn day<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is not a day such as \"2026-11-21\"")))
}
