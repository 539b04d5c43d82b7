//! Texts with `{holes}`: the one notation of signed templates, header formats, joins, routes and replies.

/// A stretch of such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Taken as it stands.
    Literal(String),
    /// The name between the braces.
    Hole(String),
}

/// Cut `text` into pieces. `{{` and `}}` stand for the braces themselves.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut out = Vec::new();
    let mut literal = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.next_if_eq(&c).is_some() => literal.push(c),
            '{' => {
                push_literal(&mut out, &mut literal);
                out.push(Piece::Hole(hole(&mut chars, text)?));
            }
            '}' => {
                return Err(format!("`{text}` has a `}}` without its `{{`; write `}}}}` for the character itself"));
            }
            c => literal.push(c),
        }
    }
    push_literal(&mut out, &mut literal);
    Ok(out)
}

fn push_literal(out: &mut Vec<Piece>, literal: &mut String) {
    if !literal.is_empty() {
        out.push(Piece::Literal(std::mem::take(literal)));
    }
}

fn hole(chars: &mut impl Iterator<Item = char>, text: &str) -> Result<String, String> {
    let mut name = String::new();
    for c in chars {
        match c {
            '}' if name.is_empty() => return Err(format!("`{text}` has an empty `{{}}`")),
            '}' => return Ok(name),
            '{' => break,
            c => name.push(c),
        }
    }
    Err(format!("`{text}` has a `{{` that is not closed"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Piece, pieces};

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.to_owned())
    }

    fn hole(name: &str) -> Piece {
        Piece::Hole(name.to_owned())
    }

    #[test]
    fn literals_and_holes_alternate() {
        let found = pieces("v0:{timestamp}:{body}").unwrap();
        assert_eq!(found, [literal("v0:"), hole("timestamp"), literal(":"), hole("body")]);
    }

    #[test]
    fn doubled_braces_are_braces() {
        let found = pieces(r#"{{"challenge":"{/challenge}"}}"#).unwrap();
        assert_eq!(found, [literal(r#"{"challenge":""#), hole("/challenge"), literal(r#""}"#)]);
    }

    #[test]
    fn what_is_not_closed_is_refused() {
        for text in ["{", "{body", "}", "{}", "{a{b}"] {
            assert!(pieces(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = pieces(&text);
        }
    }
}
