//! The enricher against real Kafka and an API of our own.

mod answers;
mod kills;
mod kinds;
