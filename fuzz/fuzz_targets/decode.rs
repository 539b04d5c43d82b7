//! Records read back from Kafka: whatever stands there, reading it does not panic.
#![no_main]

use hookstream::event::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<(String, Vec<u8>)>, bool, Vec<u8>)| {
    let (mut headers, structured, value) = input;
    if structured {
        headers.push(("content-type".to_owned(), b"application/cloudevents+json; charset=UTF-8".to_vec()));
    } else {
        headers.push(("ce_specversion".to_owned(), b"1.0".to_vec()));
    }
    let _ = decode(&headers, &value);
});
