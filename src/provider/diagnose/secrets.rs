//! What a configured secret may have been before it was copied, exported, stored or decoded.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::Cause;
use crate::config::Secret;
use crate::provider::plausible::Look;
use crate::provider::verify::SecretForm;

/// Base64 as people copy it: padded or not.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// What signatures and headers begin with, and secrets of some providers.
const PREFIXES: [&str; 9] = ["whsec_", "sha256=", "sha1=", "v1,", "v1=", "v0=", "Bearer ", "Basic ", "0x"];

/// The forms that are tried, beside the provider's own.
const FORMS: [SecretForm; 5] =
    [SecretForm::Plain, SecretForm::Base64, SecretForm::Hex, SecretForm::Whsec, SecretForm::HtmlUnescape];

/// A key that may have been meant, and how it differs from the configured one.
pub(super) struct Variant {
    pub(super) key: Secret,
    pub(super) cause: Cause,
    /// After "It matches when the secret is taken".
    pub(super) how: String,
    /// The form that gave it, where that is not the provider's.
    pub(super) form: Option<SecretForm>,
}

/// Every key that is worth a try for one secret, the likely ones first, each once, and never the one in use.
pub(super) fn variants(secret: &Secret, own: SecretForm, looks: &[Look]) -> Vec<Variant> {
    let texts = texts(secret.expose(), looks);
    let as_it_stands = (Cause::SecretEncoding, String::new(), secret.expose().to_vec());
    let own_form = std::iter::once(&as_it_stands).chain(&texts).map(|text| (text, own));
    let other_forms = std::iter::once(&as_it_stands).chain(&texts).flat_map(|text| FORMS.map(|form| (text, form)));
    let used = own.decode(secret).ok();
    let mut seen: Vec<Vec<u8>> = used.iter().map(|key| key.to_vec()).collect();
    let mut out = Vec::new();
    for ((cause, how, text), form) in own_form.chain(other_forms) {
        for key in keys(form, text) {
            if key.is_empty() || seen.contains(&key) {
                continue;
            }
            seen.push(key.clone());
            let decoded = (form != own).then_some(form);
            let how = match (decoded, how.is_empty()) {
                (None, true) => "decoded with its padding mended".to_owned(),
                (None, false) => how.clone(),
                (Some(form), true) => form.describe().to_owned(),
                (Some(form), false) => format!("{how}, and {}", form.describe()),
            };
            out.push(Variant { key: Secret::new(key), cause: *cause, how, form: decoded });
        }
    }
    out
}

/// The key bytes; of base64 also where padding or alphabet are not as the form wants them.
fn keys(form: SecretForm, text: &[u8]) -> Vec<Vec<u8>> {
    let lenient =
        |text: &[u8]| [STANDARD.decode(text).ok(), URL_SAFE.decode(text).ok()].into_iter().flatten().collect();
    match form {
        SecretForm::Plain | SecretForm::Exact => vec![text.to_vec()],
        SecretForm::Base64 => lenient(text),
        SecretForm::Whsec => lenient(text.strip_prefix(b"whsec_").unwrap_or(text)),
        SecretForm::Hex | SecretForm::HtmlUnescape | SecretForm::Sha1 => {
            form.decode(&Secret::new(text.to_vec())).map(|key| key.to_vec()).into_iter().collect()
        }
    }
}

type Text = (Cause, String, Vec<u8>);

/// The secret as other texts.
fn texts(secret: &[u8], looks: &[Look]) -> Vec<Text> {
    let mut out: Vec<Text> = Vec::new();
    let mut add = |cause: Cause, how: &str, text: Vec<u8>| {
        if text != secret && !text.is_empty() && !out.iter().any(|(_, _, known)| *known == text) {
            out.push((cause, how.to_owned(), text));
        }
    };
    let bare = bare(secret);
    add(Cause::SecretStray, "without the white space, quotes or marks around it", bare.to_vec());
    let inner: Vec<u8> = secret.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    add(Cause::SecretStray, "without the white space in it", inner);
    if let Some((name, value)) = assignment(bare) {
        add(Cause::SecretStray, &format!("without the `{name}=` before it"), self::bare(value).to_vec());
    }
    for prefix in PREFIXES.iter().copied().chain(looks.iter().map(Look::begins)).filter(|prefix| !prefix.is_empty()) {
        if let Some(rest) = bare.strip_prefix(prefix.as_bytes()) {
            add(Cause::SecretPrefix, &format!("without the `{prefix}` before it"), rest.to_vec());
        } else if prefix == "whsec_" || looks.iter().any(|look| look.begins() == prefix) {
            add(Cause::SecretPrefix, &format!("with `{prefix}` before it"), [prefix.as_bytes(), bare].concat());
        }
    }
    let decoded: Vec<u8> = percent_encoding::percent_decode(bare).collect();
    add(Cause::SecretStray, "with its percent-encoding undone", decoded);
    let unescaped = SecretForm::HtmlUnescape.decode(&Secret::new(bare.to_vec()));
    add(Cause::SecretStray, "with its HTML entities undone", unescaped.map(|text| text.to_vec()).unwrap_or_default());
    add(Cause::SecretStray, "in small letters", bare.to_ascii_lowercase());
    add(Cause::SecretStray, "in capital letters", bare.to_ascii_uppercase());
    for (end, name) in [
        ("\n", "a line break"),
        ("\r\n", "a carriage return and a line break"),
        ("\r", "a carriage return"),
        (" ", "a space"),
    ] {
        add(
            Cause::SecretStray,
            &format!("with {name} at its end, as it stands at the provider"),
            [bare, end.as_bytes()].concat(),
        );
    }
    for quote in ["\"", "'"] {
        let quoted = [quote.as_bytes(), bare, quote.as_bytes()].concat();
        add(Cause::SecretStray, &format!("with {quote} around it, as it stands at the provider"), quoted);
    }
    out
}

/// What strays to the ends of secrets: white space, also escaped, quotes, also typographic ones, the punctuation of the
/// file in which they stood, byte order marks and invisible spaces.
const MARKS: [&str; 28] = [
    " ", "\t", "\r", "\n", "\"", "'", "`", "\\n", "\\r", ";", ",", "%0A", "%0a", "%0D", "%0d", "%20", "%22",
    "\u{feff}", "\u{a0}", "\u{200b}", "\u{201c}", "\u{201d}", "\u{201e}", "\u{2018}", "\u{2019}", "\u{201a}", "\u{ab}",
    "\u{bb}",
];

/// Without these at its ends.
fn bare(secret: &[u8]) -> &[u8] {
    let mut bare = secret;
    loop {
        let cut = |mark: &&str| bare.strip_prefix(mark.as_bytes()).or_else(|| bare.strip_suffix(mark.as_bytes()));
        match MARKS.iter().find_map(cut) {
            Some(shorter) => bare = shorter,
            None => return bare,
        }
    }
}

/// `export NAME=value` and `NAME=value`: a line of a file of variables.
fn assignment(text: &[u8]) -> Option<(&str, &[u8])> {
    let text = text.strip_prefix(b"export ").unwrap_or(text);
    let at = text.iter().position(|&byte| byte == b'=')?;
    let name = std::str::from_utf8(&text[..at]).ok()?;
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    (name.len() > 2 && name.chars().all(fits)).then_some((name, &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Cause;
    use super::variants;
    use crate::config::Secret;
    use crate::provider::verify::SecretForm;

    fn leads_to(configured: &[u8], form: SecretForm, key: &[u8]) -> Option<Cause> {
        let variants = variants(&Secret::new(configured.to_vec()), form, &[]);
        assert!(variants.len() < 200);
        variants.iter().find(|variant| variant.key.expose() == key).map(|variant| variant.cause)
    }

    #[test]
    fn what_happens_to_secrets() {
        let plain = SecretForm::Plain;
        for configured in [
            "s3cret\n",
            "s3cret\r",
            "\"s3cret\"",
            "'s3cret'\n",
            "s3cret\\n",
            "\u{feff}s3cret",
            " s3cret",
            "s3cret;",
            "s3cret%0D%0A",
            "\u{201e}s3cret\u{201c}",
            "\u{a0}s3cret",
            "SECRET_NAME=s3cret",
            "export S_X=\"s3cret\"",
            "s3%63ret",
            "S3CRET",
        ] {
            assert_eq!(leads_to(configured.as_bytes(), plain, b"s3cret"), Some(Cause::SecretStray), "{configured:?}");
        }
        for configured in ["whsec_s3cret", "sha256=s3cret", "v1,s3cret", "Bearer s3cret"] {
            assert_eq!(leads_to(configured.as_bytes(), plain, b"s3cret"), Some(Cause::SecretPrefix), "{configured:?}");
        }
        for key in ["s3cret\n", "s3cret\r\n", "\"s3cret\""] {
            assert_eq!(leads_to(b"s3cret", plain, key.as_bytes()), Some(Cause::SecretStray), "{key:?}");
        }
        assert_eq!(leads_to(b"a2V5", plain, b"key"), Some(Cause::SecretEncoding));
        assert_eq!(leads_to(b"6b6579", plain, b"key"), Some(Cause::SecretEncoding));
        assert_eq!(leads_to(b"whsec_a2V5", SecretForm::Whsec, b"whsec_a2V5"), Some(Cause::SecretEncoding));
        assert_eq!(leads_to(b"a2V5", SecretForm::Base64, b"a2V5"), Some(Cause::SecretEncoding));
        assert_eq!(leads_to(b"a2U", SecretForm::Base64, b"ke"), Some(Cause::SecretEncoding), "without its padding");
        assert_eq!(leads_to(b"s3cret", plain, b"s3cret"), None, "the one in use is no variant");
    }

    proptest! {
        #[test]
        fn no_secret_panics(secret in prop::collection::vec(any::<u8>(), 0..60)) {
            for form in super::FORMS {
                let _ = variants(&Secret::new(secret.clone()), form, &[]);
            }
        }
    }
}
