//! How a configured secret becomes key bytes. Never guessed from its look: Stripe uses `whsec_…` as it stands,
//! Standard Webhooks decodes what follows it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

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
}

impl SecretForm {
    /// The key bytes, or what is wrong with the secret, in words that do not contain it.
    pub(crate) fn decode(self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let bytes = secret.expose();
        if bytes.is_empty() {
            return Err("is empty");
        }
        if bytes.first().is_some_and(u8::is_ascii_whitespace) || bytes.last().is_some_and(u8::is_ascii_whitespace) {
            return Err("begins or ends with a space or a line break; remove it");
        }
        let key = match self {
            SecretForm::Plain => bytes.to_vec(),
            SecretForm::Base64 => STANDARD.decode(bytes).map_err(|_| "is not base64, which this provider hands out")?,
            SecretForm::Hex => hex::decode(bytes).map_err(|_| "is not hexadecimal, which this provider hands out")?,
            SecretForm::Whsec => STANDARD
                .decode(bytes.strip_prefix(b"whsec_").unwrap_or(bytes))
                .map_err(|_| "is not `whsec_` and base64, which this provider hands out")?,
        };
        if key.is_empty() { Err("holds no key") } else { Ok(Zeroizing::new(key)) }
    }

    /// For the docs.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            SecretForm::Plain => "used as it stands",
            SecretForm::Base64 => "decoded as base64",
            SecretForm::Hex => "decoded as hexadecimal",
            SecretForm::Whsec => "decoded as base64 after `whsec_`",
        }
    }
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
    fn a_secret_that_cannot_be_meant_is_refused() {
        for text in ["", " secret", "secret\n", "secret\r\n"] {
            assert!(decode(SecretForm::Plain, text).is_err());
        }
        assert!(decode(SecretForm::Base64, "whsec_a2V5").is_err());
        assert!(decode(SecretForm::Whsec, "whsec_").is_err());
        assert!(decode(SecretForm::Hex, "xyz").is_err());
    }
}
