//! Every vector of every provider over HTTP: status, answer, and for events the record that arrives in real Kafka.
//!
//! All vectors run against one gateway, each with a source of its own, under the clock that the vector names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex};

use hookstream::config::{Config, SecretRef, file};
use hookstream::gateway::keys::{Ask, Failure, Fetching, Transport};
use hookstream::provider::vectors::{Expect, ExpectedFacts, Vector, Vectors};
use hookstream::provider::{Catalogue, Provider, Reject, embedded_vectors};
use hookstream::telemetry::Metrics;
use serde_json::{Value, json};

use crate::support::api::{Api, Reply};
use crate::support::http::{Answer, exchange, request};
use crate::support::in_process::InProcess;
use crate::support::kafka::{Isolation, Seen, cluster};

/// A vector and the name of the source it is sent to.
struct Case {
    source: String,
    provider: String,
    vector: Vector,
}

impl Case {
    /// The vector's clock, in seconds since 1970; any time where it has none.
    fn clock(&self) -> i64 {
        self.vector.now.unwrap_or(1_700_000_000)
    }
}

fn cases() -> Vec<Case> {
    let files = embedded_vectors().iter().map(|(file, text)| Vectors::parse(file, text).unwrap());
    files
        .flat_map(|file| {
            let numbered = file.vectors.into_iter().enumerate();
            numbered
                .map(|(number, vector)| Case {
                    source: format!("{}-{number}", file.provider),
                    provider: file.provider.clone(),
                    vector,
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

fn source(case: &Case, topic: &str, directory: &Path, api: &Api) -> file::Source {
    let table =
        |name: &str| case.vector.overrides.get(name).and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let given = |secret: &String| SecretRef::Given(hookstream::config::Secret::new(secret.clone().into_bytes()));
    file::Source {
        provider: Some(case.provider.clone()),
        secrets: case.vector.secrets.iter().map(given).collect(),
        accept_unsigned: case.vector.accept_unsigned,
        params: case.vector.params.clone(),
        credentials: case.vector.credentials.iter().map(|(name, value)| (name.clone(), given(value))).collect(),
        key_roots: case.vector.roots.as_ref().map(given),
        verify: table("verify"),
        event: table("event"),
        topic: Some(topic.to_owned()),
        public_url: case.vector.url.clone(),
        api_base: provider(case).is_fetched().then(|| api.url()),
        api_key: provider(case).is_fetched().then(|| given(&"fake-api-key".to_owned())),
        secrets_file: stored(case).map(|_| secrets_file(directory, case)),
        ..file::Source::default()
    }
}

/// The hosts of keys: they answer what the vector says that is under way, and nobody else is there.
#[derive(Default)]
struct KeyHosts(Mutex<Option<String>>);

impl Transport for KeyHosts {
    fn fetch(&self, ask: Ask) -> Fetching {
        let hosts = [".amazonaws.com", "paypal.com", "plaid.com", "login.microsoftonline.com"];
        let host = ask.url.host_str().unwrap();
        assert!(ask.url.scheme() == "https" && hosts.iter().any(|known| host.ends_with(known)), "{}", ask.url);
        let answer = self.0.lock().unwrap().clone();
        Box::pin(async move { answer.map(String::into_bytes).ok_or(Failure::Unreachable) })
    }
}

/// The secret that the provider hands over in this case.
fn stored(case: &Case) -> Option<&str> {
    case.vector.reply.as_ref()?.store.as_deref()
}

fn secrets_file(directory: &Path, case: &Case) -> PathBuf {
    directory.join(&case.source)
}

/// A gateway in this process, whose clock the test sets.
struct Running {
    process: InProcess,
    hosts: Arc<KeyHosts>,
}

impl std::ops::Deref for Running {
    type Target = InProcess;

    fn deref(&self) -> &InProcess {
        &self.process
    }
}

fn start(config: &Config) -> Running {
    let hosts = Arc::new(KeyHosts::default());
    let process = InProcess::start(config, 0, Some(Arc::clone(&hosts) as _));
    Running { process, hosts }
}

fn send(running: &Running, case: &Case) -> Answer {
    let vector = &case.vector;
    running.now.store(case.clock(), Ordering::Relaxed);
    running.hosts.0.lock().unwrap().clone_from(&vector.key);
    let headers: Vec<(&str, &str)> = vector.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let query = if vector.query.is_empty() { String::new() } else { format!("?{}", vector.query) };
    let path = format!("/webhooks/{}{query}", case.source);
    let method = vector.method.as_deref().unwrap_or("POST");
    exchange(running.public, request(method, &path, &headers, &vector.bytes().unwrap()))
}

/// What is wrong with the answer, if anything.
fn judge(case: &Case, answer: &Answer) -> Result<(), String> {
    let expect = |what: &str, expected: Value, found: Value| {
        if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected}, found {found}")) }
    };
    let Some(id) = answer.header("x-request-id") else { return Err("no request id".to_owned()) };
    match case.vector.expect {
        Expect::Ok => {
            let success = catalogue().get(&case.provider).and_then(|provider| provider.success());
            expect("status", json!(success.map_or(200, |success| success.status)), json!(answer.status))?;
            match catalogue().get(&case.provider).and_then(|provider| provider.success()) {
                Some(success) => expect("body", json!(String::from_utf8(success.body).unwrap()), json!(answer.text())),
                None => {
                    let (facts, given) = (case.vector.facts(), answer.json()["id"].clone());
                    let id = match facts.first() {
                        Some(facts) if facts.id.is_none() => given.as_str().filter(|id| id.len() == 26).into(),
                        facts => json!(facts.and_then(|facts| facts.id.as_ref())),
                    };
                    expect("body", json!({"status": "accepted", "id": id}), answer.json())
                }
            }
        }
        Expect::Unreadable => expect("status class", json!(2), json!(answer.status / 100)),
        Expect::Handshake => {
            let reply = case.vector.reply.as_ref().expect("a handshake has a reply");
            expect("status", json!(reply.status), json!(answer.status))?;
            expect("content type", json!(reply.content_type), json!(answer.header("content-type")))?;
            for (name, value) in &reply.headers {
                expect(name, json!(value), json!(answer.header(name)))?;
            }
            expect("body", json!(reply.body), json!(answer.text()))
        }
        Expect::Reject(reject) => {
            if let Some(status) = provider(case).rejected().filter(|_| reject.status() == 401) {
                // Counted as refused all the same, see `miscounted`.
                expect("status", json!(status), json!(answer.status))?;
                return expect("body", json!(""), json!(answer.text()));
            }
            expect("status", json!(reject.status()), json!(answer.status))?;
            if vector_is_head(case) {
                return Ok(());
            }
            let error = match reject {
                Reject::MethodNotAllowed => "method_not_allowed",
                Reject::HandshakeRefused => "not_found",
                Reject::UnsupportedMediaType => "unsupported_media_type",
                _ => "unauthorized",
            };
            let body = json!({"status": "rejected", "error": error, "request_id": id});
            expect("body", body, answer.json())
        }
    }
}

fn vector_is_head(case: &Case) -> bool {
    case.vector.method.as_deref() == Some("HEAD")
}

fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::embedded().unwrap());
    &CATALOGUE
}

fn provider(case: &Case) -> &'static Provider {
    catalogue().get(&case.provider).unwrap()
}

/// What is wrong with the record, if anything.
fn judge_record(case: &Case, vector: &ExpectedFacts, type_prefix: &str, seen: &Seen) -> Result<(), String> {
    let value: Value = serde_json::from_slice(seen.value.as_deref().unwrap()).map_err(|error| error.to_string())?;
    let time = vector.time.as_deref().map(|time| hookstream::event::rfc3339_millis(time.parse().unwrap()));
    let kind = vector.providertype.as_ref().map(|kind| format!("{type_prefix}{kind}"));
    for (name, expected) in [
        ("type", &kind),
        ("time", &time),
        ("subject", &vector.subject),
        ("tenant", &vector.tenant),
        ("providertype", &vector.providertype),
    ] {
        if value[name] != json!(expected) {
            return Err(format!("{name}: expected {expected:?}, found {}", value[name]));
        }
    }
    match &vector.id {
        Some(id) if value["id"] != json!(id) => return Err(format!("id: {}", value["id"])),
        None if value["id"].as_str().is_none_or(|id| id.len() != 26) => return Err("an id of our own".to_owned()),
        _ => {}
    }
    if seen.key.as_deref() != value["id"].as_str().map(str::as_bytes) {
        return Err("the key is not the id".to_owned());
    }
    if seen.timestamp_ms != case.clock() * 1_000 {
        return Err(format!("kafka timestamp {}", seen.timestamp_ms));
    }
    crate::envelope::assert_valid(crate::envelope::ENVELOPE, seen.value.as_deref().unwrap());
    Ok(())
}

#[test]
fn every_vector_over_http() {
    let Some(kafka) = cluster() else { return };
    let (topic, dead_letters) = (kafka.create_topic("vectors", 6), kafka.create_topic("vectors-dead-letter", 1));
    // Until a secret was handed over there is none; the pure engine says what becomes of a source without any.
    let proven = |case: &Case| {
        let way = provider(case).is_fetched() || case.vector.accept_unsigned || stored(case).is_some();
        way || !case.vector.secrets.is_empty()
    };
    let cases: Vec<_> = cases().into_iter().filter(proven).collect();
    let directory = tempfile::tempdir().unwrap();
    let api = Api::start();
    let file = file::File {
        kafka: file::Kafka {
            bootstrap_servers: kafka.bootstrap().to_owned(),
            topics: file::Topics { dead_letter: dead_letters.clone(), ..file::Topics::default() },
            ..file::Kafka::default()
        },
        gateway: file::Gateway { failed_requests_per_second: 1_000_000, ..file::Gateway::default() },
        sources: cases.iter().map(|case| (case.source.clone(), source(case, &topic, directory.path(), &api))).collect(),
        ..file::File::default()
    };
    let running = start(&Config::from_file(Path::new("vectors.toml"), file).unwrap());
    let mut wrong: Vec<String> = Vec::new();
    for case in &cases {
        if let Some(path) = &case.vector.asked {
            api.script(path, [case.vector.record.clone().map_or(Reply::status(404), Reply::Body)]);
        }
        if let Err(problem) = judge(case, &send(&running, case)) {
            wrong.push(format!("{}: {}: {problem}", case.provider, case.vector.name));
        }
    }
    for path in cases.iter().filter_map(|case| case.vector.asked.as_deref()) {
        let expected = cases.iter().filter(|case| case.vector.asked.as_deref() == Some(path)).count();
        assert_eq!(api.asked(path).len(), expected, "{path}");
    }
    assert_eq!(api.total(), cases.iter().filter(|case| case.vector.asked.is_some()).count(), "nobody is asked else");
    for case in cases.iter().filter(|case| stored(case).is_some()) {
        let kept = std::fs::read_to_string(secrets_file(directory.path(), case)).unwrap();
        assert_eq!(Some(kept.trim_end()), stored(case), "{}", case.vector.name);
    }
    wrong.extend(
        cases.iter().filter_map(|case| Some(format!("{}: {}", case.source, miscounted(case, &running.metrics)?))),
    );

    let records = by_source(kafka.read_all(&topic, Isolation::Committed));
    let letters = by_source(kafka.read_all(&dead_letters, Isolation::Committed));
    for case in &cases {
        let prefix = catalogue().get(&case.provider).unwrap().type_prefix();
        let none = Vec::new();
        let found = records.get(&case.source).unwrap_or(&none);
        let dead = letters.get(&case.source).unwrap_or(&none);
        let facts = if case.vector.expect == Expect::Ok { case.vector.facts() } else { Vec::new() };
        let expected = (facts.len(), usize::from(case.vector.expect == Expect::Unreadable));
        let problem = if (found.len(), dead.len()) == expected {
            facts.iter().try_for_each(|facts| {
                // The records of a batch are spread over the partitions: each event must be one of them.
                let verdicts: Vec<_> = found.iter().map(|record| judge_record(case, facts, prefix, record)).collect();
                verdicts.iter().any(Result::is_ok).then_some(()).ok_or_else(|| format!("{verdicts:?}"))
            })
        } else {
            Err(format!("{} records, {} dead letters", found.len(), dead.len()))
        };
        if let Err(problem) = problem {
            wrong.push(format!("{}: {}: {problem}", case.provider, case.vector.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} vectors disagree:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The records of each source, by the last part of the attribute `source`.
fn by_source(records: Vec<Seen>) -> BTreeMap<String, Vec<Seen>> {
    let mut map: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for seen in records {
        let source = seen.header("ce_source").unwrap().trim_start_matches("/webhooks/").to_owned();
        map.entry(source).or_default().push(seen);
    }
    map
}

/// The reason of a refusal is in the metrics, and no other; so is the secret that matched.
fn miscounted(case: &Case, metrics: &Metrics) -> Option<String> {
    let metrics = metrics.gateway.source(&case.source);
    for reject in hookstream::provider::Reject::ALL {
        let expected = u64::from(case.vector.expect == Expect::Reject(reject));
        let counted = metrics.reject(reject.as_str()).get();
        if counted != expected {
            return Some(format!("{reject} counted {counted} times instead of {expected}"));
        }
    }
    let secret = case.vector.secret?;
    (metrics.secret_match(secret).get() != 1).then(|| format!("secret {secret} is not counted as the one that matched"))
}
