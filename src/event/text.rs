//! JSON strings: finding their end, checking and undoing their escapes.

use std::borrow::Cow;

use super::{Flaw, Unreadable};

/// The longest member name, in bytes as written (Jackson's limit, which most Java consumers inherit).
pub(super) const MAX_NAME: usize = 50_000;
/// The longest string, in bytes as written (Jackson's limit).
pub(super) const MAX_STRING: usize = 20_000_000;

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// The offset from `at` on of the first byte that ends or interrupts a plain run: a quote, a backslash or a control character.
#[inline]
pub(super) fn plain_end(body: &[u8], mut at: usize) -> usize {
    // Eight bytes at a time. Borrows only run upwards, so the lowest marked byte is always a true one.
    while let Some(chunk) = body.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()) {
        let word = u64::from_le_bytes(chunk);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        let marks = (word.wrapping_sub(ONES * 0x20) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash);
        let marks = marks & HIGHS;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while body.get(at).is_some_and(|&b| b != b'"' && b != b'\\' && b >= 0x20) {
        at += 1;
    }
    at
}

/// Check the string that begins after the quote before `start`. Returns the offset of the closing quote, and whether an escape occurs.
///
/// # Errors
/// No closing quote, a raw control character, a bad escape, half of a surrogate pair.
#[inline]
pub(super) fn string_end(body: &[u8], start: usize) -> Result<(usize, bool), Unreadable> {
    let at = plain_end(body, start);
    match body.get(at) {
        Some(b'"') => Ok((at, false)),
        Some(b'\\') => escaped_end(body, at).map(|end| (end, true)),
        Some(_) => Err(Unreadable::new(Flaw::ControlCharacter, at)),
        None => Err(Unreadable::new(Flaw::CutShort, at)),
    }
}

fn escaped_end(body: &[u8], mut at: usize) -> Result<usize, Unreadable> {
    loop {
        match body.get(at) {
            Some(b'"') => return Ok(at),
            Some(b'\\') => at = check_escape(body, at)?,
            Some(_) => return Err(Unreadable::new(Flaw::ControlCharacter, at)),
            None => return Err(Unreadable::new(Flaw::CutShort, at)),
        }
        at = plain_end(body, at);
    }
}

/// Check the escape whose backslash stands at `at`; returns the offset after it (after both, for a surrogate pair).
fn check_escape(body: &[u8], at: usize) -> Result<usize, Unreadable> {
    match body.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match unit(body, at)? {
            0xD800..=0xDBFF if body.get(at + 6..at + 8) == Some(b"\\u") => match unit(body, at + 6)? {
                0xDC00..=0xDFFF => Ok(at + 12),
                _ => Err(Unreadable::new(Flaw::LoneSurrogate, at)),
            },
            0xD800..=0xDFFF => Err(Unreadable::new(Flaw::LoneSurrogate, at)),
            _ => Ok(at + 6),
        },
        Some(_) => Err(Unreadable::new(Flaw::Escape, at)),
        None => Err(Unreadable::new(Flaw::CutShort, at)),
    }
}

/// The UTF-16 code unit of the `\uXXXX` at `at`.
fn unit(body: &[u8], at: usize) -> Result<u32, Unreadable> {
    (at + 2..at + 6).try_fold(0, |unit, digit| match body.get(digit) {
        Some(&b) => match char::from(b).to_digit(16) {
            Some(value) => Ok(unit << 4 | value),
            None => Err(Unreadable::new(Flaw::Escape, at)),
        },
        None => Err(Unreadable::new(Flaw::CutShort, at)),
    })
}

/// Undo the escapes of a string's inside (without its quotes) that [`string_end`] has accepted.
pub(super) fn unescape(inside: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', inside).is_none() {
        return Cow::Borrowed(inside);
    }
    let mut plain = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(run) = memchr::memchr(b'\\', rest) {
        plain.extend_from_slice(&rest[..run]);
        rest = &rest[run..];
        let (character, length) = escape(rest);
        plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = rest.get(length..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// The character that a checked escape stands for, and the escape's length.
fn escape(text: &[u8]) -> (char, usize) {
    let short = |character| (character, 2);
    match text.get(1) {
        Some(b'b') => short('\u{8}'),
        Some(b'f') => short('\u{c}'),
        Some(b'n') => short('\n'),
        Some(b'r') => short('\r'),
        Some(b't') => short('\t'),
        Some(b'u') => {
            let first = unit(text, 0).unwrap_or(0xFFFD);
            if let (0xD800..=0xDBFF, Ok(second @ 0xDC00..=0xDFFF)) = (first, unit(text, 6)) {
                let joined = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return (char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
            }
            (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
        }
        Some(&other) => short(char::from(other)),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(inside: &str) -> Result<String, Flaw> {
        let quoted = format!("{inside}\" tail");
        let (end, _) = string_end(quoted.as_bytes(), 0).map_err(|error| error.flaw)?;
        Ok(String::from_utf8(unescape(&quoted.as_bytes()[..end]).into_owned()).unwrap())
    }

    #[test]
    fn every_stop_is_found_at_every_offset() {
        for stop in [b'"', b'\\', 0, 0x1f, b'\n'] {
            for at in 0..20 {
                let mut body = vec![0xC3; 24];
                body[at] = stop;
                assert_eq!(plain_end(&body, 0), at, "{stop} at {at}");
            }
        }
        assert_eq!(plain_end(b"!\x20\x7f\x80\xff#[]", 0), 8);
    }

    #[test]
    fn escapes_are_checked_and_undone() {
        assert_eq!(check(r#"a\"\\\/\b\f\n\r\tz"#).unwrap(), "a\"\\/\u{8}\u{c}\n\r\tz");
        assert_eq!(check(r"i\u0064 \uD83D\uDE00!").unwrap(), "id \u{1F600}!");
        assert_eq!(check(r"\u00e9\u20AC").unwrap(), "é€");
        for (text, flaw) in [
            (r"\x", Flaw::Escape),
            (r"\u12g4", Flaw::Escape),
            (r"\ud800", Flaw::LoneSurrogate),
            (r"\ud800\n", Flaw::LoneSurrogate),
            (r"\ud800A", Flaw::LoneSurrogate),
            (r"\ude00\ud83d", Flaw::LoneSurrogate),
            ("\u{1}", Flaw::ControlCharacter),
        ] {
            assert_eq!(check(text), Err(flaw), "{text:?}");
        }
    }
}
