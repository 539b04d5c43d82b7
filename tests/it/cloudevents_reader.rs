//! An outside reader: the official CloudEvents SDK for Python (tests/readers) reads what we write.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hookstream::event::{Data, Encoded, Extra, Format, decode, encode};
use serde_json::{Value, json};

/// What the SDK understood of each record of (key, value, headers); `None`, said loudly, where Python or the SDK cannot
/// be had. With `CI=true` that is a failure.
pub(crate) fn read_with_sdk(records: &[(String, Encoded)]) -> Option<Vec<Value>> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = match PYTHON.get_or_init(|| python().map_err(|error| format!("{error}"))) {
        Ok(python) => python,
        Err(why) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "the CloudEvents SDK is needed in CI: {why}");
            eprintln!("SKIPPED: no outside reader of CloudEvents: {why}");
            return None;
        }
    };
    let lines: String = records.iter().map(|(key, encoded)| line(key, encoded)).collect();
    let mut reader = Command::new(python)
        .arg(readers().join("cloudevents_reader.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = reader.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "the SDK refused a record, see above");
    writer.join().unwrap().unwrap();
    let events: Vec<Value> = output
        .stdout
        .split(|&b| b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    assert_eq!(events.len(), records.len());
    Some(events)
}

fn line(key: &str, Encoded { value, headers }: &Encoded) -> String {
    let headers: serde_json::Map<String, Value> =
        headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value).into())).collect();
    format!("{}\n", json!({"headers": headers, "key": key, "value_base64": STANDARD.encode(value)}))
}

fn readers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers")
}

/// A Python that has the pinned SDK, in an environment of its own beside the other build products.
fn python() -> std::io::Result<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cloudevents-reader");
    let (python, stamp) = (home.join("bin/python"), home.join("requirements.txt"));
    let wanted = readers().join("requirements.txt");
    if fs::read(&stamp).ok() != Some(fs::read(&wanted)?) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&wanted))?;
        fs::copy(&wanted, &stamp)?;
    }
    Ok(python)
}

fn run(command: &mut Command) -> std::io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(std::io::Error::other(said())) }
}

#[test]
fn the_official_sdk_reads_both_modes() {
    let attributes = super::envelope::attributes();
    let xml = Data::Bytes { content_type: "application/xml".into(), body: b"<a>\xc3\xa9</a>".into() };
    let bodies = [
        (Data::Json(b" {\"amount\":12.50,\"name\":\"\xc3\xa9\"} "), json!({"amount": 12.50, "name": "é"})),
        (Data::json(b"\xEF\xBB\xBF[1]"), json!([1])),
        (Data::form(b"a=1&b=x+y").unwrap(), json!({"a": "1", "b": "x y"})),
        (xml, Value::Null),
        (Data::None, Value::Null),
    ];
    let mut records = Vec::new();
    for format in [Format::CloudEvents, Format::CloudEventsBinary] {
        records.extend(
            bodies.iter().map(|(data, _)| ("evt_1PqX".to_owned(), encode(format, &attributes, data, Extra::default()))),
        );
    }
    let Some(events) = read_with_sdk(&records) else { return };
    let expected = bodies.iter().chain(&bodies).map(|(_, data)| data);
    for ((event, (_, encoded)), data) in events.iter().zip(&records).zip(expected) {
        let ours = decode(&encoded.headers, &encoded.value).unwrap();
        assert_eq!(event["attributes"]["id"], *ours.attributes.id);
        assert_eq!(event["attributes"]["recordedtime"], "2026-11-20T10:00:01.123Z");
        assert_eq!(event["attributes"]["tenant"], "acct_1");
        match &ours.data {
            Data::Bytes { body, .. } if event["mode"] == "structured" => {
                assert_eq!(event["data_base64"], STANDARD.encode(body));
            }
            Data::Bytes { .. } => assert_eq!(event["data"], "<a>é</a>"),
            _ => assert_eq!(&event["data"], data),
        }
    }
}
