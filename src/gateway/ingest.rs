//! The path of a webhook: limits → raw body → verify → parse → envelope → produce → answer. The order is a security property.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::request::Parts;
use http::{Method, Request};
use hyper::body::Incoming;
use tokio::time::timeout_at;

use super::answer::{Answer, Refused, Unavailable, Via};
use super::body::Share;
use super::call::Call;
use super::delivery::{Durable, Errand, Pending};
use super::duplicates::{Entry, Key};
use super::source::{Item, Source};
use super::under_way::UnderWay;
use super::{Gateway, admission, body, inflate};
use crate::http::{Handler, Peer, work};
use crate::provider::{self, Challenge, Reading, Reject, Rules};

/// How many times its length an encoded body mostly becomes, at most.
const INFLATED: usize = 16;

/// Every request on the public port.
impl Handler for Arc<Gateway> {
    async fn answer(&self, peer: Peer, waited: Duration, request: Request<Incoming>) -> Response {
        let (parts, mut body) = request.into_parts();
        let (source, address, https) = {
            // Not held on to: what all cores count is slow, and there are few places for what is not counted.
            let sources = self.sources.load();
            let proxies = &sources.trusted_proxies;
            let address = admission::client_address(peer.address.ip(), &parts.headers, proxies);
            let https = !sources.require_https || admission::is_https(peer, &parts.headers, proxies);
            (sources.by_path.get(parts.uri.path()).cloned(), address, https)
        };
        let mut call = Call::begin(self, source.as_ref(), address, waited);
        let ingested = ingest(self, &mut call, &parts, &mut body, https).await;
        let is_over = body::is_over(body);
        let (result, refused) = match ingested {
            Err(refused) => (Err(refused), Some(parts)),
            Ok(ingested) => {
                // It lies in the connection's read buffer, which is free for what comes next while Kafka is waited for.
                drop(parts);
                (deliver(self, ingested, &mut call).await.map_err(Refused::from), None)
            }
        };
        let mut response = call.end(&self.limited(result, address), refused.as_ref());
        if !is_over {
            // The rest of it is not waited for, and must not be taken for a request.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// What a request turned out to be.
enum Ingested<'a> {
    /// Nothing that must be made durable.
    Answered(Answer),
    /// Events, perhaps none.
    Events(&'a Source, Vec<Item>, Share),
    /// Verified bytes that are no event.
    DeadLetter(&'a Source, Item, Share),
}

/// `https`: whether the way that it came is a safe one, where that is asked for.
async fn ingest<'a>(
    gateway: &Gateway,
    call: &mut Call<'a>,
    parts: &Parts,
    body: &mut Incoming,
    https: bool,
) -> Result<Ingested<'a>, Refused> {
    admission::headers_small(&parts.headers)?;
    let source = call.source.ok_or(Reject::UnknownSource)?;
    if !https {
        return Err(Reject::HttpsRequired.into());
    }
    let mut rules = source.rules.now();
    let encoding = source.admit(&rules, call.address, &parts.headers)?;
    let query = parts.uri.query().unwrap_or_default();
    let empty = provider::Request { method: &parts.method, headers: &parts.headers, query, body: b"", now: call.now };
    if parts.method != Method::POST {
        // Challenges come by GET, HEAD and OPTIONS; events never do.
        let reply = rules.handshake(&empty).map(|challenge| challenge.reply);
        return Ok(Ingested::Answered(Answer::Handshake(reply.ok_or_else(|| rules.refusal(&empty))?)));
    }
    let (body, mut share) =
        body::read(body, source.max_body, call.body_deadline(source).into(), &gateway.memory).await?;
    let mut inflate = |body: &Bytes| match encoding {
        Some(encoding) => {
            let inflate = || inflate::inflate(encoding, body, source.max_body, &mut share);
            work(body.len().saturating_mul(INFLATED), inflate).map(Bytes::from)
        }
        None => Ok(body.clone()),
    };
    // What is signed comes first: mostly the bytes as they came, and then nothing of a forger is decompressed.
    let body = if rules.signs_decoded() { inflate(&body)? } else { body };
    let request = provider::Request { body: &body, ..empty };
    if let Some(Challenge { reply, store }) = work(body.len(), || rules.handshake(&request)) {
        let taken = match store {
            Some(secret) => source.rules.store(&source.name, secret).await?,
            None => true,
        };
        if taken {
            return Ok(Ingested::Answered(Answer::Handshake(reply)));
        }
    }
    let key = source.key(&rules, &request, call.key_deadline(source)).await?;
    let turn = gateway.turn(&rules, &request, call.answer_deadline(source)).await?;
    let verify = |rules: &Rules| work(body.len(), || rules.verify_with(&request, key.as_deref()));
    let mut verified = verify(&rules);
    if verified.is_err() && source.rules.refreshed(&source.name).await {
        rules = source.rules.now();
        verified = verify(&rules);
    }
    drop(turn);
    let verified = match (rules.inquiry(&request), &source.inquiries) {
        (Some(path), Some(inquiries)) => {
            let record = Box::pin(inquiries.ask(&path?, call.answer_deadline(source))).await?;
            rules.confirmed(&request, record.ok_or(Reject::Unconfirmed)?)
        }
        _ => verified.inspect_err(|_| call.unverified = Some(body.clone()))?,
    };
    source.verified(&verified, call.now, call.arrived)?;
    let decoded = if rules.signs_decoded() { body.clone() } else { inflate(&body)? };
    let read = provider::Request { body: &decoded, ..request };
    let items: Vec<Item> = match work(decoded.len(), || rules.read(&verified, &read)) {
        Ok(Reading::Handshake(reply)) => {
            gateway.network.follow_up(source, &reply);
            return Ok(Ingested::Answered(Answer::Handshake(reply)));
        }
        Ok(Reading::Events(events)) => {
            if let (Some(learnt), Some(facts)) = (&mut call.learnt, events.first()) {
                learnt.kind = Some(facts.providertype.clone().into_owned());
            }
            let differs = encoding.is_some() && !rules.signs_decoded();
            // An item of a batch cannot be verified again, and carries no body.
            let received = (differs && events.len() == 1).then_some(&*body);
            let item = |facts| source.item(&rules, facts, &verified, &read, received, call);
            work(decoded.len(), || events.iter().map(item).collect())
        }
        Err(unreadable) => {
            let letter = source.dead_letter(&rules, &unreadable, &verified, &request, call.id);
            return Ok(Ingested::DeadLetter(source, letter, share));
        }
    };
    if let [only] = items.as_slice() {
        source.watch_for_replay(&body, only.id.as_deref());
    }
    Ok(Ingested::Events(source, items, share))
}

/// See that what must be durable is.
async fn deliver(gateway: &Gateway, ingested: Ingested<'_>, call: &mut Call<'_>) -> Result<Answer, Unavailable> {
    let (source, items, share, letter) = match ingested {
        Ingested::Answered(answer) => return Ok(answer),
        Ingested::Events(source, items, share) => (source, items, share, false),
        Ingested::DeadLetter(source, letter, share) => (source, vec![letter], share, true),
    };
    let stored = store(gateway, source, items, call, share).await?;
    Ok(if letter { Answer::DeadLetter(stored.via()) } else { stored })
}

/// Produce the records that are not durable yet, and wait until all are, or the deadline is over. What Kafka does not
/// have after its time alone goes into the spool as well; the first of the two to have it decides.
async fn store(
    gateway: &Gateway,
    source: &Source,
    items: Vec<Item>,
    call: &mut Call<'_>,
    share: Share,
) -> Result<Answer, Unavailable> {
    let first_id = items.first().map(|item| item.name.clone());
    let topic = call.learnt.as_mut().and_then(|learnt| {
        learnt.id.clone_from(&first_id);
        items.first().map(|item| Arc::clone(&item.record.topic))
    });
    if items.is_empty() {
        // A batch without items is legal (a heartbeat); there is nothing to make durable.
        return Ok(Answer::Accepted(None, Via::Neither));
    }
    let (pending, mut outcome) = Pending::new(items.len());
    let mut errands = Vec::with_capacity(items.len());
    for Item { record, id, again, .. } in items {
        let key = id.as_deref().map(Key::new);
        match key.map_or(Entry::First, |key| source.window.enter(key, &pending, call.steady, again)) {
            Entry::Durable => pending.known(),
            Entry::Joined => {}
            Entry::Crowded => pending.settled(Err(Unavailable::Crowded)),
            Entry::First => {
                let record = Arc::new(record);
                let errand = Errand::begin(&source.route, &gateway.producer, (&record, id), &pending, key);
                // Kafka's client has its own copy: without a spool nobody needs this one, and its memory is warm for the next.
                if errand.may_be_spooled() {
                    errands.push((errand, record));
                }
            }
        }
    }
    let spool_at = call.kafka_deadline(source).into();
    let under_way = UnderWay::new(errands, spool_at, share);
    let in_time = timeout_at(spool_at, &mut outcome).await;
    let settled = match in_time {
        Ok(settled) => settled,
        Err(_) => {
            under_way.spool();
            let settled = timeout_at(call.answer_deadline(source).into(), outcome).await;
            settled.map_err(|_| Unavailable::Deadline)?
        }
    };
    Ok(match settled.map_err(|_| Unavailable::Deadline)?? {
        None => Answer::Duplicate(first_id),
        Some(Durable::Spool) => Answer::Accepted(first_id, Via::Spool),
        Some(Durable::Kafka(delivery)) => {
            if let Some(learnt) = &mut call.learnt {
                learnt.place = topic.map(|topic| (topic, delivery));
            }
            Answer::Accepted(first_id, Via::Kafka)
        }
    })
}
