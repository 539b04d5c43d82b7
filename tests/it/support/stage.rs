//! Everything an enricher needs around it: topics of its own, a configuration file, raw events, and the real binary as
//! a child process that can be killed.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hookstream::event::{Attributes, Data, Extra, Format, Origin, Verification, encode, source_uri};
use hookstream::kafka::partition_for;
use jiff::Timestamp;
use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rustix::process::Signal;
use serde_json::Value;

use super::child::Child;
use super::kafka::{Cluster, Isolation, PATIENCE, Seen};

/// The secret, and the credential, of every source.
pub(crate) const SECRET: &str = "canary-secret";

/// A provider made for tests: no limit to speak of, a route for things.
const ACME: &str = r#"
name = "acme"
title = "Acme"
docs = "https://acme.example/docs"
type_prefix = "com.acme."
[needs]
secrets = { min = 1, where = "nowhere" }
credentials = { api_key = "nowhere" }
[verify]
scheme = "hmac-sha256"
header = "X-Acme-Signature"
[event]
id = "/id"
type = "/type"
[api]
base = "https://api.acme.example"
auth = "bearer"
credential = "api_key"
rate = { per_second = 2000, burst = 2000 }
deleted = ["*.deleted"]
[api.records]
"thing.*" = "/things/{/id}"
[[samples]]
type = "thing.created"
body = '{"id":"t-1","type":"thing.created"}'
"#;

/// How long a broker that was frozen may take until it works again: its controller has to let it in first.
const THAW: Duration = Duration::from_secs(120);

/// Retry topics and the dead-letter topic, without their prefix.
const SHARED: [&str; 4] =
    ["hookstream.retry.30s", "hookstream.retry.5m", "hookstream.retry.1h", "hookstream.dead-letter"];

/// Topics, files and names of one test.
pub(crate) struct Stage {
    pub(crate) kafka: &'static Cluster,
    prefix: String,
    directory: tempfile::TempDir,
    partitions: i32,
    producer: BaseProducer,
}

/// One event to write into a raw topic.
#[derive(Clone, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) source: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) data: &'a str,
}

impl Stage {
    /// Topics for these sources, and the configuration file. `sources` and `enrich` are TOML as the file has it.
    pub(crate) fn new(kafka: &'static Cluster, partitions: i32, sources: &str, enrich: &str) -> Stage {
        // Six seconds is the shortest that brokers allow: a killed instance is noticed soon.
        Stage::with_session(kafka, partitions, sources, enrich, Duration::from_secs(6))
    }

    /// The same with another session timeout.
    pub(crate) fn with_session(
        kafka: &'static Cluster,
        partitions: i32,
        sources: &str,
        enrich: &str,
        session: Duration,
    ) -> Stage {
        let session = session.as_millis();
        let prefix = format!("{}.", kafka.unique("stage"));
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("providers")).unwrap();
        std::fs::write(directory.path().join("providers/acme.toml"), ACME).unwrap();
        std::fs::write(directory.path().join("secret"), SECRET).unwrap();
        let file = config_in(&directory);
        let config = format!(
            r#"
providers_dir = "providers"
[kafka]
bootstrap_servers = "{}"
[kafka.topics]
prefix = "{prefix}"
[kafka.consumer]
"session.timeout.ms" = "{session}"
"heartbeat.interval.ms" = "500"
[enrich]
{enrich}
{}
"#,
            kafka.bootstrap(),
            sources.replace("SECRET", &format!("file:{}", directory.path().join("secret").display()))
        );
        std::fs::write(&file, config).unwrap();
        let producer = kafka.client().set("enable.idempotence", "true").set("linger.ms", "2").create().unwrap();
        let stage = Stage { kafka, prefix, directory, partitions, producer };
        for name in SHARED {
            stage.create(name, 2);
        }
        let table: toml::Table = toml::from_str(sources).unwrap();
        for source in table["sources"].as_table().unwrap().keys() {
            for topic in ["", ".enriched", ".ids"] {
                stage.create(&format!("webhooks.{source}{topic}"), partitions);
            }
        }
        stage
    }

    fn create(&self, name: &str, partitions: i32) {
        let name = self.topic(name);
        self.kafka.create_topic_named(&NewTopic::new(&name, partitions, TopicReplication::Fixed(1)));
    }

    /// The configuration of its enrichers.
    pub(crate) fn config_file(&self) -> PathBuf {
        config_in(&self.directory)
    }

    /// A topic's full name.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Append an event to its raw topic; [`Stage::flush`] awaits it.
    pub(crate) fn append(&self, raw: &Raw<'_>) {
        let attributes = Attributes {
            id: raw.id.into(),
            source: source_uri(raw.source).into(),
            kind: format!("com.test.{}", raw.kind).into(),
            subject: None,
            time: None,
            dataschema: None,
            provider: raw.provider.into(),
            providertype: Some(raw.kind.into()),
            category: None,
            tenant: raw.tenant.map(Into::into),
            origin: Origin::Webhook,
            verification: Verification::Signature,
            run: None,
            recordedtime: Timestamp::now(),
        };
        let encoded = encode(Format::CloudEvents, &attributes, &Data::Json(raw.data.as_bytes()), Extra::default());
        let headers = encoded
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(&value[..]) }));
        self.append_bytes(raw.source, raw.id, &encoded.value, headers);
    }

    /// Append any bytes to a raw topic.
    pub(crate) fn append_bytes(&self, source: &str, key: &str, value: &[u8], headers: OwnedHeaders) {
        let topic = self.topic(&format!("webhooks.{source}"));
        let mut record = BaseRecord::to(&topic)
            .partition(partition_for(key.as_bytes(), self.partitions))
            .key(key)
            .payload(value)
            .headers(headers);
        while let Err((_, back)) = self.producer.send(record) {
            record = back;
            self.producer.poll(Duration::from_millis(10));
        }
        self.producer.poll(Duration::ZERO);
    }

    /// Await the acknowledgement of everything appended.
    pub(crate) fn flush(&self) {
        self.producer.flush(THAW).unwrap();
    }

    /// Start the real binary as this instance.
    pub(crate) fn enricher(&self, instance: &str) -> Enricher {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let log = self.directory.path().join(format!("{instance}-{}.log", NEXT.fetch_add(1, Ordering::Relaxed)));
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookstream"));
        command
            .args(["enrich", "--admin", "127.0.0.1:0", "--log-format", "text", "--log-level", "debug,hyper=warn"])
            .arg("--config")
            .arg(self.config_file())
            .env("HOOKSTREAM_ENRICH__INSTANCE", instance);
        File::create(&log).unwrap();
        let child = Child::start(&command, &log);
        let file = BufReader::new(File::open(&log).unwrap());
        Enricher { child, log: RefCell::new(Log { file, text: String::new() }), name: instance.to_owned() }
    }

    /// The enriched records of a source that a read_committed reader sees, once there are so many.
    pub(crate) fn enriched(&self, source: &str, count: usize) -> Vec<Seen> {
        self.kafka.read(&self.topic(&format!("webhooks.{source}.enriched")), Isolation::Committed, count)
    }

    /// All records of a topic that a read_committed reader sees now.
    pub(crate) fn all(&self, name: &str) -> Vec<Seen> {
        self.kafka.read_all(&self.topic(name), Isolation::Committed)
    }
}

fn config_in(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("hookstream.toml")
}

/// A running enricher; killed when dropped. Its log is shown when the test fails, or always with HOOKSTREAM_TEST_LOG.
pub(crate) struct Enricher {
    child: Child,
    log: RefCell<Log>,
    name: String,
}

struct Log {
    file: BufReader<File>,
    text: String,
}

impl Enricher {
    /// Everything it logged so far.
    pub(crate) fn log(&self) -> String {
        let mut log = self.log.borrow_mut();
        let Log { file, text } = &mut *log;
        file.read_to_string(text).unwrap();
        text.clone()
    }

    /// How often its log contains a text.
    pub(crate) fn said(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Wait until its log contains a text so often.
    pub(crate) fn await_said(&self, text: &str, times: usize) {
        assert!(self.await_briefly(text, times, THAW), "{} does not say {text:?} {times} times", self.name);
    }

    /// The same for so long at most; whether it does.
    pub(crate) fn await_briefly(&self, text: &str, times: usize, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.said(text) < times {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        true
    }

    /// SIGKILL, in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        self.child.kill();
    }

    /// SIGTERM; returns its exit code and after how long it ended.
    pub(crate) fn terminate(mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        self.child.signal(Signal::TERM);
        (self.child.wait(PATIENCE), start.elapsed())
    }

    /// SIGSTOP: it holds what it holds and hears nothing.
    pub(crate) fn freeze(&self) {
        self.child.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.child.signal(Signal::CONT);
    }

    /// Its exit code, once it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait(Duration::from_millis(20))
    }
}

impl Drop for Enricher {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("HOOKSTREAM_TEST_LOG").is_some() {
            let _ = writeln!(std::io::stderr(), "--- log of {}\n{}", self.name, self.log());
        }
    }
}

/// The value of a record as JSON.
pub(crate) fn json(seen: &Seen) -> Value {
    serde_json::from_slice(seen.value.as_deref().unwrap()).unwrap()
}
