//! A cluster: started, found ready, asked for topics and tools.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext};

use super::jars::Jars;
use super::node::Node;
use super::settings::{Listener, Ports, create_certificate, scram_arguments, server_properties};

/// Any 16 bytes in URL-safe base64; it tells our nodes from somebody else's on a port.
const CLUSTER_ID: &str = "aG9va3N0cmVhbS10ZXN0cw";
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running Kafka cluster. It ends when this is dropped or the process ends: both close the nodes' pipes.
pub(crate) struct Cluster {
    bootstrap: String,
    /// Where the test itself is a super user: on the secured cluster a listener without TLS.
    internal: String,
    nodes: Vec<Node>,
    jars: Option<Jars>,
    directory: PathBuf,
    listener: Listener,
    ports: Vec<Ports>,
    _janitor: Option<ChildStdin>,
}

impl Cluster {
    /// A cluster somebody else runs.
    pub(crate) fn external(bootstrap: String) -> Cluster {
        Cluster {
            internal: bootstrap.clone(),
            bootstrap,
            nodes: Vec::new(),
            jars: None,
            directory: PathBuf::new(),
            listener: Listener::Plain,
            ports: Vec::new(),
            _janitor: None,
        }
    }

    /// Start `count` nodes. The error is a reason to skip; a cluster that does not start panics.
    pub(super) fn start(count: usize, listener: Listener) -> Result<Cluster, String> {
        let jars = Jars::fetch()?;
        let mut last_log = String::new();
        for _ in 0..5 {
            match Cluster::try_start(&jars, count, listener) {
                Ok(cluster) => return Ok(Cluster { jars: Some(jars), ..cluster }),
                Err(log) if log.contains("Address already in use") => last_log = log,
                Err(log) => {
                    let lines: Vec<_> = log.lines().collect();
                    let tail = lines[lines.len().saturating_sub(40)..].join("\n");
                    panic!("Kafka {} did not start; the end of its log:\n{tail}", jars.version);
                }
            }
        }
        panic!("Kafka found no free port in five tries:\n{last_log}");
    }

    /// One try; the error is the log of the node that ended or of the first one when time ran out.
    fn try_start(jars: &Jars, count: usize, listener: Listener) -> Result<Cluster, String> {
        let directory = tempfile::Builder::new()
            .prefix("kafka-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("create the cluster's directory")
            .keep();
        let janitor = remove_at_end(&directory);
        let secured = listener == Listener::Secured;
        let ports: Vec<_> = (0..count).map(|_| Ports::pick()).collect();
        let nodes: Vec<_> = (0..count).map(|index| Node::new(directory.join(format!("node-{}", index + 1)))).collect();
        let mut formats = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            fs::create_dir_all(&node.directory).expect("create the node's directory");
            node.create_log();
            if secured {
                create_certificate(&node.directory);
            }
            let properties = node.directory.join("server.properties");
            fs::write(&properties, server_properties(index, &ports, &node.directory, listener))
                .expect("write server.properties");
            let mut format = jars.java();
            format.args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"]).arg(properties);
            if secured {
                format.args(scram_arguments());
            }
            formats.push(
                format.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start java"),
            );
        }
        for format in formats {
            let output = format.wait_with_output().expect("wait for StorageTool");
            assert!(output.status.success(), "StorageTool: {}", String::from_utf8_lossy(&output.stderr));
        }
        let list = |port: fn(&Ports) -> u16| {
            ports.iter().map(|ports| format!("127.0.0.1:{}", port(ports))).collect::<Vec<_>>().join(",")
        };
        let bootstrap = list(|ports| ports.client);
        let internal = if listener == Listener::Plain { bootstrap.clone() } else { list(|ports| ports.internal) };
        for node in &nodes {
            node.start(&jars.broker());
        }
        let janitor = Some(janitor);
        let cluster = Cluster { bootstrap, internal, nodes, jars: None, directory, listener, ports, _janitor: janitor };
        cluster.await_ready(count)?;
        Ok(cluster)
    }

    /// Wait until every broker is in the metadata; the error is a node's log.
    pub(super) fn await_ready(&self, brokers: usize) -> Result<(), String> {
        let probe: BaseConsumer = self.admin_config().create().expect("create a client");
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(node) = self.nodes.iter().find(|node| node.has_exited()) {
                return Err(node.log());
            }
            let metadata = probe.fetch_metadata(None, Duration::from_millis(250));
            if metadata.is_ok_and(|metadata| metadata.brokers().len() == brokers)
                && probe.client().fetch_cluster_id(Duration::from_secs(1)).as_deref() == Some(CLUSTER_ID)
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.nodes[0].log());
            }
        }
    }

    /// `host:port`, several with commas, as `bootstrap.servers` wants it.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The nodes, for tests that kill them; none on an external cluster.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Start a node that was killed, on its old data and ports. Await what the test needs of it.
    pub(crate) fn restart(&self, node: &Node) {
        node.start(&self.jars.as_ref().expect("our own cluster").broker());
    }

    /// The same, with a limit on what any of its files may grow to, in bytes.
    pub(crate) fn restart_with_largest_file(&self, node: &Node, largest: u64) {
        node.start_with_largest_file(&self.jars.as_ref().expect("our own cluster").broker(), largest);
    }

    /// Write to a topic that lives on this node alone, until the node is gone.
    pub(crate) fn fill(&self, node: usize) {
        let name = self.unique("filler");
        let on = [node as i32 + 1];
        let replicas: [&[i32]; 1] = [&on];
        self.create_topic_named(&NewTopic::new(&name, 1, TopicReplication::Variable(&replicas)));
        let mut config = self.admin_config();
        config.set("message.timeout.ms", "2000").set("compression.type", "none");
        let producer: BaseProducer = config.create().expect("a producer");
        let payload = vec![b'x'; 900_000];
        let deadline = Instant::now() + START_LIMIT;
        while !self.nodes[node].has_exited() {
            assert!(Instant::now() < deadline, "it takes all the same");
            let _ = producer.send(BaseRecord::<(), [u8]>::to(&name).payload(&payload));
            producer.poll(Duration::from_millis(20));
        }
    }

    /// What a client of this cluster must set, without credentials.
    pub(crate) fn client(&self) -> ClientConfig {
        client_of(&self.bootstrap)
    }

    /// The same for one of the secured cluster's users: names and values as for `[kafka.properties]`.
    pub(crate) fn properties_as(&self, user: &str) -> Vec<(&'static str, String)> {
        assert!(self.listener == Listener::Secured, "only the secured cluster has users");
        vec![
            ("security.protocol", "SASL_SSL".to_owned()),
            ("ssl.ca.location", self.nodes[0].directory.join("ca.pem").display().to_string()),
            ("sasl.mechanism", "SCRAM-SHA-512".to_owned()),
            ("sasl.username", user.to_owned()),
            ("sasl.password", format!("{user}-secret")),
        ]
    }

    /// A client that signs in as one of the secured cluster's users.
    pub(crate) fn client_as(&self, user: &str) -> ClientConfig {
        let mut config = self.client();
        for (name, value) in self.properties_as(user) {
            config.set(name, value);
        }
        config
    }

    /// A client with every right.
    pub(crate) fn admin_config(&self) -> ClientConfig {
        client_of(&self.internal)
    }

    /// A name nobody else in this process or cluster uses, for topics, groups and transactional ids.
    pub(crate) fn unique(&self, name: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let run = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_millis() % 1_000_000_000;
        format!("{name}-{run}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Create a topic under a unique name, replicated on up to three nodes, and return the name.
    pub(crate) fn create_topic(&self, name: &str, partitions: i32) -> String {
        let name = self.unique(name);
        let replication = self.nodes.len().clamp(1, 3) as i32;
        self.create_topic_named(&NewTopic::new(&name, partitions, TopicReplication::Fixed(replication)));
        name
    }

    /// Create exactly this topic and await that metadata shows it with leaders.
    pub(crate) fn create_topic_named(&self, topic: &NewTopic<'_>) {
        self.create_topics(std::slice::from_ref(topic));
    }

    /// The same for many, at one time.
    pub(crate) fn create_topics(&self, topics: &[NewTopic<'_>]) {
        let admin: AdminClient<DefaultClientContext> = self.admin_config().create().expect("create an admin client");
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(60)));
        let results = block_on(admin.create_topics(topics, &options)).expect("create topics");
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => panic!("{name} was not created: {code}"),
            }
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        for topic in topics {
            loop {
                let metadata =
                    admin.inner().fetch_metadata(Some(topic.name), Duration::from_secs(5)).expect("fetch metadata");
                let partitions = metadata.topics()[0].partitions();
                if partitions.len() as i32 == topic.num_partitions && partitions.iter().all(|p| p.leader() >= 0) {
                    break;
                }
                assert!(Instant::now() < deadline, "{} got no leaders", topic.name);
                std::thread::yield_now();
            }
        }
    }

    /// A directory with `kafka-topics.sh` and `kafka-acls.sh`, as Kafka's own bin directory has them, of our own version.
    pub(crate) fn scripts(&self) -> PathBuf {
        let jars = self.jars.as_ref().expect("our own cluster");
        let acls =
            if jars.version.starts_with("3.") { "kafka.admin.AclCommand" } else { "org.apache.kafka.tools.AclCommand" };
        let directory = self.directory.join("bin");
        fs::create_dir_all(&directory).expect("create a directory");
        for (name, class) in [("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"), ("kafka-acls.sh", acls)] {
            let java = jars.java();
            let words = std::iter::once(java.get_program()).chain(java.get_args());
            let quoted: Vec<_> = words.map(|word| format!("'{}'", word.display())).collect();
            let script = format!("#!/bin/sh\nexec {} {class} \"$@\"\n", quoted.join(" "));
            let path = directory.join(name);
            fs::write(&path, script).expect("write a script");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("make it executable");
        }
        directory
    }

    /// Have Kafka's own console producer, a Java client, write an empty record for each key. `false` without our own jars.
    pub(crate) fn produce_with_java(&self, topic: &str, keys: &[String]) -> bool {
        let Some(jars) = &self.jars else { return false };
        let class = if jars.version.starts_with("3.") {
            "kafka.tools.ConsoleProducer"
        } else {
            "org.apache.kafka.tools.ConsoleProducer"
        };
        let mut java = jars.java();
        java.args([class, "--bootstrap-server", &self.internal, "--topic", topic]);
        java.args(["--property", "parse.key=true", "--property", "key.separator=\t"]);
        let mut child = java.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("java");
        let lines: String = keys.iter().map(|key| format!("{key}\t\n")).collect();
        child.stdin.take().expect("stdin is piped").write_all(lines.as_bytes()).expect("write the keys");
        assert!(child.wait().expect("wait for java").success(), "the console producer failed");
        true
    }

    /// Where a super user finds the cluster: without TLS also on the secured one.
    pub(crate) fn internal_bootstrap(&self) -> &str {
        &self.internal
    }

    /// Whether all nodes are there and every partition of every topic has a leader and all its replicas in sync.
    pub(crate) fn is_whole(&self) -> bool {
        let client: BaseConsumer = self.admin_config().create().expect("create a client");
        let Ok(metadata) = client.fetch_metadata(None, Duration::from_secs(2)) else { return false };
        let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        metadata.brokers().len() == self.nodes.len()
            && partitions.all(|partition| partition.leader() > 0 && partition.isr().len() == partition.replicas().len())
    }

    /// Whether every partition of this topic acknowledges a record on all replicas that must have it, and the next one
    /// promptly: within half the time at which the gateway takes a partition for away. Brokers that have just started are
    /// slow with anybody's records for a while, and are not back before that is over.
    pub(crate) fn takes_records(&self, topic: &str) -> bool {
        const PROMPTLY: Duration = Duration::from_millis(500);
        let mut config = self.admin_config();
        config.set("acks", "all").set("message.timeout.ms", "3000");
        let producer: BaseProducer<Acknowledged> =
            config.create_with_context(Acknowledged::default()).expect("a producer");
        let partitions = self.partition_count(topic);
        let takes = |expected: i32| {
            for partition in 0..partitions {
                let record = BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(b"");
                if producer.send(record).is_err() {
                    return false;
                }
            }
            let _ = producer.flush(Duration::from_secs(4));
            producer.context().0.load(Ordering::Relaxed) == expected as u32
        };
        // The first ones also wait for connections and for where the leaders are.
        let first = takes(partitions);
        let start = Instant::now();
        first && takes(2 * partitions) && start.elapsed() < PROMPTLY
    }

    /// Which node leads this partition, as an index of [`Cluster::nodes`].
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Option<usize> {
        let client: BaseConsumer = self.admin_config().create().expect("create a client");
        let metadata = client.fetch_metadata(Some(topic), Duration::from_secs(10)).ok()?;
        let partition = metadata.topics().first()?.partitions().iter().find(|other| other.id() == partition)?;
        usize::try_from(partition.leader() - 1).ok()
    }

    /// Where a proxy for each node listens, and where it forwards to.
    pub(crate) fn proxied(&self) -> Vec<(u16, u16)> {
        self.ports.iter().map(|ports| (ports.client, ports.behind)).collect()
    }

    /// Run one of Kafka's own tools against the cluster and return what it prints.
    pub(crate) fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let mut java = self.jars.as_ref().expect("our own cluster").java();
        java.args([class, "--bootstrap-server", &self.internal]).args(arguments).stdin(Stdio::null());
        let output = java.output().expect("run java");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{class} {arguments:?}: {said}");
        said
    }

    /// The version of our own nodes.
    pub(crate) fn version(&self) -> Option<&'static str> {
        self.jars.as_ref().map(|jars| jars.version)
    }

    /// A place for the test's files, removed with the cluster's.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Counts the records that were acknowledged.
#[derive(Default)]
struct Acknowledged(AtomicU32);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.0.fetch_add(u32::from(result.is_ok()), Ordering::Relaxed);
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the tests look at Kafka with clients of their own, not with hookstream's"
)]
fn client_of(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

/// Remove the directory when this process ends, however it ends. The nodes are being killed at the same moment.
fn remove_at_end(directory: &Path) -> ChildStdin {
    Command::new("sh")
        .args(["-c", r#"read -r _; while [ -e "$1" ]; do rm -rf "$1" || sleep 0.2; done"#, "sh"])
        .arg(directory)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("start sh")
        .stdin
        .take()
        .expect("stdin is piped")
}

/// Wait for one of the admin client's futures, also from inside a tokio test.
pub(crate) fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        scope.spawn(move || runtime.block_on(future)).join().expect("the future panicked")
    })
}
