//! `hookstream serve`, seen from outside: what is let in, what is refused and how, what arrives in Kafka, and what
//! happens when Kafka, a client or the process itself goes away.

mod admission;
mod delivery;
mod encodings;
mod explain;
mod hostile;
mod hung_up;
mod inquiry;
mod kept_aside;
mod keys;
mod lifecycle;
mod lifecycle_backlog;
mod oversize;
mod records;
mod redeliveries;
mod reload;
mod secrets;
mod spool;
mod stored;
mod tls;
mod vectors;
