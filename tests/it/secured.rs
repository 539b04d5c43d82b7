//! serve, enrich and topics on a cluster with TLS, passwords and ACLs: under exactly the rights that `topics list --as`
//! prints, put there by running what it prints.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use hookstream::config::Config;
use hookstream::enrich::{self, Progress};
use hookstream::gateway::{self, Gateway, Listeners};
use hookstream::http::{Lanes, Phase};
use hookstream::kafka::acl;
use hookstream::kafka::admin::Admin;
use hookstream::kafka::print::{Language, print};
use hookstream::kafka::topics::{Listed, State, desired};
use hookstream::shutdown::Shutdown;
use hookstream::telemetry::Metrics;
use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use tokio::sync::watch;

use crate::support::kafka::{self, Cluster, Isolation, LARGEST_REQUEST, PATIENCE, await_that, block_on};

const SECRET: &str = "of the sender";

/// The configuration as one of the users has it.
fn config(kafka: &Cluster, prefix: &str, user: &str) -> Config {
    Config::parse(Path::new("hookstream.toml"), &text(kafka, prefix, user), []).unwrap()
}

/// Its text.
fn text(kafka: &Cluster, prefix: &str, user: &str) -> String {
    let secret = kafka.directory().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let mut text = format!(
        r#"
[gateway]
listen = "127.0.0.1:0"
drain_delay = "0s"
[sources.shop]
provider = "generic"
secrets = ["file:{}"]
event = {{ id = "/id" }}
[kafka]
bootstrap_servers = "{}"
[kafka.topics]
prefix = "{prefix}."
replication = 1
partitions = 2
[kafka.properties]
"#,
        secret.display(),
        kafka.bootstrap()
    );
    for (name, mut value) in kafka.properties_as(user) {
        if name == "sasl.password" {
            let file = secret.with_file_name(format!("{user}.password"));
            std::fs::write(&file, &value).unwrap();
            value = format!("file:{}", file.display());
        }
        writeln!(text, "{name} = {value:?}").unwrap();
    }
    text
}

/// Run the printed script with Kafka's own tools, as whoever administers the cluster.
fn run_what_is_printed(kafka: &Cluster, script: &str) {
    let path = format!("{}:{}", kafka.scripts().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh")
        .env("PATH", path)
        .env("BOOTSTRAP", kafka.internal_bootstrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", String::from_utf8_lossy(&output.stdout));
}

fn deliver(gateway: SocketAddr, body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let mut stream = TcpStream::connect(gateway).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /webhooks/shop HTTP/1.1\r\nHost: x\r\nX-Signature: {signature}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn all_work_under_exactly_the_printed_rights() {
    let Some(kafka) = kafka::secured() else { return };
    let prefix = kafka.unique("secured");
    let config = |user| config(kafka, &prefix, user);
    let topics = desired(&config("nobody"));
    let acls = acl::needed(&config("nobody"), &topics);
    run_what_is_printed(kafka, &print(Language::KafkaTopics, "nowhere:1", &topics, &acls));

    // The printed topics are the wanted ones, and the user for topics may see and alter them.
    let admin = Admin::new(&config("hookstream-topics").kafka).unwrap();
    let listed = block_on(admin.list(topics.clone())).unwrap();
    assert!(listed.iter().all(|listed| listed.state == State::Present(vec![])), "{listed:#?}");
    let mut larger = topics.clone();
    larger[0].settings.insert("max.message.bytes", "9000000".to_owned());
    let applied = block_on(admin.apply(larger)).unwrap();
    assert_eq!(applied[0].altered, ["max.message.bytes"], "{applied:#?}");
    // Whoever may write to them knows that they are there, and not how they are set.
    let writer = Admin::new(&config("hookstream-serve").kafka).unwrap();
    let seen = block_on(writer.list(topics.clone())).unwrap();
    let whats = |listed: &Listed| match &listed.state {
        State::Missing => vec!["missing"],
        State::Present(differences) => differences.iter().map(|difference| difference.what).collect(),
    };
    assert_eq!(seen.iter().map(whats).filter(|whats| *whats == ["settings"]).count(), 2, "{seen:#?}");
    assert_eq!(seen.iter().map(whats).filter(|whats| *whats == ["missing"]).count(), 5, "{seen:#?}");
    // Whoever sets them up is told the brokers' limits too.
    let [(result, detail)] = &*said_of_brokers(&text(kafka, &prefix, "hookstream-topics")) else { panic!("one row") };
    assert!(result == "ok" && detail.contains(&format!("up to {LARGEST_REQUEST} bytes")), "{result} {detail}");
    // Nobody else may so much as see them.
    let nobody = Admin::new(&config("nobody").kafka).unwrap();
    assert!(block_on(nobody.list(topics)).unwrap().iter().all(|listed| listed.state == State::Missing));

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let shutdown = Shutdown::default();
    let (serving, enriching) = {
        let _inside = runtime.enter();
        let (serve, metrics) = (config("hookstream-serve"), Metrics::new().unwrap());
        let gateway = Gateway::start(&serve, &metrics).unwrap();
        let public = runtime.block_on(gateway::bind(serve.gateway.listen)).unwrap();
        let address = public.local_addr().unwrap();
        let listeners =
            Listeners { public, tls: None, phase: watch::Sender::new(Phase::Serving), lanes: Lanes::start().unwrap() };
        let stop = shutdown.clone();
        let serving = runtime.spawn(async move { gateway::serve(gateway, &serve, listeners, &metrics, stop).await });
        let stop = shutdown.clone();
        let enrich = config("hookstream-enrich");
        let enriching = runtime.spawn(async move {
            enrich::run(&enrich, &Metrics::new().unwrap(), Arc::new(Progress::default()), stop).await
        });
        await_that("an event is accepted", || deliver(address, r#"{"id":"first"}"#).contains("\"accepted\""));
        assert!(deliver(address, r#"{"id":"second"}"#).contains("\"accepted\""));
        assert!(deliver(address, r#"{"id":"unreadable", "a":1, "a":2}"#).starts_with("HTTP/1.1 200"));
        (serving, enriching)
    };

    let keys = |topic: &str, count| -> Vec<String> {
        let seen = kafka.read(&format!("{prefix}.{topic}"), Isolation::Committed, count);
        let mut keys: Vec<_> = seen.into_iter().map(|seen| String::from_utf8(seen.key.unwrap()).unwrap()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys("webhooks.shop.enriched", 2), ["first", "second"]);
    assert_eq!(keys("hookstream.dead-letter", 1).len(), 1);
    shutdown.request();
    assert_eq!(runtime.block_on(serving).unwrap(), gateway::Rest::default(), "everything was acknowledged");
    runtime.block_on(enriching).unwrap().unwrap();
}

/// What `hookstream check` says of the brokers: result and detail.
fn said_of_brokers(text: &str) -> Vec<(String, String)> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hookstream.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookstream"));
    let output = command.arg("--config").arg(&file).args(["check", "--json"]).output().unwrap();
    let rows = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let rows = rows.map(|line| serde_json::from_slice::<Value>(line).unwrap()).filter(|row| row["what"] == "brokers");
    let of = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    rows.map(|row| (of(&row, "result"), of(&row, "detail"))).collect()
}

#[test]
fn check_compares_the_largest_record_with_what_the_brokers_read() {
    let Some(kafka) = kafka::secured() else { return };
    let prefix = kafka.unique("limits");
    let as_user = text(kafka, &prefix, "nobody");
    // Where nobody needs to sign in, everybody may ask.
    let (plain, _) = as_user.split_once("[kafka.properties]").unwrap();
    let plain = plain.replace(kafka.bootstrap(), kafka.internal_bootstrap());
    let large = plain.replace("[sources.shop]", "[sources.shop]\nmax_body = \"3MiB\"");

    let [(result, detail)] = &*said_of_brokers(&plain) else { panic!("one row") };
    assert!(result == "ok" && detail.contains(&format!("up to {LARGEST_REQUEST} bytes")), "{result} {detail}");
    assert!(
        detail.contains("message.max.bytes is 1048588, which max.message.bytes of the topics replaces"),
        "{detail}"
    );
    let [(result, detail)] = &*said_of_brokers(&large) else { panic!("one row") };
    let wanted = format!("socket.request.max.bytes is {LARGEST_REQUEST} on broker 1, and a record of");
    assert!(result == "WRONG" && detail.starts_with(&wanted) && detail.contains("lower max_body"), "{result} {detail}");
    let [(result, detail)] = &*said_of_brokers(&as_user) else { panic!("one row") };
    assert!(
        result == "note" && detail.ends_with("this user lacks DescribeConfigs on the cluster"),
        "{result} {detail}"
    );
}

/// Why `check` calls it wrong: the topic has room for the record, and it is never stored.
#[test]
fn a_request_beyond_what_a_broker_reads_is_never_answered() {
    let Some(kafka) = kafka::secured() else { return };
    let topic = kafka.unique("room");
    let settings = NewTopic::new(&topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "9000000");
    kafka.create_topic_named(&settings);
    let mut client = kafka.admin_config();
    client.set("message.max.bytes", "9000000").set("message.timeout.ms", "3000").set("compression.type", "none");
    let producer: BaseProducer = client.create().unwrap();
    for length in [LARGEST_REQUEST - 1_000, LARGEST_REQUEST + 1] {
        producer
            .send(BaseRecord::to(&topic).key("k").payload(&vec![b'x'; length]))
            .map_err(|(error, _)| error)
            .unwrap();
        let sent = Instant::now();
        producer.flush(PATIENCE).unwrap();
        // No refusal: it is tried again until its time is over.
        assert_eq!(sent.elapsed() >= Duration::from_secs(3), length > LARGEST_REQUEST, "{:?}", sent.elapsed());
    }
    assert_eq!(kafka.read_all(&topic, Isolation::Uncommitted).len(), 1);
}
