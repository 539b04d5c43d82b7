//! RSA signatures whose key stands in a certificate that the request names: PayPal, Amazon SNS.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use serde::Deserialize;

use super::encoding::Encoding;
use super::hosts::{Allowed, with_region};
use super::keys::{KeyRequest, KeySource, KeysPlan};
use super::material::{Held, Material};
use super::picked::{Picked, Picks};
use super::place::Place;
use super::template::{Message, Template};
use super::x509::{RsaHash, Trust};
use super::{Passed, Request};
use crate::config::Secret;
use crate::provider::arn;
use crate::provider::error::Fault;
use crate::provider::reject::Reject;

/// Bytes of the longest signature, under a key of 8,192 bits.
const LONGEST: usize = 1_024;

/// Which hash signs, as the request says and the file allows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HashChoice {
    at: Place,
    /// What may stand there.
    values: BTreeMap<String, HashName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum HashName {
    Sha1,
    Sha256,
}

/// What a signed value must be: one of the ARNs that the source lists. The certificate must be of the ARN's region.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    /// The service whose ARNs they are.
    arn: String,
    /// The parameter that lists them.
    param: String,
}

/// Everything about the scheme but the source's settings.
#[derive(Debug, Clone)]
pub(crate) struct CertifiedPlan {
    pub(crate) at: Place,
    pub(crate) signed: Template,
    encoding: Encoding,
    hash: HashChoice,
    pub(crate) keys: KeysPlan,
    /// Where the certificate's address stands.
    address: Place,
    expect: Vec<(Place, Listed)>,
    picks: Picks,
}

/// The plan with one source's settings.
pub(crate) struct Certified {
    plan: CertifiedPlan,
    keys: KeySource,
    /// What may stand at these places of the plan.
    listed: Vec<Vec<String>>,
    trust: Arc<Trust>,
}

/// What a request claims, decoded; nothing of it is believed yet.
struct Claim {
    hash: RsaHash,
    signature: Vec<u8>,
    address: Allowed,
}

impl Listed {
    /// What a source lists, with commas or spaces between.
    fn values(&self, params: &BTreeMap<String, String>) -> Result<Vec<String>, Fault> {
        let given = params.get(&self.param).map(String::as_str).unwrap_or_default();
        let values: Vec<_> = given.split([',', ' ']).filter(|value| !value.is_empty()).map(str::to_owned).collect();
        let fault = |problem: String| Err(Fault::new(&self.param, problem).within("params"));
        if values.is_empty() {
            return fault("names none".to_owned());
        }
        match values.iter().find(|value| !arn::is_whole(&self.arn, value)) {
            Some(value) => fault(format!("`{value}` is not arn:PARTITION:{}:REGION:ACCOUNT:NAME", self.arn)),
            None => Ok(values),
        }
    }
}

impl CertifiedPlan {
    pub(crate) fn new(
        at: Place,
        signed: Template,
        encoding: Encoding,
        hash: HashChoice,
        keys: KeysPlan,
        expect: &BTreeMap<String, Listed>,
    ) -> Result<CertifiedPlan, Fault> {
        let mut picks = Picks::default();
        let mut address = keys.place().cloned().ok_or_else(|| Fault::new("at", "is missing").within("keys"))?;
        let expect = expect.iter().map(|(place, listed)| {
            let place = Place::try_from(place.clone()).map_err(|problem| Fault::new("expect", problem))?;
            Ok((place, listed.clone()))
        });
        let mut plan = CertifiedPlan {
            at,
            signed,
            encoding,
            hash,
            address: address.clone(),
            keys,
            expect: expect.collect::<Result<_, Fault>>()?,
            picks: Picks::default(),
        };
        plan.at.register(&mut picks);
        plan.signed.register(&mut picks);
        plan.hash.at.register(&mut picks);
        address.register(&mut picks);
        plan.address = address;
        plan.expect.iter_mut().for_each(|(place, _)| place.register(&mut picks));
        Ok(CertifiedPlan { picks: picks.close(), ..plan })
    }

    /// Can whoever holds one signed request change something in its body?
    pub(crate) fn is_partial(&self) -> bool {
        !self.signed.covers_body()
    }

    pub(super) fn params(&self) -> Vec<String> {
        let signed = self.signed.params().map(str::to_owned);
        let expected = self.expect.iter().map(|(_, listed)| listed.param.clone());
        signed.chain(expected).chain(self.keys.params()).collect()
    }

    /// Every header that the scheme reads.
    pub(super) fn headers(&self) -> Vec<&HeaderName> {
        let places = [self.at.headers(), self.hash.at.headers(), self.address.headers()];
        places.into_iter().flatten().chain(self.signed.headers()).collect()
    }

    /// For the docs.
    pub(super) fn describe(&self, scheme: &str) -> String {
        let hashes: Vec<_> = self.hash.values.keys().map(|value| format!("`{value}`")).collect();
        let expect = self
            .expect
            .iter()
            .map(|(place, listed)| format!("; `{}` must be one of `params.{}`", place.describe(), listed.param));
        let partial = if self.is_partial() { "; the rest of the body is not covered" } else { "" };
        format!(
            "{scheme} of `{}`, {} in `{}`, the hash in `{}` ({}), under {}{}; no timestamp is checked{partial}",
            self.signed.as_str(),
            self.encoding.as_str(),
            self.at.describe(),
            self.hash.at.describe(),
            hashes.join(", "),
            self.keys.describe(),
            expect.collect::<String>(),
        )
    }
}

impl Certified {
    pub(crate) fn new(
        plan: &CertifiedPlan,
        params: &BTreeMap<String, String>,
        credentials: &BTreeMap<String, Secret>,
        trust: Arc<Trust>,
    ) -> Result<Certified, Fault> {
        let listed = plan.expect.iter().map(|(_, listed)| listed.values(params)).collect::<Result<_, Fault>>()?;
        let keys = plan.keys.bind(params, credentials)?;
        let signed = plan.signed.bind(params);
        Ok(Certified { plan: CertifiedPlan { signed, ..plan.clone() }, keys, listed, trust })
    }

    /// The certificate that the request is to be verified with, unless it is refused without one.
    pub(crate) fn key_request(&self, request: &Request<'_>) -> Result<KeyRequest, Reject> {
        let picked = self.plan.picks.read(request.body);
        self.claim(request, &picked).map(|claim| self.keys.certificate(&claim.address))
    }

    pub(crate) fn verify(&self, request: &Request<'_>, material: Option<&Material>) -> Result<Passed, Reject> {
        let picked = self.plan.picks.read(request.body);
        let claim = self.claim(request, &picked)?;
        let Some(Material(Held::Certificates(chain))) = material else { return Err(Reject::KeyUnknown) };
        let mut text = Vec::new();
        let headers = self.plan.signed.check(request.headers, request.query)?;
        let message =
            Message { request, headers: &headers, timestamp: "", url: "", newline: false, picked: &picked, item: None };
        self.plan.signed.feed(&message, b"", &mut |bytes| text.extend_from_slice(bytes));
        if text.is_empty() {
            // A signature over nothing says nothing, whoever made it.
            return Err(Reject::SignatureMismatch);
        }
        let region = claim.address.region.as_deref();
        let names: Vec<_> = self.keys.names.iter().filter_map(|name| with_region(name, region)).collect();
        self.trust.verify(chain, &names, request.now, (claim.hash, &text, &claim.signature))?;
        Ok(Passed { secret: 0, signed_at: None })
    }

    /// Everything that costs no key. What the values are held against is not yet signed for; refusing early only
    /// spares the fetch.
    fn claim(&self, request: &Request<'_>, picked: &Picked<'_>) -> Result<Claim, Reject> {
        let plan = &self.plan;
        let one = |place: &Place| -> Result<Option<String>, Reject> {
            Ok(place.value(request, picked, None)?.map(Cow::into_owned))
        };
        let signature = one(&plan.at)?.ok_or(Reject::SignatureMissing)?;
        let signature = plan.encoding.decode(&signature, LONGEST).filter(|bytes| !bytes.is_empty());
        let signature = signature.ok_or(Reject::SignatureMalformed)?;
        let hash =
            one(&plan.hash.at)?.and_then(|value| plan.hash.values.get(&value)).ok_or(Reject::SignatureMalformed)?;
        let hash = match hash {
            HashName::Sha1 => RsaHash::Sha1,
            HashName::Sha256 => RsaHash::Sha256,
        };
        plan.signed.check(request.headers, request.query)?;
        let address = one(&plan.address)?.and_then(|text| self.keys.allowed(&text)).ok_or(Reject::KeyUrlNotAllowed)?;
        for ((place, Listed { arn: service, .. }), values) in plan.expect.iter().zip(&self.listed) {
            let value = one(place)?.filter(|value| values.contains(value)).ok_or(Reject::ClaimMismatch)?;
            // A region signs for its own topics.
            if arn::host(service, &value).as_deref() != address.url.host_str() {
                return Err(Reject::KeyUrlNotAllowed);
            }
        }
        Ok(Claim { hash, signature, address })
    }
}
