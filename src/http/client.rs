//! What every HTTPS client of ours shares.

/// Choose the crypto of TLS: ring, which builds with a C compiler alone. Calling it again changes nothing.
pub fn install_crypto() {
    // An error means that one was installed before: then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
