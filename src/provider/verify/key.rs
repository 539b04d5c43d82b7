//! The algorithms of signatures and their keys: keyed hashes, hashes over the secret itself, and public keys.

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::encoding::Encoding;
use super::few::Few;
use super::mac::{Hash, Keyed, Tag};
use crate::provider::reject::Reject;

/// How a signature is made. Shared secrets can sign as well; public keys only verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Hmac(Hash),
    /// The plain hash of a text that holds the secret (HubSpot v1 and v2).
    Digest(Hash),
    /// RFC 8032, keys of 32 bytes.
    Ed25519,
    /// ECDSA over P-256 with SHA-256, signatures in DER.
    EcdsaP256,
}

/// The beginning of every SubjectPublicKeyInfo of an uncompressed P-256 point (RFC 5480).
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Bytes of the longest ECDSA signature over P-256 in DER.
const LONGEST_DER: usize = 72;

/// A key, ready to verify.
pub(crate) enum Key {
    Hmac(Box<Keyed>),
    Digest(Hash, Zeroizing<Vec<u8>>),
    Public(&'static dyn VerificationAlgorithm, Vec<u8>),
}

/// The signatures that a request claims, decoded.
#[derive(Default)]
pub(crate) struct Claimed {
    tags: Few<Tag>,
    /// Of public keys.
    signatures: Few<Vec<u8>>,
}

/// Hands the signed text, part by part, to a sink; it is given the secret for the parts that hold it.
pub(crate) type Feed<'a> = &'a dyn Fn(&[u8], &mut dyn FnMut(&[u8]));

/// The key pairs that schemes want. The public half is what a source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// RFC 8032; the public key is 32 bytes.
    Ed25519,
    /// ECDSA over P-256 with SHA-256; the public key is a SubjectPublicKeyInfo.
    EcdsaP256,
}

impl KeyKind {
    /// As schemes spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyKind::Ed25519 => "ed25519",
            KeyKind::EcdsaP256 => "ecdsa-p256",
        }
    }

    /// The public key as providers hand it out, from the raw one: 32 bytes, or a point.
    pub(crate) fn handed_out(self, raw: &[u8]) -> Vec<u8> {
        match self {
            KeyKind::Ed25519 => raw.to_vec(),
            KeyKind::EcdsaP256 => [&P256_SPKI, raw].concat(),
        }
    }
}

impl Algorithm {
    /// The key pair that it takes.
    pub(crate) const fn key_kind(self) -> Option<KeyKind> {
        match self {
            Algorithm::Hmac(_) | Algorithm::Digest(_) => None,
            Algorithm::Ed25519 => Some(KeyKind::Ed25519),
            Algorithm::EcdsaP256 => Some(KeyKind::EcdsaP256),
        }
    }

    /// Does whoever can verify also know how to sign?
    pub(crate) const fn is_shared(self) -> bool {
        matches!(self, Algorithm::Hmac(_) | Algorithm::Digest(_))
    }

    /// Put the signatures that have a possible length into `claimed`. One good one among strangers is enough to go on.
    pub(crate) fn claim(self, encoding: Encoding, texts: &Few<&str>, claimed: &mut Claimed) -> Result<(), Reject> {
        for text in texts.iter() {
            match self {
                Algorithm::Hmac(hash) | Algorithm::Digest(hash) => {
                    let tag = encoding.decode_tag(text).filter(|tag| tag.len() == hash.length());
                    tag.into_iter().for_each(|tag| claimed.tags.push(tag));
                }
                Algorithm::Ed25519 => {
                    let signature = encoding.decode(text, 64).filter(|signature| signature.len() == 64);
                    signature.into_iter().for_each(|signature| claimed.signatures.push(signature));
                }
                Algorithm::EcdsaP256 => {
                    let der = |signature: &Vec<u8>| signature.len() >= 8 && signature.first() == Some(&0x30);
                    let signature = encoding.decode(text, LONGEST_DER).filter(der);
                    signature.into_iter().for_each(|signature| claimed.signatures.push(signature));
                }
            }
        }
        let none = claimed.tags.is_empty() && claimed.signatures.is_empty();
        if none { Err(Reject::SignatureMalformed) } else { Ok(()) }
    }
}

impl Key {
    /// The key in these bytes, or what is wrong with them.
    pub(crate) fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Key, &'static str> {
        match algorithm {
            Algorithm::Hmac(hash) => Keyed::new(hash, bytes)
                .map(|keyed| Key::Hmac(Box::new(keyed)))
                .ok_or("has a length that the hash cannot take"),
            Algorithm::Digest(hash) => Ok(Key::Digest(hash, Zeroizing::new(bytes.to_vec()))),
            Algorithm::Ed25519 if bytes.len() != 32 => Err("is not a public key of 32 bytes"),
            Algorithm::Ed25519 if is_small_order(bytes) => Err("is a key under which anything can be made to verify"),
            Algorithm::Ed25519 => Ok(Key::Public(&ED25519, bytes.to_vec())),
            Algorithm::EcdsaP256 => {
                let point = bytes.strip_prefix(&P256_SPKI).unwrap_or(bytes);
                let is_point = point.len() == 65 && point.first() == Some(&4);
                if is_point {
                    Ok(Key::Public(&ECDSA_P256_SHA256_ASN1, point.to_vec()))
                } else {
                    Err("is not a P-256 public key")
                }
            }
        }
    }

    /// Is one of the claimed signatures this key's over the text?
    pub(crate) fn accepts(&self, feed: Feed<'_>, claimed: &Claimed) -> bool {
        match self {
            Key::Public(algorithm, point) => {
                let mut message = Vec::new();
                feed(b"", &mut |bytes| message.extend_from_slice(bytes));
                let key = UnparsedPublicKey::new(*algorithm, point);
                claimed.signatures.iter().any(|signature| key.verify(&message, signature).is_ok())
            }
            Key::Hmac(_) | Key::Digest(..) => self.tag(feed).is_some_and(|tag| tag.is_among(claimed.tags.iter())),
        }
    }

    /// What a shared secret makes of the text; `None` for public keys.
    pub(crate) fn tag(&self, feed: Feed<'_>) -> Option<Tag> {
        match self {
            Key::Hmac(keyed) => Some(keyed.tag(|sink| feed(b"", sink))),
            Key::Digest(hash, secret) => Tag::new(&digest(*hash, secret, feed)),
            Key::Public(..) => None,
        }
    }
}

/// The points of small order and their other encodings, without the bit of the sign (libsodium,
/// `ge25519_has_small_order`). ring does not refuse them; a key of zeros is the one that a slip produces.
fn is_small_order(key: &[u8]) -> bool {
    const EIGHTH: [&str; 2] = [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    let Some((last, rest)) = key.split_last() else { return true };
    let (first, middle) = rest.split_first().unwrap_or((&0, &[]));
    let last = last & 0x7f;
    let low = *first <= 1 && middle.iter().all(|&byte| byte == 0) && last == 0;
    let high = (0xec..=0xee).contains(first) && middle.iter().all(|&byte| byte == 0xff) && last == 0x7f;
    let plain = [rest, &[last]].concat();
    low || high || EIGHTH.contains(&hex::encode(plain).as_str())
}

fn digest(hash: Hash, secret: &[u8], feed: Feed<'_>) -> Vec<u8> {
    fn run<D: Digest>(secret: &[u8], feed: Feed<'_>) -> Vec<u8> {
        let mut digest = D::new();
        feed(secret, &mut |bytes| digest.update(bytes));
        digest.finalize().to_vec()
    }
    match hash {
        Hash::Sha1 => run::<Sha1>(secret, feed),
        Hash::Sha256 => run::<Sha256>(secret, feed),
        Hash::Sha384 => run::<Sha384>(secret, feed),
        Hash::Sha512 => run::<Sha512>(secret, feed),
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Claimed, Few, Key};
    use crate::provider::reject::Reject;
    use crate::provider::verify::encoding::Encoding;
    use crate::provider::verify::mac::Hash;

    fn accepts(algorithm: Algorithm, key: &str, message: &[u8], signature: &str) -> bool {
        let key = Key::new(algorithm, &hex::decode(key).unwrap()).unwrap();
        let claimed = claimed(algorithm, signature).unwrap();
        key.accepts(&|_, sink| sink(message), &claimed)
    }

    fn claimed(algorithm: Algorithm, signature: &str) -> Result<Claimed, Reject> {
        let (mut texts, mut claimed) = (Few::default(), Claimed::default());
        texts.push(signature);
        algorithm.claim(Encoding::Hex, &texts, &mut claimed).map(|()| claimed)
    }

    /// RFC 8032, 7.1, test 2.
    #[test]
    fn ed25519() {
        let key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert!(accepts(Algorithm::Ed25519, key, b"\x72", signature));
        assert!(!accepts(Algorithm::Ed25519, key, b"\x73", signature));
        assert!(!accepts(Algorithm::Ed25519, key, b"\x72", &"00".repeat(64)));
        assert!(claimed(Algorithm::Ed25519, &signature[2..]).is_err());
    }

    /// RFC 6979, A.2.5, "sample" with SHA-256.
    #[test]
    fn ecdsa_p256() {
        let key = "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
        let signature = "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
        assert!(accepts(Algorithm::EcdsaP256, key, b"sample", signature));
        assert!(!accepts(Algorithm::EcdsaP256, key, b"Sample", signature));
        // CVE-2022-21449: zeros for r and s.
        assert!(!accepts(Algorithm::EcdsaP256, key, b"sample", "3006020100020100"));
        for odd in ["", "30", "0102030405060708090a", &"30".repeat(73)] {
            assert!(claimed(Algorithm::EcdsaP256, odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn keys_of_another_kind_are_refused() {
        assert!(Key::new(Algorithm::Ed25519, &[1; 31]).is_err());
        let minus_one = [[0xec].as_slice(), &[0xff; 31]].concat();
        for small in [&[0; 32], minus_one.as_slice()] {
            assert!(Key::new(Algorithm::Ed25519, small).is_err(), "a point of small order");
        }
        assert!(Key::new(Algorithm::EcdsaP256, &[2; 33]).is_err());
        assert!(Key::new(Algorithm::EcdsaP256, &[4; 64]).is_err());
    }

    #[test]
    fn a_digest_holds_the_secret_where_the_template_says() {
        let key = Key::new(Algorithm::Digest(Hash::Sha256), b"a").unwrap();
        let tag = key
            .tag(&|secret, sink| {
                sink(secret);
                sink(b"bc")
            })
            .unwrap();
        assert_eq!(hex::encode(tag.bytes()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
