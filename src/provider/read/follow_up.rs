//! Confirming a subscription: a request that is built here for a fixed regional host. The address that the message
//! offers is not looked at.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use super::source::{Input, Source, SourceSpec};
use crate::event::Pointer;
use crate::provider::arn;
use crate::provider::error::Fault;
use crate::provider::read::join;

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
        let host = arn::host(&self.service, &self.arn.text(input)?)?;
        let mut url = Url::parse(&format!("https://{host}/")).ok()?;
        for (name, value) in &self.query {
            url.query_pairs_mut().append_pair(name, &value.text(input)?);
        }
        Some(url)
    }
}
