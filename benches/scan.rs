//! The cost of checking a body and of putting it into its envelope, beside a full parse and a plain copy.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hookstream::event::{Attributes, Data, Extra, Format, Origin, Pointer, Verification, Wanted, encode, scan};

/// A body like an invoice's: short members, some nesting, a list of lines up to the wanted size.
fn body(size: usize) -> Vec<u8> {
    let mut lines = String::new();
    let head = r#"{"id":"evt_1PqXabcdefghijklmnop","object":"event","api_version":"2026-04-10","created":1795168800,"type":"invoice.paid","account":"acct_1032D82eZvKYlo2C","livemode":false,"pending_webhooks":1,"request":{"id":"req_abc123","idempotency_key":null},"data":{"object":{"id":"in_1PqXabcdefghijklmnop","customer_email":"jenny.rosen@example.com","description":"A \"quoted\" text\nover two lines","total":129900,"lines":["#;
    let mut n = 0;
    while head.len() + lines.len() + 8 < size {
        let comma = if n == 0 { "" } else { "," };
        lines.push_str(&format!(
            r#"{comma}{{"id":"il_{n:024}","amount":{},"currency":"eur","description":"Größe {n} × Widget","discountable":true,"metadata":{{}},"period":{{"end":1797760800,"start":1795168800}},"quantity":{n},"unit_amount_excluding_tax":"1299.00"}}"#,
            n * 1299,
        ));
        n += 1;
    }
    format!("{head}{lines}]}}}}}}").into_bytes()
}

fn attributes() -> Attributes<'static> {
    let now = jiff::Timestamp::from_millisecond(1_795_168_801_123).unwrap();
    Attributes {
        id: "evt_1PqXabcdefghijklmnop".into(),
        source: "/webhooks/stripe".into(),
        kind: "com.stripe.invoice.paid".into(),
        subject: Some("in_1PqXabcdefghijklmnop".into()),
        time: Some(now),
        dataschema: None,
        provider: "stripe".into(),
        providertype: Some("invoice.paid".into()),
        category: Some("payment.succeeded".into()),
        tenant: Some("acct_1032D82eZvKYlo2C".into()),
        origin: Origin::Webhook,
        verification: Verification::Signature,
        run: None,
        recordedtime: now,
    }
}

fn benches(c: &mut Criterion) {
    let pointers: Vec<Pointer> =
        ["/id", "/type", "/created", "/data/object/id", "/account"].iter().map(|p| p.parse().unwrap()).collect();
    let wanted = Wanted::new(&pointers);
    let attributes = attributes();
    for (label, size) in [("2KiB", 2 << 10), ("64KiB", 64 << 10)] {
        let body = body(size);
        let mut group = c.benchmark_group(label);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("copy", |b| b.iter(|| black_box(&body).to_vec()));
        group.bench_function("utf8", |b| b.iter(|| std::str::from_utf8(black_box(&body)).is_ok()));
        group.bench_function("scan", |b| b.iter(|| scan(black_box(&body), &wanted).unwrap().text(0).is_some()));
        group.bench_function("scan_encode", |b| {
            b.iter(|| {
                let found = scan(black_box(&body), &wanted).unwrap();
                let id = found.text(0).unwrap();
                let attributes = Attributes { id, ..attributes.clone() };
                encode(Format::CloudEvents, &attributes, &Data::Json(&body), Extra::default())
            });
        });
        group.bench_function("serde_json_value", |b| {
            b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&body)).unwrap());
        });
        group.finish();
    }
}

criterion_group!(scanning, benches);
criterion_main!(scanning);
