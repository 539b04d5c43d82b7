//! A curl command line for Windows, as browsers copy it there ("Copy as cURL (cmd)"): first cmd.exe takes its carets away,
//! then the program's runtime cuts what is left into words.

use std::iter::Peekable;

/// Is it written for cmd.exe? Its first line goes on with a caret, or its first quote has one.
pub(super) fn is_it(text: &str) -> bool {
    let goes_on = text.lines().next().is_some_and(|line| line.trim_end().ends_with('^'));
    goes_on || is_copied(text)
}

/// Is it a browser's own hand? It puts a caret before every quote, and doubles every backslash: also where that is one too
/// many for the program, which is then not what was sent.
fn is_copied(text: &str) -> bool {
    let before = text.split(['"', '\'']).next().unwrap_or_default();
    before.len() < text.len() && before.ends_with('^')
}

/// Its words.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    cut(&command(text), is_copied(text))
}

/// What cmd.exe hands on: between plain quotes everything, else each caret's next character as it stands. A line that
/// ends in a caret goes on, and the first character of the next one stands as if a caret were before it.
fn command(text: &str) -> String {
    let mut out = String::new();
    let mut is_quoted = false;
    let mut chars = text.chars().filter(|c| *c != '\r').peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                is_quoted = !is_quoted;
                out.push('"');
            }
            '^' if !is_quoted => {
                chars.next_if_eq(&'\n');
                out.extend(chars.next());
            }
            // Another command, or a file for the output.
            '\n' | '&' | '|' | '>' if !is_quoted => break,
            '\n' => break,
            c => out.push(c),
        }
    }
    out
}

/// Cut as the C runtime does: a backslash means itself but before a quote, and two quotes within quotes are one.
fn cut(text: &str, is_doubled: bool) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' if !is_quoted => words.extend(word.take()),
            '\\' => is_quoted ^= backslashes(&mut chars, is_doubled, word.get_or_insert_default()),
            '"' if is_quoted && chars.next_if_eq(&'"').is_some() => word.get_or_insert_default().push('"'),
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    if is_quoted {
        return Err("the curl command line has a \" that is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// A run of backslashes whose first was read. Before a quote two of them are one, and the quote opens or closes (true) where
/// none is left over for it.
fn backslashes(chars: &mut Peekable<std::str::Chars<'_>>, is_doubled: bool, out: &mut String) -> bool {
    let mut count = 1_usize;
    while chars.next_if_eq(&'\\').is_some() {
        count += 1;
    }
    if chars.next_if_eq(&'"').is_none() {
        out.extend(std::iter::repeat_n('\\', if is_doubled { count.div_ceil(2) } else { count }));
        return false;
    }
    out.extend(std::iter::repeat_n('\\', count / 2));
    let is_literal = count % 2 == 1;
    if is_literal {
        out.push('"');
    }
    !is_literal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{is_it, words};

    #[test]
    fn what_chrome_copies() {
        // Each special character with a caret, quotes with a backslash as well, a line break as a caret and two of them.
        let text = "curl ^\"https://x.example/hook?a=1^&b=%^20^\" ^\r\n  -H ^\"x-a: it's ^%^PATH^\" ^\r\n  \
                    --data-raw ^\"^{^\\^\"a^\\^\":^\\^\"b^\\^\\n^^^\\^\"^}^\r\n\r\n^\"\r\n";
        assert!(is_it(text));
        assert_eq!(
            words(text).unwrap(),
            ["curl", "https://x.example/hook?a=1&b=%20", "-H", "x-a: it's %PATH", "--data-raw", "{\"a\":\"b\\n^\"}\n"]
        );
    }

    #[test]
    fn what_people_write() {
        let text = "curl \"https://x.example/hook\" ^\r\n -H \"X-A: ^1\" ^\n --data-raw \"{\\\"a\\\":\\\"b c\\\",\"\"d\"\":1}\" -o C:\\x > out";
        assert!(is_it(text));
        assert_eq!(
            words(text).unwrap(),
            ["curl", "https://x.example/hook", "-H", "X-A: ^1", "--data-raw", "{\"a\":\"b c\",\"d\":1}", "-o", "C:\\x"]
        );
        assert_eq!(words("curl \"\" x\\\\\"y z\"").unwrap(), ["curl", "", "x\\y z"]);
        assert!(words("curl \"x").is_err());
    }

    #[test]
    fn what_is_written_for_other_shells() {
        for text in ["curl 'https://x' -d '^\"'", "curl \"https://x\" \\\n -d '^'", "curl https://x", "curl"] {
            assert!(!is_it(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "curl [-XHd^\"\\\\ \\r\\na=&>:é]{0,40}") {
            let _ = words(&text);
        }
    }
}
