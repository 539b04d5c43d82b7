//! Compressed bodies, from a provider whose file names them: what is signed, what is stored, and what does not fit.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::support::http::{Answer, post};
use crate::support::kafka::{Isolation, cluster};
use crate::support::serve::{SECRET, Serve, Setup, setup, signature};

const EVENT: &[u8] = b" {\"id\":\"e1\", \"type\":\"t\"}\n";

/// A provider of one's own, with further lines at the top of its file.
fn with_provider(directory: &Path, setup: Setup, more: &str) -> Setup {
    let file = format!(
        "name = \"presser\"\ntitle = \"Presser\"\ndocs = \"https://presser.example\"\n{more}\n[needs]\nsecrets = {{ min = 1, where = \"there\" }}\n\
         [verify]\nscheme = \"hmac-sha256\"\nheader = \"X-Signature\"\n[event]\nid = \"/id\"\ntype = \"/type\"\n"
    );
    std::fs::write(directory.join("presser.toml"), file).unwrap();
    let setup = setup.set("providers_dir", directory.display().to_string()).env("SECRET", SECRET);
    setup.table("[sources.presser]\nsecrets = [\"env:SECRET\"]\nmax_body = \"256KiB\"\n")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Send this body under this encoding with a signature over `signed`.
fn send(serve: &Serve, encoding: &str, body: &[u8], signed: &[u8]) -> Answer {
    post(
        serve.public,
        "/webhooks/presser",
        &[("X-Signature", &signature(signed)), ("Content-Encoding", encoding)],
        body,
    )
}

#[test]
fn data_is_the_decoded_body_and_the_signed_bytes_ride_along() {
    let Some(kafka) = cluster() else { return };
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let setup = Setup::with_kafka(kafka.bootstrap());
    let setup = with_provider(directory.path(), setup, "encodings = [\"gzip\", \"deflate\"]");
    setup.create_topics(kafka, 1);
    let prefix = setup.prefix().to_owned();
    let serve = setup.ready();
    let unreadable = gzip(b"{\"id\":");
    let bodies = [(gzip(EVENT), "gzip"), (deflate(b"{\"id\":\"e2\",\"type\":\"t\"}"), "deflate")];
    for (body, encoding) in &bodies {
        assert_eq!(send(&serve, encoding, body, body).json()["status"], "accepted");
    }
    assert_eq!(send(&serve, "x-gzip", &bodies[0].0, &bodies[0].0).json()["status"], "duplicate");
    assert_eq!(send(&serve, "gzip", &unreadable, &unreadable).status, 200);

    let records = kafka.read(&format!("{prefix}webhooks.presser"), Isolation::Committed, 2);
    let value = records[0].value.as_deref().unwrap();
    assert!(value.ends_with(&[b"\"data\":", EVENT, b"}"].concat()), "{}", String::from_utf8_lossy(value));
    for (seen, (body, encoding)) in records.iter().zip(&bodies) {
        let header =
            |name: &str| seen.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice());
        assert_eq!(header("hookstream-raw-body"), Some(body.as_slice()), "so that it can be verified again");
        assert_eq!(header("http-content-encoding"), Some(encoding.as_bytes()));
    }
    let letters = kafka.read(&format!("{prefix}hookstream.dead-letter"), Isolation::Committed, 1);
    let letter: serde_json::Value = serde_json::from_slice(letters[0].value.as_ref().unwrap()).unwrap();
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(letter["data_base64"].as_str().unwrap()).unwrap();
    assert_eq!(bytes, unreadable, "the exact bytes");
    serve.assert_conservation();
}

#[test]
fn what_is_too_much_or_not_in_order_is_refused() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let serve = with_provider(directory.path(), setup(), "encodings = [\"gzip\"]").on_stand_in();
    let own = |encoding: &str, body: &[u8]| send(&serve, encoding, body, body);
    let event = gzip(EVENT);
    let bomb = gzip(&vec![b' '; 30 << 20]);
    for (encoding, body, status) in [
        ("gzip", &event[..], 200),
        ("GZIP", &event, 200),
        ("identity", EVENT, 200),
        ("gzip", &bomb, 413),
        ("gzip", &event[..event.len() - 1], 400),
        ("gzip", &[&event[..], b"more"].concat(), 400),
        ("gzip", EVENT, 400),
        ("gzip", b"", 400),
        ("deflate", &deflate(EVENT), 415),
        ("br", &event, 415),
        ("zstd", &event, 415),
        ("gzip, gzip", &gzip(&event), 415),
        ("gzip, identity", &event, 415),
    ] {
        let answer = own(encoding, body);
        assert_eq!(answer.status, status, "{encoding} {}", answer.text());
        assert!(answer.after.as_millis() < 500, "{encoding}: {:?}", answer.after);
    }
    assert_eq!(own("gzip", &bomb).json()["limit_bytes"], 256 << 10);
    let (cpu, bombs) = (serve.process.cpu(), 20);
    (0..bombs).for_each(|_| assert_eq!(own("gzip", &bomb).status, 413));
    let each = (serve.process.cpu() - cpu) / bombs;
    assert!(each < Duration::from_millis(50), "a bomb of a thousand to one costs {each:?}");
    assert_eq!(send(&serve, "gzip", &bomb, b"something else").status, 401, "nothing of a forger is decompressed");
    assert_eq!(send(&serve, "gzip", &event, EVENT).status, 401, "it is signed as it came");
    let metrics = serve.metrics();
    assert_eq!(metrics.rejects("presser", "body_undecodable"), 4.0);
    assert_eq!(metrics.sum("hookstream_gateway_body_bytes_in_flight", &[]), 0.0);
    serve.assert_conservation();
}

#[test]
fn a_signature_over_the_decoded_body_is_data_too() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let more = "encodings = [\"gzip\"]\nsigned_body = \"decoded\"";
    let serve = with_provider(directory.path(), setup(), more).on_stand_in();
    let event = gzip(EVENT);
    assert_eq!(send(&serve, "gzip", &event, EVENT).status, 200);
    assert_eq!(send(&serve, "gzip", &event, &event).status, 401);
    let bomb = gzip(&vec![b' '; 30 << 20]);
    assert_eq!(send(&serve, "gzip", &bomb, &bomb).status, 413, "bounded without a signature as well");
}
