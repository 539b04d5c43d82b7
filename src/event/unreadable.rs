//! Why a verified body cannot be read: one closed list, each with the place in the body.

use std::fmt;

use super::scan::{MAX_DEPTH, MAX_ITEMS};
use super::{number, text};

/// A body that breaks one of the rules of the envelope. It goes to the dead-letter topic as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Which rule.
    pub flaw: Flaw,
    /// Where: the byte offset in the text that was scanned, from 0.
    pub offset: usize,
}

/// The rules that a body can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The body ends inside a value.
    CutShort,
    /// A byte that JSON does not allow here.
    Syntax,
    /// Something stands after the value.
    Trailing,
    /// Not UTF-8.
    Utf8,
    /// More levels of arrays and objects than consumers can be expected to read.
    TooDeep,
    /// Two members of one object have the same name.
    DuplicateName,
    /// A raw control character in a string.
    ControlCharacter,
    /// A backslash before something that JSON cannot escape.
    Escape,
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// A number with too many characters.
    NumberTooLong,
    /// A number that no double can hold.
    NumberOutOfRange,
    /// A member name with too many bytes.
    NameTooLong,
    /// A string with too many bytes.
    StringTooLong,
    /// A batch of more events than one request can hold.
    TooManyItems,
}

impl Flaw {
    /// Every flaw, for the docs and for metrics.
    pub const ALL: [Flaw; 14] = [
        Flaw::CutShort,
        Flaw::Syntax,
        Flaw::Trailing,
        Flaw::Utf8,
        Flaw::TooDeep,
        Flaw::DuplicateName,
        Flaw::ControlCharacter,
        Flaw::Escape,
        Flaw::LoneSurrogate,
        Flaw::NumberTooLong,
        Flaw::NumberOutOfRange,
        Flaw::NameTooLong,
        Flaw::StringTooLong,
        Flaw::TooManyItems,
    ];

    /// The name used in headers, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Flaw::CutShort => "json_cut_short",
            Flaw::Syntax => "json_syntax",
            Flaw::Trailing => "json_trailing",
            Flaw::Utf8 => "utf8",
            Flaw::TooDeep => "too_deep",
            Flaw::DuplicateName => "duplicate_name",
            Flaw::ControlCharacter => "control_character",
            Flaw::Escape => "escape",
            Flaw::LoneSurrogate => "lone_surrogate",
            Flaw::NumberTooLong => "number_too_long",
            Flaw::NumberOutOfRange => "number_out_of_range",
            Flaw::NameTooLong => "name_too_long",
            Flaw::StringTooLong => "string_too_long",
            Flaw::TooManyItems => "too_many_items",
        }
    }
}

impl Unreadable {
    /// The flaw at a byte offset.
    pub(crate) fn new(flaw: Flaw, offset: usize) -> Unreadable {
        Unreadable { flaw, offset }
    }

    /// The flaw's name.
    pub fn as_str(&self) -> &'static str {
        self.flaw.as_str()
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flaw {
            Flaw::CutShort => f.write_str("the body ends inside a JSON value"),
            Flaw::Syntax => f.write_str("this is not JSON"),
            Flaw::Trailing => f.write_str("something stands after the JSON value"),
            Flaw::Utf8 => f.write_str("this is not UTF-8"),
            Flaw::TooDeep => write!(f, "more than {MAX_DEPTH} levels of arrays and objects"),
            Flaw::DuplicateName => f.write_str("an object has two members of this name"),
            Flaw::ControlCharacter => f.write_str("a raw control character in a string"),
            Flaw::Escape => f.write_str("an escape that JSON does not have"),
            Flaw::LoneSurrogate => f.write_str("half of a surrogate pair"),
            Flaw::NumberTooLong => write!(f, "a number of more than {} characters", number::MAX_NUMBER),
            Flaw::NumberOutOfRange => f.write_str("a number that no double can hold"),
            Flaw::NameTooLong => write!(f, "a member name of more than {} bytes", text::MAX_NAME),
            Flaw::StringTooLong => write!(f, "a string of more than {} bytes", text::MAX_STRING),
            Flaw::TooManyItems => write!(f, "a batch of more than {MAX_ITEMS} events"),
        }?;
        write!(f, ", at byte {}", self.offset)
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_labels() {
        let names: std::collections::BTreeSet<_> = Flaw::ALL.iter().map(|flaw| flaw.as_str()).collect();
        assert_eq!(names.len(), Flaw::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|b| b == b'_' || b == b'8' || b.is_ascii_lowercase())));
    }

    #[test]
    fn display_says_what_and_where() {
        assert_eq!(
            Unreadable::new(Flaw::TooDeep, 60).to_string(),
            "more than 60 levels of arrays and objects, at byte 60"
        );
    }
}
