//! The settings of a test node, and the certificate and users of the secured cluster.

use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// The users of the secured cluster (SCRAM-SHA-512); the password is the name and `-secret`.
pub(crate) const USERS: [&str; 4] = ["hookstream-serve", "hookstream-enrich", "hookstream-topics", "nobody"];

/// The largest request that the secured cluster reads, in bytes; other clusters have Kafka's default of 100 MiB.
pub(crate) const LARGEST_REQUEST: usize = 4_000_000;

/// How clients reach a cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listener {
    /// In the clear.
    Plain,
    /// SASL_SSL, users and ACLs.
    Secured,
    /// In the clear, through whatever stands on the advertised port and forwards to [`Ports::behind`].
    Proxied,
}

/// The ports of one node. `client` is what clients are told; `internal` is a plaintext listener for the nodes and the test
/// itself, of the secured and the proxied cluster; `behind` is where a proxied node listens for what comes through `client`.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) client: u16,
    pub(super) controller: u16,
    pub(super) internal: u16,
    pub(super) behind: u16,
}

impl Ports {
    /// Ports that are free now. Another process may take one before Kafka binds it: then Kafka
    /// exits and the cluster is started again with others.
    pub(super) fn pick() -> Ports {
        Ports { client: free_port(), controller: free_port(), internal: free_port(), behind: free_port() }
    }
}

/// Below the range from which the kernel gives ports to outgoing connections, so that a killed node finds its port again.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Far from those of a process that was started beside this one.
    let start = (std::process::id() % 24) as u16 * 500;
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// `server.properties` of node `index` (from 0) of a cluster with these ports.
pub(super) fn server_properties(index: usize, ports: &[Ports], directory: &Path, listener: Listener) -> String {
    let Ports { client, controller, internal, behind } = ports[index];
    let replication = ports.len().min(3);
    let in_sync = replication.div_ceil(2);
    let mut voters = String::new();
    for (node, ports) in ports.iter().enumerate() {
        let comma = if node == 0 { "" } else { "," };
        write!(voters, "{comma}{}@127.0.0.1:{}", node + 1, ports.controller).unwrap();
    }
    let mut text = format!(
        "process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor={replication}
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor={replication}
transaction.state.log.min.isr={in_sync}
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=6000
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=4
",
        id = index + 1,
        data = directory.join("data").display(),
    );
    let listeners = match listener {
        Listener::Secured => format!(
            "listeners=SASL_SSL://127.0.0.1:{client},INTERNAL://127.0.0.1:{internal},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=SASL_SSL:SASL_SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INTERNAL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PKCS12
ssl.keystore.location={keystore}
ssl.keystore.password={KEYSTORE_PASSWORD}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
socket.request.max.bytes={LARGEST_REQUEST}
",
            keystore = keystore(directory).display(),
        ),
        Listener::Plain => format!(
            "listeners=PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
"
        ),
        Listener::Proxied => format!(
            "listeners=PLAINTEXT://127.0.0.1:{behind},INTERNAL://127.0.0.1:{internal},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{client},INTERNAL://127.0.0.1:{internal}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INTERNAL
"
        ),
    };
    text.push_str(&listeners);
    text
}

const KEYSTORE_PASSWORD: &str = "only-for-tests";

fn keystore(directory: &Path) -> std::path::PathBuf {
    directory.join("keystore.p12")
}

/// Make the node's key and self-signed certificate; `ca.pem` beside it is what clients trust.
pub(super) fn create_certificate(directory: &Path) {
    let keystore = keystore(directory);
    keytool(
        &keystore,
        &["-genkeypair", "-alias", "node", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "2"],
        &["-dname", "CN=hookstream test", "-ext", "BC=ca:true", "-ext", "SAN=IP:127.0.0.1,DNS:localhost"],
    );
    let pem = keytool(&keystore, &["-exportcert", "-rfc", "-alias", "node"], &[]);
    fs::write(directory.join("ca.pem"), pem).expect("write ca.pem");
}

fn keytool(keystore: &Path, command: &[&str], more: &[&str]) -> Vec<u8> {
    let output = Command::new("keytool")
        .args(command)
        .args(["-storetype", "PKCS12", "-storepass", KEYSTORE_PASSWORD, "-keystore"])
        .arg(keystore)
        .args(more)
        .stdin(Stdio::null())
        .output()
        .expect("run keytool");
    assert!(output.status.success(), "keytool: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The arguments with which `StorageTool format` creates the users.
pub(super) fn scram_arguments() -> Vec<String> {
    USERS
        .iter()
        .flat_map(|user| ["--add-scram".to_owned(), format!("SCRAM-SHA-512=[name={user},password={user}-secret]")])
        .collect()
}
