//! A request from anybody against every provider: headers, query and body of any shape are refused or read, never a panic,
//! and nothing that does not hold the secret is verified.
#![no_main]

use std::sync::LazyLock;

use hookstream::config::Secret;
use hookstream::provider::{Binding, Catalogue, Request, Rules};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

/// Providers that can be bound with one text as their secret.
static ALL: LazyLock<Vec<Rules>> = LazyLock::new(|| {
    let catalogue = Catalogue::embedded().expect("sound files");
    let binding = || Binding {
        secrets: vec![Secret::new(b"whsec_ZmFrZSBzZWNyZXQgb2YgdGhpcyBmdXp6ZXI=".to_vec())],
        public_url: Some("https://hooks.example.com/webhooks/x".to_owned()),
        ..Binding::default()
    };
    catalogue.iter().filter_map(|provider| provider.bind(&binding()).ok()).collect()
});

/// The headers that providers' files name: chance alone would not find them.
const NAMES: [&str; 24] = [
    "stripe-signature", "x-hub-signature-256", "x-shopify-hmac-sha256", "x-slack-signature",
    "x-slack-request-timestamp", "webhook-id", "webhook-timestamp", "webhook-signature", "svix-id", "svix-signature",
    "x-twilio-signature", "x-hubspot-signature-v3", "x-hubspot-request-timestamp", "authorization", "content-type",
    "x-signature", "paddle-signature", "x-zm-signature", "x-hub-signature", "plaid-verification", "x-hook-secret",
    "x-signature-ed25519", "x-signature-timestamp", "x-github-event",
];

fuzz_target!(|input: (Vec<(u8, Vec<u8>)>, String, Vec<u8>, i32)| {
    let (headers, query, body, now) = input;
    let mut map = HeaderMap::new();
    for (name, value) in headers.into_iter().take(64) {
        let name = HeaderName::from_static(NAMES[usize::from(name) % NAMES.len()]);
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            map.append(name, value);
        }
    }
    let now = Timestamp::from_second(i64::from(now)).expect("within range");
    for method in [Method::POST, Method::GET] {
        let request = Request { method: &method, headers: &map, query: &query, body: &body, now };
        for rules in ALL.iter() {
            let _ = rules.handshake(&request);
            if let Ok(verified) = rules.verify(&request) {
                let _ = rules.read(&verified, &request);
            }
        }
    }
});
