//! What verification costs beside the bare hash of the crypto crate: each scheme at 1 KiB and 64 KiB.
//! `cargo bench --bench verify`. The aim: HMAC within 1.3 times of the bare hash.
//!
//! Everything is measured in turns, and a ratio is that of one turn: what else the machine does at the time hits both
//! alike. The medians of the rounds count.
//!
//! The floors are the same providers verified by hand, by code that knows one provider and answers yes or no: its headers,
//! the fields in them, the time, the signature decoded, and the crypto crate's HMAC, its key absorbed.
#![allow(clippy::expect_used, clippy::print_stdout)]

mod turns;

use std::collections::BTreeMap;

use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hookstream::config::Secret;
use hookstream::provider::vectors::{Expect, Vector, Vectors};
use hookstream::provider::{Binding, Catalogue, Material, Request, Rules, embedded_vectors};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use turns::{Turn, in_turns, median};

/// As the gateway has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [usize; 2] = [1 << 10, 1 << 16];
const SECRET: &str = "whsec_ZmFrZSBzZWNyZXQgb2YgdGhpcyBiZW5jaA==";
const NOW: i64 = 1_700_000_000;

/// A case: its name, the provider, what the source sets otherwise, and the hash that it is compared with.
const CASES: [(&str, &str, &str, &str); 12] = [
    ("github", "github", "", "sha256"),
    ("shopify", "shopify", "", "sha256"),
    ("stripe", "stripe", "", "sha256"),
    ("slack", "slack", "", "sha256"),
    ("standard-webhooks", "standard-webhooks", "", "sha256"),
    ("hubspot, its URL signed", "hubspot", "", "sha256"),
    ("hmac-sha1", "generic", "verify.scheme = \"hmac-sha1\"", "sha1"),
    ("hmac-sha384", "generic", "verify.scheme = \"hmac-sha384\"", "sha384"),
    ("hmac-sha512", "generic", "verify.scheme = \"hmac-sha512\"", "sha512"),
    (
        "digest-sha256, the secret within",
        "generic",
        "verify = { scheme = \"digest-sha256\", signed = \"{secret}{body}\" }",
        "sha256",
    ),
    ("token", "generic", "verify.scheme = \"token\"", "sha256"),
    ("basic", "generic", "verify = { scheme = \"basic\", header = \"Authorization\" }", "sha256"),
];

/// The floors: the case that each is of, and how it is verified by hand.
const FLOORS: [(&str, ByHand); 4] =
    [("github", github), ("stripe", stripe), ("slack", slack), ("standard-webhooks", standard_webhooks)];

type ByHand = fn(&HeaderMap, &[u8], &Hmac<Sha256>) -> Option<()>;

fn rules(catalogue: &Catalogue, provider: &str, overrides: &str, secret: &str) -> Rules {
    let binding = Binding {
        secrets: vec![Secret::new(secret.as_bytes().to_vec())],
        overrides: overrides.parse().expect("TOML"),
        public_url: Some("https://hooks.example.com/webhooks/x".to_owned()),
        params: BTreeMap::new(),
        ..Binding::default()
    };
    catalogue.get(provider).expect("an embedded provider").bind(&binding).expect("sound settings")
}

/// A source and a request that passes, without its body.
struct Case {
    name: &'static str,
    rules: Rules,
    headers: HeaderMap,
    hash: &'static str,
}

fn shared(catalogue: &Catalogue, body: &[u8], now: Timestamp) -> Vec<Case> {
    let case = |(name, provider, overrides, hash): (&'static str, &str, &str, &'static str)| {
        let rules = rules(catalogue, provider, overrides, if name == "basic" { "ada:fake" } else { SECRET });
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
        // What stands in every request beside the signature.
        for name in ["host", "user-agent", "content-type", "content-length", "accept", "x-forwarded-for"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("something of usual length"));
        }
        let headers = rules.sign(body, &headers, now).expect("signable").headers;
        Case { name, rules, headers, hash }
    };
    CASES.into_iter().map(case).collect()
}

/// Public keys: made here, signed once by ring.
fn public(catalogue: &Catalogue, body: &[u8]) -> Vec<Case> {
    let text = [NOW.to_string().as_bytes(), body].concat();
    let discord = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
    let random = ring::rand::SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    let sendgrid = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key");
    let case = |name, provider: &str, key: &str, pairs: [(&'static str, String); 2]| {
        let pairs = pairs.map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::try_from(value).expect("a header's value"))
        });
        Case { name, rules: rules(catalogue, provider, "", key), headers: pairs.into_iter().collect(), hash: "sha256" }
    };
    let base64 = |bytes: &[u8]| base64::Engine::encode(&STANDARD, bytes);
    vec![
        case(
            "Ed25519 (discord)",
            "discord",
            &hex::encode(discord.public_key()),
            [("x-signature-timestamp", NOW.to_string()), ("x-signature-ed25519", hex::encode(discord.sign(&text)))],
        ),
        case(
            "ECDSA P-256 (sendgrid)",
            "sendgrid",
            &base64(sendgrid.public_key().as_ref()),
            [
                ("x-twilio-email-event-webhook-timestamp", NOW.to_string()),
                (
                    "x-twilio-email-event-webhook-signature",
                    base64(sendgrid.sign(&random, &text).expect("signable").as_ref()),
                ),
            ],
        ),
    ]
}

/// Whose keys are fetched, and a shared JSON Web Token: a vector of each that passes, as long as it is.
const KEYED: [(&str, &str); 5] = [
    ("RSA under a certificate (paypal)", "paypal"),
    ("RSA under a certificate (sns)", "sns"),
    ("JWT ES256, body's hash (plaid)", "plaid"),
    ("JWT RS256 (event-grid-entra)", "event-grid-entra"),
    ("JWT HS256, body's hash (netlify)", "netlify"),
];

/// They hold what the turns borrow for as long as the bench runs.
fn keyed(catalogue: &Catalogue) -> Vec<Turn<'static>> {
    let turn = |(name, provider): (&str, &str)| {
        let (_, text) = embedded_vectors()
            .iter()
            .find(|(file, _)| *file == format!("{provider}.vectors.toml"))
            .expect("its vectors");
        let vectors = Vectors::parse(provider, text).expect("a vector file").vectors;
        let ok = vectors.into_iter().filter(|vector: &Vector| vector.expect == Expect::Ok);
        let vector = ok.max_by_key(|vector| vector.key.is_some()).expect("one that passes");
        let rules = catalogue.get(provider).expect("an embedded provider").bind(&vector.binding()).expect("settings");
        let (headers, body) = (vector.header_map().expect("headers"), vector.bytes().expect("a body"));
        let now = vector.clock();
        let query = vector.query.clone();
        let request = Request { method: &Method::POST, headers: &headers, query: &query, body: &body, now };
        let wanted = rules.key_request(&request).expect("a request that passes");
        let material = wanted.map(|wanted| {
            Material::parse(wanted.kind, vector.key.as_deref().expect("its key").as_bytes()).expect("a key")
        });
        Turn::new(format!("{name}, {} bytes", body.len()), move || {
            let request = Request { method: &Method::POST, headers: &headers, query: &query, body: &body, now };
            assert!(rules.verify_with(std::hint::black_box(&request), material.as_ref()).is_ok());
        })
    };
    KEYED.into_iter().map(turn).collect()
}

fn bare<'a, D: Digest + 'a>(name: &'static str, body: &'a [u8]) -> Turn<'a> {
    Turn::new(format!("bare {name}"), move || drop(std::hint::black_box(D::digest(std::hint::black_box(body)))))
}

fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

fn in_time(timestamp: &str) -> Option<()> {
    timestamp.parse::<i64>().ok().filter(|signed_at| (signed_at - NOW).abs() <= 300).map(drop)
}

fn unhex(signature: &str) -> Option<[u8; 32]> {
    let mut claimed = [0; 32];
    hex::decode_to_slice(signature, &mut claimed).ok().map(|()| claimed)
}

fn matches(mac: &Hmac<Sha256>, parts: &[&[u8]], claimed: &[u8]) -> Option<()> {
    let mut mac = mac.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(claimed).ok()
}

fn github(headers: &HeaderMap, body: &[u8], mac: &Hmac<Sha256>) -> Option<()> {
    let signature = one(headers, "x-hub-signature-256")?.strip_prefix("sha256=")?;
    matches(mac, &[body], &unhex(signature)?)
}

fn stripe(headers: &HeaderMap, body: &[u8], mac: &Hmac<Sha256>) -> Option<()> {
    let (mut timestamp, mut signature) = (None, None);
    for field in one(headers, "stripe-signature")?.split(',') {
        timestamp = timestamp.or(field.strip_prefix("t="));
        signature = signature.or(field.strip_prefix("v1="));
    }
    in_time(timestamp?)?;
    matches(mac, &[timestamp?.as_bytes(), b".", body], &unhex(signature?)?)
}

fn slack(headers: &HeaderMap, body: &[u8], mac: &Hmac<Sha256>) -> Option<()> {
    let signature = one(headers, "x-slack-signature")?.strip_prefix("v0=")?;
    let timestamp = one(headers, "x-slack-request-timestamp")?;
    in_time(timestamp)?;
    matches(mac, &[b"v0:", timestamp.as_bytes(), b":", body], &unhex(signature)?)
}

/// Of the one family of headers; which of the two came is not asked.
fn standard_webhooks(headers: &HeaderMap, body: &[u8], mac: &Hmac<Sha256>) -> Option<()> {
    let signatures = one(headers, "webhook-signature")?;
    let (id, timestamp) = (one(headers, "webhook-id")?, one(headers, "webhook-timestamp")?);
    in_time(timestamp)?;
    let signature = signatures.split(' ').find_map(|signature| signature.strip_prefix("v1,"))?;
    let mut claimed = [0; 33];
    let length = base64::Engine::decode_slice(&STANDARD, signature, &mut claimed).ok()?;
    matches(mac, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body], &claimed[..length])
}

fn floor<'a>(cases: &'a [Case], body: &'a [u8], of: &str, by_hand: ByHand) -> Turn<'a> {
    let headers = &cases.iter().find(|case| case.name == of).expect("a case").headers;
    let key = match SECRET.strip_prefix("whsec_").filter(|_| of == "standard-webhooks") {
        Some(encoded) => base64::Engine::decode(&STANDARD, encoded).expect("base64"),
        None => SECRET.as_bytes().to_vec(),
    };
    let mac: Hmac<Sha256> = KeyInit::new_from_slice(&key).expect("a key");
    let by_hand = std::hint::black_box(by_hand);
    Turn::new(format!("floor of {of}"), move || {
        assert!(by_hand(std::hint::black_box(headers), std::hint::black_box(body), &mac).is_some());
    })
}

fn main() {
    let catalogue = Catalogue::embedded().expect("sound files");
    let now = Timestamp::from_second(NOW).expect("a time");
    for size in SIZES {
        let body = vec![b'x'; size];
        let cases: Vec<Case> = shared(&catalogue, &body, now).into_iter().chain(public(&catalogue, &body)).collect();
        let mut turns = vec![
            bare::<Sha1>("sha1", &body),
            bare::<Sha256>("sha256", &body),
            bare::<Sha384>("sha384", &body),
            bare::<Sha512>("sha512", &body),
        ];
        turns.extend(FLOORS.map(|(of, by_hand)| floor(&cases, &body, of, by_hand)));
        for Case { name, rules, headers, .. } in &cases {
            let request = Request { method: &Method::POST, headers, query: "", body: &body, now };
            assert!(rules.verify(&request).is_ok(), "{name}");
            turns.push(Turn::new((*name).to_owned(), move || {
                assert!(rules.verify(std::hint::black_box(&request)).is_ok());
            }));
        }
        let taken = in_turns(&mut turns);
        println!("\n{size} bytes{:>24} {:>10}  of the bare hash", "", "ns");
        for (place, turn) in turns.iter().enumerate() {
            let of = turn.name.strip_prefix("floor of ").unwrap_or(&turn.name);
            let hash = cases.iter().find(|case| case.name == of).map_or("", |case| case.hash);
            let bare = turns.iter().position(|other| other.name == format!("bare {hash}"));
            let ratios = bare.map(|bare| taken[place].iter().zip(&taken[bare]).map(|(own, bare)| own / bare));
            let ratio = ratios.map_or(String::new(), |ratios| format!("{:.2}", median(ratios.collect())));
            println!("{:<34} {:>10.0}  {ratio}", turn.name, median(taken[place].clone()));
        }
    }
    let mut turns = keyed(&catalogue);
    let taken = in_turns(&mut turns);
    println!("\nwith a key at hand, as a vector is        {:>10}", "us");
    for (turn, taken) in turns.iter().zip(taken) {
        println!("{:<44} {:>7.1}", turn.name, median(taken) / 1e3);
    }
}
