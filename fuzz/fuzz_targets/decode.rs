//! Records read back from Kafka: whatever stands there, reading it does not panic, and what was read is written and read
//! again without a change. So it is with a token, on its way through retry and dead-letter topics.
//!
//! The input is the record as a text: a header a line, `name: value`, then an empty line, then the value.
#![no_main]

use std::sync::Arc;

use hookstream::event::{Data, Encoded, Envelope, Extra, Format, Token, decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let end = input.windows(2).position(|pair| pair == b"\n\n");
    let (head, value) = end.map_or((input, &b""[..]), |end| (&input[..end], &input[end + 2..]));
    let headers: Vec<(&str, &[u8])> = head.split(|&byte| byte == b'\n').filter_map(header).collect();
    if let Ok(first) = decode(&headers, value) {
        for format in [Format::CloudEvents, Format::CloudEventsBinary] {
            if format == Format::CloudEventsBinary && is_ambiguous(&first.data) {
                continue;
            }
            // What others wrote is cleaned by the first writing; from then on nothing changes.
            let written = write(format, &first);
            let read = decode(&written.headers, &written.value).unwrap_or_else(|why| panic!("{format:?}: {why}"));
            assert_eq!(write(format, &read), written, "{format:?}");
            assert_eq!(read.data, first.data, "{format:?}");
        }
    }
    let Ok(token) = Token::read(value, &headers) else { return };
    if let Ok(record) = token.retry(Arc::from("retry"), 1) {
        let moved = Token::read(&record.value, &record.headers).expect("what was written is read");
        assert_eq!((&moved.key, &moved.value, &moved.headers), (&token.key, &token.value, &token.headers));
        assert_eq!(moved.retry(Arc::from("retry"), 1).as_ref(), Ok(&record), "a token does not grow");
        let dead = moved.dead_letter(Arc::from("dead"), 1).expect("it was an event");
        let back = Token::read(&dead.value, &dead.headers).expect("what was written is read");
        assert_eq!((&back.key, &back.trail), (&token.key, &moved.trail));
        assert_eq!(back.dead_letter(Arc::from("dead"), 1).as_ref(), Ok(&dead), "a token does not grow");
    }
});

/// Bytes under the type of JSON or of an event: binary mode tells these by the type alone. No writer of ours makes them.
fn is_ambiguous(data: &Data<'_>) -> bool {
    let Data::Bytes { content_type, .. } = data else { return false };
    content_type == "application/json" || content_type.to_ascii_lowercase().starts_with("application/cloudevents")
}

fn header(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.windows(2).position(|pair| pair == b": ")?;
    Some((std::str::from_utf8(&line[..colon]).ok()?, &line[colon + 2..]))
}

fn write(format: Format, envelope: &Envelope<'_>) -> Encoded {
    encode(format, &envelope.attributes, &envelope.data, Extra::default())
}
