//! What can go wrong on the way into Kafka, by the decision that follows.

use rdkafka::error::RDKafkaErrorCode;

use super::ffi::Persistence;

/// Why a record was not even handed to the client. The provider is told to send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProduceError {
    /// The topic's partitions are not known (yet): Kafka was never seen, or the topic does not exist.
    #[error("the topic's partitions are not known")]
    TopicUnknown,
    /// The partition's breaker is open: Kafka has not answered for it lately.
    #[error("kafka does not answer for this partition")]
    BreakerOpen,
    /// The client's queue is full.
    #[error("the producer's queue is full")]
    QueueFull,
    /// The client takes nothing more after an error that it cannot recover from; another one is about to take over.
    #[error("the producer failed; another one takes over")]
    ClientFailed,
    /// The client refused the record; the code says why.
    #[error("the producer refused the record: {0}")]
    Refused(Refusal),
}

impl ProduceError {
    /// The metric label and log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TopicUnknown => "topic_unknown",
            Self::BreakerOpen => "breaker_open",
            Self::QueueFull => "queue_full",
            Self::ClientFailed => "client_failed",
            Self::Refused(refusal) => refusal.as_str(),
        }
    }
}

/// Why Kafka will not take a record now or ever; sending it again as it is does not help before somebody acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Larger than the topic or broker lets through.
    #[error("record too large for the topic; raise max.message.bytes (`hookstream topics apply`)")]
    TooLarge,
    /// The credentials may not write there.
    #[error("not authorised to write to the topic; see `hookstream topics list --as json` for the ACLs needed")]
    NotAuthorised,
    /// There is no such topic or partition.
    #[error("no such topic; create it with `hookstream topics apply`")]
    NoTopic,
    /// Its time lies too far from the broker's clock: one of the two clocks is wrong.
    #[error("its time lies too far from the broker's clock; compare the clocks of this machine and of the brokers")]
    Timestamp,
    /// Anything else that a retry does not change.
    #[error("refused by the broker")]
    Other,
}

impl Refusal {
    /// The metric label and log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotAuthorised => "not_authorised",
            Self::NoTopic => "no_topic",
            Self::Timestamp => "invalid_timestamp",
            Self::Other => "refused",
        }
    }
}

/// A record that was handed over and then not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// Whether it may stand in the log all the same.
    pub persistence: Persistence,
    /// Set when no retry will help; such failures do not open the breaker.
    pub refusal: Option<Refusal>,
}

impl DeliveryFailure {
    /// Everything that [`DeliveryFailure::as_str`] can say.
    pub(super) const NAMES: [&str; 7] = [
        "possibly_persisted",
        "not_persisted",
        "too_large",
        "not_authorised",
        "no_topic",
        "invalid_timestamp",
        "refused",
    ];

    /// The metric label and log field.
    pub fn as_str(self) -> &'static str {
        match (self.refusal, self.persistence) {
            (Some(refusal), _) => refusal.as_str(),
            (None, Persistence::NotPersisted) => "not_persisted",
            (None, Persistence::PossiblyPersisted | Persistence::Persisted) => "possibly_persisted",
        }
    }
}

/// The refusal that a broker's or client's code stands for; `None` for what may pass by itself.
pub(super) fn refusal(code: RDKafkaErrorCode) -> Option<Refusal> {
    match code {
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize => Some(Refusal::TooLarge),
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            Some(Refusal::NotAuthorised)
        }
        RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownPartition => Some(Refusal::NoTopic),
        RDKafkaErrorCode::InvalidTimestamp => Some(Refusal::Timestamp),
        RDKafkaErrorCode::InvalidTopic | RDKafkaErrorCode::InvalidRecord | RDKafkaErrorCode::PolicyViolation => {
            Some(Refusal::Other)
        }
        _ => None,
    }
}
