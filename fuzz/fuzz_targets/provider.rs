//! A provider's file, and a file of vectors: any text is refused with its line and key, or becomes rules that run.
#![no_main]

use hookstream::dev;
use hookstream::provider::vectors::Vectors;
use hookstream::provider::{Binding, Filling, Provider, Reading, Request, Signed, docs, starter};
use http::Method;
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
        let Ok(verified) = rules.verify(&request) else { continue };
        if let Ok(Reading::Events(events)) = rules.read(&verified, &request) {
            assert!(events.iter().all(|facts| !facts.providertype.is_empty()), "CloudEvents wants a type");
        }
    }
});
