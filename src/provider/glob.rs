//! Patterns over event types, where `*` stands for any run of characters; the most specific one wins.

/// Values by pattern.
#[derive(Debug, Clone)]
pub(crate) struct Globs<T> {
    /// Most specific first.
    entries: Vec<(String, T)>,
}

impl<T> Globs<T> {
    /// More literal characters are more specific; among equals the alphabet decides, so that the order is one.
    pub(crate) fn new(entries: impl IntoIterator<Item = (String, T)>) -> Globs<T> {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by(|(a, _), (b, _)| specificity(b).cmp(&specificity(a)).then_with(|| a.cmp(b)));
        Globs { entries }
    }

    /// The value of the most specific pattern that covers `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.entries.iter().find(|(pattern, _)| matches(pattern, name)).map(|(_, value)| value)
    }

    /// The same patterns with other values.
    pub(crate) fn map<U>(&self, mut value: impl FnMut(&T) -> U) -> Globs<U> {
        Globs { entries: self.entries.iter().map(|(pattern, old)| (pattern.clone(), value(old))).collect() }
    }

    /// All patterns with their values, most specific first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries.iter().map(|(pattern, value)| (pattern.as_str(), value))
    }
}

/// A pattern without `*` is exact and beats every other.
fn specificity(pattern: &str) -> (bool, usize) {
    (!pattern.contains('*'), pattern.chars().filter(|&c| c != '*').count())
}

/// Does `pattern` cover the whole of `name`? Linear in their lengths: the first and last piece are anchored, those
/// between are taken at their first place.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(first) else {
        return false;
    };
    let mut pieces = rest.split('*');
    let last = pieces.next_back().unwrap_or("");
    for piece in pieces {
        let Some(at) = left.find(piece) else {
            return false;
        };
        left = &left[at + piece.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Globs, matches};

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, name, covers) in [
            ("invoice.paid", "invoice.paid", true),
            ("invoice.paid", "invoice.paid2", false),
            ("invoice.*", "invoice.paid", true),
            ("invoice.*", "invoice.", true),
            ("*.deleted", "customer.deleted", true),
            ("*.deleted", "customer.deleted.not", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "ac", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), covers, "{pattern} {name}");
        }
    }

    #[test]
    fn the_most_specific_wins() {
        let globs = Globs::new(
            [("*", 0), ("invoice.*", 1), ("invoice.paid", 2), ("*.paid", 3)].map(|(p, v)| (p.to_owned(), v)),
        );
        assert_eq!(globs.get("invoice.paid"), Some(&2));
        assert_eq!(globs.get("invoice.void"), Some(&1));
        assert_eq!(globs.get("order.paid"), Some(&3));
        assert_eq!(globs.get("x"), Some(&0));
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_with_any_part_starred(name in "[a-z./]{0,20}", from in 0usize..20, to in 0usize..20) {
            let (from, to) = (from.min(to).min(name.len()), from.max(to).min(name.len()));
            let pattern = format!("{}*{}", &name[..from], &name[to..]);
            prop_assert!(matches(&pattern, &name));
        }
    }
}
