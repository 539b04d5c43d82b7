//! HMAC over a template of the request: the scheme of most providers.

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use super::encoding::Encoding;
use super::format::{Format, Parsed};
use super::mac::{Hash, Keyed, Tag};
use super::secret::SecretForm;
use super::template::{Message, Template, only};
use super::timestamp::{TimeFormat, Window};
use super::{Passed, Request};
use crate::config::Secret;
use crate::provider::error::{Fault, SignError};
use crate::provider::reject::Reject;

/// Everything about the scheme but the keys.
#[derive(Debug, Clone)]
pub(crate) struct HmacPlan {
    pub(crate) hash: Hash,
    pub(crate) header: HeaderName,
    pub(crate) format: Format,
    pub(crate) signed: Template,
    pub(crate) encoding: Encoding,
    pub(crate) secret: SecretForm,
    pub(crate) clock: Option<Clock>,
}

/// Where the signed timestamp stands and how far it may be off.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// `None`: in the signature header itself.
    pub(crate) header: Option<HeaderName>,
    pub(crate) format: TimeFormat,
    pub(crate) window: Window,
}

/// The plan with one source's keys.
pub(crate) struct Hmac {
    plan: HmacPlan,
    keys: Vec<Keyed>,
}

impl Hmac {
    pub(crate) fn new(plan: &HmacPlan, secrets: &[Secret]) -> Result<Hmac, Fault> {
        let key = |(index, secret): (usize, &Secret)| {
            let fault = |problem: &str| Fault::new("secrets", format!("secret {} {problem}", index + 1));
            let key = plan.secret.decode(secret).map_err(fault)?;
            Keyed::new(plan.hash, &key).ok_or_else(|| fault("has a length that the hash cannot take"))
        };
        let keys = secrets.iter().enumerate().map(key).collect::<Result<_, _>>()?;
        Ok(Hmac { plan: plan.clone(), keys })
    }

    /// Cheap refusals first; the body is hashed only when everything else is in order, once per live secret until one
    /// matches. Stopping there tells a sender nothing but which of its own secrets is in use.
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<Passed, Reject> {
        let parsed = self.plan.read(request.headers)?;
        let claimed = self.plan.claimed(&parsed.signatures)?;
        let (timestamp, signed_at) = self.plan.timestamp(&parsed, request)?;
        self.plan.signed.check_headers(request.headers)?;
        let message = Message { body: request.body, timestamp, headers: request.headers };
        let matching = |key: &Keyed| key.tag(|sink| self.plan.signed.feed(&message, sink)).is_among(&claimed);
        let secret = self.keys.iter().position(matching).ok_or(Reject::SignatureMismatch)?;
        Ok(Passed { secret, signed_at })
    }

    /// The headers with timestamp and signature added, as the provider would send them, under the first secret.
    pub(crate) fn sign(&self, body: &[u8], mut headers: HeaderMap, now: Timestamp) -> Result<HeaderMap, SignError> {
        let key = self.keys.first().ok_or(SignError::NoSecret)?;
        let timestamp = self.plan.clock.as_ref().map_or(String::new(), |clock| clock.format.write(now));
        if let Some(header) = self.plan.clock.as_ref().and_then(|clock| clock.header.as_ref()) {
            headers.insert(header, header_value(&timestamp)?);
        }
        if let Some(absent) = self.plan.signed.headers().find(|name| only(&headers, name).is_none()) {
            return Err(SignError::HeaderMissing(absent.as_str().to_owned()));
        }
        let message = Message { body, timestamp: &timestamp, headers: &headers };
        let tag = key.tag(|sink| self.plan.signed.feed(&message, sink));
        let value = self.plan.format.write(&timestamp, &self.plan.encoding.encode(tag.bytes()));
        headers.insert(&self.plan.header, header_value(&value)?);
        Ok(headers)
    }
}

fn header_value(text: &str) -> Result<HeaderValue, SignError> {
    HeaderValue::from_str(text).map_err(|_| SignError::NotAHeaderValue)
}

impl Clock {
    fn describe(&self) -> String {
        let header = self.header.as_ref().map(|header| format!(" in `{header}`")).unwrap_or_default();
        let Window { past, future } = self.window;
        format!("; timestamp{header} ({}) at most {past:#} old or {future:#} ahead", self.format.as_str())
    }
}

impl HmacPlan {
    /// Every header that the scheme reads.
    pub(super) fn headers(&self) -> Vec<&HeaderName> {
        let clock = self.clock.as_ref().and_then(|clock| clock.header.as_ref());
        std::iter::once(&self.header).chain(clock).chain(self.signed.headers()).collect()
    }

    /// For the docs.
    pub(super) fn describe(&self, scheme: &str) -> String {
        let clock = self.clock.as_ref().map(Clock::describe).unwrap_or_else(|| "; no timestamp is signed".to_owned());
        format!(
            "{scheme} of `{}`, {} in `{}: {}`{clock}; the secret is {}",
            self.signed.as_str(),
            self.encoding.as_str(),
            self.header,
            self.format.as_str(),
            self.secret.describe(),
        )
    }

    /// Repeated signature headers are one list (rotation at some providers), except where each would bring a
    /// timestamp of its own.
    fn read<'a>(&self, headers: &'a HeaderMap) -> Result<Parsed<'a>, Reject> {
        if !headers.contains_key(&self.header) {
            return Err(Reject::SignatureMissing);
        }
        let mut parsed = Parsed::default();
        for value in headers.get_all(&self.header) {
            let text = value.to_str().map_err(|_| Reject::SignatureMalformed)?;
            self.format.read(text, &mut parsed)?;
        }
        Ok(parsed)
    }

    /// The signatures that have the length of a tag. One good one among strangers is enough to go on.
    fn claimed(&self, signatures: &[&str]) -> Result<Vec<Tag>, Reject> {
        let decoded = signatures.iter().filter_map(|text| self.encoding.decode_tag(text));
        let claimed: Vec<Tag> = decoded.filter(|tag| tag.len() == self.hash.length()).collect();
        if claimed.is_empty() { Err(Reject::SignatureMalformed) } else { Ok(claimed) }
    }

    /// The timestamp as received and as understood; the empty text when the scheme has none.
    fn timestamp<'a>(
        &self,
        parsed: &Parsed<'a>,
        request: &Request<'a>,
    ) -> Result<(&'a str, Option<Timestamp>), Reject> {
        let Some(clock) = &self.clock else {
            return Ok(("", None));
        };
        let text = match &clock.header {
            None => parsed.timestamp.ok_or(Reject::TimestampMissing)?,
            Some(name) if !request.headers.contains_key(name) => {
                return Err(Reject::TimestampMissing);
            }
            Some(name) => {
                only(request.headers, name).and_then(|value| value.to_str().ok()).ok_or(Reject::TimestampMalformed)?
            }
        };
        let signed_at = clock.format.parse(text).ok_or(Reject::TimestampMalformed)?;
        clock.window.check(signed_at, request.now)?;
        Ok((text, Some(signed_at)))
    }
}
