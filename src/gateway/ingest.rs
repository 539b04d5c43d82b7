//! The path of a webhook: limits → raw body → verify → parse → envelope → produce → answer. The order is a security property.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::response::Response;
use http::request::Parts;
use http::{Method, Request};
use hyper::body::Incoming;
use tokio::time::timeout_at;

use super::answer::{Answer, Refused, Unavailable};
use super::call::Call;
use super::delivery::{Pending, Receipt};
use super::duplicates::{Entry, Key};
use super::source::{Item, Source};
use super::{Gateway, admission, body};
use crate::http::Handler;
use crate::provider::{self, Challenge, Reading, Reject};

/// Every request on the public port.
impl Handler for Arc<Gateway> {
    async fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> Response {
        let (parts, body) = request.into_parts();
        let address = admission::client_address(peer.ip(), &parts.headers, &self.trusted_proxies);
        let mut call = Call::begin(Arc::clone(self), address, parts.uri.path());
        let result = ingest(self, &mut call, &parts, body).await;
        call.end(&self.limited(result, address), &parts)
    }
}

async fn ingest(gateway: &Gateway, call: &mut Call, parts: &Parts, body: Incoming) -> Result<Answer, Refused> {
    admission::headers_small(&parts.headers)?;
    let source = call.source.clone().ok_or(Reject::UnknownSource)?;
    source.admit(call.address, &parts.headers)?;
    let query = parts.uri.query().unwrap_or_default();
    let mut rules = source.rules.now();
    let empty = provider::Request { method: &parts.method, headers: &parts.headers, query, body: b"", now: call.now };
    if parts.method != Method::POST {
        // Challenges come by GET, HEAD and OPTIONS; events never do.
        let reply = rules.handshake(&empty).map(|challenge| challenge.reply);
        return Ok(Answer::Handshake(reply.ok_or_else(|| rules.refusal(&empty))?));
    }
    let (body, _share) = body::read(body, source.max_body, call.body_deadline(&source).into(), &gateway.memory).await?;
    let request = provider::Request { body: &body, ..empty };
    if let Some(Challenge { reply, store }) = rules.handshake(&request) {
        let taken = match store {
            Some(secret) => source.rules.store(&source.name, secret).await?,
            None => true,
        };
        if taken {
            return Ok(Answer::Handshake(reply));
        }
    }
    let key = source.key(&rules, &request, call.key_deadline(&source)).await?;
    let turn = gateway.turn(&rules, &request, call.answer_deadline(&source)).await?;
    let mut verified = rules.verify_with(&request, key.as_deref());
    if verified.is_err() && source.rules.refreshed(&source.name).await {
        rules = source.rules.now();
        verified = rules.verify_with(&request, key.as_deref());
    }
    drop(turn);
    let verified = match (rules.inquiry(&request), &source.inquiries) {
        (Some(path), Some(inquiries)) => {
            let record = inquiries.ask(&path?, call.answer_deadline(&source)).await?;
            rules.confirmed(&request, record.ok_or(Reject::Unconfirmed)?)
        }
        _ => verified.inspect_err(|_| call.unverified = Some(body.clone()))?,
    };
    source.verified(&verified, call.now, call.arrived)?;
    let items: Vec<Item> = match rules.read(&verified, &request) {
        Ok(Reading::Handshake(reply)) => {
            gateway.follow_up(&source, &reply);
            return Ok(Answer::Handshake(reply));
        }
        Ok(Reading::Events(events)) => {
            if let (Some(learnt), Some(facts)) = (&mut call.learnt, events.first()) {
                learnt.kind = Some(facts.providertype.clone().into_owned());
            }
            events.iter().map(|facts| source.item(&rules, facts, &verified, &request)).collect()
        }
        Err(unreadable) => {
            let letter = source.dead_letter(&rules, &unreadable, &verified, &request, call.id);
            deliver(gateway, &source, vec![letter], call).await?;
            return Ok(Answer::DeadLetter);
        }
    };
    if let [only] = items.as_slice() {
        source.watch_for_replay(&body, only.id.as_deref());
    }
    deliver(gateway, &source, items, call).await.map_err(Refused::from)
}

/// Produce the records that are not durable yet, and wait until all are, or the deadline is over.
async fn deliver(
    gateway: &Gateway,
    source: &Arc<Source>,
    items: Vec<Item>,
    call: &mut Call,
) -> Result<Answer, Unavailable> {
    let id = items.first().and_then(|item| item.id.clone());
    let topic = items.first().map(|item| Arc::clone(&item.record.topic));
    if let Some(learnt) = &mut call.learnt {
        learnt.id.clone_from(&id);
    }
    if items.is_empty() {
        // A batch without items is legal (a heartbeat); there is nothing to make durable.
        return Ok(Answer::Accepted(None));
    }
    let (pending, outcome) = Pending::new(items.len());
    for Item { record, id } in items {
        let key = id.as_deref().map(Key::new);
        let claim = key.map(|key| (Arc::clone(&source.window), key));
        match key.map_or(Entry::First, |key| source.window.enter(key, &pending)) {
            Entry::Durable => pending.known(),
            Entry::Joined => {}
            Entry::Crowded => pending.settled(Err(Unavailable::Crowded)),
            Entry::First => {
                let receipt = Receipt { pending: Arc::clone(&pending), claim };
                if let Err((error, receipt)) = gateway.producer.produce(&record, receipt) {
                    receipt.close(Err(Unavailable::Produce(error)));
                }
            }
        }
    }
    let settled = timeout_at(call.answer_deadline(source).into(), outcome).await;
    let delivery = settled.map_err(|_| Unavailable::Deadline)?.map_err(|_| Unavailable::Deadline)??;
    if let Some(learnt) = &mut call.learnt {
        learnt.place = topic.zip(delivery);
    }
    Ok(if delivery.is_some() { Answer::Accepted(id) } else { Answer::Duplicate(id) })
}
