//! stand-in
#![allow(missing_docs)]
mod reject;
use crate::config::Secret;
use crate::event::{Data, Unreadable, Verification};
use jiff::Timestamp;
pub use reject::Reject;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    p: Vec<Arc<Provider>>,
}
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct SpecError;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct BindError;
impl Catalogue {
    pub fn embedded() -> Result<Catalogue, SpecError> {
        Ok(Self::default())
    }
    pub fn add(&mut self, _: &str, _: &str) -> Result<(), SpecError> {
        Ok(())
    }
    pub fn get(&self, _: &str) -> Option<&Arc<Provider>> {
        self.p.first()
    }
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.p.iter()
    }
}
#[derive(Debug)]
pub struct Provider {
    a: AnswerProfile,
    n: Needs,
}
#[derive(Debug)]
pub struct Needs {
    pub credentials: BTreeMap<String, String>,
}
#[derive(Debug)]
pub struct AnswerProfile {
    pub deadline: Duration,
    pub redelivers: bool,
}
impl Provider {
    pub fn name(&self) -> &str {
        ""
    }
    pub fn answer(&self) -> &AnswerProfile {
        &self.a
    }
    pub fn needs(&self) -> &Needs {
        &self.n
    }
    pub fn kept_headers(&self) -> &[http::HeaderName] {
        &[]
    }
    pub fn bind(&self, _: &Binding) -> Result<Rules, BindError> {
        Err(BindError)
    }
}
pub struct Binding {
    pub secrets: Vec<Secret>,
    pub params: BTreeMap<String, String>,
    pub public_url: Option<String>,
    pub overrides: toml::Table,
    pub accept_unsigned: bool,
}
pub struct Rules;
pub struct Request<'a> {
    pub method: &'a http::Method,
    pub headers: &'a http::HeaderMap,
    pub query: &'a str,
    pub body: &'a [u8],
    pub now: Timestamp,
}
pub struct Verified;
impl Verified {
    pub fn secret(&self) -> Option<usize> {
        None
    }
    pub fn kind(&self) -> Verification {
        Verification::None
    }
}
impl Rules {
    pub fn verify(&self, _: &Request<'_>) -> Result<Verified, Reject> {
        Err(Reject::SignatureMissing)
    }
    pub fn read<'a>(&self, _: &Verified, _: &Request<'a>) -> Result<Reading<'a>, Unreadable> {
        Ok(Reading::Events(vec![]))
    }
    pub fn type_prefix(&self) -> &str {
        ""
    }
    pub fn category(&self, _: &str) -> Option<&str> {
        None
    }
}
pub enum Reading<'a> {
    Handshake(Reply),
    Events(Vec<Facts<'a>>),
}
pub struct Facts<'a> {
    pub id: Option<Cow<'a, str>>,
    pub providertype: Cow<'a, str>,
    pub time: Option<Timestamp>,
    pub subject: Option<Cow<'a, str>>,
    pub tenant: Option<Cow<'a, str>>,
    pub data: Data<'a>,
}
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub content_type: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}
