//! How a signature or a key is written as text.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use serde::Deserialize;

use super::mac::Tag;

/// Base64url is written with and without padding in the wild.
const URL_SAFE_ANY: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The closed set of encodings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    /// Either case.
    #[default]
    Hex,
    /// RFC 4648 §4 with padding; a last symbol with stray bits is refused.
    Base64,
    /// RFC 4648 §5, padded or not.
    Base64url,
}

impl Encoding {
    /// The bytes behind `text`, if it is well formed and no longer than a tag can be.
    #[inline]
    pub(crate) fn decode_tag(self, text: &str) -> Option<Tag> {
        Tag::written(|buffer| match self {
            Encoding::Hex => unhex_into(text.as_bytes(), buffer),
            Encoding::Base64 => STANDARD.decode_slice(text, buffer).ok(),
            Encoding::Base64url => URL_SAFE_ANY.decode_slice(text, buffer).ok(),
        })
    }

    /// The bytes behind a text, at most `limit` of them, if it is well formed.
    pub(crate) fn decode(self, text: &str, limit: usize) -> Option<Vec<u8>> {
        if text.len() > limit * 2 {
            return None;
        }
        match self {
            Encoding::Hex => unhex(text.as_bytes()),
            Encoding::Base64 => STANDARD.decode(text).ok(),
            Encoding::Base64url => URL_SAFE_ANY.decode(text).ok(),
        }
        .filter(|bytes| bytes.len() <= limit)
    }

    /// As the provider would write it.
    pub(crate) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Encoding::Hex => hex::encode(bytes),
            Encoding::Base64 => STANDARD.encode(bytes),
            Encoding::Base64url => URL_SAFE_NO_PAD.encode(bytes),
        }
    }

    /// As the file spells it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Encoding::Hex => "hex",
            Encoding::Base64 => "base64",
            Encoding::Base64url => "base64url",
        }
    }
}

/// The bytes behind pairs of digits of either case.
pub(super) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() / 2];
    unhex_into(text, &mut bytes).map(|_| bytes)
}

/// How many bytes there are. The crate would pass over a leading `0x`, but not into a target of the exact length.
fn unhex_into(text: &[u8], target: &mut [u8]) -> Option<usize> {
    let target = target.get_mut(..text.len() / 2)?;
    hex::decode_to_slice(text, target).ok().map(|()| target.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Encoding;
    use crate::provider::verify::mac::Tag;

    const ALL: [Encoding; 3] = [Encoding::Hex, Encoding::Base64, Encoding::Base64url];

    #[test]
    fn garbage_is_no_tag() {
        for text in ["", "0", "zz", "0x00", "0x", "0x0", " 00", "00 ", "é0", &"0".repeat(130), &"A".repeat(2000)] {
            assert!(Encoding::Hex.decode_tag(text).is_none_or(|tag| tag.is_empty()), "{text}");
            assert!(Encoding::Hex.decode(text, Tag::LONGEST).is_none_or(|bytes| bytes.is_empty()), "{text}");
        }
        assert!(Encoding::Base64.decode_tag("AAAB").is_some());
        for text in ["AAA", "AB==", "AA=", "AAA*", "AAAB\n", "-_8="] {
            assert!(Encoding::Base64.decode_tag(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(bytes in proptest::collection::vec(any::<u8>(), 1..=Tag::LONGEST)) {
            for encoding in ALL {
                let back = encoding.decode_tag(&encoding.encode(&bytes)).unwrap();
                prop_assert_eq!(back.bytes(), &bytes[..]);
                prop_assert!(back.is_among(Tag::new(&bytes).as_ref()), "nothing may lie behind the tag");
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,200}") {
            for encoding in ALL {
                let _ = encoding.decode_tag(&text);
            }
        }
    }
}
