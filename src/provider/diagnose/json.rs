//! JSON written anew as other programs write it: to find out which of them sat between the provider and us.

use std::fmt::Write as _;

/// The deepest nesting that is followed.
const MAX_DEPTH: usize = 60;

/// So many keys stand in alphabetical order by chance once in 720 times.
const MANY_KEYS: usize = 6;

/// A parsed text that remembers how it was written.
enum Node<'a> {
    /// A number, `true`, `false` or `null`, as written.
    Word(&'a str),
    /// As written, and what it means.
    Text(&'a str, String),
    List(Vec<Node<'a>>),
    Object(Vec<(Node<'a>, Node<'a>)>),
}

/// What stands between the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Space {
    Compact,
    Spaced,
    Indented(usize),
}

/// How strings are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    AsReceived,
    /// The least that JSON wants: JavaScript, Rust, Jackson.
    Least,
    /// Everything but ASCII as `\u00e9`: Python.
    Ascii,
    /// The same with capital digits.
    AsciiCapital,
    /// `\/` for a slash, as received otherwise.
    Slashes,
    /// Both: PHP.
    Php,
    /// `\u003c`, `\u003e` and `\u0026`: Go.
    Html,
}

/// One program's habits.
struct Style {
    space: Space,
    escapes: Escapes,
    sorted: bool,
}

const SPACES: [Space; 4] = [Space::Compact, Space::Spaced, Space::Indented(2), Space::Indented(4)];
const ESCAPES: [Escapes; 7] = [
    Escapes::AsReceived,
    Escapes::Least,
    Escapes::Ascii,
    Escapes::AsciiCapital,
    Escapes::Slashes,
    Escapes::Php,
    Escapes::Html,
];

/// The text in every style, each with its name; nothing where it is no JSON.
pub(super) fn rewritten(text: &str) -> impl Iterator<Item = (String, Vec<u8>)> {
    let node = parse(text);
    let styles = [false, true].into_iter().flat_map(|sorted| {
        let spaced = ESCAPES.into_iter().flat_map(|escapes| SPACES.map(|space| (space, escapes)));
        spaced.map(move |(space, escapes)| Style { space, escapes, sorted })
    });
    node.into_iter().flat_map(move |node| styles.clone().map(move |style| (style.name(), style.write(&node))))
}

/// Do the keys stand in alphabetical order everywhere, and so many in one object that it is hardly chance?
pub(super) fn is_sorted(text: &str) -> bool {
    parse(text).and_then(|node| node.sorted()).is_some_and(|most| most >= MANY_KEYS)
}

fn parse(text: &str) -> Option<Node<'_>> {
    let mut parser = Parser { rest: text, depth: 0 };
    parser.value().filter(|_| parser.rest.trim_ascii().is_empty())
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> Option<Node<'a>> {
        self.rest = self.rest.trim_ascii_start();
        match self.rest.as_bytes().first()? {
            b'{' => self.nested(|parser| parser.object()),
            b'[' => self.nested(|parser| parser.list()),
            b'"' => self.text(),
            _ => self.word(),
        }
    }

    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Option<Node<'a>>) -> Option<Node<'a>> {
        self.depth += 1;
        self.rest = self.rest.get(1..)?;
        let node = if self.depth > MAX_DEPTH { None } else { inner(self) };
        self.depth -= 1;
        node
    }

    fn object(&mut self) -> Option<Node<'a>> {
        let mut members = Vec::new();
        if self.takes('}') {
            return Some(Node::Object(members));
        }
        loop {
            self.rest = self.rest.trim_ascii_start();
            let name = self.text()?;
            if !self.takes(':') {
                return None;
            }
            members.push((name, self.value()?));
            match (self.takes(','), self.takes('}')) {
                (true, false) => {}
                (false, true) => return Some(Node::Object(members)),
                _ => return None,
            }
        }
    }

    fn list(&mut self) -> Option<Node<'a>> {
        let mut items = Vec::new();
        if self.takes(']') {
            return Some(Node::List(items));
        }
        loop {
            items.push(self.value()?);
            match (self.takes(','), self.takes(']')) {
                (true, false) => {}
                (false, true) => return Some(Node::List(items)),
                _ => return None,
            }
        }
    }

    fn text(&mut self) -> Option<Node<'a>> {
        let bytes = self.rest.as_bytes();
        if bytes.first() != Some(&b'"') {
            return None;
        }
        let mut at = 1;
        while *bytes.get(at)? != b'"' {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        let (raw, rest) = (self.rest.get(..=at)?, self.rest.get(at + 1..)?);
        self.rest = rest;
        Some(Node::Text(raw, serde_json::from_str(raw).ok()?))
    }

    fn word(&mut self) -> Option<Node<'a>> {
        let end = self.rest.find([',', ']', '}', ' ', '\n', '\r', '\t']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let fits = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        (!word.is_empty() && word.chars().all(fits)).then_some(Node::Word(word))
    }

    fn takes(&mut self, mark: char) -> bool {
        let rest = self.rest.trim_ascii_start();
        let taken = rest.strip_prefix(mark);
        self.rest = taken.unwrap_or(self.rest);
        taken.is_some()
    }
}

impl Style {
    fn name(&self) -> String {
        let space = match self.space {
            Space::Compact => "without spaces".to_owned(),
            Space::Spaced => "with a space after each `,` and `:` (Python)".to_owned(),
            Space::Indented(width) => format!("indented by {width}"),
        };
        let escapes = match self.escapes {
            Escapes::AsReceived => "",
            Escapes::Least => ", all characters as they are",
            Escapes::Ascii => ", other characters than ASCII as \\u00e9",
            Escapes::AsciiCapital => ", other characters than ASCII as \\u00E9",
            Escapes::Slashes => ", slashes as \\/",
            Escapes::Php => ", slashes as \\/ and other characters than ASCII as \\u00e9 (PHP)",
            Escapes::Html => ", <, > and & as \\u003c (Go)",
        };
        format!("JSON {space}{escapes}{}", if self.sorted { ", keys sorted" } else { "" })
    }

    fn write(&self, node: &Node<'_>) -> Vec<u8> {
        let mut out = String::new();
        self.value(node, 0, &mut out);
        out.into_bytes()
    }

    fn value(&self, node: &Node<'_>, depth: usize, out: &mut String) {
        match node {
            Node::Word(word) => out.push_str(word),
            Node::Text(raw, text) => self.text(raw, text, out),
            Node::List(items) => {
                let write = |item: &Node<'_>, out: &mut String| self.value(item, depth + 1, out);
                self.enclosed(['[', ']'], items.iter(), depth, out, write);
            }
            Node::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if self.sorted {
                    members.sort_by(|(left, _), (right, _)| left.text().cmp(right.text()));
                }
                let colon = if self.space == Space::Compact { ":" } else { ": " };
                let write = |(name, value): &(Node<'_>, Node<'_>), out: &mut String| {
                    self.value(name, depth, out);
                    out.push_str(colon);
                    self.value(value, depth + 1, out);
                };
                self.enclosed(['{', '}'], members.into_iter(), depth, out, write);
            }
        }
    }

    fn enclosed<'n, T: 'n>(
        &self,
        [open, close]: [char; 2],
        items: impl ExactSizeIterator<Item = &'n T>,
        depth: usize,
        out: &mut String,
        write: impl Fn(&T, &mut String),
    ) {
        out.push(open);
        let some = items.len() > 0;
        for (place, item) in items.enumerate() {
            match self.space {
                Space::Indented(_) => out.push_str(if place > 0 { ",\n" } else { "\n" }),
                Space::Spaced if place > 0 => out.push_str(", "),
                Space::Compact if place > 0 => out.push(','),
                Space::Spaced | Space::Compact => {}
            }
            self.indent(depth + 1, out);
            write(item, out);
        }
        if some && matches!(self.space, Space::Indented(_)) {
            out.push('\n');
            self.indent(depth, out);
        }
        out.push(close);
    }

    fn indent(&self, depth: usize, out: &mut String) {
        if let Space::Indented(width) = self.space {
            out.extend(std::iter::repeat_n(' ', width * depth));
        }
    }

    fn text(&self, raw: &str, text: &str, out: &mut String) {
        let ascii = matches!(self.escapes, Escapes::Ascii | Escapes::AsciiCapital | Escapes::Php);
        let slashes = matches!(self.escapes, Escapes::Slashes | Escapes::Php);
        if self.escapes == Escapes::AsReceived {
            return out.push_str(raw);
        }
        if self.escapes == Escapes::Slashes {
            return out.push_str(&raw.replace("\\/", "/").replace('/', "\\/"));
        }
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '/' if slashes => out.push_str("\\/"),
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if self.escapes == Escapes::Html => self.escaped(c, out),
                c if c < ' ' || (ascii && !c.is_ascii()) => self.escaped(c, out),
                c => out.push(c),
            }
        }
        out.push('"');
    }

    fn escaped(&self, c: char, out: &mut String) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = match self.escapes {
                Escapes::AsciiCapital => write!(out, "\\u{unit:04X}"),
                _ => write!(out, "\\u{unit:04x}"),
            };
        }
    }
}

impl Node<'_> {
    /// The most keys of one object; none where an object's keys are out of order.
    fn sorted(&self) -> Option<usize> {
        match self {
            Node::Word(_) | Node::Text(..) => Some(0),
            Node::List(items) => items.iter().try_fold(0, |most, item| Some(item.sorted()?.max(most))),
            Node::Object(members) => {
                let in_order = members.is_sorted_by(|(left, _), (right, _)| left.text() <= right.text());
                members
                    .iter()
                    .filter(|_| in_order)
                    .try_fold(members.len(), |most, (_, value)| Some(value.sorted()?.max(most)))
                    .filter(|_| in_order)
            }
        }
    }

    fn text(&self) -> &str {
        match self {
            Node::Text(_, text) => text,
            Node::Word(_) | Node::List(_) | Node::Object(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::rewritten;

    #[test]
    fn each_programs_hand() {
        let received = r#"{ "b" : [1.50, {}, []], "a":"é</\u00e9" }"#;
        let all: Vec<(String, String)> =
            rewritten(received).map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect();
        assert_eq!(all.len(), 56);
        for expected in [
            r#"{"b":[1.50,{},[]],"a":"é</\u00e9"}"#,
            r#"{"b": [1.50, {}, []], "a": "\u00e9</\u00e9"}"#,
            r#"{"a":"é</é","b":[1.50,{},[]]}"#,
            r#"{"b":[1.50,{},[]],"a":"\u00e9<\/\u00e9"}"#,
            r#"{"b":[1.50,{},[]],"a":"\u00E9</\u00E9"}"#,
            r#"{"b":[1.50,{},[]],"a":"é\u003c/é"}"#,
            "{\n  \"b\": [\n    1.50,\n    {},\n    []\n  ],\n  \"a\": \"é</é\"\n}",
        ] {
            assert!(all.iter().any(|(_, text)| text == expected), "{expected}");
        }
        let names: BTreeSet<_> = all.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), all.len(), "each style has a name of its own");
    }

    #[test]
    fn what_is_no_json_has_no_styles() {
        let deep = format!("{}{}", "[".repeat(61), "]".repeat(61));
        for text in ["", "{", "[1,]", "{\"a\"}", "{a:1}", "\"\\ud800\"", "1 2", "a=1", "\"abc", &deep] {
            assert_eq!(rewritten(text).count(), 0, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]{}\":,a0\\\\ é]{0,40}|.{0,40}") {
            let _ = rewritten(&text).count();
        }

        #[test]
        fn every_style_means_the_same(text in "[a-z/<é\\n\"😀]{0,12}", number in any::<i32>()) {
            let value = serde_json::json!({"k": [text, number, {}], "a": null});
            for (_, bytes) in rewritten(&value.to_string()) {
                prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), value.clone());
            }
        }
    }
}
