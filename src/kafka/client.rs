//! Every setting of every client, with its why.

use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use crate::config::KafkaConfig;

/// What a client is for; decides its settings.
#[derive(Clone, Copy, Debug)]
pub enum Role<'a> {
    /// Writes records that a 2xx rests on, outside of transactions.
    Producer,
    /// Writes in transactions: the enricher.
    Transactional {
        /// The transactional id: one per instance, the same after a restart.
        id: &'a str,
    },
    /// Reads as a member of a group: the enricher.
    Group {
        /// The consumer group.
        group: &'a str,
    },
    /// Reads assigned partitions, committed records only.
    Reader,
    /// Reads assigned partitions, uncommitted records too.
    UncommittedReader,
    /// Creates and describes topics.
    Admin,
}

/// The largest record or answer of any client, in bytes: far above what topics let through, which is what binds.
const LARGEST_MESSAGE: &str = "200000000";

/// How long one produce request may stay unanswered before its connection is given up, in milliseconds.
const SOCKET_TIMEOUT_MS: &str = "6000";

/// How long a message may stay in the client, in milliseconds. Far above the HTTP deadline on purpose: a message that
/// times out in flight makes librdkafka close the connection and start a new epoch, which hurts its neighbours.
pub const MESSAGE_TIMEOUT_MS: u64 = 30_000;

/// How long a transaction may stay open before the broker aborts it: what a crash costs a
/// read_committed reader at most.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);

/// The configuration of a client.
///
/// # Errors
/// The property whose secret cannot be fetched.
pub fn client_config(kafka: &KafkaConfig, role: Role<'_>) -> Result<ClientConfig, String> {
    #[allow(clippy::disallowed_methods)] // this is the place
    let mut config = ClientConfig::new();
    let mut set = |pairs: &[(&str, &str)]| {
        for (key, value) in pairs {
            config.set(*key, *value);
        }
    };
    set(&[
        ("client.id", "hookstream"),
        // NAT and load balancers drop idle connections without a word.
        ("socket.keepalive.enable", "true"),
        ("socket.timeout.ms", SOCKET_TIMEOUT_MS),
        ("socket.connection.setup.timeout.ms", "3000"),
        // Back within a second of the broker's return.
        ("reconnect.backoff.ms", "50"),
        ("reconnect.backoff.max.ms", "1000"),
        ("topic.metadata.refresh.interval.ms", "30000"),
        // A typo would otherwise create a topic with one replica.
        ("allow.auto.create.topics", "false"),
        // Faults are reported through the error callback and the metrics; the log repeats them per broker.
        ("log.connection.close", "false"),
    ]);
    let side = match role {
        Role::Producer | Role::Transactional { .. } => {
            set(&[
                ("acks", "all"),
                ("enable.idempotence", "true"),
                ("max.in.flight.requests.per.connection", "5"),
                // A lone event waits one millisecond for company; 0 doubles the CPU per event, 5 adds 4 ms to each.
                ("linger.ms", "1"),
                ("compression.type", "lz4"),
                // Memory of what Kafka has not taken yet; beyond it the gateway answers 503 at once.
                ("queue.buffering.max.kbytes", "131072"),
                ("queue.buffering.max.messages", "100000"),
                // Room for the largest body any source may take; the topic's own limit is what binds.
                ("message.max.bytes", LARGEST_MESSAGE),
            ]);
            Some(&kafka.producer)
        }
        Role::Group { .. } | Role::Reader | Role::UncommittedReader => {
            set(&[
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                ("auto.offset.reset", "earliest"),
                // Bounds what is fetched ahead; the default of 64 MiB is per consumer and hidden.
                ("queued.max.messages.kbytes", "16384"),
                ("fetch.message.max.bytes", "8388608"),
                ("fetch.wait.max.ms", "100"),
                // A record larger than a fetch comes alone; the answer must still fit.
                ("receive.message.max.bytes", LARGEST_MESSAGE),
            ]);
            Some(&kafka.consumer)
        }
        Role::Admin => None,
    };
    match role {
        Role::Producer => set(&[("message.timeout.ms", &MESSAGE_TIMEOUT_MS.to_string())]),
        Role::Transactional { id } => set(&[
            ("transactional.id", id),
            ("transaction.timeout.ms", &TRANSACTION_TIMEOUT.as_millis().to_string()),
            // Must end before the transaction does, or a late message would fall into nothing.
            ("message.timeout.ms", "10000"),
        ]),
        Role::Group { group } => set(&[
            ("group.id", group),
            ("isolation.level", "read_committed"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            // Above the transaction timeout: an owner is fenced before its partitions go to another.
            ("session.timeout.ms", "30000"),
            ("heartbeat.interval.ms", "3000"),
        ]),
        // librdkafka wants a group even where none is joined.
        Role::Reader => set(&[("group.id", "hookstream-reader"), ("isolation.level", "read_committed")]),
        Role::UncommittedReader => set(&[("group.id", "hookstream-reader"), ("isolation.level", "read_uncommitted")]),
        Role::Admin => {}
    }
    config.set("bootstrap.servers", &kafka.bootstrap_servers);
    for properties in std::iter::once(&kafka.properties).chain(side) {
        for (name, value) in properties.resolve()? {
            config.set(name, value);
        }
    }
    config.set_log_level(RDKafkaLogLevel::Warning);
    if let Role::Producer = role {
        // A few lines whenever something goes wrong: `deliveries` looks for new epochs in them.
        let debug = config.get("debug").map_or_else(|| "eos".to_owned(), |wanted| format!("{wanted},eos"));
        config.set("debug", debug).set_log_level(RDKafkaLogLevel::Debug);
    }
    Ok(config)
}
