//! How a configured secret becomes key bytes. Never guessed from its look: Stripe uses `whsec_…` as it stands,
//! Standard Webhooks decodes what follows it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

use super::encoding::unhex;
use crate::config::Secret;

/// The form in which a provider hands out its secrets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SecretForm {
    /// The characters themselves.
    #[default]
    Plain,
    /// Base64 of the key.
    Base64,
    /// Hexadecimal digits of the key.
    Hex,
    /// Base64 of the key after the prefix `whsec_`, which may be missing.
    Whsec,
    /// The characters themselves with their HTML entities undone (`wp_specialchars_decode`, WooCommerce).
    #[serde(rename = "html_unescape")]
    HtmlUnescape,
    /// The SHA-1 of the characters (Braintree).
    Sha1,
    /// The key itself, byte for byte: what a diagnosis tries. No file can say it.
    #[serde(skip)]
    Exact,
}

impl SecretForm {
    /// The key bytes, or what is wrong with the secret, in words that do not contain it.
    pub(crate) fn decode(self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let bytes = secret.expose();
        if self == SecretForm::Exact {
            return Ok(Zeroizing::new(bytes.to_vec()));
        }
        if bytes.is_empty() {
            return Err("is empty");
        }
        if bytes.first().is_some_and(u8::is_ascii_whitespace) || bytes.last().is_some_and(u8::is_ascii_whitespace) {
            return Err("begins or ends with a space or a line break; remove it");
        }
        let key = match self {
            SecretForm::Plain | SecretForm::Exact => bytes.to_vec(),
            SecretForm::Base64 => STANDARD.decode(bytes).map_err(|_| "is not base64, which this provider hands out")?,
            SecretForm::Hex => unhex(bytes).ok_or("is not hexadecimal, which this provider hands out")?,
            SecretForm::Whsec => STANDARD
                .decode(bytes.strip_prefix(b"whsec_").unwrap_or(bytes))
                .map_err(|_| "is not `whsec_` and base64, which this provider hands out")?,
            SecretForm::HtmlUnescape => unescaped(bytes),
            SecretForm::Sha1 => Sha1::digest(bytes).to_vec(),
        };
        if key.is_empty() { Err("holds no key") } else { Ok(Zeroizing::new(key)) }
    }

    /// How a provider would hand out these key bytes; `None` where no text stands for them.
    pub(crate) fn encode(self, key: &[u8]) -> Option<String> {
        match self {
            SecretForm::Base64 => Some(STANDARD.encode(key)),
            SecretForm::Hex => Some(hex::encode(key)),
            SecretForm::Whsec => Some(format!("whsec_{}", STANDARD.encode(key))),
            SecretForm::Plain | SecretForm::Exact | SecretForm::HtmlUnescape | SecretForm::Sha1 => None,
        }
    }

    /// For the docs.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            SecretForm::Plain | SecretForm::Exact => "used as it stands",
            SecretForm::Base64 => "decoded as base64",
            SecretForm::Hex => "decoded as hexadecimal",
            SecretForm::Whsec => "decoded as base64 after `whsec_`",
            SecretForm::HtmlUnescape => "used with its HTML entities undone",
            SecretForm::Sha1 => "hashed with SHA-1 first",
        }
    }
}

/// The entities that WordPress undoes, each also as a number; one pass, so that `&amp;lt;` becomes `&lt;`.
const ENTITIES: [(&[u8], u8); 5] =
    [(b"&lt;", b'<'), (b"&gt;", b'>'), (b"&amp;", b'&'), (b"&quot;", b'"'), (b"&#039;", b'\'')];

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        match entity(rest) {
            Some((plain, length)) => {
                out.push(plain);
                rest = &rest[length..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

/// The entity at the beginning of a text and its length.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    if let Some((name, plain)) = ENTITIES.iter().find(|(name, _)| text.starts_with(name)) {
        return Some((*plain, name.len()));
    }
    let number = text.strip_prefix(b"&#")?;
    let end = number.iter().take(10).position(|&byte| byte == b';')?;
    let digits = std::str::from_utf8(&number[..end]).ok()?;
    let code = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u8::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let known = code.ok().filter(|code| ENTITIES.iter().any(|(_, plain)| plain == code));
    known.map(|plain| (plain, end + 3))
}

#[cfg(test)]
mod tests {
    use super::SecretForm;
    use crate::config::Secret;

    fn decode(form: SecretForm, text: &str) -> Result<Vec<u8>, &'static str> {
        form.decode(&Secret::new(text.as_bytes().to_vec())).map(|key| key.to_vec())
    }

    #[test]
    fn the_same_text_is_another_key_in_another_form() {
        assert_eq!(decode(SecretForm::Plain, "whsec_a2V5"), Ok(b"whsec_a2V5".to_vec()));
        assert_eq!(decode(SecretForm::Whsec, "whsec_a2V5"), Ok(b"key".to_vec()));
        assert_eq!(decode(SecretForm::Whsec, "a2V5"), Ok(b"key".to_vec()));
        assert_eq!(decode(SecretForm::Base64, "a2V5"), Ok(b"key".to_vec()));
        assert_eq!(decode(SecretForm::Hex, "6b6579"), Ok(b"key".to_vec()));
    }

    #[test]
    fn html_entities_are_undone_once() {
        let plain = |text: &str| String::from_utf8(decode(SecretForm::HtmlUnescape, text).unwrap()).unwrap();
        assert_eq!(plain("a&amp;b&lt;c&gt;&quot;&#039;&#39;&#x27;&#034;"), "a&b<c>\"'\'\'\"");
        assert_eq!(plain("&amp;lt;"), "&lt;");
        for same in ["plain", "&", "&;", "&#;", "&#x;", "&copy;", "&#65;", "&amp", "&#x2700000000;"] {
            assert_eq!(plain(same), same);
        }
        let sha1 = hex::decode("a9993e364706816aba3e25717850c26c9cd0d89d").unwrap();
        assert_eq!(decode(SecretForm::Sha1, "abc").unwrap(), sha1);
    }

    #[test]
    fn a_secret_that_cannot_be_meant_is_refused() {
        for text in ["", " secret", "secret\n", "secret\r\n"] {
            assert!(decode(SecretForm::Plain, text).is_err());
        }
        assert!(decode(SecretForm::Base64, "whsec_a2V5").is_err());
        assert!(decode(SecretForm::Whsec, "whsec_").is_err());
        assert!(decode(SecretForm::Hex, "xyz").is_err());
    }
}
