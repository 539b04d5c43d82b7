//! What can be wrong with a provider file or with a source's settings, and where it stands.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A provider file that cannot be used. Says where, and what is allowed there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {}{problem}", key_prefix(.key))]
pub struct SpecError {
    /// The file as it was given.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// The dotted key, empty for the file as a whole.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

/// Settings of a source that its provider cannot work with. The key is relative to `[sources.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", key_prefix(.key))]
pub struct BindError {
    /// The dotted key below `[sources.NAME]`, such as `secrets` or `verify.header`.
    pub key: String,
    /// What is wrong or missing, and where to find it.
    pub problem: String,
}

fn key_prefix(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}

/// Why a body could not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The source has no secret: it accepts unsigned traffic.
    #[error("the source has no secret to sign with")]
    NoSecret,
    /// The signed text holds a header that was not given.
    #[error("the header `{0}` is part of the signed text and must be given once")]
    HeaderMissing(String),
    /// The provider puts its proof into the body, and this body has no place for it.
    #[error("the provider puts its proof into the body at `{0}`; put a text or a number there, it is replaced")]
    NoPlace(String),
    /// Only the provider has the private key.
    #[error("only the provider can sign: the source holds its public key")]
    NoPrivateKey,
    /// The secret holds bytes that cannot stand in a header.
    #[error("the secret holds bytes that cannot stand in a header")]
    NotAHeaderValue,
}

/// A fault in one key, while the way down to that key is still being walked back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// From the outermost key to the innermost; a number is a place in a list.
    path: Vec<String>,
    problem: String,
}

impl Fault {
    /// A fault of `key` itself.
    pub(crate) fn new(key: &str, problem: impl Into<String>) -> Fault {
        Fault { path: vec![key.to_owned()], problem: problem.into() }
    }

    /// The same fault, seen from the table that holds it.
    pub(crate) fn within(mut self, key: &str) -> Fault {
        self.path.insert(0, key.to_owned());
        self
    }

    /// With the file and the line in which the key stands; the line of its table when it stands nowhere.
    pub(crate) fn in_file(self, file: &str, text: &str) -> SpecError {
        let offset = DeTable::parse(text).map(|table| offset_of(&table, &self.path)).unwrap_or(0);
        SpecError {
            file: file.to_owned(),
            line: line_of(text, offset),
            key: self.path.join("."),
            problem: self.problem,
        }
    }
}

impl From<Fault> for BindError {
    fn from(fault: Fault) -> BindError {
        BindError { key: fault.path.join("."), problem: fault.problem }
    }
}

/// A fault that the TOML reader found, with the key that stands at its place.
pub(crate) fn from_toml(error: &toml::de::Error, file: &str, text: &str) -> SpecError {
    let offset = error.span().map_or(0, |span| span.start);
    let mut path = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        key_at(table.get_ref(), offset, &mut path);
    }
    SpecError {
        file: file.to_owned(),
        line: line_of(text, offset),
        key: path.join("."),
        problem: error.message().trim_end().replace('\n', "; "),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// Where the key at the end of `path` stands, or the last table on the way that does.
fn offset_of(table: &Spanned<DeTable<'_>>, path: &[String]) -> usize {
    let Some((first, rest)) = path.split_first() else {
        return table.span().start;
    };
    let found = table.get_ref().iter().find(|(key, _)| key.get_ref().as_ref() == first);
    found.map_or(table.span().start, |(key, value)| offset_in(value, rest).unwrap_or(key.span().start))
}

fn offset_in(value: &Spanned<DeValue<'_>>, path: &[String]) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    match value.get_ref() {
        DeValue::Table(table) => {
            let (key, inner) = table.iter().find(|(key, _)| key.get_ref().as_ref() == first)?;
            Some(offset_in(inner, rest).unwrap_or(key.span().start))
        }
        DeValue::Array(items) => {
            let item = items.get(first.parse::<usize>().ok()?)?;
            Some(offset_in(item, rest).unwrap_or(item.span().start))
        }
        _ => None,
    }
}

/// The way to the innermost key whose name or value covers `offset`.
fn key_at(table: &DeTable<'_>, offset: usize, path: &mut Vec<String>) {
    let covers = |span: Range<usize>| span.start <= offset && offset < span.end.max(span.start + 1);
    for (key, value) in table {
        if covers(key.span()) {
            path.push(key.get_ref().to_string());
            return;
        }
        let depth = path.len();
        path.push(key.get_ref().to_string());
        if value_at(value, offset, path) || covers(value.span()) {
            return;
        }
        path.truncate(depth);
    }
}

/// Extends `path` and says true when `offset` lies below this value.
fn value_at(value: &Spanned<DeValue<'_>>, offset: usize, path: &mut Vec<String>) -> bool {
    let depth = path.len();
    match value.get_ref() {
        DeValue::Table(table) => key_at(table, offset, path),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                if value_at(item, offset, path) {
                    return true;
                }
                path.truncate(depth);
            }
        }
        _ => {}
    }
    path.len() > depth
}

#[cfg(test)]
mod tests {
    use super::Fault;

    const TEXT: &str = "name = \"x\"\n\n[verify]\nscheme = \"hmac-sha256\"\n\n[api.records]\n\"invoice.*\" = \"/v1\"\n";

    #[test]
    fn a_fault_finds_its_line() {
        let at = |path: &[&str]| {
            let (last, outer) = path.split_last().unwrap();
            let fault = outer.iter().rev().fold(Fault::new(last, "wrong"), |fault, key| fault.within(key));
            fault.in_file("x.toml", TEXT).line
        };
        assert_eq!(at(&["verify", "scheme"]), 4);
        assert_eq!(at(&["verify", "header"]), 3);
        assert_eq!(at(&["api", "records", "invoice.*"]), 7);
        assert_eq!(at(&["nowhere"]), 1);
    }

    #[test]
    fn it_reads_as_one_line() {
        let error = Fault::new("scheme", "is unknown").within("verify").in_file("x.toml", TEXT);
        assert_eq!(error.to_string(), "x.toml:4: verify.scheme: is unknown");
    }
}
