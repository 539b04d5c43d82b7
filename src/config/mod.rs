//! The configuration file and what it holds.

mod secret;

pub use secret::Secret;
