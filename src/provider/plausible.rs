//! What a provider's secrets look like, and what people paste in their place: facts of its file, for `check` and
//! `explain`. A doubt is never a verdict: what verifies is decided by signatures alone.

use std::fmt;

use serde::Deserialize;

use super::placeholder::{Piece, pieces};
use super::spec::SecretsNeed;
use crate::config::Secret;

/// The look of a secret or of a challenge: a literal beginning and what may follow, such as `whsec_{base64}`, `{hex:32}`,
/// `{hex:20-32}` or `sk_{any}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Look {
    begins: String,
    rest: Rest,
    /// In bytes, both ends included.
    length: Option<(usize, usize)>,
    text: String,
}

/// What may stand after the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rest {
    Nothing,
    Any,
    Hex,
    Base64,
    Uuid,
}

/// Why a secret is hardly the one that the provider hands out. Displayed as a phrase after "the secret"; none of them
/// holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// It begins or ends with something that no secret contains: a line break, a quote, a byte order mark.
    Stray(&'static str),
    /// It is something else of the same provider, such as an API key.
    Other(String),
    /// Everybody knows it: the provider's documentation or its test button uses it.
    Known(String),
    /// It has none of the looks of the provider's secrets.
    Unlike(String),
}

/// What strays into secrets when they are copied, exported or stored.
const STRAYS: [(&[u8], &str); 10] = [
    (b"\n", "a line break"),
    (b"\r", "a carriage return"),
    (b" ", "a space"),
    (b"\t", "a tab"),
    (b"\"", "a double quote"),
    (b"'", "a single quote"),
    (b"`", "a backquote"),
    (b"\\n", "a backslash and an n (a line break that was escaped)"),
    (b"\xef\xbb\xbf", "a byte order mark"),
    ("\u{200b}".as_bytes(), "an invisible space"),
];

impl SecretsNeed {
    /// What speaks against this secret, the most telling first.
    pub fn doubts(&self, secret: &Secret) -> Vec<Doubt> {
        let bytes = secret.expose();
        let stray = STRAYS.iter().find(|(stray, _)| bytes.starts_with(stray) || bytes.ends_with(stray));
        let known = self.known.iter().find(|(known, _)| known.as_bytes() == bytes);
        let other = self.not.iter().find(|(look, _)| look.fits(bytes));
        let unlike = !self.looks_like.is_empty() && !self.looks_like.iter().any(|look| look.fits(bytes));
        let mut doubts: Vec<Doubt> = stray.map(|(_, name)| Doubt::Stray(name)).into_iter().collect();
        doubts.extend(known.map(|(_, whose)| Doubt::Known(whose.clone())));
        doubts.extend(other.map(|(look, what)| Doubt::Other(format!("{what} (`{look}`)"))));
        doubts.extend(unlike.then(|| Doubt::Unlike(self.looks())).filter(|_| doubts.is_empty()));
        doubts
    }

    /// The looks in one phrase, for people; empty where none is known.
    pub fn looks(&self) -> String {
        self.looks_like.iter().map(|look| format!("`{look}`")).collect::<Vec<_>>().join(" or ")
    }
}

impl Look {
    /// Does this text look so?
    pub fn fits(&self, text: &[u8]) -> bool {
        let Some(rest) = text.strip_prefix(self.begins.as_bytes()) else { return false };
        let length = self.length.is_none_or(|(least, most)| (least..=most).contains(&rest.len()));
        length
            && match self.rest {
                Rest::Nothing => rest.is_empty(),
                Rest::Any => !rest.is_empty(),
                Rest::Hex => !rest.is_empty() && rest.iter().all(u8::is_ascii_hexdigit),
                Rest::Base64 => !rest.is_empty() && rest.iter().all(is_base64),
                Rest::Uuid => is_uuid(rest),
            }
    }

    /// What stands before the part that differs from secret to secret.
    pub fn begins(&self) -> &str {
        &self.begins
    }
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte)
}

fn is_uuid(text: &[u8]) -> bool {
    let dash = |place: usize| matches!(place, 8 | 13 | 18 | 23);
    let fits = |(place, byte): (usize, &u8)| if dash(place) { *byte == b'-' } else { byte.is_ascii_hexdigit() };
    text.len() == 36 && text.iter().enumerate().all(fits)
}

impl TryFrom<String> for Look {
    type Error = String;

    fn try_from(text: String) -> Result<Look, String> {
        let (begins, hole) = match pieces(&text)?.as_slice() {
            [Piece::Literal(literal)] => (literal.clone(), None),
            [Piece::Literal(literal), Piece::Hole(hole)] => (literal.clone(), Some(hole.clone())),
            [Piece::Hole(hole)] => (String::new(), Some(hole.clone())),
            _ => {
                return Err(format!(
                    "`{text}` must be a beginning and at most one of {{any}}, {{hex}}, {{base64}}, {{uuid}}"
                ));
            }
        };
        let (name, length) = match hole
            .as_deref()
            .map(|hole| hole.split_once(':').map_or((hole, None), |(name, length)| (name, Some(length))))
        {
            None => return Ok(Look { begins, rest: Rest::Nothing, length: None, text }),
            Some(parts) => parts,
        };
        let length = length.map(|length| {
            let (least, most) = length.split_once('-').unwrap_or((length, length));
            let ends = least.parse().ok().zip(most.parse().ok()).filter(|(least, most)| least <= most);
            ends.ok_or_else(|| format!("`{text}`: {length} is neither a length nor two of them, the least first"))
        });
        let rest = match name {
            "any" => Rest::Any,
            "hex" => Rest::Hex,
            "base64" => Rest::Base64,
            "uuid" => Rest::Uuid,
            other => {
                return Err(format!(
                    "`{text}`: unknown {{{other}}}, expected {{any}}, {{hex}}, {{base64}} or {{uuid}}"
                ));
            }
        };
        Ok(Look { begins, rest, length: length.transpose()?, text })
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Stray(what) => write!(f, "begins or ends with {what}"),
            Doubt::Other(what) => write!(f, "looks like {what}"),
            Doubt::Known(whose) => write!(f, "is {whose}, which everybody knows"),
            Doubt::Unlike(looks) => write!(f, "does not look like {looks}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Doubt, Look};
    use crate::config::Secret;
    use crate::provider::Catalogue;

    fn fits(look: &str, text: &str) -> bool {
        Look::try_from(look.to_owned()).unwrap().fits(text.as_bytes())
    }

    #[test]
    fn each_look() {
        assert!(fits("whsec_{any}", "whsec_x") && !fits("whsec_{any}", "whsec_") && !fits("whsec_{any}", "sk_x"));
        assert!(fits("{hex:4}", "09aF") && !fits("{hex:4}", "09aFF") && !fits("{hex:4}", "09ag"));
        assert!(fits("{base64}", "a+/=") && !fits("{base64}", "a b"));
        assert!(fits("{uuid}", "0123abcd-0000-4000-8000-00000000000f") && !fits("{uuid}", "0123abcd"));
        assert!(fits("exact", "exact") && !fits("exact", "exactly"));
        for wrong in ["", "{other}", "{hex:x}", "{hex}{any}", "{hex}x", "{hex"] {
            assert!(Look::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_people_paste_in_a_secrets_place() {
        let catalogue = Catalogue::embedded().unwrap();
        let doubts = |provider: &str, secret: &str| {
            let need = catalogue.get(provider).unwrap().needs().secrets.clone().unwrap();
            need.doubts(&Secret::new(secret.as_bytes().to_vec()))
        };
        assert_eq!(doubts("stripe", "whsec_51abc"), []);
        for (provider, secret) in [
            ("stripe", "sk_live_x"),
            ("stripe", "pk_test_x"),
            ("slack", "xoxb-1-2-x"),
            ("github", "ghp_x"),
            ("shopify", "shpat_x"),
            ("twilio", "AC0123456789abcdef0123456789abcdef"),
            ("hubspot", "pat-eu1-x"),
            ("openai", "sk-proj-x"),
            ("sendgrid", "SG.x.y"),
            ("razorpay", "rzp_test_x"),
        ] {
            assert!(matches!(&doubts(provider, secret)[..], [Doubt::Other(_)]), "{provider} {secret}");
        }
        assert!(matches!(doubts("slack", "nonsense")[..], [Doubt::Unlike(_)]));
        assert!(matches!(doubts("stripe", "\"whsec_x\"")[..], [Doubt::Stray("a double quote")]));
        assert!(matches!(doubts("stripe", "whsec_x\r")[..], [Doubt::Stray("a carriage return")]));
        let test_button = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";
        assert!(matches!(doubts("zendesk", test_button)[..], [Doubt::Known(_)]));
    }
}
