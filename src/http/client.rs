//! What every HTTPS client of ours shares.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

pub use reqwest::Client;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Choose the crypto of TLS: ring, which builds with a C compiler alone. Calling it again changes nothing.
pub fn install_crypto() {
    // An error means that one was installed before: then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client for the providers' APIs.
///
/// # Errors
/// The system's certificates cannot be read.
pub fn client() -> Result<Client, String> {
    install_crypto();
    Client::builder()
        .user_agent(concat!("hookstream/", env!("CARGO_PKG_VERSION")))
        // A redirect or a proxy from the environment could lead the credentials anywhere.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(Duration::from_secs(30))
        .build()
        .map_err(|error| format!("the client for the providers' APIs: {error}"))
}

/// Why a body could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is larger than it may be.
    TooLarge,
    /// It does not unpack.
    Encoding,
    /// The connection broke.
    Broken,
}

/// Read a body, decompressed, up to a limit. The client decompresses in small steps, so a small body that unpacks to a
/// huge one is noticed before it is held.
///
/// # Errors
/// See [`Unread`].
pub async fn read(mut response: reqwest::Response, limit: usize) -> Result<Bytes, Unread> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => return Err(Unread::TooLarge),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body.freeze()),
            Err(error) if error.is_decode() => return Err(Unread::Encoding),
            Err(_) => return Err(Unread::Broken),
        }
    }
}
