//! The real network: HTTPS to public addresses, without redirects and proxies, bounded in size.

use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::transport::{Ask, Failure, Fetching, Transport};
use crate::http::client::install_crypto;
use crate::http::is_public;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);

/// The largest answer, in bytes. Microsoft's key sets have about 20 KiB.
const LARGEST: usize = 256 << 10;

/// The client for keys.
#[derive(Clone, Debug)]
pub struct Https {
    client: reqwest::Client,
}

impl Https {
    /// A client.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn new() -> Result<Self, String> {
        install_crypto();
        let client = reqwest::Client::builder()
            .user_agent(concat!("hookstream/", env!("CARGO_PKG_VERSION")))
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(Duration::from_secs(30))
            .dns_resolver(PublicOnly)
            .build()
            .map_err(|error| format!("the client for keys: {error}"))?;
        Ok(Self { client })
    }
}

impl Transport for Https {
    fn fetch(&self, ask: Ask) -> Fetching {
        let request = match &ask.body {
            None => self.client.get(ask.url.clone()),
            Some(body) => {
                self.client.post(ask.url.clone()).header(CONTENT_TYPE, "application/json").body(body.expose().to_vec())
            }
        };
        let request = request.header(ACCEPT, "*/*");
        Box::pin(async move {
            let mut response = request.send().await.map_err(|_| Failure::Unreachable)?;
            if response.status() != StatusCode::OK || response.url() != &ask.url {
                return Err(Failure::Status);
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|_| Failure::Unreachable)? {
                if body.len() + chunk.len() > LARGEST {
                    return Err(Failure::TooLarge);
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        })
    }
}

/// Resolves as the system does and leaves out what is not on the public internet: the name of a provider that leads
/// into our own network was put there by somebody else. The client connects to what is left and asks no second time.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public = public(found)?;
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn public(found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, &'static str> {
    let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
    if public.is_empty() { Err("the name leads to no public address") } else { Ok(public) }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{Ask, Failure, Https, Transport, public};

    #[test]
    fn addresses_of_our_own_are_left_out() {
        let at = |text: &str| -> Vec<SocketAddr> {
            text.split(' ').map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()
        };
        assert_eq!(public(at("127.0.0.1 52.94.0.1 10.0.0.1 ::1").into_iter()), Ok(at("52.94.0.1")));
        assert!(public(at("169.254.169.254 ::ffff:127.0.0.1").into_iter()).is_err());
    }

    /// `localhost` resolves on every machine, and a listener there must see nobody.
    #[tokio::test]
    async fn a_name_that_leads_home_is_not_followed() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fetch = |url: String| Https::new().unwrap().fetch(Ask { url: url.parse().unwrap(), body: None });
        assert_eq!(fetch(format!("https://localhost:{port}/a.pem")).await, Err(Failure::Unreachable));
        assert_eq!(fetch(format!("http://localhost:{port}/a.pem")).await, Err(Failure::Unreachable));
        let nobody = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await;
        assert!(nobody.is_err(), "somebody connected");
    }
}
