//! Keyed hashes with their key already absorbed, and the tags that they make.

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::{Choice, ConstantTimeEq};

/// The hash under an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// Length of a tag in bytes.
    pub(crate) const fn length(self) -> usize {
        match self {
            Hash::Sha1 => 20,
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }
}

/// An HMAC whose two key blocks are hashed already: a request pays for its own bytes alone.
#[derive(Clone)]
pub(crate) enum Keyed {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl Keyed {
    /// HMAC takes keys of any length, so this is `None` only if the crate's contract changes.
    pub(crate) fn new(hash: Hash, key: &[u8]) -> Option<Keyed> {
        let keyed = match hash {
            Hash::Sha1 => Keyed::Sha1(Hmac::new_from_slice(key).ok()?),
            Hash::Sha256 => Keyed::Sha256(Hmac::new_from_slice(key).ok()?),
            Hash::Sha384 => Keyed::Sha384(Hmac::new_from_slice(key).ok()?),
            Hash::Sha512 => Keyed::Sha512(Hmac::new_from_slice(key).ok()?),
        };
        Some(keyed)
    }

    /// The tag over everything that `message` hands to its sink.
    pub(crate) fn tag(&self, message: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Tag {
        match self {
            Keyed::Sha1(keyed) => finish(keyed, message),
            Keyed::Sha256(keyed) => finish(keyed, message),
            Keyed::Sha384(keyed) => finish(keyed, message),
            Keyed::Sha512(keyed) => finish(keyed, message),
        }
    }
}

fn finish<M: Mac + Clone>(keyed: &M, message: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Tag {
    let mut mac = keyed.clone();
    message(&mut |bytes| mac.update(bytes));
    Tag::of(&mac.finalize().into_bytes())
}

/// Up to 64 bytes on the stack: a computed tag, or one that a request claims.
#[derive(Clone, Copy)]
pub(crate) struct Tag {
    bytes: [u8; Tag::LONGEST],
    length: usize,
}

impl Tag {
    /// Bytes of the longest tag, HMAC-SHA512's.
    pub(crate) const LONGEST: usize = 64;

    /// `None` when there are too many bytes.
    pub(crate) fn new(bytes: &[u8]) -> Option<Tag> {
        (bytes.len() <= Tag::LONGEST).then(|| Tag::of(bytes))
    }

    /// `write` puts bytes at the beginning, leaves the rest alone, and says how many.
    #[inline]
    pub(crate) fn written(write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<Tag> {
        let mut bytes = [0; Tag::LONGEST];
        let length = write(&mut bytes)?;
        (length <= Tag::LONGEST).then_some(Tag { bytes, length })
    }

    fn of(source: &[u8]) -> Tag {
        let length = source.len().min(Tag::LONGEST);
        let mut bytes = [0; Tag::LONGEST];
        bytes[..length].copy_from_slice(&source[..length]);
        Tag { bytes, length }
    }

    /// The tag itself.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Is this one of `claimed`? Every candidate is looked at in full, whatever the earlier ones were.
    pub(crate) fn is_among<'a>(&self, claimed: impl IntoIterator<Item = &'a Tag>) -> bool {
        claimed.into_iter().map(|tag| self.same(tag)).reduce(|found, same| found | same).is_some_and(bool::from)
    }

    /// Eight bytes at a time, and one look at what they differ in: what lies behind a tag is zeros, and lengths are no
    /// secret.
    fn same(&self, other: &Tag) -> Choice {
        let words = self.bytes.as_chunks::<8>().0.iter().zip(other.bytes.as_chunks::<8>().0);
        let length = (self.length ^ other.length) as u64;
        words.fold(length, |differ, (a, b)| differ | (u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b))).ct_eq(&0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Hash, Keyed, Tag};

    fn tag(hash: Hash) -> Tag {
        Keyed::new(hash, b"key").unwrap().tag(|sink| {
            sink(b"The quick brown fox ");
            sink(b"jumps over the lazy dog");
        })
    }

    /// The well-known examples of the encyclopaedia's HMAC page, made by hand with openssl as well.
    #[test]
    fn known_tags() {
        assert_eq!(hex::encode(tag(Hash::Sha1).bytes()), "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9");
        assert_eq!(
            hex::encode(tag(Hash::Sha256).bytes()),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        );
        for hash in [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            assert_eq!(tag(hash).len(), hash.length());
        }
    }

    #[test]
    fn only_the_whole_tag_matches() {
        let good = tag(Hash::Sha256);
        let cut = Tag::of(&good.bytes()[..31]);
        let flipped = Tag::of(&good.bytes().iter().map(|byte| byte ^ 1).collect::<Vec<_>>());
        assert!(good.is_among(&[flipped, good]));
        assert!(!good.is_among(&[cut, flipped, Tag::of(b"")]));
        assert!(!good.is_among(&[]));
        for place in 0..good.len() {
            let mut bytes = good.bytes().to_vec();
            bytes[place] ^= 0x80;
            assert!(!good.is_among(&[Tag::of(&bytes)]), "byte {place} counts");
        }
    }
}
