//! `hookstream explain`: a refusal's id, asked of the gateway that refused it, and captured requests from files.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::http::{get, post};
use crate::support::serve::{Serve, Setup, setup, signature};

const KEY: &str = "the key of nobody";

/// Run `hookstream explain`: exit code, stdout, stderr.
fn explain(arguments: &[&str], environment: &[(&str, &str)], stdin: &[u8]) -> (i32, String, String) {
    use std::io::Write;
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookstream"));
    command.arg("explain").args(arguments).envs(environment.iter().copied()).env_remove("HOOKSTREAM_CONFIG");
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start hookstream");
    child.stdin.take().expect("its stdin").write_all(stdin).expect("write to it");
    let output = child.wait_with_output().expect("its end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("a code"), text(output.stdout), text(output.stderr))
}

/// Two sources, the first with a secret that quotes strayed into.
fn gateway() -> Setup {
    setup()
        .table("[sources.github]\nsecrets = [\"env:GITHUB\"]\n[sources.orders]\nprovider = \"generic\"\nsecrets = [\"env:ORDERS\"]\n")
        .env("GITHUB", &format!("\"{KEY}\""))
        .env("ORDERS", KEY)
}

fn signed(body: &[u8]) -> String {
    use hmac::{KeyInit, Mac};
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(KEY.as_bytes()).expect("a key");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// The request id of a refusal.
fn refused(serve: &Serve, path: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
    let answer = post(serve.public, path, headers, body);
    assert!((400..500).contains(&answer.status), "{answer:?}");
    let id = answer.header("x-request-id").expect("an id").to_owned();
    assert_eq!(answer.json()["request_id"], json!(id));
    // The answer says nothing of the reason.
    assert_eq!(answer.json().as_object().expect("an object").len(), 3);
    id
}

#[test]
fn a_refusal_is_explained_by_its_id() {
    let serve = gateway().on_stand_in();
    let admin = format!("--admin={}", serve.admin);
    let body = br#"{"action":"canary-in-the-body"}"#;
    let signature = signed(body);
    let id = refused(&serve, "/webhooks/github", &[("X-Hub-Signature-256", &signature)], body);

    let (code, text, errors) = explain(&[&id, &admin], &[], b"");
    assert_eq!((code, errors.as_str()), (0, ""), "{text}");
    assert!(text.contains("github · GitHub · signature_mismatch · from 127.0.0.1"), "{text}");
    assert!(text.contains("proven: secret_stray") && text.contains("env:GITHUB"), "{text}");
    assert!(!text.contains(KEY) && !text.contains("canary"), "{text}");

    let (code, text, _) = explain(&[&id.to_lowercase(), &admin, "--json"], &[], b"");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &found["request_id"], &found["explained"]), (0, &json!(id), &json!(true)));
    assert_eq!(found["findings"][0]["cause"], "secret_stray");

    // A forgery is not explained away.
    let forged = refused(&serve, "/webhooks/orders", &[("X-Signature", &"0".repeat(64))], body);
    let (code, text, _) = explain(&[&forged, &admin], &[], b"");
    assert!(code == 1 && text.contains("possible: unexplained") && text.contains("has verified since"), "{text}");

    // The same request at the wrong path.
    let id = refused(&serve, "/hooks/GitHub/", &[("X-Hub-Signature-256", &signature)], body);
    let (code, text, _) = explain(&[&id, &admin], &[], b"");
    assert!(code == 0 && text.contains("No source has the path") && text.contains("/webhooks/github"), "{text}");

    let status = get(serve.admin, "/status");
    assert_eq!(status.json()["recent_rejects"].as_array().map(Vec::len), Some(3));
    for said in [status.text().to_owned(), serve.process.log()] {
        assert!(!said.contains("canary-in-the-body") && !said.contains(KEY), "{said}");
    }
}

#[test]
fn an_id_that_nobody_knows_says_what_to_do() {
    let serve = gateway().on_stand_in();
    let unknown = "01J00000000000000000000000";
    let (code, text, errors) = explain(&[unknown, "--admin", &serve.admin.to_string()], &[], b"");
    assert_eq!((code, text.as_str()), (1, ""));
    assert!(errors.contains("deliver it again") && errors.contains("--admin") && errors.contains(unknown), "{errors}");
    let (code, _, errors) = explain(&[unknown, "--admin=127.0.0.1:1"], &[], b"");
    assert!(code == 1 && errors.contains("is `hookstream serve` or `dev` running"), "{errors}");
}

#[test]
fn the_list_can_be_switched_off_and_asks_for_its_token() {
    let serve =
        gateway().set("admin.keep_rejects", "0B").set("admin.token", "env:TOKEN").env("TOKEN", "fake").on_stand_in();
    let id = refused(&serve, "/webhooks/orders", &[("X-Signature", &"0".repeat(64))], b"{}");
    let path = format!("/explain/{id}");
    assert_eq!(get(serve.admin, &path).status, 401);
    let with = |token: &str| {
        crate::support::http::exchange(
            serve.admin,
            crate::support::http::request("GET", &path, &[("Authorization", token)], b""),
        )
    };
    assert_eq!(with("Bearer wrong").status, 401);
    let answer = with("Bearer fake");
    assert_eq!((answer.status, &answer.json()["explained"]), (200, &json!(false)));
    assert!(answer.text().contains("not kept"), "{}", answer.text());
    // The others still want none.
    for open in ["/status", "/metrics", "/livez"] {
        assert_eq!(get(serve.admin, open).status, 200, "{open}");
    }
}

#[test]
fn captured_requests_from_files_and_stdin() {
    let body = r#"{"it":"is"}"#;
    let raw = format!("POST /webhooks/generic HTTP/1.1\nX-Signature: {}\n\n{body}\n", signature(body.as_bytes()));
    let secret = [("KEY", crate::support::serve::SECRET)];
    let arguments = ["-", "--source=generic", "--secret=env:KEY"];
    let (code, text, _) = explain(&arguments, &secret, raw.as_bytes());
    assert!(code == 0 && text.contains("body_rewritten") && text.contains("without a line break at its end"), "{text}");
    let (code, text, _) = explain(&arguments, &secret, raw.trim_end().as_bytes());
    assert!(code == 0 && text.contains("proven: verifies"), "{text}");

    let curl = format!(
        "curl https://x.example/webhooks/generic -H 'x-signature: {}' --data-raw '{body}'",
        signature(body.as_bytes())
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), curl).expect("write it");
    let path = file.path().to_str().expect("a name");
    let quoted = [("KEY", "'a secret of nobody'")];
    let (code, text, _) = explain(&[path, "--source=generic", "--secret=env:KEY", "--json"], &quoted, b"");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (code, &found["findings"][0]["cause"], &found["findings"][0]["certainty"]),
        (0, &json!("secret_stray"), &json!("proven"))
    );

    for (arguments, stdin, said) in [
        (&["-", "--source=generic"][..], raw.as_str(), "--secret env:NAME"),
        (&["-", "--source=nobody"], &raw, "neither a source"),
        (&["-"], &raw, "--source"),
        (&["-", "--source=generic", "--secret=env:KEY"], "hello", "neither raw HTTP"),
        (&["/nowhere/at/all"], "", "cannot read"),
        (&["-", "--source=generic", "--secret=env:KEY", "--at=noon"], &raw, "RFC 3339"),
    ] {
        let (code, _, errors) = explain(arguments, &secret, stdin.as_bytes());
        assert!(code == 1 && errors.contains(said), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_captured_request_to_a_path_of_nobody_is_refused() {
    let file = |sources: &str| {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
        let text = format!("[kafka]\nbootstrap_servers = \"127.0.0.1:1\"\n{sources}");
        std::fs::write(file.path(), text).expect("write it");
        file
    };
    let orders = "[sources.orders]\nprovider = \"generic\"\nsecrets = [\"env:KEY\"]\n";
    let shop = "[sources.shop]\nprovider = \"generic\"\nsecrets = [\"env:KEY\"]\n";
    let (one, two) = (file(orders), file(&format!("{orders}{shop}")));
    let secret = [("KEY", crate::support::serve::SECRET)];
    let raw = |line: &str| format!("{line} HTTP/1.1\nX-Signature: {}\n\n{{}}", signature(b"{}"));
    let ask = |file: &tempfile::NamedTempFile, line: &str, source: &[&str]| {
        let config = format!("--config={}", file.path().to_str().expect("a name"));
        explain(&[&["-", config.as_str()], source].concat(), &secret, raw(line).as_bytes())
    };
    let (code, text, errors) = ask(&two, "POST /api/webhooks/shop", &[]);
    assert!(code == 0 && text.contains("proven: refused") && text.contains("unknown_source"), "{text}{errors}");
    assert!(text.contains("differs from /webhooks/shop"), "{text}");
    let (code, text, _) = ask(&two, "POST /api/webhooks/shop", &["--source=shop"]);
    assert!(code == 0 && text.contains("proven: verifies"), "{text}");
    // With one source there is no doubt which is meant, and what else is wrong is said as well.
    let (code, text, _) = ask(&one, "POST /webhooks/order", &[]);
    assert!(code == 0 && text.contains("likely: refused") && !text.contains("verifies with"), "{text}");
    let (code, text, _) = ask(&one, "GET /webhooks/orders", &[]);
    assert!(code == 0 && text.contains("proven: refused") && text.contains("a GET request"), "{text}");
}
