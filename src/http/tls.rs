//! TLS for those without a proxy in front: one certificate, replaced while connections go on.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::validity::validity;

/// A certificate with its key, checked and ready to serve.
pub struct Identity {
    config: Arc<ServerConfig>,
    from: Timestamp,
    /// Until when the certificate is valid.
    pub expires: Timestamp,
}

/// The identity of a listener, replaceable.
pub struct Tls(ArcSwap<Identity>);

impl Tls {
    /// With a first identity.
    pub fn new(identity: Identity) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(identity)))
    }

    /// From the next handshake on.
    pub fn replace(&self, identity: Identity) {
        self.0.store(Arc::new(identity));
    }

    /// Until when the certificate in use is valid.
    pub fn expires(&self) -> Timestamp {
        self.0.load().expires
    }

    /// Whether the one in use is outside its time, in words.
    pub fn untimely(&self, now: Timestamp) -> Option<String> {
        self.0.load().untimely(now)
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.load().config))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("expires", &self.expires()).finish_non_exhaustive()
    }
}

impl Identity {
    /// Read a certificate chain, leaf first, and its key, both as PEM. Whether it is valid now is its clients' to judge: our
    /// clock may be the one that is wrong.
    ///
    /// # Errors
    /// One sentence that names the file: it cannot be read, is no PEM, or the two do not belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, String> {
        let certificate_at = |why: &str| format!("gateway.tls.certificate {}: {why}", certificate.display());
        let key_at = |why: &str| format!("gateway.tls.key {}: {why}", key.display());
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| certificate_at(&unreadable(&error)))?;
        let leaf = chain
            .first()
            .ok_or_else(|| certificate_at("there is no certificate in it; it must be PEM, the leaf first"))?;
        let (from, until) = validity(leaf).ok_or_else(|| certificate_at("its first certificate cannot be read"))?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| key_at(&unreadable(&error)))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    key_at(&format!("it is not the key of {}", certificate.display()))
                }
                other => certificate_at(&other.to_string()),
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), from, expires: until })
    }

    /// Whether it is outside its time, in words.
    pub fn untimely(&self, now: Timestamp) -> Option<String> {
        if now >= self.expires {
            return Some(format!("the certificate has expired at {}; is this machine's clock right?", self.expires));
        }
        let early = format!("the certificate is not valid before {}; is this machine's clock right?", self.from);
        (now < self.from).then_some(early)
    }
}

/// What the PEM reader says, without anything from the file.
fn unreadable(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => format!("cannot read it: {error}"),
        pem::Error::NoItemsFound => "nothing of this kind stands in it; it must be PEM".to_owned(),
        _ => "it is not well-formed PEM".to_owned(),
    }
}
