//! HTTP without meaning: an accept loop with timers, limits, TLS and drain, request ids, and the operators' listener.

pub mod admin;
pub mod client;
mod door;
mod ending;
mod lanes;
mod pace;
mod public;
mod request_id;
mod server;
mod tls;
mod validity;

pub use lanes::{Lanes, work};
pub use public::is_public;
pub use request_id::{HEADER as REQUEST_ID, RequestId};
pub use server::{BACKLOG, Connections, Handler, Handshakes, Limits, Peer, Phase, serve};
pub use tls::{Identity, Tls};
