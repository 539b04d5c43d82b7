//! Writing JSON: strings, and members in the order in which they are called.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::text;

/// Append a string with its quotes, escaping what JSON must have escaped and nothing else.
pub(super) fn string(out: &mut Vec<u8>, value: &str) {
    let bytes = value.as_bytes();
    out.push(b'"');
    let mut from = 0;
    loop {
        let to = text::plain_end(bytes, from);
        out.extend_from_slice(&bytes[from..to]);
        let Some(&byte) = bytes.get(to) else { break };
        let (escape, length) = escape(byte);
        out.extend_from_slice(&escape[..length]);
        from = to + 1;
    }
    out.push(b'"');
}

/// How many bytes [`string`] would write between the quotes.
pub(super) fn string_length(value: &[u8]) -> usize {
    value.iter().map(|&byte| if byte < 0x20 || byte == b'"' || byte == b'\\' { escape(byte).1 } else { 1 }).sum()
}

fn escape(byte: u8) -> ([u8; 6], usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = |letter| ([b'\\', letter, 0, 0, 0, 0], 2);
    match byte {
        b'"' | b'\\' => short(byte),
        b'\n' => short(b'n'),
        b'\r' => short(b'r'),
        b'\t' => short(b't'),
        _ => ([b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]], 6),
    }
}

/// Append a string that holds the bytes in base64 (RFC 4648, section 4), as CloudEvents wants `data_base64`.
pub(super) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let from = out.len();
    // Four characters for every three bytes begun.
    out.resize(from + bytes.len().div_ceil(3) * 4, b'=');
    let written = STANDARD.encode_slice(bytes, &mut out[from..]).unwrap_or(0);
    out.truncate(from + written);
    out.push(b'"');
}

/// An object under construction.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Object<'o> {
    /// Open an object at the end of `out`.
    pub(super) fn open(out: &'o mut Vec<u8>) -> Object<'o> {
        out.push(b'{');
        Object { out, first: true }
    }

    /// Begin a member; what is appended to the returned buffer is its value. Names are ours and need no escapes.
    pub(super) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A member that is a string.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        string(self.member(name), value);
    }

    /// A member that is a string, if there is one.
    pub(super) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A member that is a whole number.
    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.member(name).extend_from_slice(value.to_string().as_bytes());
    }

    /// A member whose value is JSON already, spliced in as it is.
    pub(super) fn verbatim(&mut self, name: &str, json: &[u8]) {
        self.member(name).extend_from_slice(json);
    }

    /// Close the object.
    pub(super) fn close(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_little_as_json_allows() {
        for (value, json) in [
            ("", r#""""#),
            ("evt_1PqX", r#""evt_1PqX""#),
            ("a\"b\\c/d", r#""a\"b\\c/d""#),
            ("\n\r\t\u{8}\u{1f}\u{7f}é\u{2028}", "\"\\n\\r\\t\\u0008\\u001f\u{7f}é\u{2028}\""),
        ] {
            let mut out = Vec::new();
            string(&mut out, value);
            assert_eq!(out, json.as_bytes());
            assert_eq!(string_length(value.as_bytes()), json.len() - 2);
        }
    }

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in
            [(&b""[..], r#""""#), (b"a", r#""YQ==""#), (b"ab", r#""YWI=""#), (b"\xff\xfe\xfd", r#""//79""#)]
        {
            let mut out = Vec::new();
            base64(&mut out, bytes);
            assert_eq!(out, text.as_bytes());
        }
    }
}
