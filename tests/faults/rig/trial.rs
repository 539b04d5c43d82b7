//! One gateway under fault: its topics and its ports stay, its process comes and goes; and the checks after every run.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::admin::{NewTopic, TopicReplication};
use rustix::process::Signal;

use super::{Ledger, Load, Rig, Scale, batches, judge, stored};
use crate::support::http;
use crate::support::kafka::{await_that, free_port};
use crate::support::serve::{Metrics, Serve, Setup, source_table};

/// The sources' deadline. The gateway's own clock is read off a histogram, whose next bucket ends 100 ms later.
pub(crate) const DEADLINE: Duration = Duration::from_millis(2_400);
const BUCKET: &str = "2.5";

/// How long after the end of a fault the gateway may take until it is as before.
const RECOVERY: Duration = Duration::from_secs(5);

/// What a load generator on the same two processors may see beyond the gateway's own clock.
const GRACE: Duration = Duration::from_millis(300);

/// What a run may leave in memory beyond what the gateway began with: 20 MiB were seen, most of it the allocator's.
const MORE_RESIDENT: u64 = 64 << 20;

/// What it may leave open beside its senders' connections: six were seen, clients' connections to brokers.
const MORE_FILES: usize = 12;

/// Of each raw topic.
pub(crate) const PARTITIONS: i32 = 6;

/// A gateway and its topics.
pub(crate) struct Trial<'a> {
    rig: &'a Rig,
    scale: Scale,
    directory: tempfile::TempDir,
    keys: Vec<(String, toml::Value)>,
    tables: String,
    environment: Vec<(&'static str, String)>,
    shell: &'static str,
    port: u16,
    prefix: String,
    serve: Option<Serve>,
    /// Counted by processes that are gone.
    unknown: f64,
    files: usize,
    resident: u64,
    /// Senders may have to wait until their connection is taken; no clock of the gateway runs yet.
    crowded: bool,
    /// Events of a load that was not judged: they may still arrive.
    before: BTreeSet<String>,
}

impl<'a> Trial<'a> {
    /// A gateway without a spool, not started yet.
    pub(crate) fn new(rig: &'a Rig, row: &'static str) -> Trial<'a> {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("create a directory");
        let prefix = format!("{}.", rig.kafka.unique(row));
        let trial = Trial {
            rig,
            scale: Scale::of(row),
            directory,
            keys: Vec::new(),
            tables: String::new(),
            environment: Vec::new(),
            shell: "",
            port: free_port(),
            prefix,
            serve: None,
            unknown: 0.0,
            files: 0,
            resident: 0,
            crowded: false,
            before: BTreeSet::new(),
        };
        trial.create_topics();
        trial
    }

    pub(crate) fn create_topics(&self) {
        for topic in self.topics() {
            let topic = NewTopic::new(&topic, PARTITIONS, TopicReplication::Fixed(3))
                .set("min.insync.replicas", "2")
                // As `topics apply` sets it.
                .set("message.timestamp.before.max.ms", "1209600000");
            self.rig.kafka.create_topic_named(&topic);
        }
    }

    pub(crate) fn topics(&self) -> BTreeSet<String> {
        self.setup().topics()
    }

    /// One more key of the configuration, from the next start on.
    pub(crate) fn with(mut self, key: &str, value: impl Into<toml::Value>) -> Trial<'a> {
        self.keys.push((key.to_owned(), value.into()));
        self
    }

    /// One more source; its topic is created.
    pub(crate) fn source(mut self, table: &str) -> Trial<'a> {
        self.tables.push_str(table);
        self.create_topics();
        self
    }

    /// One more variable of its environment.
    pub(crate) fn env(mut self, name: &'static str, value: &str) -> Trial<'a> {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// What bash does before it becomes the gateway.
    pub(crate) fn limited(mut self, shell: &'static str) -> Trial<'a> {
        self.shell = shell;
        self
    }

    /// Senders may have to wait until their connection is taken.
    pub(crate) fn crowded(mut self) -> Trial<'a> {
        self.crowded = true;
        self
    }

    /// With a spool on the disk.
    pub(crate) fn spooling(self) -> Trial<'a> {
        let directory = self.directory.path().join("spool");
        self.spooling_in(&directory)
    }

    /// With a spool in this directory.
    pub(crate) fn spooling_in(self, directory: &Path) -> Trial<'a> {
        // A container's own layer will do for tests.
        self.with("spool.dir", directory.display().to_string()).with("spool.ephemeral", true)
    }

    pub(crate) fn scale(&self) -> &Scale {
        &self.scale
    }

    /// Run another command with its configuration: the exit code and what it said.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String) {
        self.setup().run(arguments)
    }

    fn setup(&self) -> Setup {
        let deadline = format!("deadline = \"{}ms\"", DEADLINE.as_millis());
        let setup = Setup::with_kafka(self.rig.kafka.bootstrap())
            .set("kafka.topics.prefix", self.prefix.as_str())
            .set("gateway.listen", self.address().to_string())
            .source("orders", &deadline)
            .table(&source_table("readings", &deadline))
            .table(&self.tables)
            .shell(self.shell);
        let setup = self.environment.iter().fold(setup, |setup, (name, value)| setup.env(name, value));
        self.keys.iter().fold(setup, |setup, (key, value)| setup.set(key, value.clone()))
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The topic of the source `orders`.
    pub(crate) fn orders(&self) -> String {
        self.topic_of("orders")
    }

    /// The topic of a source.
    pub(crate) fn topic_of(&self, source: &str) -> String {
        format!("{}webhooks.{source}", self.prefix)
    }

    /// Start the process and await that it listens.
    pub(crate) fn start(&mut self) {
        self.serve = Some(self.setup().listen());
        self.files = self.open_files();
        self.resident = self.resident();
    }

    /// Start the process and await that it is ready.
    pub(crate) fn ready(&mut self) {
        self.start();
        self.serve().await_ready();
        self.files = self.open_files();
        self.resident = self.resident();
    }

    pub(crate) fn serve(&self) -> &Serve {
        self.serve.as_ref().expect("it runs")
    }

    pub(crate) fn metrics(&self) -> Metrics {
        self.serve().metrics()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.leave();
        drop(self.serve.take());
    }

    /// SIGTERM, and the end: its exit code and how long it took.
    pub(crate) fn terminate(&mut self) -> (i32, Duration) {
        self.serve().signal(Signal::TERM);
        self.ended()
    }

    /// After a signal: the exit code and how long the end took.
    pub(crate) fn ended(&mut self) -> (i32, Duration) {
        let ends = self.serve.as_mut().expect("it runs").ends();
        self.leave();
        self.serve = None;
        ends
    }

    /// Remember what the process counted, as far as it can still be asked.
    fn leave(&mut self) {
        if let Some(metrics) = http::try_get(self.serve().admin, "/metrics").map(|answer| Metrics::parse(answer.text()))
        {
            self.unknown += metrics.sum("hookstream_spool_unknown_total", &[])
                + metrics.sum("hookstream_kafka_perhaps_twice_total", &[]);
        }
    }

    /// Senders at about this rate, with the ledger of this row.
    pub(crate) fn load(&self, rate: usize) -> Load {
        self.load_into("", rate)
    }

    /// The same with a ledger of its own.
    pub(crate) fn load_into(&self, name: &str, rate: usize) -> Load {
        let ledger = Ledger::open(&self.scale.ledger(self.directory.path(), name));
        Load::start(self.address(), ledger, self.scale.seed(), rate)
    }

    /// The end of a load whose topics were taken away: nothing is promised, but what was sent may still arrive.
    pub(crate) fn forget(&mut self, load: Load) {
        self.before.extend(load.end(Duration::ZERO).read().into_keys());
    }

    /// Events are acknowledged again after a fault that has just ended, by all partitions within five seconds.
    pub(crate) fn assert_recovers(&self, load: &Load) {
        self.assert_recovers_within(load, RECOVERY);
    }

    /// The same after brokers that took `took` to be back. Where the machine is slow they take longer than the ten seconds that
    /// are usual, and the gateway may take half as long as they did.
    pub(crate) fn assert_recovers_after(&self, load: &Load, took: Duration) {
        say(&format!("the brokers are back after {took:.2?}"));
        self.assert_recovers_within(load, RECOVERY.max(took / 2));
    }

    fn assert_recovers_within(&self, load: &Load, limit: Duration) {
        let end = Instant::now();
        let before = load.acknowledged();
        await_that("events are acknowledged again", || load.acknowledged() > before + 20);
        let first = end.elapsed();
        await_that("all partitions are back", || self.metrics().sum("hookstream_kafka_breakers_open", &[]) == 0.0);
        let (after, log) = (end.elapsed(), self.serve().process.log());
        say(&format!("acknowledged again after {first:.2?}, all partitions back after {after:.2?}"));
        assert!(after < limit, "{after:?} after the fault ended, and {limit:?} is the most:\n{log}");
    }

    /// The end of a run: senders stop, everything is judged.
    pub(crate) fn assert_kept(mut self, load: Load) {
        let slowest = load.slowest();
        let ledger = load.end(Duration::from_secs(10));
        self.assert_bounds();
        self.serve().assert_conservation();
        self.await_settled();
        self.leave();
        let log = self.serve().process.log();
        self.rig.open_paths();
        self.rig.await_whole();
        let topics = [(self.orders(), "orders"), (self.topic_of("readings"), "readings")];
        let events = ledger.read();
        let mut stored = stored(self.rig.kafka, &topics);
        stored.retain(|record| !self.before.contains(&record.id));
        let verdict = judge(&events, &stored, self.unknown as usize);
        let answers = events.values().flat_map(|event| &event.told);
        let slow: Vec<_> = answers.filter(|told| Duration::from_millis(told.millis) > DEADLINE + GRACE).collect();
        let late = slow.len();
        say(&format!("{verdict}, {} perhaps twice; slowest answer {slowest:?}, {late} late", self.unknown));
        for (topic, partition, offset) in &verdict.twice {
            let held = batches::holding(self.rig.kafka, topic, *partition, *offset);
            say(&format!("{topic}/{partition}@{offset}: {held:#?}"));
        }
        assert!(verdict.faults.is_empty(), "{:#?}\n{log}", &verdict.faults[..verdict.faults.len().min(20)]);
        assert!(verdict.acknowledged > 0, "nothing was acknowledged: the run proves nothing");
        assert!(self.crowded || slow.is_empty(), "answers after the deadline: {slow:#?}");
    }

    /// Nothing is in Kafka's hands any more, or in the spool.
    pub(crate) fn await_settled(&self) {
        await_that("nothing is under way or spooled", || {
            let metrics = self.metrics();
            metrics.sum("hookstream_kafka_records_in_flight", &[]) == 0.0
                && metrics.sum("hookstream_spool_records", &[]) == 0.0
        });
    }

    /// The deadline by the gateway's own clock, memory, descriptors.
    fn assert_bounds(&self) {
        let metrics = self.metrics();
        let family = "hookstream_gateway_request_duration_seconds";
        for source in ["orders", "readings"] {
            let all = metrics.sum(&format!("{family}_count"), &[("source", source)]);
            let in_time = metrics.sum(&format!("{family}_bucket"), &[("source", source), ("le", BUCKET)]);
            assert!(all - in_time < 0.5, "{} answers of {source} left after the deadline", all - in_time);
        }
        let resident = self.resident();
        assert!(resident < self.resident + MORE_RESIDENT, "{resident} bytes resident, {} at first", self.resident);
        // Senders keep their connections; what else is open is back where it was.
        let open = || self.open_files() as f64 - self.metrics().sum("hookstream_gateway_connections", &[]);
        await_that("descriptors are back", || open() <= (self.files + MORE_FILES) as f64);
    }

    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.serve().process.pid())).expect("/proc");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.serve().process.pid())).expect("/proc").count()
    }
}

/// On the process's own stderr: a run's figures are worth a line even where the test passes.
pub(crate) fn say(what: &str) {
    use std::io::Write;
    let name = std::thread::current().name().unwrap_or("a row").to_owned();
    let _ = std::io::stderr().write_all(format!("{name}: {what}\n").as_bytes());
}
