//! `hookstream serve` as a process of its own: configured, started on free ports, asked, stopped, and killed at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use hookstream::config::Config;
use rdkafka::admin::{NewTopic, TopicReplication};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::child::Child;
use super::http::{self, Answer};
use super::kafka::{Cluster, PATIENCE, await_that};
use super::stand_in::stand_in;

/// The secret of every source that [`Setup::source`] writes.
pub(crate) const SECRET: &str = "a secret of nobody";

/// Where the secret stands in the environment.
const SECRET_VARIABLE: &str = "HOOKSTREAM_TEST_SECRET";

/// A configuration in the making. Its clones share everything, the topics' prefix included.
#[derive(Clone)]
pub(crate) struct Setup {
    keys: String,
    sources: String,
    environment: BTreeMap<String, String>,
    prefix: String,
    arguments: Vec<String>,
    binary: PathBuf,
    shell: Option<&'static str>,
    part: &'static str,
}

impl Setup {
    /// With these bootstrap servers, free ports, and topics under a prefix of their own.
    pub(crate) fn with_kafka(bootstrap: &str) -> Setup {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let moment = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_millis() % 1_000_000_000;
        let prefix = format!("t{moment}-{}.", NEXT.fetch_add(1, Ordering::Relaxed));
        let setup = Setup {
            keys: String::new(),
            sources: String::new(),
            environment: BTreeMap::from([(SECRET_VARIABLE.to_owned(), SECRET.to_owned())]),
            prefix: prefix.clone(),
            arguments: Vec::new(),
            binary: env!("CARGO_BIN_EXE_hookstream").into(),
            shell: None,
            part: "serve",
        };
        setup
            .set("gateway.listen", "127.0.0.1:0")
            .set("admin.listen", "127.0.0.1:0")
            .set("gateway.drain_delay", "0s")
            .set("kafka.bootstrap_servers", bootstrap)
            .set("kafka.topics.prefix", prefix)
    }

    /// One value; later ones replace earlier ones.
    pub(crate) fn set(mut self, key: &str, value: impl Into<toml::Value>) -> Setup {
        let start = format!("{key} = ");
        self.keys = self.keys.lines().filter(|line| !line.starts_with(&start)).flat_map(|l| [l, "\n"]).collect();
        writeln!(self.keys, "{start}{}", value.into()).unwrap();
        self
    }

    /// A `generic` source that signs with [`SECRET`] and has its id at `/id`, with further lines of its table.
    pub(crate) fn source(self, name: &str, more: &str) -> Setup {
        self.table(&source_table(name, &format!("event = {{ id = \"/id\", subject = \"/subject\" }}\n{more}")))
    }

    /// Tables as they stand in the file.
    pub(crate) fn table(mut self, text: &str) -> Setup {
        self.sources.push_str(text);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Setup {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A command-line argument before `serve`.
    pub(crate) fn argument(mut self, argument: &str) -> Setup {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Run another build than the one under test.
    #[allow(dead_code, reason = "benches/load compares builds")]
    pub(crate) fn binary(mut self, binary: &Path) -> Setup {
        binary.clone_into(&mut self.binary);
        self
    }

    /// What bash does before it becomes the program: limits, another stdout.
    #[allow(dead_code, reason = "tests/faults limits it")]
    pub(crate) fn shell(mut self, before: &'static str) -> Setup {
        self.shell = Some(before);
        self
    }

    /// Run another part of the program than `serve`.
    #[allow(dead_code, reason = "tests/it runs enrich")]
    pub(crate) fn part(mut self, part: &'static str) -> Setup {
        self.part = part;
        self
    }

    /// What stands before each topic's name.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The file's text.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.keys, self.sources)
    }

    /// Every topic that it writes to.
    pub(crate) fn topics(&self) -> BTreeSet<String> {
        let config = Config::parse(Path::new("hookstream.toml"), &self.text(), []).expect("a right configuration");
        let raw = config.sources.values().map(|source| source.raw_topic.clone());
        raw.chain([config.kafka.topics.dead_letter_topic()]).collect()
    }

    /// Create its topics in a real cluster.
    pub(crate) fn create_topics(&self, kafka: &Cluster, partitions: i32) {
        let replication = kafka.nodes().len().clamp(1, 3) as i32;
        let names = self.topics();
        let topic = |name| NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
        kafka.create_topics(&names.iter().map(|name| topic(name)).collect::<Vec<_>>());
    }

    /// Run another command with this configuration: its exit code and what it said.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String) {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("create a directory");
        let file = directory.path().join("hookstream.toml");
        std::fs::write(&file, self.text()).expect("write the configuration");
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(file).args(arguments).env_remove("RUST_LOG");
        let output = command.output().expect("run it");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code().expect("an exit code"), said.into_owned())
    }

    /// Start it without waiting for anything but the process.
    pub(crate) fn spawn(self) -> Process {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("create a directory");
        let file = directory.path().join("hookstream.toml");
        std::fs::write(&file, self.text()).expect("write the configuration");
        let mut command = match self.shell {
            None => Command::new(&self.binary),
            Some(before) => {
                let mut bash = Command::new("bash");
                bash.args(["-c", &format!("{before}\nexec \"$@\""), "bash"]).arg(&self.binary);
                bash
            }
        };
        command.arg("--config").arg(file).args(["--log-format", "json"]).args(&self.arguments).arg(self.part);
        command.envs(&self.environment).env_remove("RUST_LOG");
        let log = directory.path().join("log");
        let child = Child::start(&command, &log);
        Process { child, log, directory }
    }

    /// Start it and await that it listens.
    pub(crate) fn listen(self) -> Serve {
        let mut process = self.spawn();
        let mut serving = None;
        await_that("hookstream serves", || {
            assert!(!process.child.has_exited(), "it ended:\n{}", process.log());
            serving = process.said("serving").into_iter().next();
            serving.is_some()
        });
        let line = serving.expect("the line");
        let address = |name: &str| line[name].as_str().and_then(|text| text.parse().ok()).expect("an address");
        Serve { public: address("listen"), admin: address("admin"), process }
    }

    /// Start it and await that it is ready.
    pub(crate) fn ready(self) -> Serve {
        let serve = self.listen();
        serve.await_ready();
        serve
    }

    /// Start it on the stand-in for Kafka, and await that it is ready.
    pub(crate) fn on_stand_in(self) -> Serve {
        let kafka = stand_in();
        let setup = self.set("kafka.bootstrap_servers", kafka.address().to_string());
        setup.topics().iter().for_each(|topic| kafka.create_topic(topic, 2).expect("create a topic"));
        setup.ready()
    }
}

/// A `generic` source that signs with [`SECRET`]; its events have no id but what `more` says.
pub(crate) fn source_table(name: &str, more: &str) -> String {
    format!("[sources.{name}]\nprovider = \"generic\"\nsecrets = [\"env:{SECRET_VARIABLE}\"]\n{more}\n")
}

/// A configuration for the stand-in; see [`Setup::on_stand_in`].
pub(crate) fn setup() -> Setup {
    Setup::with_kafka("127.0.0.1:1")
}

/// A running `hookstream`.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    directory: TempDir,
}

/// What a process holds of the machine.
#[derive(Debug)]
pub(crate) struct Footprint {
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
    /// In bytes.
    pub(crate) resident: usize,
}

impl Process {
    /// Everything it has said, on stdout and stderr.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The log lines with this message.
    pub(crate) fn said(&self, message: &str) -> Vec<Value> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["message"] == message).collect()
    }

    /// Send it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// The text of its configuration file.
    pub(crate) fn configuration(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("hookstream.toml")).expect("read the configuration")
    }

    /// Another text in its configuration file, put there by a rename.
    pub(crate) fn rewrite(&self, text: &str) {
        let new = self.directory.path().join("new");
        std::fs::write(&new, text).expect("write the configuration");
        std::fs::rename(&new, self.directory.path().join("hookstream.toml")).expect("rename");
    }

    /// What it holds now.
    pub(crate) fn footprint(&self) -> Footprint {
        let of = |what: &str| PathBuf::from(format!("/proc/{}/{what}", self.pid()));
        let entries = |what: &str| std::fs::read_dir(of(what)).expect("it runs").count();
        let status = std::fs::read_to_string(of("status")).expect("it runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let resident = resident.and_then(|kib| kib.trim().parse::<usize>().ok()).expect("a size") * 1024;
        Footprint { threads: entries("task"), descriptors: entries("fd"), resident }
    }

    /// What it has used of the processors.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        let ticks = |field: usize| fields[field].parse::<u64>().expect("a number");
        // In hundredths of a second on every Linux that matters.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    /// Its process id, as /proc has it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Await the end: its exit code.
    pub(crate) fn exit_code(&mut self) -> i32 {
        self.child.wait(PATIENCE).unwrap_or_else(|| panic!("it did not end:\n{}", self.log()))
    }
}

/// A gateway that listens.
pub(crate) struct Serve {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) process: Process,
}

impl Serve {
    pub(crate) fn await_ready(&self) {
        await_that("hookstream is ready", || self.is_ready());
    }

    pub(crate) fn is_ready(&self) -> bool {
        http::get(self.admin, "/readyz").status == 200
    }

    /// A signed event for one of the sources of [`Setup::source`].
    pub(crate) fn deliver(&self, source: &str, body: &[u8]) -> Answer {
        http::exchange(self.public, signed(source, body))
    }

    pub(crate) fn status(&self) -> Value {
        http::get(self.admin, "/status").json()
    }

    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::parse(http::get(self.admin, "/metrics").text())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Await the end after a signal: the exit code, and how long it took.
    pub(crate) fn ends(&mut self) -> (i32, Duration) {
        let start = Instant::now();
        (self.process.exit_code(), start.elapsed())
    }

    /// Every request that arrived is counted under one outcome, or is still in flight. A scrape reads one family after
    /// the other, so the sum is awaited: requests that end in between stand in neither or in both.
    pub(crate) fn assert_conservation(&self) {
        await_that("received = ended + in flight", || {
            let metrics = self.metrics();
            let [received, ended, in_flight] = ["received_total", "requests_total", "requests_in_flight"]
                .map(|name| metrics.sum(&format!("hookstream_gateway_{name}"), &[]));
            (received - ended - in_flight).abs() < 0.5
        });
    }
}

/// A request for one of the sources of [`Setup::source`].
pub(crate) fn signed(source: &str, body: &[u8]) -> Vec<u8> {
    http::request("POST", &format!("/webhooks/{source}"), &[("X-Signature", &signature(body))], body)
}

/// Hexadecimal HMAC-SHA256 under [`SECRET`].
pub(crate) fn signature(body: &[u8]) -> String {
    signature_with(SECRET, body)
}

/// The same under another secret.
pub(crate) fn signature_with(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// One look at /metrics.
#[derive(Debug)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    pub(crate) fn parse(text: &str) -> Metrics {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            (series.to_owned(), value.parse().expect("a number"))
        };
        Metrics(lines.map(pair).collect())
    }

    /// The sum over the series of this name that carry these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let matches = |series: &str| {
            let (found, rest) = series.split_once('{').unwrap_or((series, ""));
            found == name && labels.iter().all(|label| rest.contains(label.as_str()))
        };
        self.0.iter().filter(|(series, _)| matches(series)).map(|(_, value)| value).sum()
    }

    /// How a source's requests ended.
    pub(crate) fn outcome(&self, source: &str, outcome: &str) -> f64 {
        self.sum("hookstream_gateway_requests_total", &[("source", source), ("outcome", outcome)])
    }

    /// How many of a source's requests were refused for this reason.
    pub(crate) fn rejects(&self, source: &str, reason: &str) -> f64 {
        self.sum("hookstream_gateway_rejects_total", &[("source", source), ("reason", reason)])
    }

    /// The names and labels of all series.
    pub(crate) fn series(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}
