//! Confirming a subscription: a request that is built here for a fixed regional host. The address that the message
//! offers is not looked at.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use super::source::{Input, Source, SourceSpec};
use crate::event::Pointer;
use crate::provider::error::Fault;
use crate::provider::read::join;
use crate::provider::verify::is_region;

/// `confirm = { service = "sns", arn = "/TopicArn", query = { … } }`: a GET to `SERVICE.REGION.amazonaws.com`, with the
/// region of the ARN, which the scheme has held against the source's own list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowUpSpec {
    service: String,
    arn: SourceSpec,
    query: BTreeMap<String, String>,
}

/// The same, compiled.
#[derive(Debug, Clone)]
pub(crate) struct FollowUp {
    service: String,
    arn: Source<usize>,
    query: Vec<(String, Source<usize>)>,
}

impl FollowUpSpec {
    pub(crate) fn compile(&self, slot: &mut dyn FnMut(&Pointer) -> usize) -> Result<FollowUp, Fault> {
        if self.service.is_empty() || !self.service.bytes().all(|b| b.is_ascii_lowercase()) {
            return Err(Fault::new("service", "must be of lower-case letters"));
        }
        let value = |(name, text): (&String, &String)| {
            let parts = join(text).map_err(|problem| Fault::new("query", problem))?;
            Ok((name.clone(), Source::Join(parts).map(slot)))
        };
        let query = self.query.iter().map(value).collect::<Result<_, Fault>>()?;
        Ok(FollowUp { service: self.service.clone(), arn: self.arn.source.map(slot), query })
    }

    /// For the docs.
    pub(crate) fn describe(&self) -> String {
        format!("confirmed by a GET of our own to `{}.REGION.amazonaws.com`", self.service)
    }
}

impl FollowUp {
    /// The request's address; `None` when the ARN names no region.
    pub(crate) fn url(&self, input: Input<'_, '_>) -> Option<Url> {
        let host = host(&self.service, &self.arn.text(input)?)?;
        let mut url = Url::parse(&format!("https://{host}/")).ok()?;
        for (name, value) in &self.query {
            url.query_pairs_mut().append_pair(name, &value.text(input)?);
        }
        Some(url)
    }
}

/// `arn:PARTITION:SERVICE:REGION:…` (docs.aws.amazon.com, "Amazon Resource Names").
fn host(service: &str, arn: &str) -> Option<String> {
    let mut parts = arn.split(':');
    let (head, partition, owner, region) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let suffix = match partition {
        "aws" | "aws-us-gov" => "amazonaws.com",
        "aws-cn" => "amazonaws.com.cn",
        _ => return None,
    };
    (head == "arn" && owner == service && is_region(region)).then(|| format!("{service}.{region}.{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn the_host_is_ours() {
        let at = |arn: &str| host("sns", arn);
        assert_eq!(at("arn:aws:sns:us-west-2:123456789012:T").as_deref(), Some("sns.us-west-2.amazonaws.com"));
        assert_eq!(at("arn:aws-cn:sns:cn-north-1:1:T").as_deref(), Some("sns.cn-north-1.amazonaws.com.cn"));
        for arn in [
            "",
            "arn:aws:sns",
            "arn:aws:sqs:us-west-2:1:T",
            "arn:evil:sns:us-west-2:1:T",
            "arn:aws:sns:evil.test/:1:T",
            "arn:aws:sns:us-west-2.evil.test:1:T",
            "arn:aws:sns:us-west-2@x:1:T",
            "arn:aws:sns:US-WEST-2:1:T",
            "arn:aws:sns::1:T",
        ] {
            assert_eq!(at(arn), None, "{arn}");
        }
    }
}
