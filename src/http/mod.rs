//! HTTP without meaning: an accept loop with timers, limits and drain, request ids, and the operators' listener.

pub mod admin;
pub mod client;
mod public;
mod request_id;
mod server;

pub use public::is_public;
pub use request_id::{HEADER as REQUEST_ID, RequestId};
pub use server::{Connections, Handler, Limits, Phase, serve};
