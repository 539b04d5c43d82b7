//! The seam between keys and the network: what is asked and what can go wrong. Tests put a network of their own here.

use std::pin::Pin;

use url::Url;

use crate::config::Secret;

/// One request: a GET, or a POST where there is a body.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The address; https, built by us or allowed by the provider file.
    pub url: Url,
    /// JSON with credentials.
    pub body: Option<Secret>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, an address that is not public, or TLS that is not the host's.
    Unreachable,
    /// It took too long.
    TimedOut,
    /// Another status than 200; redirects are not followed.
    Status,
    /// Longer than any key.
    TooLarge,
}

impl Failure {
    /// For the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "the host cannot be reached",
            Self::TimedOut => "the host did not answer in time",
            Self::Status => "the host answered with another status than 200",
            Self::TooLarge => "the answer is too large",
        }
    }
}

/// An answer on its way.
pub type Fetching = Pin<Box<dyn Future<Output = Result<Vec<u8>, Failure>> + Send>>;

/// Asks hosts for keys and confirms subscriptions.
pub trait Transport: Send + Sync {
    /// Start one request. Nothing is sent before the answer is awaited.
    fn fetch(&self, ask: Ask) -> Fetching;
}
