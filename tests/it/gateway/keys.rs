//! Keys that are fetched, seen from outside: what is asked of whom and how often, what happens while a host is away,
//! what a subscription is confirmed with, and that public-key signatures do not take the time of the others.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hookstream::config::{Config, Secret, SecretRef, file};
use hookstream::gateway::keys::{Ask, Failure, Fetching, Transport};
use hookstream::provider::embedded_vectors;
use hookstream::provider::vectors::{Expect, Vector, Vectors};
use tokio::sync::watch;

use crate::support::http::{Answer, exchange, request};
use crate::support::in_process::InProcess;
use crate::support::kafka::await_that;
use crate::support::serve::{SECRET, signature};
use crate::support::stand_in::stand_in;

/// The world behind the transport: it remembers who was asked, and answers as it is told.
#[derive(Default)]
struct World {
    asked: Mutex<Vec<Ask>>,
    answer: Mutex<Option<String>>,
    /// Answers wait while this is set.
    slow: watch::Sender<bool>,
}

impl World {
    fn says(&self, answer: Option<&String>) {
        *self.answer.lock().unwrap() = answer.cloned();
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|ask| ask.url.to_string()).collect()
    }
}

impl Transport for World {
    fn fetch(&self, ask: Ask) -> Fetching {
        self.asked.lock().unwrap().push(ask);
        let answer = self.answer.lock().unwrap().clone();
        let mut slow = self.slow.subscribe();
        Box::pin(async move {
            let _ = slow.wait_for(|slow| !slow).await;
            answer.map(String::into_bytes).ok_or(Failure::Unreachable)
        })
    }
}

/// A gateway in this process with one source for each provider whose keys are fetched, and one with a shared secret.
struct Running {
    process: InProcess,
    world: Arc<World>,
    vectors: BTreeMap<String, Vectors>,
}

impl std::ops::Deref for Running {
    type Target = InProcess;

    fn deref(&self) -> &InProcess {
        &self.process
    }
}

const FETCHING: [&str; 4] = ["paypal", "sns", "plaid", "event-grid-entra"];

fn start() -> Running {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let prefix = format!("keys{}-{}.", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let given = |text: &String| SecretRef::Given(Secret::new(text.clone().into_bytes()));
    let files = embedded_vectors().iter().map(|(file, text)| Vectors::parse(file, text).unwrap());
    let vectors: BTreeMap<_, _> = files.map(|file| (file.provider.clone(), file)).collect();
    let mut sources: BTreeMap<String, file::Source> = FETCHING
        .iter()
        .map(|name| {
            let vector = valid(&vectors[*name]);
            let source = file::Source {
                params: vector.params.clone(),
                credentials: vector.credentials.iter().map(|(name, value)| (name.clone(), given(value))).collect(),
                key_roots: vector.roots.as_ref().map(given),
                ..file::Source::default()
            };
            ((*name).to_owned(), source)
        })
        .collect();
    let shared = file::Source {
        provider: Some("generic".to_owned()),
        secrets: vec![given(&SECRET.to_owned())],
        ..file::Source::default()
    };
    let mut public = file::Source {
        provider: Some("generic".to_owned()),
        secrets: (0..10)
            .map(|_| given(&"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".to_owned()))
            .collect(),
        ..file::Source::default()
    };
    for (key, value) in [("scheme", "ed25519"), ("secret", "hex"), ("separator", ",")] {
        public.verify.insert(key.to_owned(), value.into());
    }
    sources.extend([("shared".to_owned(), shared), ("public".to_owned(), public)]);
    let file = file::File {
        kafka: file::Kafka {
            bootstrap_servers: stand_in().address().to_string(),
            topics: file::Topics { prefix, ..file::Topics::default() },
            ..file::Kafka::default()
        },
        gateway: file::Gateway { failed_requests_per_second: 1_000_000, ..file::Gateway::default() },
        sources,
        ..file::File::default()
    };
    let config = Config::from_file(Path::new("keys.toml"), file).unwrap();
    let topics = config.sources.values().map(|source| source.raw_topic.clone());
    for topic in topics.chain([config.kafka.topics.dead_letter_topic()]) {
        stand_in().create_topic(&topic, 2).unwrap();
    }
    let world = Arc::new(World::default());
    let process = InProcess::start(&config, 0, Some(Arc::clone(&world) as _));
    Running { process, world, vectors }
}

/// The first vector of a file is the plain good case of its provider.
fn valid(file: &Vectors) -> &Vector {
    file.vectors.iter().find(|vector| vector.name == "valid").unwrap()
}

impl Running {
    fn vector(&self, provider: &str, name: &str) -> &Vector {
        self.vectors[provider].vectors.iter().find(|vector| vector.name == name).unwrap_or_else(|| panic!("{name}"))
    }

    fn send(&self, provider: &str, vector: &Vector) -> Answer {
        self.now.store(vector.now.unwrap(), Ordering::Relaxed);
        send_to(self.public, provider, vector)
    }

    fn unavailable(&self, source: &str) -> u64 {
        self.metrics.gateway.source(source).unavailable("key").get()
    }
}

fn send_to(public: SocketAddr, provider: &str, vector: &Vector) -> Answer {
    let headers: Vec<(&str, &str)> = vector.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    exchange(public, request("POST", &format!("/webhooks/{provider}"), &headers, &vector.bytes().unwrap()))
}

#[test]
fn a_host_that_is_away_costs_a_503_and_no_event() {
    let running = start();
    for provider in FETCHING {
        let vector = running.vector(provider, "valid").clone();
        running.world.says(None);
        let before = running.world.asked().len();
        for _ in 0..5 {
            let answer = running.send(provider, &vector);
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{provider}");
        }
        assert_eq!(running.unavailable(provider), 5, "{provider}: the reason is its own");
        assert_eq!(running.world.asked().len(), before + 1, "{provider}: a failure is remembered for a moment");
        running.world.says(vector.key.as_ref());
        await_that("the key is had", || running.send(provider, &vector).status == 200);
        running.world.says(None);
        for _ in 0..20 {
            assert_eq!(running.send(provider, &vector).status, 200, "{provider}: what is known goes on being used");
        }
        let asked = running.world.asked().len();
        assert!(asked <= before + 3, "{provider}: {asked}");
    }
}

#[test]
fn many_requests_make_one_fetch() {
    let running = start();
    let vector = running.vector("paypal", "valid").clone();
    running.now.store(vector.now.unwrap(), Ordering::Relaxed);
    running.world.says(vector.key.as_ref());
    running.world.slow.send_replace(true);
    std::thread::scope(|scope| {
        let senders: Vec<_> =
            (0..20).map(|_| scope.spawn(|| send_to(running.public, "paypal", &vector).status)).collect();
        await_that("all of them wait", || {
            // A scrape sets it.
            running.metrics.render();
            running.metrics.gateway.in_flight.get() == 20
        });
        running.world.slow.send_replace(false);
        assert!(senders.into_iter().all(|sender| sender.join().unwrap() == 200));
    });
    assert_eq!(running.world.asked().len(), 1);
}

#[test]
fn a_key_that_does_not_come_in_time_is_had_by_the_next() {
    let running = start();
    let vector = running.vector("sns", "valid").clone();
    running.world.says(vector.key.as_ref());
    running.world.slow.send_replace(true);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| running.send("sns", &vector));
        let answer = answer.join().unwrap();
        assert_eq!(answer.status, 503);
    });
    assert!(began.elapsed() < Duration::from_secs(14), "well inside of 15 s: {:?}", began.elapsed());
    running.world.slow.send_replace(false);
    await_that("the next has it", || running.send("sns", &vector).status == 200);
}

/// A9: nobody asks for what a token offers, and names that somebody invents make no traffic.
#[test]
fn forged_tokens_make_no_traffic() {
    let running = start();
    for provider in ["plaid", "event-grid-entra"] {
        let good = running.vector(provider, "valid").clone();
        running.world.says(good.key.as_ref());
        assert_eq!(running.send(provider, &good).status, 200);
        let known = running.world.asked().len();
        let forged: Vec<Vector> = running.vectors[provider]
            .vectors
            .iter()
            .filter(|vector| matches!(vector.expect, Expect::Reject(_)))
            .cloned()
            .collect();
        for vector in forged.iter().filter(|vector| vector.key == good.key && vector.method.is_none()) {
            assert_eq!(running.send(provider, vector).status, 401, "{provider}: {}", vector.name);
        }
        let more = running.world.asked().len() - known;
        // A name of one's own is asked for; Plaid has an address for each. A set is looked at once in a while.
        assert!(more <= if provider == "plaid" { 3 } else { 0 }, "{provider}: {more}");
    }
    let hosts = [
        "https://sandbox.plaid.com/webhook_verification_key/get",
        "https://login.microsoftonline.com/72f988bf-fake-tenant/discovery/v2.0/keys",
    ];
    assert!(running.world.asked().iter().all(|url| hosts.contains(&url.as_str())), "{:?}", running.world.asked());
    let asks = running.world.asked.lock().unwrap();
    let body = asks.iter().find_map(|ask| ask.body.as_ref()).unwrap().expose_text().unwrap().to_owned();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({"client_id": "fake-client", "secret": "fake \"secret\"", "key_id": "fake-kid"});
    assert_eq!(body, expected, "posted, and every value stays inside of its string");
    assert!(
        asks.iter().filter(|ask| ask.url.host_str() == Some("login.microsoftonline.com")).all(|ask| ask.body.is_none())
    );
}

/// A10: whatever stands where an address should, nobody is asked but the provider.
#[test]
fn no_address_of_a_forger_is_asked() {
    const CORPUS: [&str; 30] = [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/a.pem",
        "https://127.0.0.1/a.pem",
        "https://127.0.0.1:443/a.pem",
        "https://localhost/a.pem",
        "https://0.0.0.0/a.pem",
        "https://2130706433/a.pem",
        "https://0x7f000001/a.pem",
        "https://017700000001/a.pem",
        "https://[::1]/a.pem",
        "https://[::ffff:127.0.0.1]/a.pem",
        "https://evil.test/a.pem",
        "https://evil.test/sns.us-west-2.amazonaws.com/a.pem",
        "https://evil.test#sns.us-west-2.amazonaws.com/a.pem",
        "https://evil.test?sns.us-west-2.amazonaws.com/a.pem",
        "https://evil.test\\\\@sns.us-west-2.amazonaws.com/a.pem",
        "https://sns.us-west-2.amazonaws.com@evil.test/a.pem",
        "https://u:p@sns.us-west-2.amazonaws.com/a.pem",
        "https://sns.us-west-2.amazonaws.com:22/a.pem",
        "https://sns.us-west-2.amazonaws.com.evil.test/a.pem",
        "https://sns.us-west-2.amazonaws.comevil.test/a.pem",
        "https://sns.s3-us-west-2.amazonaws.com/a.pem",
        "https://s3.us-west-2.amazonaws.com/bucket/a.pem",
        "https://sns.us-west-2.xn--amazonaws-xyz.com/a.pem",
        "https://sns.us-west-2.amаzonaws.com/a.pem",
        "https://sns.us-west-2.amazonaws.com/../a.pem",
        "http://sns.us-west-2.amazonaws.com/a.pem",
        "ftp://sns.us-west-2.amazonaws.com/a.pem",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_a.pem",
    ];
    let running = start();
    for (provider, own) in [("sns", "SimpleNotificationService-fake.pem"), ("paypal", "CERT-fake-1")] {
        let vector = running.vector(provider, "valid").clone();
        running.world.says(vector.key.as_ref());
        for (number, url) in CORPUS.into_iter().enumerate() {
            let mut forged = vector.clone();
            let body = String::from_utf8(forged.bytes().unwrap()).unwrap();
            let real = format!("https://sns.us-west-2.amazonaws.com/{own}");
            forged.body_base64 = None;
            forged.body = body.replace(&format!("\"{real}\""), &format!("\"{url}\""));
            for (name, value) in &mut forged.headers {
                if name == "PAYPAL-CERT-URL" {
                    url.clone_into(value);
                }
            }
            let answer = running.send(provider, &forged);
            assert_eq!(answer.status, 401, "{provider}: {url}");
            let counted = running.metrics.gateway.source(provider);
            // A header beyond ASCII and a body that is no JSON have reasons of their own.
            let counted = counted.reject("key_url_not_allowed").get()
                + counted.reject("signature_malformed").get()
                + counted.reject("signature_missing").get();
            assert_eq!(counted, number as u64 + 1, "{provider}: {url}");
        }
    }
    assert!(running.world.asked().is_empty(), "{:?}", running.world.asked());
}

/// Addresses that a forger makes up on the provider's own host cost it a budget, and honest events nothing.
#[test]
fn invented_certificates_of_the_right_host_are_asked_for_sparingly() {
    let running = start();
    let vector = running.vector("sns", "valid").clone();
    running.world.says(vector.key.as_ref());
    assert_eq!(running.send("sns", &vector).status, 200);
    running.world.says(None);
    let body = String::from_utf8(vector.bytes().unwrap()).unwrap();
    for number in 0..300 {
        let forged = Vector { body: body.replace("Service-fake", &format!("Service-{number}")), ..vector.clone() };
        assert_eq!(running.send("sns", &forged).status, 503);
        if number % 50 == 0 {
            assert_eq!(running.send("sns", &vector).status, 200, "its own is known");
        }
    }
    assert!(running.world.asked().len() <= 20, "{}", running.world.asked().len());
}

#[test]
fn a_subscription_is_confirmed_by_a_request_of_our_own() {
    let running = start();
    let vector = running.vector("sns", "the subscription").clone();
    assert!(vector.body.contains("https://evil.test/"), "the message offers an address");
    running.world.says(vector.key.as_ref());
    assert_eq!(running.send("sns", &vector).status, 200);
    let counted = |result| running.metrics.gateway.source("sns").confirmation(result).get();
    await_that("it is confirmed", || counted("confirmed") == 1);
    let expected = "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription\
                    &Token=2336412f37&TopicArn=arn%3Aaws%3Asns%3Aus-west-2%3A123456789012%3Aalarms";
    assert_eq!(running.world.asked()[1..], [expected.to_owned()]);
    for name in [
        "the subscription of another topic",
        "the subscription with another token",
        "the subscription with another address",
    ] {
        assert_eq!(running.send("sns", running.vector("sns", name)).status, 401, "{name}");
    }
    assert_eq!(running.world.asked().len(), 2, "what does not verify is not confirmed");
    running.world.says(None);
    assert_eq!(running.send("sns", &vector).status, 200, "the answer does not wait for it");
    await_that("it is tried again", || running.world.asked().len() == 4);
    assert_eq!(counted("confirmed"), 1);
    assert!(running.world.asked().iter().all(|url| url.starts_with("https://sns.us-west-2.amazonaws.com/")));
}

/// A11: bad signatures under public keys as expensive as they can be made, as fast as they come, and the others go on.
/// Without turns every thread of the gateway would be at them.
#[test]
fn a_flood_of_public_key_signatures_does_not_starve_shared_secrets() {
    let running = start();
    let good = running.vector("sns", "valid").clone();
    running.world.says(good.key.as_ref());
    assert_eq!(running.send("sns", &good).status, 200);
    // Sixteen signatures, ten keys, and all of a large body hashed for each pair of them.
    let signatures = vec![format!("{}01{}", "58".repeat(32), "00".repeat(31)); 16].join(",");
    let large = vec![b'x'; 700 << 10];
    let flood = request("POST", "/webhooks/public", &[("X-Signature", &signatures)], &large);
    let alone = exchange(running.public, &flood);
    assert_eq!(alone.status, 401, "{alone:?}");
    let (stop, floods) = (AtomicBool::new(false), AtomicUsize::new(0));
    let body = br#"{"id":"e1"}"#;
    let shared = request("POST", "/webhooks/shared", &[("X-Signature", &signature(body))], body);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let status = exchange(running.public, &flood).status;
                    assert!(matches!(status, 401 | 503), "{status}");
                    floods.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        await_that("the flood is there", || floods.load(Ordering::Relaxed) > 8);
        let mut waits: Vec<_> = (0..50)
            .map(|_| {
                let answer = exchange(running.public, &shared);
                assert_eq!(answer.status, 200);
                answer.after
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        waits.sort_unstable();
        assert!(waits[25] < alone.after, "{waits:?}, one of the flood alone: {:?}", alone.after);
    });
    assert_eq!(running.send("sns", &good).status, 200, "and afterwards the others as well");
}
