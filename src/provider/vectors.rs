//! Vector files: requests with known verdicts, the proof beside each provider file. Read by the tests and by `check`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use serde::Deserialize;

use super::bind::Binding;
use super::compiled::Provider;
use super::error::{SpecError, from_toml};
use super::read::{Challenge, Facts, Reading, Reply};
use super::reject::Reject;
use super::verify::Request;
use crate::config::Secret;

/// One file of vectors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vectors {
    /// The provider that they prove.
    pub provider: String,
    /// The URL that all of them were sent to.
    pub url: String,
    /// The vectors, each under a name of its own.
    pub vectors: Vec<Vector>,
}

/// A request and what must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// What the case is, unlike that of every other vector of the file.
    pub name: String,
    /// Who made it: the documentation, an SDK with its version, or our own generator.
    pub source: String,
    /// What must come of it.
    pub expect: Expect,
    /// The clock in seconds since 1970; absent when no timestamp is checked.
    pub now: Option<i64>,
    /// The source's secrets in the order of its configuration.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Which of them must match, counted from 0.
    pub secret: Option<usize>,
    /// Does the source take unsigned requests?
    #[serde(default)]
    pub accept_unsigned: bool,
    /// The source's parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// The source's `[verify]` and `[event]`.
    #[serde(default)]
    pub overrides: toml::Table,
    /// The URL that it was sent to, without its query, where that is another than the file's.
    pub url: Option<String>,
    /// The method; POST when absent.
    pub method: Option<String>,
    /// The query without its question mark.
    #[serde(default)]
    pub query: String,
    /// The headers in their order; a name may stand there several times.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body as text.
    #[serde(default)]
    pub body: String,
    /// The body, where it is no text.
    pub body_base64: Option<String>,
    /// The event's id, absent when it has none.
    pub id: Option<String>,
    /// The provider's own type.
    #[serde(rename = "type")]
    pub providertype: Option<String>,
    /// The event's time in RFC 3339.
    pub time: Option<String>,
    /// The event's subject.
    pub subject: Option<String>,
    /// The event's tenant.
    pub tenant: Option<String>,
    /// Where the provider's API must be asked for the record, below its base.
    pub asked: Option<String>,
    /// What it answers; 404 when absent.
    pub record: Option<String>,
    /// The events of a batch, in their order, when there is not exactly one.
    pub events: Option<Vec<ExpectedFacts>>,
    /// The reply to a handshake.
    pub reply: Option<ExpectedReply>,
}

/// The facts of one event of a batch; one that is not named must be absent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFacts {
    /// The event's id.
    pub id: Option<String>,
    /// The provider's own type.
    #[serde(rename = "type")]
    pub providertype: Option<String>,
    /// The event's time in RFC 3339.
    pub time: Option<String>,
    /// The event's subject.
    pub subject: Option<String>,
    /// The event's tenant.
    pub tenant: Option<String>,
}

/// The verdict on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Expect {
    /// Verified, and an event.
    Ok,
    /// Verified or not in need of it, and a handshake.
    Handshake,
    /// Verified, and the body breaks a rule of the envelope.
    Unreadable,
    /// Refused for this reason.
    Reject(Reject),
}

/// The reply to a handshake, as vectors spell it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedReply {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: Option<String>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// The secret that is stored before it leaves.
    pub store: Option<String>,
}

impl TryFrom<String> for Expect {
    type Error = String;

    fn try_from(word: String) -> Result<Expect, String> {
        match word.as_str() {
            "ok" => Ok(Expect::Ok),
            "handshake" => Ok(Expect::Handshake),
            "unreadable" => Ok(Expect::Unreadable),
            other => Reject::parse(other).map(Expect::Reject).ok_or_else(|| {
                format!("`{other}` is neither ok, handshake, unreadable nor the name of a reject reason")
            }),
        }
    }
}

impl Vectors {
    /// Read a vector file. `file` is what errors call it.
    ///
    /// # Errors
    /// The first fault, with its line and key.
    pub fn parse(file: &str, text: &str) -> Result<Vectors, SpecError> {
        let mut vectors: Vectors = toml::from_str(text).map_err(|error| from_toml(&error, file, text))?;
        for vector in &mut vectors.vectors {
            vector.url.get_or_insert_with(|| vectors.url.clone());
        }
        Ok(vectors)
    }
}

impl Vector {
    /// The settings of the source that the request is sent to.
    pub fn binding(&self) -> Binding {
        Binding {
            secrets: self.secrets.iter().map(|secret| Secret::new(secret.clone().into_bytes())).collect(),
            params: self.params.clone(),
            public_url: self.url.clone(),
            overrides: self.overrides.clone(),
            accept_unsigned: self.accept_unsigned,
            secrets_follow: self.secrets.is_empty(),
        }
    }

    /// The request's method.
    ///
    /// # Errors
    /// It is no HTTP method.
    pub fn method(&self) -> Result<Method, String> {
        self.method
            .as_deref()
            .map_or(Ok(Method::POST), |method| method.parse().map_err(|_| format!("no method: {method}")))
    }

    /// The request's headers.
    ///
    /// # Errors
    /// One of them is no header.
    pub fn header_map(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let pair = HeaderName::try_from(name).ok().zip(HeaderValue::from_str(value).ok());
            let (name, value) = pair.ok_or_else(|| format!("no header: {name}"))?;
            headers.append(name, value);
        }
        Ok(headers)
    }

    /// The request's body.
    ///
    /// # Errors
    /// It is not the base64 that it should be.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        match &self.body_base64 {
            Some(text) => STANDARD.decode(text).map_err(|error| format!("body_base64: {error}")),
            None => Ok(self.body.clone().into_bytes()),
        }
    }

    /// The clock; the epoch where no timestamp is checked.
    pub fn clock(&self) -> Timestamp {
        Timestamp::from_second(self.now.unwrap_or(0)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Run it against a provider.
    ///
    /// # Errors
    /// How the verdict differs from the expected one.
    pub fn check(&self, provider: &Provider) -> Result<(), String> {
        let rules = provider.bind(&self.binding()).map_err(|error| error.to_string())?;
        let (method, headers, body) = (self.method()?, self.header_map()?, self.bytes()?);
        let request =
            Request { method: &method, headers: &headers, query: &self.query, body: &body, now: self.clock() };
        // A source that has a secret takes no other, unless its operator says so.
        let taken = |challenge: &Challenge| challenge.store.is_none() || self.secrets.is_empty();
        if let Some(Challenge { reply, store }) = rules.handshake(&request).filter(taken) {
            let expected = self.reply.as_ref().and_then(|reply| reply.store.as_deref());
            if store.as_ref().and_then(Secret::expose_text) != expected {
                return Err(format!("another secret to store than {expected:?}"));
            }
            return self.check_reply(&reply);
        }
        if method != Method::POST {
            return self.check_verdict(Expect::Reject(rules.refusal(&request)));
        }
        let verified = match rules.inquiry(&request) {
            None => rules.verify(&request),
            Some(path) if path.as_deref().ok() != self.asked.as_deref() => return Err(format!("asked for {path:?}")),
            Some(path) => path.and_then(|_| {
                let record = self.record.as_ref().ok_or(Reject::Unconfirmed)?;
                Ok(rules.confirmed(&request, record.clone().into_bytes()))
            }),
        };
        let verified = match verified {
            Err(reject) => return self.check_verdict(Expect::Reject(reject)),
            Ok(verified) => verified,
        };
        if self.secret.is_some_and(|secret| secret != verified.secret()) {
            return Err(format!("secret {} matched", verified.secret()));
        }
        match rules.read(&verified, &request) {
            Err(_) => self.check_verdict(Expect::Unreadable),
            Ok(Reading::Handshake(reply)) => self.check_reply(&reply),
            Ok(Reading::Events(events)) => {
                self.check_verdict(Expect::Ok)?;
                let expected = self.facts();
                if events.len() != expected.len() {
                    return Err(format!("{} events instead of {}", events.len(), expected.len()));
                }
                expected.iter().zip(&events).try_for_each(|(expected, facts)| expected.check(facts))
            }
        }
    }

    fn check_verdict(&self, found: Expect) -> Result<(), String> {
        if found == self.expect { Ok(()) } else { Err(format!("expected {:?}, found {found:?}", self.expect)) }
    }

    fn check_reply(&self, reply: &Reply) -> Result<(), String> {
        self.check_verdict(Expect::Handshake)?;
        let body = String::from_utf8_lossy(&reply.body).into_owned();
        let headers = reply.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let store = self.reply.as_ref().and_then(|reply| reply.store.clone());
        let found =
            ExpectedReply { status: reply.status, content_type: reply.content_type.clone(), headers, body, store };
        if self.reply.as_ref() == Some(&found) {
            Ok(())
        } else {
            Err(format!("expected {:?}, found {found:?}", self.reply))
        }
    }

    /// The events that it must become.
    pub fn facts(&self) -> Vec<ExpectedFacts> {
        let own = || ExpectedFacts {
            id: self.id.clone(),
            providertype: self.providertype.clone(),
            time: self.time.clone(),
            subject: self.subject.clone(),
            tenant: self.tenant.clone(),
        };
        self.events.clone().unwrap_or_else(|| vec![own()])
    }
}

impl ExpectedFacts {
    /// Compare every fact; one that the vector does not name must be absent.
    fn check(&self, facts: &Facts<'_>) -> Result<(), String> {
        let time = self.time.as_deref().map(str::parse::<Timestamp>).transpose().map_err(|error| error.to_string())?;
        if facts.time != time {
            return Err(format!("time: expected {time:?}, found {:?}", facts.time));
        }
        for (name, expected, found) in [
            ("id", &self.id, facts.id.as_deref()),
            ("type", &self.providertype, Some(facts.providertype.as_ref())),
            ("subject", &self.subject, facts.subject.as_deref()),
            ("tenant", &self.tenant, facts.tenant.as_deref()),
        ] {
            if expected.as_deref() != found {
                return Err(format!("{name}: expected {expected:?}, found {found:?}"));
            }
        }
        Ok(())
    }
}
