//! The system of docker-compose.yml without containers: its configuration, its sender and its secrets, real Kafka, real
//! Prometheus. Every query of every board and rule must return data.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::boards::Board;
use super::prometheus::Prometheus;
use super::rules::without_comparisons;
use crate::support::api::{Api, Reply};
use crate::support::child::Child;
use crate::support::http::{self, Wire};
use crate::support::kafka::{Cluster, PATIENCE, await_that, cluster};

/// What Grafana makes of $__rate_interval is at least four scrapes; these come every second.
const RATE_INTERVAL: &str = "1m";

fn compose(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/compose").join(path)
}

/// `topics apply`, `serve`, `enrich` and the samples of docker-compose.yml. They end with it.
struct System {
    public: SocketAddr,
    serve: SocketAddr,
    enrich: SocketAddr,
    samples: Child,
    _hookstream: [Child; 2],
    _apis: Api,
    _directory: tempfile::TempDir,
}

impl System {
    fn start(kafka: &Cluster) -> System {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let apis = Api::start();
        // The provider is away for one of the events, so that something waits for a retry.
        apis.script("/v1/invoices/in_always_the_same", [Reply::status(503)]);
        let text = std::fs::read_to_string(compose("hookstream.toml")).unwrap();
        let text = text.replace("/run/secrets/", &format!("{}/", compose("secrets").display()));
        let text = text.replace("http://apis:8090", &apis.url());
        let config = directory.path().join("hookstream.toml");
        std::fs::write(&config, text).unwrap();
        let prefix = format!("{}.", kafka.unique("boards"));
        let hookstream = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_hookstream"));
            command.args(arguments).env("HOOKSTREAM_CONFIG", &config).env_remove("RUST_LOG");
            command.env("HOOKSTREAM_KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap());
            command.env("HOOKSTREAM_KAFKA__TOPICS__PREFIX", &prefix);
            command
                .env("HOOKSTREAM_SPOOL__DIR", directory.path().join("spool"))
                .env("HOOKSTREAM_SPOOL__EPHEMERAL", "true");
            command.env("HOOKSTREAM_GATEWAY__LISTEN", "127.0.0.1:0").env("HOOKSTREAM_ADMIN__LISTEN", "127.0.0.1:0");
            command
                .env("HOOKSTREAM_GATEWAY__DRAIN_DELAY", "0s")
                .env("HOOKSTREAM_GATEWAY__MAX_BODY_BYTES_IN_FLIGHT", "64KiB");
            command
        };
        let applied = hookstream(&["topics", "apply"]).output().unwrap();
        assert!(applied.status.success(), "topics apply: {}", String::from_utf8_lossy(&applied.stderr));
        let start = |command: &Command, name: &str, message: &str| {
            let log = directory.path().join(name);
            let mut child = Child::start(command, &log);
            let mut line = None;
            await_that(&format!("{name} runs"), || {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                assert!(!child.has_exited(), "{name} ended:\n{text}");
                let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
                line = lines.find(|line| line["message"] == message);
                line.is_some()
            });
            (child, line.unwrap())
        };
        let (serve, serving) = start(&hookstream(&["serve"]), "serve", "serving");
        let (enrich, enriching) = start(&hookstream(&["enrich"]), "enrich", "enriching");
        let address = |line: &Value, key: &str| line[key].as_str().unwrap().parse::<SocketAddr>().unwrap();
        let public = address(&serving, "listen");
        let mut sender = Command::new("sh");
        sender.arg(compose("samples.sh")).arg(format!("http://{public}")).arg(compose("bodies"));
        let binary = Path::new(env!("CARGO_BIN_EXE_hookstream")).parent().unwrap();
        sender.env("PATH", format!("{}:{}", binary.display(), std::env::var("PATH").unwrap()));
        sender.env("HOOKSTREAM_CONFIG", &config);
        let samples = Child::start(&sender, &directory.path().join("samples"));
        System {
            public,
            serve: address(&serving, "admin"),
            enrich: address(&enriching, "admin"),
            samples,
            _hookstream: [serve, enrich],
            _apis: apis,
            _directory: directory,
        }
    }

    /// What the samples do not do: a request that memory has no room for, and one that is no HTTP.
    fn misbehave(&self) {
        let answer = http::post(self.public, "/webhooks/generic", &[], &[b'x'; 100_000]);
        assert_eq!(answer.status, 503);
        let mut wire = Wire::connect(self.public);
        wire.send("this is no HTTP\r\n\r\n");
        wire.answer();
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // SIGKILL would leave behind what the script has started, until its next look.
        self.samples.signal(rustix::process::Signal::TERM);
        self.samples.wait(PATIENCE);
    }
}

/// The queries of a board with its variables filled in as Grafana does, from what Prometheus knows.
fn board_queries(board: &Board, prometheus: &Prometheus) -> Vec<String> {
    let mut values = BTreeMap::from([("__rate_interval", RATE_INTERVAL.to_owned())]);
    for variable in board.variables() {
        let found = prometheus.query(&filled(variable.selector, &values)).unwrap();
        let labels: BTreeSet<_> = found.iter().filter_map(|(series, _)| series[variable.label].as_str()).collect();
        let escaped =
            labels.into_iter().map(|label| label.replace('.', "\\\\.").replace('(', "\\\\(").replace(')', "\\\\)"));
        values.insert(variable.name, format!("({})", escaped.collect::<Vec<_>>().join("|")));
    }
    board.expressions().map(|(_, expression)| filled(expression, &values)).collect()
}

fn filled(text: &str, values: &BTreeMap<&str, String>) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
}

/// The queries that return nothing but NaN, or an error.
fn empty(queries: &[String], prometheus: &Prometheus) -> Vec<String> {
    let problem = |query: &String| match prometheus.query(query) {
        Ok(samples) if samples.iter().any(|(_, value)| !value.is_nan()) => None,
        Ok(samples) => Some(format!("{query}\n    returned {samples:?}")),
        Err(error) => Some(format!("{query}\n    {error}")),
    };
    queries.iter().filter_map(problem).collect()
}

#[test]
fn every_query_of_boards_and_rules_returns_data() {
    let Some(kafka) = cluster() else { return };
    let system = System::start(kafka);
    let targets = [("serve:9464", system.serve), ("enrich:9464", system.enrich)];
    let Some(prometheus) = Prometheus::start(&targets) else { return };
    // Scrapes, a rebalance and two events of everything have to come together.
    let patience = PATIENCE * 2;
    let deadline = Instant::now() + patience;
    loop {
        // Again and again: a counter that appears with its first event has no rate before its second.
        system.misbehave();
        let mut queries: Vec<String> =
            Board::all().iter().flat_map(|board| board_queries(board, &prometheus)).collect();
        let boards = queries.len();
        let rules = prometheus.rules();
        queries.extend(rules.iter().map(|rule| without_comparisons(rule["query"].as_str().unwrap())));
        let mut missing = empty(&queries, &prometheus);
        missing.extend(rules.iter().filter(|rule| rule["health"] != "ok").map(ToString::to_string));
        if missing.is_empty() && !rules.is_empty() {
            assert_eq!(rules.len(), super::rules::all().len());
            assert!(boards > 60, "only {boards} queries were found in the boards");
            return;
        }
        assert!(Instant::now() < deadline, "no data within {patience:?} for\n{}", missing.join("\n"));
        std::thread::park_timeout(Duration::from_millis(500));
    }
}
