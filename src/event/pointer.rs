//! JSON pointers (RFC 6901), parsed once.

use std::fmt;
use std::str::FromStr;

/// A parsed JSON pointer such as `/data/object/id`; the empty pointer is the whole document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pointer {
    tokens: Vec<String>,
}

/// A text that is not a JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a JSON pointer: {why}")]
pub struct PointerError {
    text: String,
    why: &'static str,
}

impl Pointer {
    /// The pointer to a member of the document's outermost object, by its plain name.
    pub fn member(name: &str) -> Pointer {
        Pointer { tokens: vec![name.to_owned()] }
    }

    /// How many `*` it holds: the arrays that it leads through element by element.
    pub fn levels(&self) -> usize {
        self.tokens.iter().filter(|token| *token == super::wanted::EACH).count()
    }

    /// The pointer of these unescaped tokens.
    pub fn from_tokens(tokens: &[String]) -> Pointer {
        Pointer { tokens: tokens.to_vec() }
    }

    /// The unescaped reference tokens, outermost first.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }
}

impl FromStr for Pointer {
    type Err = PointerError;

    /// # Errors
    /// A pointer is empty or begins with `/`, and `~` only stands in `~0` (for `~`) and `~1` (for `/`).
    fn from_str(text: &str) -> Result<Pointer, PointerError> {
        let refuse = |why| PointerError { text: text.to_owned(), why };
        let Some(rest) = text.strip_prefix('/') else {
            return if text.is_empty() {
                Ok(Pointer { tokens: Vec::new() })
            } else {
                Err(refuse("it must begin with /, as in /data/object/id"))
            };
        };
        let tokens = rest.split('/').map(unescape).collect::<Option<Vec<String>>>();
        tokens.map(|tokens| Pointer { tokens }).ok_or_else(|| refuse("~ must be written ~0, and / within a name ~1"))
    }
}

fn unescape(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escaped, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return None,
        };
        plain.push(escaped);
        plain.push_str(rest);
    }
    Some(plain)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tokens.iter().try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        for (text, tokens) in [
            ("", vec![]),
            ("/", vec![""]),
            ("/foo/0", vec!["foo", "0"]),
            ("/a~1b", vec!["a/b"]),
            ("/m~0n", vec!["m~n"]),
            ("/~01", vec!["~1"]),
            ("/ ", vec![" "]),
        ] {
            let pointer: Pointer = text.parse().unwrap();
            assert_eq!(pointer.tokens(), tokens, "{text}");
            assert_eq!(pointer.to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["id", "/a~", "/a~2b", "#/a"] {
            assert!(text.parse::<Pointer>().is_err(), "{text}");
        }
    }
}
