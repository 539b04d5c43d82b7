//! Records read back from Kafka: whatever stands there, reading it does not panic, and what was read is written and read
//! again without a change.
#![no_main]

use hookstream::event::{Encoded, Envelope, Extra, Format, decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<(String, Vec<u8>)>, bool, Vec<u8>)| {
    let (mut headers, structured, value) = input;
    if structured {
        headers.push(("content-type".to_owned(), b"application/cloudevents+json; charset=UTF-8".to_vec()));
    } else {
        headers.push(("ce_specversion".to_owned(), b"1.0".to_vec()));
    }
    let Ok(first) = decode(&headers, &value) else { return };
    for format in [Format::CloudEvents, Format::CloudEventsBinary] {
        // What others wrote is cleaned by the first writing; from then on nothing changes.
        let written = write(format, &first);
        let read = decode(&written.headers, &written.value).unwrap_or_else(|why| panic!("{format:?}: {why}"));
        assert_eq!(write(format, &read), written, "{format:?}");
    }
});

fn write(format: Format, envelope: &Envelope<'_>) -> Encoded {
    encode(format, &envelope.attributes, &envelope.data, Extra::default())
}
