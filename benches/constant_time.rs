//! Whether a comparison tells by its time how much of a secret was right: two classes of refused requests, one with a
//! signature that is wrong from its first byte, one with a signature that is wrong in its last, measured in turns decided
//! by chance, and compared with Welch's t-test as dudect does it. `cargo bench --bench constant_time`.
#![allow(clippy::expect_used, clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use hookstream::config::Secret;
use hookstream::provider::{Binding, Catalogue, Request, Rules};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;

/// Measurements of each pair.
const SAMPLES: usize = 1_000_000;

/// A difference that chance explains once in more than a hundred thousand.
const SUSPICIOUS: f64 = 4.5;

/// A case: the provider, what the source sets otherwise, the header with the proof, and what stands before the proof.
const CASES: [(&str, &str, &str, &str); 5] = [
    ("github", "", "x-hub-signature-256", "sha256="),
    ("shopify", "", "x-shopify-hmac-sha256", ""),
    ("generic", "verify.scheme = \"hmac-sha512\"", "x-signature", ""),
    ("generic", "verify.scheme = \"token\"", "x-signature", ""),
    ("telegram", "", "x-telegram-bot-api-secret-token", ""),
];

/// Mean and variance, one value at a time (Welford).
#[derive(Default)]
struct Sample {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Sample {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let difference = value - self.mean;
        self.mean += difference / self.count;
        self.squares += difference * (value - self.mean);
    }

    fn variance(&self) -> f64 {
        self.squares / (self.count - 1.0)
    }
}

fn t(a: &Sample, b: &Sample) -> f64 {
    (a.mean - b.mean) / (a.variance() / a.count + b.variance() / b.count).sqrt()
}

fn rules(catalogue: &Catalogue, provider: &str, overrides: &str) -> Option<Rules> {
    let secret = b"0123456789abcdef0123456789abcdef".to_vec();
    let binding = Binding {
        secrets: vec![Secret::new(secret)],
        overrides: overrides.parse().expect("TOML"),
        ..Binding::default()
    };
    Some(catalogue.get(provider)?.bind(&binding).expect("sound settings"))
}

/// The same value with one character of the proof replaced by another of its alphabet.
fn wrong(right: &HeaderValue, position: usize) -> Vec<u8> {
    let mut value = right.as_bytes().to_vec();
    value[position] = if value[position] == b'a' { b'b' } else { b'a' };
    value
}

fn main() {
    let catalogue = Catalogue::embedded().expect("sound files");
    let now = Timestamp::from_second(1_700_000_000).expect("a time");
    let body = [b'x'; 64];
    let mut suspicious = false;
    for (provider, overrides, header, before) in CASES {
        let Some(rules) = rules(&catalogue, provider, overrides) else { continue };
        let right = rules.sign(&body, &HeaderMap::new(), now).expect("signable").headers;
        let length = right[header].len() - right[header].as_bytes().iter().rev().take_while(|b| **b == b'=').count();
        let classes = [wrong(&right[header], before.len()), wrong(&right[header], length - 2)];
        let mut headers = right;
        let mut times = [const { Vec::new() }; 2];
        let mut chance: u64 = 0x9e37_79b9_7f4a_7c15;
        for _ in 0..SAMPLES {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let class = (chance >> 32) as usize & 1;
            // Made anew each time: where a request lies in memory must not tell the classes apart either.
            headers.insert(header, HeaderValue::from_bytes(&classes[class]).expect("a header"));
            let request = Request { method: &Method::POST, headers: &headers, query: "", body: &body, now };
            let start = Instant::now();
            let passed = black_box(rules.verify(black_box(&request)).is_ok());
            times[class].push(start.elapsed().as_nanos() as f64);
            assert!(!passed, "both are wrong");
        }
        // Interrupts say nothing about the comparison: the slowest tenth of all goes.
        let mut all = times.concat();
        all.sort_by(f64::total_cmp);
        let slowest = all[all.len() * 9 / 10];
        let samples = times.map(|times| {
            let mut sample = Sample::default();
            times.into_iter().filter(|time| *time <= slowest).for_each(|time| sample.add(time));
            sample
        });
        let t = t(&samples[0], &samples[1]);
        suspicious |= t.abs() > SUSPICIOUS;
        println!(
            "{provider} {overrides}: wrong from the start {:.1} ns, wrong at the end {:.1} ns, t = {t:.2}",
            samples[0].mean, samples[1].mean
        );
    }
    assert!(!suspicious, "a difference that chance does not explain: |t| > {SUSPICIOUS}");
}
