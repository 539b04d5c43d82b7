//! The closed list of reasons for refusing a request.

use std::fmt;

/// Why a request was answered with a 4xx. One word serves the metric label, the log field, the vectors and the docs;
/// the sender is told the status alone.
///
/// As wide as a pointer: in one byte it would put what a result holds in its stead off its alignment, and moving that
/// costs a request some ten nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Reject {
    /// The header that carries the signature is absent.
    SignatureMissing,
    /// The signature header does not have the provider's form.
    SignatureMalformed,
    /// The signature was made with another secret or over other bytes.
    SignatureMismatch,
    /// A header whose value is part of the signed text is absent or empty, or stands there twice.
    SignedHeaderMissing,
    /// The scheme signs a timestamp and the request has none.
    TimestampMissing,
    /// The signed timestamp cannot be read.
    TimestampMalformed,
    /// The signed timestamp lies too far in the past.
    TimestampTooOld,
    /// The signed timestamp lies too far in the future.
    TimestampInFuture,
    /// The header that carries the token or the credentials is absent.
    TokenMissing,
    /// The token or the credentials are not the configured ones.
    TokenMismatch,
    /// The request names a key at an address that is not the provider's.
    KeyUrlNotAllowed,
    /// The provider has no key of the name that the request gives, or disowned it.
    KeyUnknown,
    /// The certificate does not lead to a trusted root, is not the provider's, or is not valid now.
    CertificateInvalid,
    /// A signed value is not the one that the source is configured for: issuer, audience, tenant, topic.
    ClaimMismatch,
    /// The sender's address is not on the source's allow-list.
    AddressNotAllowed,
    /// The request came over plain HTTP, and `gateway.require_https` wants more.
    HttpsRequired,
    /// No source is configured for this path.
    UnknownSource,
    /// The source exists; the method is not one it takes.
    MethodNotAllowed,
    /// The client went away, or broke the framing, before the body was complete.
    BodyIncomplete,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body is larger than the source allows.
    BodyTooLarge,
    /// The body is compressed and cannot be decompressed.
    BodyUndecodable,
    /// The request names no record that the provider's API knows.
    Unconfirmed,
    /// A challenge by GET or OPTIONS that does not fit: another topic, another verify token.
    HandshakeRefused,
    /// The body is of a media type that the provider file does not name.
    UnsupportedMediaType,
    /// The body has a content encoding that the provider file does not name.
    UnsupportedEncoding,
    /// Too many requests: the source's own limit, or failed ones from one address.
    TooManyRequests,
    /// The headers do not fit into the read buffer.
    HeadersTooLarge,
}

impl Reject {
    /// Every reason, in the order of the docs.
    pub const ALL: [Reject; 28] = [
        Reject::SignatureMissing,
        Reject::SignatureMalformed,
        Reject::SignatureMismatch,
        Reject::SignedHeaderMissing,
        Reject::TimestampMissing,
        Reject::TimestampMalformed,
        Reject::TimestampTooOld,
        Reject::TimestampInFuture,
        Reject::TokenMissing,
        Reject::TokenMismatch,
        Reject::KeyUrlNotAllowed,
        Reject::KeyUnknown,
        Reject::CertificateInvalid,
        Reject::ClaimMismatch,
        Reject::AddressNotAllowed,
        Reject::HttpsRequired,
        Reject::UnknownSource,
        Reject::MethodNotAllowed,
        Reject::BodyIncomplete,
        Reject::BodyTimeout,
        Reject::BodyTooLarge,
        Reject::BodyUndecodable,
        Reject::Unconfirmed,
        Reject::HandshakeRefused,
        Reject::UnsupportedMediaType,
        Reject::UnsupportedEncoding,
        Reject::TooManyRequests,
        Reject::HeadersTooLarge,
    ];

    /// The one word for this reason.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reject::SignatureMissing => "signature_missing",
            Reject::SignatureMalformed => "signature_malformed",
            Reject::SignatureMismatch => "signature_mismatch",
            Reject::SignedHeaderMissing => "signed_header_missing",
            Reject::TimestampMissing => "timestamp_missing",
            Reject::TimestampMalformed => "timestamp_malformed",
            Reject::TimestampTooOld => "timestamp_too_old",
            Reject::TimestampInFuture => "timestamp_in_future",
            Reject::TokenMissing => "token_missing",
            Reject::TokenMismatch => "token_mismatch",
            Reject::KeyUrlNotAllowed => "key_url_not_allowed",
            Reject::KeyUnknown => "key_unknown",
            Reject::CertificateInvalid => "certificate_invalid",
            Reject::ClaimMismatch => "claim_mismatch",
            Reject::AddressNotAllowed => "address_not_allowed",
            Reject::HttpsRequired => "https_required",
            Reject::UnknownSource => "unknown_source",
            Reject::MethodNotAllowed => "method_not_allowed",
            Reject::BodyIncomplete => "body_incomplete",
            Reject::BodyTimeout => "body_timeout",
            Reject::BodyTooLarge => "body_too_large",
            Reject::BodyUndecodable => "body_undecodable",
            Reject::Unconfirmed => "unconfirmed",
            Reject::HandshakeRefused => "handshake_refused",
            Reject::UnsupportedMediaType => "unsupported_media_type",
            Reject::UnsupportedEncoding => "unsupported_encoding",
            Reject::TooManyRequests => "too_many_requests",
            Reject::HeadersTooLarge => "headers_too_large",
        }
    }

    /// The HTTP status that the sender sees.
    pub const fn status(self) -> u16 {
        match self {
            Reject::SignatureMissing
            | Reject::SignatureMalformed
            | Reject::SignatureMismatch
            | Reject::SignedHeaderMissing
            | Reject::TimestampMissing
            | Reject::TimestampMalformed
            | Reject::TimestampTooOld
            | Reject::TimestampInFuture
            | Reject::TokenMissing
            | Reject::TokenMismatch
            | Reject::KeyUrlNotAllowed
            | Reject::KeyUnknown
            | Reject::CertificateInvalid
            | Reject::ClaimMismatch
            | Reject::Unconfirmed => 401,
            Reject::AddressNotAllowed | Reject::HttpsRequired => 403,
            Reject::UnknownSource | Reject::HandshakeRefused => 404,
            Reject::MethodNotAllowed => 405,
            Reject::BodyIncomplete | Reject::BodyUndecodable => 400,
            Reject::BodyTimeout => 408,
            Reject::BodyTooLarge => 413,
            Reject::UnsupportedMediaType | Reject::UnsupportedEncoding => 415,
            Reject::TooManyRequests => 429,
            Reject::HeadersTooLarge => 431,
        }
    }

    /// What it means and what to look at first: the row of docs/reference/reject-reasons.md.
    pub const fn docs(self) -> &'static str {
        match self {
            Reject::SignatureMissing => {
                "The signature header is absent. The endpoint has no secret at the provider, the request is not from the provider, or a proxy drops the header."
            }
            Reject::SignatureMalformed => {
                "The signature header is empty or does not have the provider's form: another prefix, another encoding, a cut or overlong value, more than 16 signatures, a repeated timestamp."
            }
            Reject::SignatureMismatch => {
                "The signature has the right form and does not match under any live secret: another secret, or a proxy changed the body."
            }
            Reject::SignedHeaderMissing => {
                "A header whose value is part of the signed text is absent, empty or was sent more than once."
            }
            Reject::TimestampMissing => "The scheme signs a timestamp and the request carries none.",
            Reject::TimestampMalformed => {
                "The signed timestamp cannot be read, or was sent more than once. Seconds and milliseconds are not told apart by guessing."
            }
            Reject::TimestampTooOld => {
                "The signed timestamp is older than the tolerance: an old request sent again, or the clock of this machine is ahead."
            }
            Reject::TimestampInFuture => {
                "The signed timestamp lies further in the future than the tolerance: the clock of this machine is behind."
            }
            Reject::TokenMissing => "The header with the token or the credentials is absent.",
            Reject::TokenMismatch => "The token or the credentials are not the configured ones.",
            Reject::KeyUrlNotAllowed => {
                "The request names its signing key at an address that is not the provider's, or of another region than its topic: forged, or the source's `environment` is the wrong one. Nothing was fetched."
            }
            Reject::KeyUnknown => {
                "The provider publishes no key of the name that the request gives, or has disowned it: forged, or another tenant's or environment's."
            }
            Reject::CertificateInvalid => {
                "The signature matches a certificate that does not lead to a trusted root, is issued to another name, or is not valid now. Is the clock right? `key_roots` names further roots."
            }
            Reject::ClaimMismatch => {
                "The signature is good, but a signed value is not the one that the source is configured for: issuer, audience, tenant, application or topic."
            }
            Reject::AddressNotAllowed => {
                "The sender's address is not on the source's allow-list. Behind a proxy, `gateway.trusted_proxies` must name it."
            }
            Reject::HttpsRequired => {
                "`gateway.require_https` is set, and the request came neither over our own TLS nor from a trusted proxy that says `X-Forwarded-Proto: https`."
            }
            Reject::UnknownSource => "No source has this path.",
            Reject::MethodNotAllowed => "The path exists and takes other methods only.",
            Reject::BodyIncomplete => "The client went away, or broke the framing, before the body was complete.",
            Reject::BodyTimeout => "The body was not there in time: 1.5 s before the provider stops waiting.",
            Reject::BodyTooLarge => {
                "The body is larger than the source's `max_body`, as it came or decompressed, or was compressed to less than a hundredth."
            }
            Reject::BodyUndecodable => {
                "The body says that it is compressed and is not: cut off, followed by something else, or of another form."
            }
            Reject::Unconfirmed => {
                "Nobody signs these requests: the provider's API was asked for the record that this one names, and knows none, or it names none that could be asked for. Test and live mode have keys of their own."
            }
            Reject::HandshakeRefused => {
                "A challenge that does not fit: another topic, another verify token, or a word that cannot be answered safely."
            }
            Reject::UnsupportedMediaType => "The body is of a media type that the provider file does not name.",
            Reject::UnsupportedEncoding => "The body is compressed, and the provider file does not name that encoding.",
            Reject::TooManyRequests => {
                "Over the source's configured rate, or too many refused requests from one address."
            }
            Reject::HeadersTooLarge => "The request headers, names and values, are larger than 7 KiB.",
        }
    }

    /// The reason with this word.
    pub fn parse(word: &str) -> Option<Reject> {
        Reject::ALL.into_iter().find(|reject| reject.as_str() == word)
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Reject;

    #[test]
    fn every_reason_has_a_word_of_its_own_and_a_client_error() {
        let words: HashSet<_> = Reject::ALL.iter().map(|reject| reject.as_str()).collect();
        assert_eq!(words.len(), Reject::ALL.len());
        for reject in Reject::ALL {
            assert_eq!(Reject::parse(reject.as_str()), Some(reject));
            assert!((400..500).contains(&reject.status()));
            assert!(reject.docs().ends_with('.'));
        }
    }
}
