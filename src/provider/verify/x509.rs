//! Certificates: whom a signature's key belongs to (RFC 5280). The chain must lead to one of Mozilla's roots, which
//! are part of the binary: a container without certificates of its own verifies like any other machine. A source may
//! name further roots.

use jiff::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName, SignatureVerificationAlgorithm, TrustAnchor,
    UnixTime, alg_id,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::provider::reject::Reject;

/// Intermediates that providers do not send along. Not trusted: each counts only when its own chain leads to a root.
const KNOWN: &str = include_str!("intermediates.pem");

/// The hash under an RSA signature (RFC 8017, PKCS #1 v1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RsaHash {
    /// Only where a provider still signs so and nobody can choose what it signs.
    Sha1,
    Sha256,
}

/// Roots, and what helps to reach them.
pub(crate) struct Trust {
    anchors: Vec<TrustAnchor<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Mozilla's roots and those in `further`, which is PEM.
    pub(crate) fn new(further: Option<&str>) -> Result<Trust, &'static str> {
        let mut anchors = webpki_roots::TLS_SERVER_ROOTS.to_vec();
        for root in further.iter().flat_map(|pem| CertificateDer::pem_slice_iter(pem.as_bytes())) {
            let root = root.map_err(|_| "is not PEM")?;
            let anchor = anchor_from_trusted_cert(&root).map_err(|_| "holds something that is no certificate")?;
            anchors.push(anchor.to_owned());
        }
        if further.is_some() && anchors.len() == webpki_roots::TLS_SERVER_ROOTS.len() {
            return Err("holds no certificate");
        }
        let intermediates = CertificateDer::pem_slice_iter(KNOWN.as_bytes()).filter_map(Result::ok).collect();
        Ok(Trust { anchors, intermediates })
    }

    /// Was the message signed with the key of the first certificate, and is that one of `names`' and valid now? The
    /// signature comes first: it is the cheaper question, and the one that forgers fail.
    pub(crate) fn verify(
        &self,
        chain: &[CertificateDer<'static>],
        names: &[String],
        now: Timestamp,
        signed: (RsaHash, &[u8], &[u8]),
    ) -> Result<(), Reject> {
        let (hash, message, signature) = signed;
        let (leaf, others) = chain.split_first().ok_or(Reject::CertificateInvalid)?;
        let leaf = EndEntityCert::try_from(leaf).map_err(|_| Reject::CertificateInvalid)?;
        leaf.verify_signature(hash.algorithm(), message, signature).map_err(|_| Reject::SignatureMismatch)?;
        self.belongs(&leaf, others, names, now)
    }

    /// Does the certificate's chain lead to a root, now, and is it issued to one of `names`?
    fn belongs(
        &self,
        leaf: &EndEntityCert<'_>,
        others: &[CertificateDer<'static>],
        names: &[String],
        now: Timestamp,
    ) -> Result<(), Reject> {
        let second = u64::try_from(now.as_second()).map_err(|_| Reject::CertificateInvalid)?;
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(second));
        let known: Vec<_> = others.iter().chain(&self.intermediates).cloned().collect();
        leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &self.anchors,
            &known,
            now,
            KeyUsage::server_auth(),
            None,
            None,
        )
        .map_err(|_| Reject::CertificateInvalid)?;
        let is_named = |name: &String| {
            ServerName::try_from(name.as_str()).is_ok_and(|name| leaf.verify_is_valid_for_subject_name(&name).is_ok())
        };
        if names.iter().any(is_named) { Ok(()) } else { Err(Reject::CertificateInvalid) }
    }
}

impl RsaHash {
    fn algorithm(self) -> &'static dyn SignatureVerificationAlgorithm {
        match self {
            RsaHash::Sha1 => &Sha1,
            RsaHash::Sha256 => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

/// SHA-1 under the signature of a message. webpki has it not, and no certificate of a chain may be signed with it.
#[derive(Debug)]
struct Sha1;

impl SignatureVerificationAlgorithm for Sha1 {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, public_key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    /// Never asked for: no certificate is verified with this.
    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use webpki::EndEntityCert;

    use super::{KNOWN, Trust};
    use crate::provider::reject::Reject;

    /// A certificate of Amazon's with which SNS signed, public, from December 2023 to November 2024; issued by M01.
    const SNS: &str = include_str!("../../../tests/vectors/sns_2024.pem");

    fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().unwrap()
    }

    /// What stands one after the other in DER: each element whole, and its content.
    fn elements(mut der: &[u8]) -> Vec<(&[u8], &[u8])> {
        let mut found = Vec::new();
        while !der.is_empty() {
            let (head, length) = match usize::from(der[1]) {
                short @ ..=0x7f => (2, short),
                long => {
                    let bytes = &der[2..2 + (long & 0x7f)];
                    (2 + bytes.len(), bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
                }
            };
            let (whole, rest) = der.split_at(head + length);
            found.push((whole, &whole[head..]));
            der = rest;
        }
        found
    }

    fn belongs(trust: &Trust, leaf: &CertificateDer<'_>, name: &str, day: &str) -> Result<(), Reject> {
        let now = format!("{day}T00:00:00Z").parse().unwrap();
        trust.belongs(&EndEntityCert::try_from(leaf).unwrap(), &[], &[name.to_owned()], now)
    }

    #[test]
    fn every_known_intermediate_leads_to_a_root_and_none_is_one() {
        let trust = Trust::new(None).unwrap();
        let known = certificates(KNOWN);
        assert_eq!((known.len(), KNOWN.matches("BEGIN CERTIFICATE").count()), (5, 5));
        for pem in &known {
            let [signed, _, signature] = elements(elements(pem)[0].1)[..] else { panic!("no certificate") };
            let [_, _, _, issuer, ..] = elements(signed.1)[..] else { panic!("no issuer") };
            let root = trust.anchors.iter().find(|root| *root.subject == *issuer.1).expect("a root of that name");
            let root_key = &elements(&root.subject_public_key_info)[1].1[1..];
            // SHA-256 under RSA signs all of them.
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, root_key)
                .verify(signed.0, &signature.1[1..])
                .expect("signed by the root");
            let key = webpki::anchor_from_trusted_cert(pem).unwrap().subject_public_key_info.to_vec();
            assert!(trust.anchors.iter().all(|root| *root.subject_public_key_info != *key), "trusted by itself");
        }
        assert_eq!(trust.anchors.len(), webpki_roots::TLS_SERVER_ROOTS.len());
    }

    #[test]
    fn a_real_certificate_of_sns_needs_no_company() {
        let trust = Trust::new(None).unwrap();
        let leaf = &certificates(SNS)[0];
        assert_eq!(belongs(&trust, leaf, "sns.amazonaws.com", "2024-06-01"), Ok(()));
        for (name, day) in [
            ("sns.amazonaws.com", "2023-12-13"),
            ("sns.amazonaws.com", "2024-11-21"),
            ("sns.us-west-2.amazonaws.com", "2024-06-01"),
            ("amazonaws.com", "2024-06-01"),
        ] {
            assert_eq!(belongs(&trust, leaf, name, day), Err(Reject::CertificateInvalid), "{name} {day}");
        }
        let alone = Trust { intermediates: Vec::new(), ..Trust::new(None).unwrap() };
        let without = belongs(&alone, leaf, "sns.amazonaws.com", "2024-06-01");
        assert_eq!(without, Err(Reject::CertificateInvalid), "its intermediate makes the chain");
    }
}
