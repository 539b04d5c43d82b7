//! Every vector of every provider against the pure function. The same vectors go over HTTP elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use hookstream::provider::vectors::{Expect, Vector, Vectors};
use hookstream::provider::{Catalogue, Provider, Reject, embedded_vectors};

fn files() -> BTreeMap<String, Vectors> {
    let parse = |(file, text): &(&str, &str)| {
        let vectors = Vectors::parse(file, text).unwrap();
        assert_eq!(format!("{}.vectors.toml", vectors.provider), *file);
        (vectors.provider.clone(), vectors)
    };
    embedded_vectors().iter().map(parse).collect()
}

#[test]
fn every_vector_gets_its_verdict() {
    let catalogue = Catalogue::embedded().unwrap();
    let mut wrong = Vec::new();
    for (name, file) in files() {
        let provider = catalogue.get(&name).unwrap();
        for vector in &file.vectors {
            if let Err(problem) = vector.check(provider) {
                wrong.push(format!("{name}: {}: {problem}", vector.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} vectors disagree:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_provider_is_proven_both_ways() {
    let files = files();
    for provider in Catalogue::embedded().unwrap().iter() {
        let file = files.get(provider.name()).unwrap_or_else(|| panic!("{} has no vectors", provider.name()));
        let reasons: BTreeSet<_> = file.vectors.iter().filter_map(|vector| reason(vector.expect)).collect();
        let positive = file.vectors.iter().any(|vector| vector.expect == Expect::Ok);
        assert!(positive && !reasons.is_empty(), "{} lacks positive or negative vectors", provider.name());
        for reject in rejects_of(provider) {
            assert!(reasons.contains(reject.as_str()), "{} has no vector for {reject}", provider.name());
        }
    }
    assert_eq!(files.len(), Catalogue::embedded().unwrap().iter().count(), "vectors without a provider");
}

/// Every reason that the provider's scheme can give, and each that a source can make of it where it may say so.
fn rejects_of(provider: &Provider) -> Vec<Reject> {
    let file = format!("{}/providers/{}.toml", env!("CARGO_MANIFEST_DIR"), provider.name());
    let table: toml::Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
    let ways = match &table["verify"] {
        toml::Value::Array(ways) => ways.clone(),
        way => vec![way.clone()],
    };
    let says = |way: &toml::Value, key: &str, part: &str| {
        way.get(key).and_then(toml::Value::as_str).is_some_and(|text| text.contains(part))
    };
    let mut rejects = Vec::new();
    for way in &ways {
        if !["token", "basic", "fetched", "none"].iter().any(|scheme| says(way, "scheme", scheme)) {
            rejects.extend([Reject::SignatureMissing, Reject::SignatureMalformed, Reject::SignatureMismatch]);
        }
        if says(way, "scheme", "fetched") {
            rejects.push(Reject::Unconfirmed);
        }
        if says(way, "signed", "{timestamp}") {
            rejects.extend([Reject::TimestampMalformed, Reject::TimestampTooOld, Reject::TimestampInFuture]);
        }
        // Fields that are told apart by their place: what stands first is the timestamp.
        if says(way, "signed", "{timestamp}")
            && way.get("format").and_then(toml::Value::as_str) != Some("{timestamp},{signature}")
        {
            rejects.push(Reject::TimestampMissing);
        }
        if way.get("keys").is_some() {
            let certificate = says(way, "scheme", "rsa-x509");
            let own = [Reject::KeyUrlNotAllowed, Reject::CertificateInvalid];
            rejects.extend(if certificate { own.as_slice() } else { &[Reject::KeyUnknown] });
        }
        if says(way, "scheme", "jwt-") && !says(way, "scheme", "hs256") {
            rejects.extend([
                Reject::TimestampMissing,
                Reject::TimestampMalformed,
                Reject::TimestampTooOld,
                Reject::TimestampInFuture,
            ]);
        }
        if ["issuer", "claims", "expect"].iter().any(|key| way.get(key).is_some()) {
            rejects.push(Reject::ClaimMismatch);
        }
        if says(way, "signed", "{header:") {
            rejects.push(Reject::SignedHeaderMissing);
        }
        if ["token", "basic"].iter().any(|scheme| says(way, "scheme", scheme)) || provider.name() == "generic" {
            rejects.extend([Reject::TokenMissing, Reject::TokenMismatch]);
        }
    }
    rejects
}

/// What every provider's vectors must hold, by their names; each with the verdicts that count.
const KINDS: [(&str, &[&str], &[&str]); 7] = [
    (
        "another secret",
        &["another secret", "another token", "another key", "wrong"],
        &["signature_mismatch", "token_mismatch"],
    ),
    ("no proof", &["missing"], &["signature_missing", "token_missing"]),
    ("an empty proof", &["empty"], &["signature_malformed", "token_mismatch"]),
    ("a proof cut short", &["cut"], &["signature_malformed", "token_mismatch"]),
    ("a proof that is too long", &["too long"], &["signature_malformed", "token_mismatch"]),
    ("the old secret, while it is live", &["rotated: the old"], &["ok"]),
    ("the old secret, when it is gone", &["rotated: the old"], &["signature_mismatch", "token_mismatch"]),
];

#[test]
fn every_provider_has_every_kind_of_vector() {
    let mut lacking = Vec::new();
    for provider in Catalogue::embedded().unwrap().iter().filter(|provider| !provider.is_fetched()) {
        let file = &files()[provider.name()];
        // Keys that are fetched have names instead of turns: gateway/keys.rs changes them.
        let shared = provider.key_hosts().is_empty();
        for (kind, names, verdicts) in KINDS.into_iter().filter(|(kind, ..)| shared || !kind.starts_with("the old")) {
            let fits = |vector: &Vector| {
                let verdict = reason(vector.expect).unwrap_or("ok");
                // How long a signature must be, only the key says.
                let late = !shared && kind == "a proof cut short" && verdict == "signature_mismatch";
                (late || verdicts.contains(&verdict)) && names.iter().any(|name| vector.name.contains(name))
            };
            if !file.vectors.iter().any(fits) {
                lacking.push(format!("{}: {kind}", provider.name()));
            }
        }
        if COVERED.iter().any(|scheme| provider.schemes().iter().any(|known| known.starts_with(scheme)))
            && !UNCOVERED.contains(&provider.name())
            && !file.vectors.iter().any(|vector| is_flipped(vector, &file.vectors))
        {
            lacking.push(format!("{}: one bit of the body flipped", provider.name()));
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}

/// Schemes whose proof rests on the body.
const COVERED: [&str; 6] = ["hmac", "digest", "ed25519", "ecdsa", "rsa", "jwt"];

/// What is signed of their bodies is a part, and stands beside the proof in it.
const UNCOVERED: [&str; 3] = ["braintree", "event-grid-entra", "mailgun"];

/// Is it the request of a vector that passes, but for one bit of its body?
fn is_flipped(vector: &Vector, all: &[Vector]) -> bool {
    let body = vector.bytes().unwrap();
    let one_bit = |other: &Vector| {
        let whole = other.bytes().unwrap();
        let bits: u32 = whole.iter().zip(&body).map(|(one, other)| (one ^ other).count_ones()).sum();
        whole.len() == body.len() && bits == 1
    };
    vector.expect == Expect::Reject(Reject::SignatureMismatch)
        && all.iter().any(|other| other.expect == Expect::Ok && other.headers == vector.headers && one_bit(other))
}

fn reason(expect: Expect) -> Option<&'static str> {
    match expect {
        Expect::Reject(reject) => Some(reject.as_str()),
        Expect::Ok | Expect::Handshake | Expect::Unreadable => None,
    }
}

#[test]
fn names_are_unique_and_sources_are_given() {
    for (provider, file) in files() {
        let mut names = BTreeSet::new();
        for vector in &file.vectors {
            assert!(names.insert(&vector.name), "{provider}: {} stands there twice", vector.name);
            assert!(!vector.source.is_empty(), "{provider}: {} has no source", vector.name);
        }
    }
}

#[test]
#[allow(clippy::print_stderr)]
fn the_generator_writes_these_files() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/generate.py");
    match Command::new("python3").args([script, "--check"]).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) if std::env::var_os("CI").is_some() => panic!("python3 cannot be run: {error}"),
        Err(error) => eprintln!("skipped: python3 cannot be run ({error})"),
    }
}

#[test]
fn a_faulty_vector_file_says_where() {
    let error = Vectors::parse(
        "x.vectors.toml",
        "provider = \"x\"\nurl = \"u\"\n[[vectors]]\nname = \"n\"\nsource = \"s\"\nexpect = \"fine\"\n",
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "x.vectors.toml:6: vectors.0.expect: `fine` is neither ok, handshake, unreadable nor the name of a reject reason"
    );
}
