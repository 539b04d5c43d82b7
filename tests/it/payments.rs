//! One question over six providers: which payments succeeded today? All their events arrive in one topic of real Kafka,
//! and a filter over two headers answers, with no value parsed and no provider named.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hookstream::config::Secret;
use hookstream::provider::{Binding, Catalogue};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::http::{Wire, request};
use crate::support::kafka::{Isolation, Seen, cluster};
use crate::support::serve::Setup;

/// The day that is asked for, a time in it, and one of the day before.
const DAY: &str = "2026-11-20";
const TODAY: i64 = 1_795_168_800;
const YESTERDAY: i64 = TODAY - 86_400;

const PROVIDERS: [&str; 6] = ["stripe", "razorpay", "paypal", "square", "adyen", "mollie"];

const PUBLIC: &str = "https://hooks.example.com";
const ADYEN_KEY: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";

/// What the answer must hold: the subjects of the payments that succeeded today, and of nothing else.
const SUCCEEDED: [&str; 9] =
    ["PSP1", "PSP2", "in_1", "pay_razorpay1", "pay_square1", "pi_1", "pi_2", "tr_1", "CAPTURE1"];

fn rfc3339(at: i64) -> String {
    Timestamp::from_second(at).unwrap().to_string()
}

/// Each event with its provider; what is in [`SUCCEEDED`] is among them, and whatever looks like it.
fn events() -> Vec<(&'static str, Value)> {
    let mut events = Vec::new();
    let mut number = 0;
    let mut stripe = |kind: &str, at: i64, object: Value| {
        number += 1;
        let event = json!({"id": format!("evt_{number}"), "object": "event", "type": kind, "created": at, "data": {"object": object}});
        events.push(("stripe", event));
    };
    stripe("payment_intent.succeeded", TODAY, json!({"id": "pi_1", "amount": 4200, "status": "succeeded"}));
    stripe("payment_intent.succeeded", TODAY, json!({"id": "pi_2", "amount": 900, "invoice": null}));
    stripe("invoice.paid", TODAY, json!({"id": "in_1", "amount_paid": 1200}));
    stripe("payment_intent.succeeded", TODAY, json!({"id": "pi_of_in_1", "amount": 1200, "invoice": "in_1"}));
    stripe("charge.succeeded", TODAY, json!({"id": "ch_of_pi_1", "amount": 4200}));
    stripe("invoice.paid", TODAY, json!({"id": "in_trial", "amount_paid": 0}));
    stripe("payment_intent.processing", TODAY, json!({"id": "pi_pending", "status": "processing"}));
    stripe("payment_intent.amount_capturable_updated", TODAY, json!({"id": "pi_held"}));
    stripe("payment_intent.payment_failed", TODAY, json!({"id": "pi_failed"}));
    stripe("charge.refunded", TODAY, json!({"id": "ch_refunded", "amount_refunded": 4200}));
    stripe("payment_intent.succeeded", YESTERDAY, json!({"id": "pi_yesterday"}));

    let mut razorpay = |kind: &str, at: i64, payload: Value| {
        events.push(("razorpay", json!({"entity": "event", "event": kind, "payload": payload, "created_at": at})));
    };
    let payment =
        |id: &str, status: &str| json!({"payment": {"entity": {"id": id, "status": status, "amount": 50_000}}});
    razorpay("payment.captured", TODAY, payment("pay_razorpay1", "captured"));
    razorpay("order.paid", TODAY, payment("pay_razorpay1", "captured"));
    razorpay("payment.authorized", TODAY, payment("pay_held", "authorized"));
    razorpay("payment.failed", TODAY, payment("pay_failed", "failed"));
    razorpay("refund.processed", TODAY, json!({"refund": {"entity": {"id": "rfnd_1"}}}));
    razorpay("payment.captured", YESTERDAY, payment("pay_yesterday", "captured"));

    let mut paypal = |kind: &str, at: i64, id: &str, status: &str| {
        let event = json!({"id": format!("WH-{id}-{at}"), "event_version": "1.0", "create_time": rfc3339(at), "resource_type": "capture",
            "event_type": kind, "resource": {"id": id, "status": status, "amount": {"value": "19.90", "currency_code": "EUR"}}});
        events.push(("paypal", event));
    };
    paypal("PAYMENT.CAPTURE.COMPLETED", TODAY, "CAPTURE1", "COMPLETED");
    paypal("PAYMENT.CAPTURE.PENDING", TODAY, "CAPTURE-PENDING", "PENDING");
    paypal("PAYMENT.CAPTURE.DENIED", TODAY, "CAPTURE-DENIED", "DECLINED");
    paypal("PAYMENT.CAPTURE.REFUNDED", TODAY, "REFUND1", "COMPLETED");
    paypal("PAYMENT.AUTHORIZATION.CREATED", TODAY, "AUTH1", "CREATED");
    paypal("PAYMENT.CAPTURE.COMPLETED", YESTERDAY, "CAPTURE-YESTERDAY", "COMPLETED");

    let mut square = |kind: &str, at: i64, id: &str, object: Value| {
        let event_id = format!("{kind}-{id}-{at}");
        let event = json!({"merchant_id": "ML1", "type": kind, "event_id": event_id, "created_at": rfc3339(at), "data": {"id": id, "object": object}});
        events.push(("square", event));
    };
    square("payment.created", TODAY, "pay_square1", json!({"payment": {"status": "APPROVED"}}));
    square("payment.updated", TODAY, "pay_square1", json!({"payment": {"status": "COMPLETED"}}));
    square("payment.created", TODAY, "pay_pending", json!({"payment": {"status": "PENDING"}}));
    square("payment.updated", TODAY, "pay_failed", json!({"payment": {"status": "FAILED"}}));
    let refunded = json!({"payment": {"status": "COMPLETED", "refunded_money": {"amount": 100, "currency": "EUR"}}});
    square("payment.updated", TODAY, "pay_refunded", refunded);
    square("refund.created", TODAY, "refund_pending", json!({"refund": {"status": "PENDING"}}));
    square("refund.updated", TODAY, "refund_1", json!({"refund": {"status": "COMPLETED"}}));
    square("payment.updated", YESTERDAY, "pay_yesterday", json!({"payment": {"status": "COMPLETED"}}));

    let adyen = |reference: &str, code: &str, success: &str, amount: u32, at: i64| {
        let signed = format!("{reference}::Hooks:o-1:{amount}:EUR:{code}:{success}");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&hex::decode(ADYEN_KEY).unwrap()).unwrap();
        mac.update(signed.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        json!({"NotificationRequestItem": {
            "pspReference": reference, "merchantAccountCode": "Hooks", "merchantReference": "o-1", "eventCode": code, "success": success,
            "amount": {"value": amount, "currency": "EUR"}, "eventDate": rfc3339(at), "additionalData": {"hmacSignature": signature}}})
    };
    let batch = [
        adyen("PSP1", "AUTHORISATION", "true", 1_990, TODAY),
        adyen("PSP-FAILED", "AUTHORISATION", "false", 1_990, TODAY),
        adyen("PSP-KEPT", "AUTHORISATION", "true", 0, TODAY),
        adyen("PSP-PENDING", "PENDING", "true", 1_990, TODAY),
        adyen("PSP1", "CAPTURE", "true", 1_990, TODAY),
        adyen("PSP-REFUND", "REFUND", "true", 1_990, TODAY),
        adyen("PSP2", "AUTHORISATION", "true", 2_500, TODAY),
        adyen("PSP-YESTERDAY", "AUTHORISATION", "true", 1_990, YESTERDAY),
    ];
    events.push(("adyen", json!({"live": "true", "notificationItems": batch})));

    let mut mollie = |kind: &str, at: i64, id: &str| {
        let event = json!({"resource": "event", "id": format!("event_{kind}_{id}"), "type": kind, "entityId": id, "createdAt": rfc3339(at)});
        events.push(("mollie", event));
    };
    mollie("payment.paid", TODAY, "tr_1");
    mollie("payment-link.paid", TODAY, "pl_of_tr_1");
    for kind in ["payment.pending", "payment.authorized", "payment.failed", "payment.expired", "refund.refunded"] {
        mollie(kind, TODAY, "tr_other");
    }
    mollie("payment.paid", YESTERDAY, "tr_yesterday");
    events
}

/// The headers with which a provider sends this body to its source now.
fn headers(catalogue: &Catalogue, provider: &str, number: usize, body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(
        HeaderName::from_static("x-razorpay-event-id"),
        HeaderValue::from_str(&format!("evt_{number}")).unwrap(),
    )]);
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    // Adyen signs in the body, and PayPal's key is PayPal's.
    if matches!(provider, "adyen" | "paypal") {
        return headers;
    }
    let public_url = Some(format!("{PUBLIC}/webhooks/{provider}"));
    let secrets = vec![Secret::new(secret(provider).into_bytes())];
    let rules = catalogue.get(provider).unwrap().bind(&Binding { secrets, public_url, ..Binding::default() }).unwrap();
    rules.sign(body, &headers, Timestamp::now()).unwrap().headers
}

fn secret(provider: &str) -> String {
    if provider == "adyen" { ADYEN_KEY.to_owned() } else { format!("fake-secret-of-{provider}") }
}

/// The whole question.
fn succeeded_on<'a>(records: &'a [Seen], day: &str) -> Vec<&'a str> {
    let all = records.iter().filter(|seen| {
        seen.header("ce_category") == Some("payment.succeeded")
            && seen.header("ce_time").is_some_and(|time| time.starts_with(day))
    });
    all.filter_map(|seen| seen.header("ce_subject")).collect()
}

#[test]
fn one_filter_finds_the_payments_of_the_day() {
    let Some(kafka) = cluster() else { return };
    let catalogue = Catalogue::embedded().unwrap();
    let mut setup = Setup::with_kafka(kafka.bootstrap()).set("gateway.public_url", PUBLIC);
    let topic = format!("{}payments", setup.prefix());
    for provider in PROVIDERS {
        let variable = format!("{}_SECRET", provider.to_uppercase());
        let proof = match provider {
            "paypal" => {
                "accept_unsigned = true\nparams = { webhook_id = \"WH-1\", environment = \"sandbox\" }".to_owned()
            }
            _ => format!("secrets = [\"env:{variable}\"]"),
        };
        setup = setup
            .env(&variable, &secret(provider))
            .table(&format!("[sources.{provider}]\ntopic = \"payments\"\n{proof}\n"));
    }
    setup.create_topics(kafka, 6);
    let serve = setup.ready();
    let mut wire = Wire::connect(serve.public);
    let mut arrived: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, (provider, event)) in events().into_iter().enumerate() {
        let body = event.to_string().into_bytes();
        let headers = headers(&catalogue, provider, number, &body);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let message = request("POST", &format!("/webhooks/{provider}"), &headers, &body);
        // Providers repeat themselves: every event comes twice.
        for _ in 0..2 {
            assert!(wire.send(&message));
            let answer = wire.answer().expect("an answer");
            assert_eq!(answer.status, 200, "{provider}: {event}: {answer:?}");
        }
        *arrived.entry(provider).or_default() += event["notificationItems"].as_array().map_or(1, Vec::len);
    }
    let records = kafka.read(&topic, Isolation::Committed, arrived.values().sum());
    let mut found = succeeded_on(&records, DAY);
    found.sort_unstable();
    let mut expected = SUCCEEDED;
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(kafka.read_all(&topic, Isolation::Committed).len(), records.len(), "the repetitions are not there");
}
