//! A signature over a template of the request, under a shared secret or a public key: the scheme of most providers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::{HeaderName, Method};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::address::UrlForm;
use super::encoding::Encoding;
use super::few::Few;
use super::format::{Format, Parsed};
use super::key::{Algorithm, Claimed, Feed, Key};
use super::outgoing::{Signed, Signer};
use super::picked::{Picked, Picks};
use super::place::Place;
use super::secret::SecretForm;
use super::template::{Message, Template, only};
use super::timestamp::{TimeFormat, Window};
use super::{Passed, Request};
use crate::config::Secret;
use crate::event::Found;
use crate::provider::error::{Fault, SignError};
use crate::provider::reject::Reject;

/// Everything about the scheme but the keys.
#[derive(Debug, Clone)]
pub(crate) struct SignaturePlan {
    pub(crate) algorithm: Algorithm,
    pub(crate) at: Place,
    pub(crate) format: Format,
    pub(crate) signed: Template,
    pub(crate) encoding: Encoding,
    pub(crate) secret: SecretForm,
    pub(crate) clock: Option<Clock>,
    pub(crate) url: UrlForm,
    /// Where the hexadecimal SHA-256 of the body stands, when that is signed in the body's stead.
    pub(crate) body_hash: Option<Place>,
    /// What of the body is looked at before it is verified.
    pub(crate) picks: Picks,
}

/// Where the signed timestamp stands and how far it may be off.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    pub(crate) place: ClockPlace,
    pub(crate) format: TimeFormat,
    pub(crate) window: Window,
}

/// Where the timestamp stands.
#[derive(Debug, Clone)]
pub(crate) enum ClockPlace {
    /// Beside the signature.
    Format,
    /// In a place of its own, and in the signed text as it stands there.
    Own(Place),
    /// Inside the body, which is signed whole: looked at only after the signature matched.
    Inside(Place, Picks),
}

/// The plan with one source's keys.
pub(crate) struct Signature {
    plan: SignaturePlan,
    public_url: String,
    keys: Vec<Key>,
}

impl Signature {
    pub(crate) fn new(
        plan: &SignaturePlan,
        secrets: &[Secret],
        params: &BTreeMap<String, String>,
        public_url: Option<&str>,
    ) -> Result<Signature, Fault> {
        let key = |(index, secret): (usize, &Secret)| {
            let fault = |problem: &str| Fault::new("secrets", format!("secret {} {problem}", index + 1));
            let key = plan.secret.decode(secret).map_err(fault)?;
            Key::new(plan.algorithm, &key).map_err(fault)
        };
        let keys = secrets.iter().enumerate().map(key).collect::<Result<_, _>>()?;
        let public_url = match public_url {
            Some(url) => url.to_owned(),
            None if plan.signed.has_url() => {
                return Err(Fault::new(
                    "public_url",
                    "is missing: this provider signs the URL that it calls; set it here or in [gateway]",
                ));
            }
            None => String::new(),
        };
        let bound =
            SignaturePlan { signed: plan.signed.bind(params), format: plan.format.bind(params), ..plan.clone() };
        Ok(Signature { plan: bound, public_url, keys })
    }

    /// Cheap refusals first; the body is hashed only when everything else is in order, once per live secret until one
    /// matches. Stopping there tells a sender nothing but which of its own secrets is in use.
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<Passed, Reject> {
        let one = |picked: &Picked<'_>, item: Option<&Found<'_>>| self.verify_one(request, picked, item);
        self.plan.picks.verify(request.body, Reject::SignatureMissing, one)
    }

    fn verify_one(
        &self,
        request: &Request<'_>,
        picked: &Picked<'_>,
        item: Option<&Found<'_>>,
    ) -> Result<Passed, Reject> {
        let plan = &self.plan;
        // Filled in place: moving them about would cost as much as reading them.
        let (mut values, mut parsed, mut claimed) = (Few::default(), Parsed::default(), Claimed::default());
        plan.at.values(request, picked, item, &mut values)?;
        plan.read(&values, &mut parsed)?;
        plan.algorithm.claim(plan.encoding, &parsed.signatures, &mut claimed)?;
        let (timestamp, signed_at) = plan.timestamp(&parsed, request, picked, item)?;
        let headers = plan.signed.check(request.headers, request.query)?;
        plan.check_body_hash(request, picked)?;
        let message =
            Message { request, headers: &headers, timestamp: &timestamp, url: "", newline: false, picked, item };
        let secret = self.matching(&message, &claimed).ok_or(Reject::SignatureMismatch)?;
        Ok(Passed { secret, signed_at: signed_at.or(plan.inside(request)?) })
    }

    /// The place of the secret that made one of the claimed signatures, whichever form of the text was signed.
    fn matching(&self, message: &Message<'_>, claimed: &Claimed) -> Option<usize> {
        let signed = &self.plan.signed;
        if !signed.has_url() && !signed.has_newline() {
            let feed = |secret: &[u8], sink: &mut dyn FnMut(&[u8])| signed.feed(message, secret, sink);
            return self.keys.iter().position(|key| key.accepts(&feed, claimed));
        }
        let urls = self.plan.url.variants(&self.public_url, message.request.query);
        let texts = || urls.iter().flat_map(|url| [false, signed.has_newline()].map(|newline| (url, newline)));
        let accepts = |key: &Key| {
            texts().any(|(url, newline)| {
                let message = Message { url, newline, ..*message };
                key.accepts(&|secret, sink| signed.feed(&message, secret, sink), claimed)
            })
        };
        self.keys.iter().position(accepts)
    }

    /// The request with timestamp and signature in their places, as the provider would send it: under the first secret,
    /// or with the private key that the caller brings.
    pub(crate) fn sign(&self, mut out: Signed, now: Timestamp, signer: Option<&Signer>) -> Result<Signed, SignError> {
        let plan = &self.plan;
        let timestamp = plan.clock.as_ref().map_or(String::new(), |clock| clock.format.write(now));
        if let Some(Clock { place: ClockPlace::Own(place), .. }) = &plan.clock {
            out.put(place, &plan.picks, &timestamp)?;
        }
        if let Some(place) = &plan.body_hash {
            let hash = hex::encode(Sha256::digest(&out.body));
            out.put(place, &plan.picks, &hash)?;
        }
        if let Some(absent) = plan.signed.headers().find(|name| only(&out.headers, name).is_none()) {
            return Err(SignError::HeaderMissing(absent.as_str().to_owned()));
        }
        let signature = |out: &Signed, item: Option<&Found<'_>>| {
            let Signed { headers, query, body } = out;
            let picked = plan.picks.read(body);
            let request = Request { method: &Method::POST, headers, query, body, now };
            let urls = plan.url.variants(&self.public_url, query);
            let url = urls.first().map_or("", AsRef::as_ref);
            let values = plan.signed.check(headers, query).unwrap_or_default();
            let message = Message {
                request: &request,
                headers: &values,
                timestamp: &timestamp,
                url,
                newline: false,
                picked: &picked,
                item,
            };
            let feed = |secret: &[u8], sink: &mut dyn FnMut(&[u8])| plan.signed.feed(&message, secret, sink);
            let encoded = self.made(&feed, signer)?;
            Ok(plan.format.write(&timestamp, &encoded))
        };
        if plan.picks.has_each() {
            let whole = out.clone();
            out.put_each(&plan.at, &plan.picks, |item| signature(&whole, Some(item)))?;
        } else {
            let value = signature(&out, None)?;
            out.put(&plan.at, &plan.picks, &value)?;
        }
        Ok(out)
    }

    /// The encoded signature of a text.
    fn made(&self, feed: Feed<'_>, signer: Option<&Signer>) -> Result<String, SignError> {
        let encoding = self.plan.encoding;
        if self.plan.algorithm.is_shared() {
            let key = self.keys.first().ok_or(SignError::NoSecret)?;
            return key.tag(feed).map(|tag| encoding.encode(tag.bytes())).ok_or(SignError::NoPrivateKey);
        }
        let mut message = Vec::new();
        feed(b"", &mut |bytes| message.extend_from_slice(bytes));
        let signature = signer.and_then(|sign| sign(&message)).ok_or(SignError::NoPrivateKey)?;
        Ok(encoding.encode(&signature))
    }

    /// What the first secret makes of a text: how some providers want their challenges answered.
    pub(crate) fn answer(&self, text: &str, encoding: Encoding) -> Option<String> {
        let tag = self.keys.first()?.tag(&|_, sink| sink(text.as_bytes()))?;
        matches!(self.plan.algorithm, Algorithm::Hmac(_)).then(|| encoding.encode(tag.bytes()))
    }
}

impl Clock {
    fn describe(&self) -> String {
        let place = match &self.place {
            ClockPlace::Format => String::new(),
            ClockPlace::Own(place) | ClockPlace::Inside(place, _) => format!(" in `{}`", place.describe()),
        };
        let Window { past, future } = self.window;
        format!("; timestamp{place} ({}) at most {past:#} old or {future:#} ahead", self.format.as_str())
    }
}

impl SignaturePlan {
    /// Every header that the scheme reads.
    pub(super) fn headers(&self) -> Vec<&HeaderName> {
        let clock = self.clock.as_ref().and_then(|clock| match &clock.place {
            ClockPlace::Own(place) => Some(place.headers()),
            ClockPlace::Format | ClockPlace::Inside(..) => None,
        });
        let places = [self.at.headers(), clock.unwrap_or_default()];
        places.into_iter().flatten().chain(self.signed.headers()).collect()
    }

    /// Can whoever holds one signed request change something in its body?
    pub(crate) fn is_partial(&self) -> bool {
        !self.signed.covers_body() && self.body_hash.is_none()
    }

    /// For the docs.
    pub(super) fn describe(&self, scheme: &str) -> String {
        let clock = self.clock.as_ref().map(Clock::describe).unwrap_or_else(|| "; no timestamp is signed".to_owned());
        let hash = self.body_hash.as_ref().map(|place| format!(", the body's SHA-256 in `{}`", place.describe()));
        let each = if self.picks.has_each() { " of each item" } else { "" };
        let partial = if self.is_partial() { "; the rest of the body is not covered" } else { "" };
        let key = if self.algorithm.is_shared() { "secret" } else { "public key" };
        format!(
            "{scheme}{each} of `{}`{}{}, {} in `{}: {}`{clock}; the {key} is {}{partial}",
            self.signed.as_str(),
            self.url.describe(),
            hash.unwrap_or_default(),
            self.encoding.as_str(),
            self.at.describe(),
            self.format.as_str(),
            self.secret.describe(),
        )
    }

    /// Repeated signature headers are one list (rotation at some providers), except where each would bring a
    /// timestamp of its own.
    fn read<'a>(&self, values: &'a Few<Cow<'_, str>>, parsed: &mut Parsed<'a>) -> Result<(), Reject> {
        if values.is_empty() {
            return Err(Reject::SignatureMissing);
        }
        values.iter().try_for_each(|value| self.format.read(value, parsed))
    }

    /// The timestamp as received and as understood; the empty text when none is part of the signed text.
    fn timestamp<'p>(
        &self,
        parsed: &Parsed<'p>,
        request: &Request<'p>,
        picked: &'p Picked<'p>,
        item: Option<&'p Found<'p>>,
    ) -> Result<(Cow<'p, str>, Option<Timestamp>), Reject> {
        let Some(clock) = &self.clock else {
            return Ok((Cow::Borrowed(""), None));
        };
        let text = match &clock.place {
            ClockPlace::Inside(..) => return Ok((Cow::Borrowed(""), None)),
            ClockPlace::Format => Cow::Borrowed(parsed.timestamp.ok_or(Reject::TimestampMissing)?),
            ClockPlace::Own(place) => {
                let value = place.value(request, picked, item).map_err(|_| Reject::TimestampMalformed)?;
                value.ok_or(Reject::TimestampMissing)?
            }
        };
        let signed_at = clock.check(&text, request.now)?;
        Ok((text, Some(signed_at)))
    }

    /// The timestamp inside a body that was just verified.
    fn inside(&self, request: &Request<'_>) -> Result<Option<Timestamp>, Reject> {
        let Some(Clock { place: ClockPlace::Inside(place, picks), .. }) = &self.clock else {
            return Ok(None);
        };
        let picked = picks.read(request.body);
        let value = place.value(request, &picked, None).map_err(|_| Reject::TimestampMalformed)?;
        let text = value.ok_or(Reject::TimestampMissing)?;
        self.clock.as_ref().map(|clock| clock.check(&text, request.now)).transpose()
    }

    fn check_body_hash(&self, request: &Request<'_>, picked: &Picked<'_>) -> Result<(), Reject> {
        let Some(place) = &self.body_hash else {
            return Ok(());
        };
        let claimed = place.value(request, picked, None)?.ok_or(Reject::SignatureMissing)?;
        let claimed = Encoding::Hex.decode_tag(&claimed).ok_or(Reject::SignatureMalformed)?;
        let same = Sha256::digest(request.body).as_slice().ct_eq(claimed.bytes());
        if bool::from(same) { Ok(()) } else { Err(Reject::SignatureMismatch) }
    }
}

impl Clock {
    fn check(&self, text: &str, now: Timestamp) -> Result<Timestamp, Reject> {
        let signed_at = self.format.parse(text).ok_or(Reject::TimestampMalformed)?;
        self.window.check(signed_at, self.format.rounded(now))?;
        Ok(signed_at)
    }
}
