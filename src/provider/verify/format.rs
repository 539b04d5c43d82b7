//! The grammar of a header that carries a signature or a token, given by example: `sha256={signature}`,
//! `t={timestamp},v1={signature}`, `v1,{signature}` in a list.

use std::collections::BTreeMap;

use memchr::memchr;
use serde::Deserialize;

use super::super::placeholder::{Piece, pieces};
use super::super::reject::Reject;
use super::few::Few;

/// More signatures than this in one request are no rotation any more.
pub(crate) const MAX_SIGNATURES: usize = 16;

/// Characters that may stand between the fields of one header.
const SEPARATORS: &str = ",;&| ";

/// A parameter of the source that stands before a signature, such as the public key in front of Braintree's.
const CONFIG: &str = "config:";

/// How a header value is read and written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Format {
    text: String,
    /// Fields in the order in which they are written.
    fields: Vec<Field>,
    /// One of [`SEPARATORS`].
    separator: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    prefix: String,
    holds: Holds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Signature,
    Timestamp,
}

/// What one request's headers hold.
#[derive(Debug, Default)]
pub(crate) struct Parsed<'a> {
    pub(crate) timestamp: Option<&'a str>,
    pub(crate) signatures: Few<&'a str>,
}

impl Format {
    /// Does the header also carry the timestamp?
    pub(crate) fn has_timestamp(&self) -> bool {
        self.fields.iter().any(|field| field.holds == Holds::Timestamp)
    }

    /// The same format with several values in one header, `separator` between them.
    pub(crate) fn listed(self, separator: char) -> Result<Format, String> {
        if self.separator.is_some() {
            return Err("is given by the format already".to_owned());
        }
        if !SEPARATORS.contains(separator) {
            return Err(format!("`{separator}` is not one of `,` `;` `&` `|` and the space"));
        }
        Ok(Format { separator: Some(separator as u8), ..self })
    }

    /// The parameters of the source that stand in it.
    pub(crate) fn params(&self) -> Vec<String> {
        let holes = self.fields.iter().flat_map(|field| pieces(&field.prefix).unwrap_or_default());
        let param = |piece| match piece {
            Piece::Hole(name) => name.strip_prefix(CONFIG).map(str::to_owned),
            Piece::Literal(_) => None,
        };
        holes.filter_map(param).collect()
    }

    /// With one source's parameters.
    pub(crate) fn bind(&self, params: &BTreeMap<String, String>) -> Format {
        let mut bound = self.clone();
        for (name, value) in params {
            for field in &mut bound.fields {
                field.prefix = field.prefix.replace(&format!("{{{CONFIG}{name}}}"), value);
            }
        }
        bound
    }

    /// Add what one header value holds. Fields of other names are passed over: providers add schemes.
    pub(crate) fn read<'a>(&self, value: &'a str, parsed: &mut Parsed<'a>) -> Result<(), Reject> {
        match self.separator {
            None => self.read_item(0, value, parsed),
            Some(separator) => {
                let mut items = split(value, separator).enumerate();
                items.try_for_each(|(place, item)| self.read_item(place, item, parsed))
            }
        }
    }

    fn read_item<'a>(&self, place: usize, item: &'a str, parsed: &mut Parsed<'a>) -> Result<(), Reject> {
        match self.field(place, trimmed(item)) {
            None => Ok(()),
            Some((Holds::Timestamp, text)) => match parsed.timestamp.replace(text) {
                None => Ok(()),
                Some(_) => Err(Reject::TimestampMalformed),
            },
            Some((Holds::Signature, _)) if parsed.signatures.len() == MAX_SIGNATURES => Err(Reject::SignatureMalformed),
            Some((Holds::Signature, text)) => {
                parsed.signatures.push(text);
                Ok(())
            }
        }
    }

    /// Fields are told apart by their prefix, or by their place when none has one.
    fn field<'a>(&self, place: usize, item: &'a str) -> Option<(Holds, &'a str)> {
        if self.is_positional() {
            return self.fields.get(place).or(self.fields.last()).map(|field| (field.holds, item));
        }
        self.fields.iter().find_map(|field| Some((field.holds, item.strip_prefix(field.prefix.as_str())?)))
    }

    fn is_positional(&self) -> bool {
        self.fields.iter().all(|field| field.prefix.is_empty())
    }

    /// The header value that a provider would send.
    pub(crate) fn write(&self, timestamp: &str, signature: &str) -> String {
        let mut out = String::new();
        for (place, field) in self.fields.iter().enumerate() {
            out.extend(self.separator.filter(|_| place > 0).map(char::from));
            out.push_str(&field.prefix);
            out.push_str(match field.holds {
                Holds::Signature => signature,
                Holds::Timestamp => timestamp,
            });
        }
        out
    }

    /// As the file spells it.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl Default for Format {
    /// The signature alone.
    fn default() -> Format {
        let field = Field { prefix: String::new(), holds: Holds::Signature };
        Format { text: "{signature}".to_owned(), fields: vec![field], separator: None }
    }
}

impl TryFrom<String> for Format {
    type Error = String;

    fn try_from(text: String) -> Result<Format, String> {
        let mut fields: Vec<Field> = Vec::new();
        let mut separator = None;
        let mut prefix = String::new();
        for piece in pieces(&text)? {
            let name = match piece {
                Piece::Literal(literal) => {
                    prefix.push_str(&literal);
                    continue;
                }
                Piece::Hole(name) if name.starts_with(CONFIG) => {
                    prefix.push_str(&format!("{{{name}}}"));
                    continue;
                }
                Piece::Hole(name) => name,
            };
            if !fields.is_empty() {
                let between = prefix.bytes().next().filter(|&byte| SEPARATORS.contains(char::from(byte)));
                separator =
                    Some(between.ok_or_else(|| {
                        format!("`{text}` needs one of `,` `;` `&` `|` or a space between its fields")
                    })?);
                prefix.remove(0);
            }
            fields.push(Field { prefix: std::mem::take(&mut prefix), holds: holds(&name)? });
        }
        check(&text, &fields, &prefix)?;
        Ok(Format { text, fields, separator })
    }
}

/// The texts between the separators, which are ASCII.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match memchr(separator, text.as_bytes()) {
            None => rest.take(),
            Some(end) => {
                rest = text.get(end + 1..);
                text.get(..end)
            }
        }
    })
}

/// Without the spaces around it, of which there are hardly ever any: the library's own is several times as slow then.
fn trimmed(mut text: &str) -> &str {
    while let Some(rest) = text.strip_prefix(' ') {
        text = rest;
    }
    while let Some(rest) = text.strip_suffix(' ') {
        text = rest;
    }
    text
}

/// `{token}` is what token schemes call their one value.
fn holds(name: &str) -> Result<Holds, String> {
    match name {
        "signature" | "token" => Ok(Holds::Signature),
        "timestamp" => Ok(Holds::Timestamp),
        _ => Err(format!("unknown field {{{name}}}, expected {{signature}}, {{timestamp}} or {{token}}")),
    }
}

fn check(text: &str, fields: &[Field], rest: &str) -> Result<(), String> {
    let count = |holds| fields.iter().filter(|field| field.holds == holds).count();
    if !rest.is_empty() {
        return Err(format!("nothing may follow the last field of `{text}`"));
    }
    if count(Holds::Signature) != 1 || count(Holds::Timestamp) > 1 {
        return Err(format!("`{text}` must hold {{signature}} or {{token}} once and {{timestamp}} at most once"));
    }
    let bare = fields.iter().filter(|field| field.prefix.is_empty()).count();
    if fields.len() == 2 && (bare == 1 || fields[0].prefix == fields[1].prefix && bare == 0) {
        return Err(format!("the fields of `{text}` cannot be told apart"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Format, MAX_SIGNATURES, Parsed};
    use crate::provider::Reject;

    fn format(text: &str) -> Format {
        Format::try_from(text.to_owned()).unwrap()
    }

    fn read<'a>(format: &Format, value: &'a str) -> (Option<&'a str>, Vec<&'a str>) {
        let mut parsed = Parsed::default();
        format.read(value, &mut parsed).unwrap();
        (parsed.timestamp, parsed.signatures.iter().copied().collect())
    }

    #[test]
    fn one_value_with_and_without_a_prefix() {
        assert_eq!(read(&format("{signature}"), "abc"), (None, vec!["abc"]));
        assert_eq!(read(&format("sha256={signature}"), "sha256=abc"), (None, vec!["abc"]));
        assert_eq!(read(&format("sha256={signature}"), "sha1=abc"), (None, vec![]));
        assert_eq!(read(&format("Bearer {token}"), "Bearer abc"), (None, vec!["abc"]));
    }

    #[test]
    fn fields_by_name_may_repeat_and_strangers_are_passed_over() {
        let stripe = format("t={timestamp},v1={signature}");
        assert_eq!(read(&stripe, "t=17,v1=aa,v0=bb, v1=cc"), (Some("17"), vec!["aa", "cc"]));
        assert_eq!(read(&stripe, "v1=aa"), (None, vec!["aa"]));
        assert_eq!(read(&format("ts={timestamp};h1={signature}"), "ts=17;h1=aa;h1=bb"), (Some("17"), vec!["aa", "bb"]));
        assert_eq!(stripe.write("17", "aa"), "t=17,v1=aa");
    }

    #[test]
    fn fields_by_place() {
        let recurly = format("{timestamp},{signature}");
        assert_eq!(read(&recurly, "17,aa,bb"), (Some("17"), vec!["aa", "bb"]));
        assert_eq!(recurly.write("17", "aa"), "17,aa");
    }

    #[test]
    fn a_list_of_values() {
        let standard = format("v1,{signature}").listed(' ').unwrap();
        assert_eq!(read(&standard, "v1,aa v1a,bb v1,cc"), (None, vec!["aa", "cc"]));
        assert!(format("t={timestamp},v1={signature}").listed(' ').is_err());
        assert!(format("{signature}").listed('x').is_err());
    }

    #[test]
    fn a_parameter_stands_before_the_signature() {
        let braintree = format("{config:public_key}|{signature}").listed('&').unwrap();
        assert_eq!(braintree.params(), ["public_key"]);
        let bound = braintree.bind(&[("public_key".to_owned(), "mine".to_owned())].into());
        assert_eq!(read(&bound, "theirs|aa&mine|bb"), (None, vec!["bb"]));
        assert_eq!(bound.write("", "bb"), "mine|bb");
    }

    #[test]
    fn repeated_timestamps_and_endless_signatures_are_malformed() {
        let stripe = format("t={timestamp},v1={signature}");
        let mut parsed = Parsed::default();
        assert_eq!(stripe.read("t=1,t=2,v1=aa", &mut parsed), Err(Reject::TimestampMalformed));
        let many = vec!["v1=aa"; MAX_SIGNATURES + 1].join(",");
        assert_eq!(stripe.read(&many, &mut Parsed::default()), Err(Reject::SignatureMalformed));
    }

    #[test]
    fn unclear_formats_are_refused() {
        for text in [
            "",
            "abc",
            "{signature}{timestamp}",
            "{timestamp}",
            "{signature},{signature}",
            "t={timestamp},{signature}",
            "{signature}x",
            "{other}",
            "a={timestamp},a={signature}",
        ] {
            assert!(Format::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(text in "[tv10=,a ]{0,40}|.{0,40}") {
            for format in ["{signature}", "t={timestamp},v1={signature}", "{timestamp},{signature}"] {
                let _ = self::format(format).read(&text, &mut Parsed::default());
            }
        }
    }
}
