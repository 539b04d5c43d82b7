//! `explain`: why a signature does not match, and what to do. A refusal's id is asked of the running gateway, which keeps
//! secrets and bodies to itself; a captured request is looked at here, with the configuration's secrets.

mod captured;
mod curl;
mod sources;
mod windows;

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Failure, Output, client, output, print};
use crate::cli::Explain;
use crate::config::{Config, Secret, SecretRef};
use crate::provider::diagnose::{Cause, Finding, Inquiry, Suspect, diagnose};
use crate::provider::{Reject, Request};
pub use captured::Captured;
use sources::{Asked, Source};

/// The largest file that is read, in bytes: the largest body of any source, as JSON may wrap it.
const LARGEST: u64 = 64 << 20;

/// The columns to which sentences are wrapped.
const WIDTH: usize = 100;

pub(super) async fn run(config: &Config, arguments: &Explain) -> Result<ExitCode, Failure> {
    let explanation =
        if is_id(&arguments.request) { ask(config, arguments).await? } else { look_at(config, arguments)? };
    if Output::new(arguments.json).is_json() {
        print(&explanation.to_string())?;
    } else {
        show(&explanation)?;
    }
    Ok(if explanation["explained"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A request id: 26 of Crockford's characters, and no file of that name.
fn is_id(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !Path::new(text).exists()
}

/// Ask the running gateways, one after the other.
async fn ask(config: &Config, arguments: &Explain) -> Result<Value, Failure> {
    let own = [super::send::reachable(config.admin.listen).to_string()];
    let gateways = if arguments.admin.is_empty() { &own[..] } else { &arguments.admin };
    let token = config.admin.token.as_ref().map(SecretRef::resolve).transpose()?;
    let client = client()?;
    for gateway in gateways {
        let base = if gateway.contains("://") { gateway.clone() } else { format!("http://{gateway}") };
        let mut request = client.get(format!("{}/explain/{}", base.trim_end_matches('/'), arguments.request));
        if let Some(token) = token.as_ref().and_then(Secret::expose_text) {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.map_err(|_| {
            format!(
                "no answer from {gateway}; is `hookstream serve` or `dev` running there? --admin names another place"
            )
        })?;
        let status = answer.status();
        let page: Value = serde_json::from_str(&answer.text().await.unwrap_or_default()).unwrap_or_default();
        match status {
            StatusCode::OK => return Ok(page),
            StatusCode::NOT_FOUND => {}
            _ => {
                let why = page["error"].as_str().unwrap_or("it does not know /explain");
                return Err(Failure::Failed(format!("{gateway} answers {status}: {why}")));
            }
        }
    }
    Err(Failure::Failed(format!(
        "no refusal with the id {} is known at {}. The latest 256 are remembered, since the start of each instance: with several \
         of them name each with --admin. An id from an accepted request, or from a 503, is no refusal. Else have the \
         provider deliver it again, or capture the request and give its file",
        arguments.request,
        gateways.join(", ")
    )))
}

/// Diagnose a captured request.
fn look_at(config: &Config, arguments: &Explain) -> Result<Value, Failure> {
    let captured = Captured::parse(&read(&arguments.request)?, &|name| read(name))?;
    let at = arguments.at.as_deref().map(str::parse::<Timestamp>).transpose();
    let at = at.map_err(|_| "--at takes a time in RFC 3339, for example 2026-11-20T10:00:00Z".to_owned())?;
    let secret = |text: &String| text.parse::<SecretRef>()?.resolve();
    let given = arguments.secret.iter().map(secret).collect::<Result<Vec<_>, _>>()?;
    let (sources, stray) = match sources::asked_about(config, arguments, &captured, &given)? {
        Asked::Found(sources) => (sources, None),
        Asked::Guessed(sources, stray) => (sources, Some(stray)),
        Asked::Nowhere(stray) => return Ok(nowhere(stray)),
    };
    let offered: Vec<(String, Secret)> = arguments
        .secret
        .iter()
        .zip(&given)
        .map(|(name, secret)| (format!("the secret in {name}"), secret.clone()))
        .collect();
    let own = sources.own.suspect();
    let others: Vec<Suspect<'_>> = sources.others.iter().map(Source::suspect).collect();
    let whole = captured.base();
    let request = Request {
        method: &captured.method,
        headers: &captured.headers,
        query: captured.query(),
        body: &captured.body,
        now: at.unwrap_or_else(Timestamp::now),
    };
    let mut diagnosis = diagnose(&Inquiry {
        request,
        path: whole.as_deref().unwrap_or(captured.path()),
        source: own,
        others: &others,
        offered: &offered,
        catalogue: &config.catalogue,
        captured: at.is_none(),
        verified: None,
    });
    if let Some(stray) = stray {
        // Were it right but for its path, nothing would be wrong with what stands here.
        diagnosis.findings.retain(|finding| finding.cause != Cause::Verifies);
        let place = diagnosis.findings.partition_point(|finding| finding.certainty <= stray.certainty);
        diagnosis.findings.insert(place, stray);
    }
    Ok(json!({
        "source": own.name,
        "provider": own.provider.title(),
        "reason": diagnosis.verdict.err().map(|reject| reject.as_str()),
        "explained": diagnosis.is_explained(),
        "findings": diagnosis.findings,
        "tried": diagnosis.tried,
        "cut_short": diagnosis.cut_short,
    }))
}

/// No source has the path that was called, and none was named.
fn nowhere(stray: Finding) -> Value {
    json!({
        "source": null,
        "provider": null,
        "reason": Reject::UnknownSource.as_str(),
        "explained": true,
        "findings": [stray],
        "tried": 0,
        "cut_short": false,
    })
}

/// A file, or stdin for `-`.
fn read(name: &str) -> Result<Vec<u8>, String> {
    let wrong =
        |error: std::io::Error| format!("cannot read {name}: {error}; give a request id, a file, or - for stdin");
    let mut bytes = Vec::new();
    let read = if name == "-" {
        std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(name).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
    };
    read.map_err(wrong)?;
    if bytes.len() as u64 > LARGEST { Err(format!("{name} is larger than 64 MiB")) } else { Ok(bytes) }
}

fn show(explanation: &Value) -> Result<(), String> {
    let text = |name: &str| explanation[name].as_str().map(output::visible).unwrap_or_default();
    let mut head = vec![text("request_id"), text("at"), text("source"), text("provider")];
    head.push(if explanation["reason"].is_null() { "verifies".to_owned() } else { text("reason") });
    head.extend(explanation["address"].as_str().map(|address| format!("from {}", output::visible(address))));
    head.retain(|part| !part.is_empty());
    print(&head.join(" · "))?;
    for finding in explanation["findings"].as_array().into_iter().flatten() {
        let part = |name: &str| finding[name].as_str().map(output::visible).unwrap_or_default();
        print(&format!("\n{}: {}", part("certainty"), part("cause")))?;
        wrapped(&part("evidence"), "    ")?;
        wrapped(&part("advice"), "  → ")?;
    }
    let tried = explanation["tried"].as_u64().unwrap_or_default();
    if tried > 0 {
        print(&format!("\n{tried} changed assumptions were tried, each with the verifier itself."))
    } else {
        Ok(())
    }
}

/// Print a text in lines, the first behind `start`.
fn wrapped(text: &str, start: &str) -> Result<(), String> {
    let mut line = start.to_owned();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            print(&line)?;
            line = "    ".to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    print(&line)
}
