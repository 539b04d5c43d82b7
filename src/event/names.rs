//! Duplicate member names: found in every object, compared after unescaping, in bounded time and memory.
//!
//! A fingerprint of eight bytes per name settles nearly all objects. It is not keyed, so a sender can make fingerprints
//! collide; then the object's names are hashed with a random key, and only names whose keyed hashes agree are compared.

use std::hash::{BuildHasher, RandomState};

use super::text;

/// Up to this many members, comparing each with each is cheaper than sorting.
const FEW: usize = 48;

/// One member name of an object that is still open: sixteen bytes, so that a hostile body costs a small multiple of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    print: u64,
    /// The offset after the opening quote.
    start: usize,
}

impl Name {
    /// A name without escapes: `body[start..end]`.
    #[inline]
    pub(super) fn plain(body: &[u8], start: usize, end: usize) -> Name {
        Name { print: fingerprint(&body[start..end]), start }
    }

    /// A name with escapes, given unescaped.
    pub(super) fn escaped(start: usize, unescaped: &[u8]) -> Name {
        Name { print: fingerprint(unescaped), start }
    }
}

/// The first and last eight bytes and the length, mixed.
#[inline]
fn fingerprint(name: &[u8]) -> u64 {
    let word = |bytes: Option<&[u8]>| bytes.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    let length = name.len();
    match (word(name.get(..8)), word(name.get(length.wrapping_sub(8)..))) {
        (Some(first), Some(last)) => {
            first ^ last.rotate_left(29).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (length as u64) << 56
        }
        _ => name.iter().fold(0, |print, &b| print << 8 | u64::from(b)) | (length as u64) << 56,
    }
}

/// The offset of a name that an earlier member of the same object has too. May reorder `names`.
#[inline]
pub(super) fn duplicate(body: &[u8], names: &mut [Name]) -> Option<usize> {
    let suspicious = if names.len() <= FEW {
        names
            .iter()
            .enumerate()
            .any(|(n, name)| names[..n].iter().fold(false, |hit, other| hit | (other.print == name.print)))
    } else {
        names.sort_unstable_by_key(|name| name.print);
        names.windows(2).any(|pair| pair[0].print == pair[1].print)
    };
    if suspicious { compare(body, names) } else { None }
}

#[cold]
fn compare(body: &[u8], names: &mut [Name]) -> Option<usize> {
    let key = RandomState::new();
    for name in names.iter_mut() {
        name.print = key.hash_one(&*unescaped(body, name.start));
    }
    names.sort_unstable_by_key(|name| (name.print, name.start));
    names
        .chunk_by(|one, other| one.print == other.print)
        .filter_map(|same| {
            same.iter().enumerate().find_map(|(n, name)| {
                let text = unescaped(body, name.start);
                same[..n].iter().any(|earlier| unescaped(body, earlier.start) == text).then_some(name.start)
            })
        })
        .min()
}

/// The name again, from its offset: storing its end would double what a hostile body costs.
fn unescaped(body: &[u8], start: usize) -> std::borrow::Cow<'_, [u8]> {
    let end = text::string_end(body, start).map_or(start, |(end, _)| end);
    text::unescape(&body[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str) -> Vec<Name> {
        let mut names = Vec::new();
        let mut at = 0;
        while let Some(open) = body[at..].find('"') {
            let start = at + open + 1;
            let (end, escaped) = text::string_end(body.as_bytes(), start).unwrap();
            names.push(if escaped {
                Name::escaped(start, &text::unescape(&body.as_bytes()[start..end]))
            } else {
                Name::plain(body.as_bytes(), start, end)
            });
            at = end + 1;
        }
        names
    }

    fn found(body: &str) -> Option<usize> {
        duplicate(body.as_bytes(), &mut names(body))
    }

    #[test]
    fn duplicates_are_found_however_they_are_written() {
        assert_eq!(found(r#""a" "b" "aa" "" "id""#), None);
        assert_eq!(found(r#""id" "x" "id""#), Some(10));
        assert_eq!(found(r#""id" "i\u0064""#), Some(6));
        assert_eq!(found(r#""" """#), Some(4));
        assert_eq!(found("\"a\" \"a\\u0000\""), None);
    }

    #[test]
    fn equal_fingerprints_are_not_equal_names() {
        let (one, other) = ("aaaaaaaa1bbbbbbbb", "aaaaaaaa2bbbbbbbb");
        assert_eq!(fingerprint(one.as_bytes()), fingerprint(other.as_bytes()));
        assert_eq!(found(&format!("\"{one}\" \"{other}\"")), None);
        assert_eq!(found(&format!("\"{one}\" \"{other}\" \"{one}\"")), Some(41));
    }

    #[test]
    fn large_objects_are_checked_too() {
        let mut body: String = (0..500).map(|n| format!("\"name{n}\" ")).collect();
        assert_eq!(found(&body), None);
        let at = body.len();
        body.push_str("\"name7\"");
        assert_eq!(found(&body), Some(at + 1));
    }
}
