//! A stand-in for Kafka in this process: librdkafka's mock cluster behind a fixed port that outside clients can reach.
//!
//! It forgets everything at the end, keeps about 5 MiB per partition, and its transactions isolate nothing. For `dev`
//! and quick tests only.

use std::net::SocketAddr;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::context::LoggingContext;
use super::ffi;

/// How long to rest when a connection cannot be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The number of the only broker.
const BROKER: i32 = 1;

/// A running stand-in. Dropped, it ends.
pub struct StandIn {
    cluster: BaseProducer<LoggingContext>,
    address: SocketAddr,
    forwarder: tokio::task::JoinHandle<()>,
}

impl StandIn {
    /// Start it behind a listener; clients are told the listener's address. The runtime must go on running.
    ///
    /// # Errors
    /// librdkafka cannot start its mock cluster, or the listener has no address.
    pub fn start(listener: TcpListener) -> Result<Self, String> {
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        #[allow(clippy::disallowed_methods)] // not a client of a cluster: it is the cluster
        let mut config = ClientConfig::new();
        config.set("test.mock.num.brokers", BROKER.to_string());
        let cluster: BaseProducer<LoggingContext> =
            config.create_with_context(LoggingContext).map_err(|error| format!("kafka stand-in: {error}"))?;
        let mock = cluster.client().mock_cluster().ok_or("kafka stand-in: librdkafka has no mock cluster")?;
        let inner: SocketAddr = mock.bootstrap_servers().parse().map_err(|error| format!("kafka stand-in: {error}"))?;
        drop(mock);
        ffi::arrange_mock(cluster.client(), BROKER, address);
        let forwarder = tokio::spawn(forward(listener, inner));
        Ok(Self { cluster, address, forwarder })
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Create a topic; one that exists stays as it is.
    ///
    /// # Errors
    /// librdkafka refuses the name.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), String> {
        let mock = self.cluster.client().mock_cluster().ok_or("kafka stand-in: gone")?;
        match mock.create_topic(topic, partitions, 1) {
            Ok(()) | Err(KafkaError::Global(RDKafkaErrorCode::TopicAlreadyExists)) => Ok(()),
            Err(error) => Err(format!("kafka stand-in: topic {topic}: {error}")),
        }
    }
}

#[cfg(test)]
impl StandIn {
    /// Answer each request this late, and the next produce request with "too few replicas in sync".
    pub(super) fn refuse_once(&self, late: Duration) {
        use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
        let mock = self.cluster.client().mock_cluster().expect("it runs");
        mock.broker_round_trip_time(BROKER, late).expect("a delay");
        mock.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS]);
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

async fn forward(listener: TcpListener, inner: SocketAddr) {
    loop {
        let Ok((mut outside, _)) = listener.accept().await else {
            // Out of descriptors, mostly; others may close theirs.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        tokio::spawn(async move {
            let Ok(mut inside) = TcpStream::connect(inner).await else { return };
            let _ = (outside.set_nodelay(true), inside.set_nodelay(true));
            // A connection that ends with an error has ended.
            let _ = copy_bidirectional(&mut outside, &mut inside).await;
        });
    }
}
