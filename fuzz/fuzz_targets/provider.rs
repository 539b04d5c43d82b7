//! A provider's file, and a file of vectors: any text is refused with its line and key, or becomes rules that run, on what
//! they sign themselves and on the same with a damaged proof.
#![no_main]

use hookstream::dev;
use hookstream::provider::vectors::Vectors;
use hookstream::provider::{Binding, Filling, Provider, Reading, Request, Signed, docs, starter};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

const URL: &str = "https://hooks.example.com/webhooks/x";

fuzz_target!(|text: &str| {
    if let Ok(file) = Vectors::parse("x.vectors.toml", text) {
        for vector in &file.vectors {
            let _ = (vector.binding(), vector.method(), vector.header_map(), vector.bytes(), vector.clock());
        }
    }
    let provider = match Provider::parse("x.toml", text) {
        Ok(provider) => provider,
        Err(error) => return assert!(error.line > 0 && !error.problem.is_empty(), "{error}"),
    };
    let _ = (docs::provider_page(&provider), docs::provider_json(&provider), starter::source_table(&provider, URL));
    let binding = Binding {
        secrets: if provider.needs().secrets.is_some() { vec![dev::secret(&provider)] } else { Vec::new() },
        params: dev::params(&provider),
        public_url: Some(URL.to_owned()),
        accept_unsigned: provider.is_unsigned(),
        ..Binding::default()
    };
    let Ok(rules) = provider.bind(&binding) else { return };
    let now = Timestamp::from_second(1_750_000_000).expect("within range");
    let filling = Filling { id: "id1", n: 1, uuid: "7f3a0c1d-cc78-11e3-81ab-4c9367dc0958", now };
    for sample in provider.samples().iter().take(4) {
        let filled = sample.fill(&filling);
        let Ok(Signed { headers, query, body }) = rules.sign(&filled.body, &filled.headers, now) else { continue };
        let request = Request { method: &Method::POST, headers: &headers, query: &query, body: &body, now };
        let _ = rules.handshake(&request);
        for headers in damaged(&headers) {
            let request = Request { headers: &headers, ..request };
            let _ = (rules.handshake(&request), rules.refusal(&request), rules.key_request(&request));
            let _ = rules.verify(&request);
        }
        let Ok(verified) = rules.verify(&request) else { continue };
        if let Ok(Reading::Events(events)) = rules.read(&verified, &request) {
            assert!(events.iter().all(|facts| !facts.providertype.is_empty()), "CloudEvents wants a type");
        }
    }
});

/// The headers with one value cut short, emptied, out of range, or twice.
fn damaged(headers: &HeaderMap) -> Vec<HeaderMap> {
    let mut all = Vec::new();
    for (name, value) in headers.iter().take(6) {
        let Ok(value) = value.to_str() else { continue };
        let cuts = value.match_indices([',', ';', '=', ' ', '.', ':']).take(4);
        let mut values: Vec<String> = cuts.map(|(at, mark)| value[..at + mark.len()].to_owned()).collect();
        values.extend([String::new(), with_numbers(value, "9223372036854775807"), with_numbers(value, "")]);
        values.extend([",", ";", " "].map(|mark| format!("{value}{mark}{value}")));
        for value in values.iter().filter_map(|value| HeaderValue::from_str(value).ok()) {
            let mut headers = headers.clone();
            headers.insert(name, value);
            all.push(headers);
        }
    }
    all
}

/// The text with another number in the place of each.
fn with_numbers(text: &str, number: &str) -> String {
    let mut out = String::new();
    let mut digits = false;
    for c in text.chars() {
        let digit = c.is_ascii_digit();
        match digit {
            true if !digits => out.push_str(number),
            true => {}
            false => out.push(c),
        }
        digits = digit;
    }
    out
}
