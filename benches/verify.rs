//! What verification costs beside the bare hash of the crypto crate: each scheme at 1 KiB and 64 KiB.
//! `cargo bench --bench verify`. The aim: HMAC within 1.3 times of the bare hash.
#![allow(clippy::expect_used)]

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hookstream::config::Secret;
use hookstream::provider::{Binding, Catalogue, Request, Rules};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

const SIZES: [usize; 2] = [1 << 10, 1 << 16];
const SECRET: &str = "whsec_ZmFrZSBzZWNyZXQgb2YgdGhpcyBiZW5jaA==";

/// A case: its name, the provider and what the source sets otherwise.
const CASES: [(&str, &str, &str); 10] = [
    ("stripe", "stripe", ""),
    ("github", "github", ""),
    ("shopify", "shopify", ""),
    ("slack", "slack", ""),
    ("standard-webhooks", "standard-webhooks", ""),
    ("hmac-sha1", "generic", "verify.scheme = \"hmac-sha1\""),
    ("hmac-sha384", "generic", "verify.scheme = \"hmac-sha384\""),
    ("hmac-sha512", "generic", "verify.scheme = \"hmac-sha512\""),
    ("token", "generic", "verify.scheme = \"token\""),
    ("basic", "generic", "verify = { scheme = \"basic\", header = \"Authorization\" }"),
];

fn rules(catalogue: &Catalogue, provider: &str, overrides: &str) -> Rules {
    let secret = if overrides.contains("basic") { "ada:fake" } else { SECRET };
    let binding = Binding {
        secrets: vec![Secret::new(secret.as_bytes().to_vec())],
        overrides: overrides.parse().expect("TOML"),
        ..Binding::default()
    };
    catalogue.get(provider).expect("an embedded provider").bind(&binding).expect("sound settings")
}

fn bare<D: Digest>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, body: &[u8]) {
    group.bench_with_input(BenchmarkId::new(name, body.len()), body, |bencher, body| {
        bencher.iter(|| D::digest(black_box(body)));
    });
}

fn verify(criterion: &mut Criterion) {
    let catalogue = Catalogue::embedded().expect("sound files");
    let now = Timestamp::from_second(1_700_000_000).expect("a time");
    let mut group = criterion.benchmark_group("verify");
    for size in SIZES {
        let body = vec![b'x'; size];
        group.throughput(Throughput::Bytes(size as u64));
        bare::<Sha1>(&mut group, "bare sha1", &body);
        bare::<Sha256>(&mut group, "bare sha256", &body);
        bare::<Sha384>(&mut group, "bare sha384", &body);
        bare::<Sha512>(&mut group, "bare sha512", &body);
        for (name, provider, overrides) in CASES {
            let rules = rules(&catalogue, provider, overrides);
            let mut headers = HeaderMap::new();
            headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
            let headers = rules.sign(&body, &headers, now).expect("signable").headers;
            let request = Request { method: &Method::POST, headers: &headers, query: "", body: &body, now };
            assert!(rules.verify(&request).is_ok());
            group.bench_with_input(BenchmarkId::new(name, size), &request, |bencher, request| {
                bencher.iter(|| rules.verify(black_box(request)).is_ok());
            });
        }
    }
    group.finish();
}

/// Start-up: reading, checking and compiling every embedded file.
fn catalogue(criterion: &mut Criterion) {
    criterion.bench_function("catalogue", |bencher| bencher.iter(|| Catalogue::embedded().is_ok()));
}

criterion_group!(benches, verify, catalogue);
criterion_main!(benches);
