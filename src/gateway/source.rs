//! A source as the request path uses it: everything looked up and compiled once.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use ipnet::IpNet;
use jiff::Timestamp;
use serde_json::{Value, json};
use ulid::Ulid;

use super::admission::{self, PerSecond};
use super::answer::{Refused, Unavailable};
use super::call::Call;
use super::counters::Counters;
use super::delivery::Route;
use super::duplicates::{Key, Window};
use super::inflate;
use super::inquiry::Inquiries;
use super::keys::{KeyRing, Network};
use super::live::Live;
use super::order::Order;
use super::replays::Bodies;
use super::trace;
use crate::config::{Config, KeyBy, Redeliveries, SourceConfig};
use crate::event::{
    Attributes, DeadLetter, Extra, Format, Origin, Record, Stage, Trail, Unreadable, Verification, clean, encode,
};
use crate::http::RequestId;
use crate::provider::diagnose::Suspect;
use crate::provider::{Encoding, Facts, Material, Provider, Reject, Reply, Request, Rules, Verified};
use crate::spool::Spool;
use crate::telemetry::GatewayMetrics;

/// The most ids that all duplicate windows hold together; about 100 bytes each.
pub(super) const REMEMBERED_IDS: usize = 1_000_000;

pub(super) struct Source {
    pub(super) name: Arc<str>,
    pub(super) rules: Live,
    /// Where the provider's API is asked what is true.
    pub(super) inquiries: Option<Inquiries>,
    pub(super) counters: Counters,
    pub(super) window: Arc<Window>,
    /// The way of its records.
    pub(super) route: Arc<Route>,
    pub(super) max_body: usize,
    pub(super) deadline: Duration,
    /// The answer to a stored event, where the provider wants another than ours.
    pub(super) success: Option<Reply>,
    /// The status of the answer to a request that proves nothing, where the provider wants one without a body.
    pub(super) rejected: Option<u16>,
    provider: Arc<Provider>,
    /// What the operator calls the secrets.
    secret_names: Vec<String>,
    path: String,
    attribute: String,
    topic: Arc<str>,
    dead_letters: Arc<str>,
    format: Format,
    key: KeyBy,
    redeliveries: Redeliveries,
    allow: Vec<IpNet>,
    rate: Option<Arc<PerSecond<()>>>,
    /// Where keys must be fetched.
    keys: Option<Arc<KeyRing>>,
    /// Where the id is not covered by the signature.
    bodies: Option<Arc<Bodies>>,
}

/// A finished record.
pub(super) struct Item {
    pub(super) record: Record,
    /// The event's id in its envelope.
    pub(super) name: String,
    /// The same where it is the provider's own: copies are recognised by it.
    pub(super) id: Option<String>,
    /// Somebody had it delivered again, and the source lets that through.
    pub(super) again: bool,
}

impl Source {
    /// Compile a source. What `before` has learnt stays, where it is of the same provider: ids of another would mean
    /// something else.
    pub(super) fn new(
        source: &SourceConfig,
        config: &Config,
        spool: Option<&Arc<Spool>>,
        metrics: &GatewayMetrics,
        network: &Network,
        before: Option<&Arc<Self>>,
    ) -> Result<Self, String> {
        let name: Arc<str> = source.name.as_str().into();
        let before = before.filter(|before| before.provider.name() == source.provider.name());
        let capacity = (REMEMBERED_IDS / config.sources.len().max(1)).max(1_000);
        let window = before.map(|before| Arc::clone(&before.window));
        let window = window.unwrap_or_else(|| Arc::new(Window::new(capacity)));
        window.set_capacity(capacity);
        let rate = source.max_requests_per_second.map(|limit| {
            let known = before.and_then(|before| before.rate.clone()).filter(|rate| rate.limit() == limit);
            known.unwrap_or_else(|| Arc::new(PerSecond::new(limit)))
        });
        let bodies = source.provider.unsigned_facts().contains(&"id");
        let bodies = bodies.then(|| before.and_then(|before| before.bodies.clone()).unwrap_or_default());
        let spool = spool.filter(|_| source.spools).cloned();
        let ordered = spool.is_some() && source.key == KeyBy::Subject;
        // Where the way is the same one, what is under way on it keeps its order.
        let same = |route: &&Arc<Route>| route.spool.is_some() == spool.is_some() && route.order.is_some() == ordered;
        let route = before.map(|before| &before.route).filter(same).cloned();
        let route = route.unwrap_or_else(|| {
            let (source, window, order) = (Arc::clone(&name), Arc::clone(&window), ordered.then(Order::default));
            Arc::new(Route { source, window, spool, order })
        });
        let rules = Live::new(source)?;
        let keys = match before.and_then(|before| before.keys.clone()) {
            None if rules.now().fetches_keys() => {
                Some(KeyRing::new(network.transport()?, Arc::clone(&name), metrics.source(&name)))
            }
            known => known,
        };
        Ok(Self {
            route,
            keys,
            rules,
            inquiries: source.inquiries()?.map(|(base, headers)| Inquiries::new(base, headers)).transpose()?,
            secret_names: source.secret_names(),
            path: source.path.clone(),
            counters: Counters::new(metrics, &source.name, source.secret_count()),
            window,
            max_body: source.max_body,
            deadline: source.deadline,
            success: source.provider.success(),
            rejected: source.provider.rejected(),
            provider: Arc::clone(&source.provider),
            attribute: source.event_source(),
            topic: source.raw_topic.as_str().into(),
            dead_letters: config.kafka.topics.dead_letter_topic().into(),
            format: source.format,
            key: source.key,
            redeliveries: source.redeliveries,
            allow: source.allow.clone(),
            rate,
            bodies,
            name,
        })
    }

    /// What operators may know of it.
    pub(super) fn status(&self) -> Value {
        json!({ "name": &*self.name, "provider": self.provider.name(), "topic": &*self.topic })
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Where it takes requests.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The source as `explain` looks at it.
    pub(super) fn suspect<'a>(&'a self, rules: &'a Rules) -> Suspect<'a> {
        Suspect {
            name: &self.name,
            provider: &self.provider,
            binding: rules.binding(),
            secret_names: &self.secret_names,
            path: &self.path,
        }
    }

    /// What is decided before the body is read, and how it is encoded.
    pub(super) fn admit(
        &self,
        rules: &Rules,
        address: IpAddr,
        headers: &HeaderMap,
    ) -> Result<Option<Encoding>, Reject> {
        admission::address_allowed(address, &self.allow)?;
        let encoding = inflate::encoding(headers, rules.encodings())?;
        admission::length_allowed(headers, self.max_body)?;
        Ok(encoding)
    }

    /// The key that the request must be verified with, where it is not the source's own.
    ///
    /// # Errors
    /// The request is refused without one, or the key cannot be had until then.
    pub(super) async fn key(
        &self,
        rules: &Rules,
        request: &Request<'_>,
        until: Instant,
    ) -> Result<Option<Arc<Material>>, Refused> {
        match (rules.key_request(request)?, &self.keys) {
            // Boxed, so that the requests of all other sources do not hold the room for it.
            (Some(wanted), Some(keys)) => Ok(Some(Box::pin(keys.material(&wanted, until)).await?)),
            (Some(_), None) => Err(Unavailable::Key.into()),
            (None, _) => Ok(None),
        }
    }

    /// Count a verified request.
    ///
    /// # Errors
    /// It is one too many. Only verified requests count: a forger must not use up the rate of the honest sender.
    pub(super) fn verified(&self, verified: &Verified, now: Timestamp, arrived: Instant) -> Result<(), Reject> {
        if verified.kind() != Verification::None {
            self.counters.matched(verified.secret());
        }
        #[allow(clippy::cast_precision_loss)] // milliseconds since 1970 fit a double
        self.counters.metrics.last_event.set(now.as_millisecond() as f64 / 1_000.0);
        if let Some(signed_at) = verified.signed_at() {
            self.counters.signed(now.duration_since(signed_at).as_secs_f64());
        }
        match &self.rate {
            Some(rate) if !rate.count((), (), arrived) => Err(Reject::TooManyRequests),
            _ => Ok(()),
        }
    }

    /// Count an event whose body came before under another id, where the id is not signed. It is accepted all the
    /// same: identical bodies do occur, and refusing one would be loss.
    pub(super) fn watch_for_replay(&self, body: &[u8], id: Option<&str>) {
        if let (Some(bodies), Some(id)) = (&self.bodies, id)
            && bodies.seen_under_another_id(body, id)
        {
            self.counters.metrics.possible_replays.inc();
        }
    }

    /// The Kafka record of one event. `received` are the signed bytes, where the body that was read is not they.
    pub(super) fn item(
        &self,
        rules: &Rules,
        facts: &Facts<'_>,
        verified: &Verified,
        request: &Request<'_>,
        received: Option<&[u8]>,
        call: &Call<'_>,
    ) -> Item {
        let id = facts.id.as_deref().filter(|id| !id.is_empty()).map(|id| clean(Cow::Borrowed(id)));
        // A delivery without an id of its own gets one, and nothing is deduplicated.
        let identity = id.clone().unwrap_or_else(|| Cow::Owned(Ulid::new().to_string()));
        let again =
            |id: &str| self.redeliveries == Redeliveries::Pass && self.window.is_redelivery(Key::new(id), call.steady);
        // The enricher takes it for an event of its own by its run.
        let run = id.as_deref().filter(|id| again(id)).map(|_| Ulid::new().to_string());
        if let Some(run) = &run {
            tracing::info!(source = &*self.name, id = &*identity, run, "a redelivery is let through");
        }
        let key = match self.key {
            KeyBy::Id => identity.as_ref(),
            KeyBy::Subject => facts.subject.as_deref().filter(|subject| !subject.is_empty()).unwrap_or(&identity),
        };
        let key = key.as_bytes().to_vec();
        let attributes = Attributes {
            source: Cow::Borrowed(&self.attribute),
            kind: Cow::Owned(format!("{}{}", rules.type_prefix(), facts.providertype)),
            subject: facts.subject.as_deref().map(Cow::Borrowed),
            time: facts.time,
            dataschema: None,
            provider: Cow::Borrowed(self.provider.name()),
            providertype: Some(Cow::Borrowed(&facts.providertype)),
            category: facts.category.map(Cow::Borrowed),
            tenant: facts.tenant.as_deref().map(Cow::Borrowed),
            origin: Origin::Webhook,
            verification: verified.kind(),
            run: run.as_deref().map(Cow::Borrowed),
            recordedtime: request.now,
            id: Cow::Borrowed(identity.as_ref()),
        };
        let kept = kept_headers(rules, request);
        let traceparent = trace::parent(request.headers, call.id);
        let extra = Extra { kept_headers: &kept, traceparent: Some(&traceparent), received };
        let encoded = encode(self.format, &attributes, &facts.data, extra);
        let record = Record {
            topic: Arc::clone(&self.topic),
            partition: None,
            key,
            value: encoded.value,
            headers: encoded.headers,
            timestamp_ms: request.now.as_millisecond(),
        };
        let name = identity.into_owned();
        Item { record, id: id.is_some().then(|| name.clone()), name, again: run.is_some() }
    }

    /// The dead letter of a verified body that cannot be read.
    pub(super) fn dead_letter(
        &self,
        rules: &Rules,
        unreadable: &Unreadable,
        verified: &Verified,
        request: &Request<'_>,
        id: RequestId,
    ) -> Item {
        let kept = kept_headers(rules, request);
        let traceparent = trace::parent(request.headers, id);
        let trail = Trail {
            reason: unreadable.as_str().into(),
            stage: Stage::Read,
            origin: None,
            attempts: 0,
            first_failed: request.now,
            error: unreadable.to_string(),
        };
        let letter = DeadLetter {
            id: &id.to_string(),
            source: &self.name,
            provider: self.provider.name(),
            verification: verified.kind(),
            received: request.now,
            body: request.body,
            extra: Extra { kept_headers: &kept, traceparent: Some(&traceparent), received: None },
            foreign: None,
            trail: &trail,
        };
        let record = letter.record(Arc::clone(&self.dead_letters));
        Item { record, name: id.to_string(), id: None, again: false }
    }
}

fn kept_headers<'r>(rules: &'r Rules, request: &Request<'r>) -> Vec<(&'r str, &'r [u8])> {
    let value = |name: &'r http::HeaderName| Some((name.as_str(), request.headers.get(name)?.as_bytes()));
    let mut kept: Vec<_> = rules.kept_headers().iter().filter_map(value).collect();
    // Without it nobody could tell what the bytes are that the signature is over.
    if !rules.encodings().is_empty() && !rules.kept_headers().contains(&CONTENT_ENCODING) {
        kept.extend(value(&CONTENT_ENCODING));
    }
    kept
}
