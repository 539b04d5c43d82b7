//! `explain`: why a signature does not match, and what to do. A refusal's id is asked of the running gateway, which keeps
//! secrets and bodies to itself; a captured request is looked at here, with the configuration's secrets.

mod captured;
mod curl;
mod windows;

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Failure, Output, client, output, print};
use crate::cli::Explain;
use crate::config::{Config, Secret, SecretRef, SourceConfig};
use crate::provider::diagnose::{Inquiry, Suspect, diagnose};
use crate::provider::{Binding, Request};
pub use captured::Captured;

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
    let (sources, source) = sources(config, arguments, &captured, &given)?;
    let offered: Vec<(String, Secret)> = arguments
        .secret
        .iter()
        .zip(&given)
        .map(|(name, secret)| (format!("the secret in {name}"), secret.clone()))
        .collect();
    let suspects: Vec<Suspect<'_>> = sources.iter().map(Source::suspect).collect();
    let (own, others) = {
        let mut others = suspects;
        let own = others.remove(source);
        (own, others)
    };
    let whole = captured.base();
    let request = Request {
        method: &captured.method,
        headers: &captured.headers,
        query: captured.query(),
        body: &captured.body,
        now: at.unwrap_or_else(Timestamp::now),
    };
    let diagnosis = diagnose(&Inquiry {
        request,
        path: whole.as_deref().unwrap_or(captured.path()),
        source: own,
        others: &others,
        offered: &offered,
        catalogue: &config.catalogue,
        captured: at.is_none(),
        verified: None,
    });
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

/// What a suspect borrows from.
struct Source {
    name: String,
    provider: std::sync::Arc<crate::provider::Provider>,
    binding: Binding,
    secret_names: Vec<String>,
    path: String,
}

impl Source {
    fn configured(source: &SourceConfig) -> Result<Source, String> {
        Ok(Source {
            name: source.name.clone(),
            provider: std::sync::Arc::clone(&source.provider),
            binding: source.binding(source.secrets()?)?,
            secret_names: source.secret_names(),
            path: source.path.clone(),
        })
    }

    fn suspect(&self) -> Suspect<'_> {
        Suspect {
            name: &self.name,
            provider: &self.provider,
            binding: &self.binding,
            secret_names: &self.secret_names,
            path: &self.path,
        }
    }
}

/// All sources, and the place of the one that is asked about: named, or found by its path. Without a configuration the
/// name is a provider's, and --secret gives its secrets.
fn sources(
    config: &Config,
    arguments: &Explain,
    captured: &Captured,
    given: &[Secret],
) -> Result<(Vec<Source>, usize), String> {
    let named = arguments.source.as_deref();
    if let Some(name) = named.filter(|name| !config.sources.contains_key(*name)) {
        let provider = config.catalogue.get(name).ok_or_else(|| {
            format!(
                "`{name}` is neither a source in {} nor a provider; `hookstream providers` lists those",
                config.path.display()
            )
        })?;
        if given.is_empty() && provider.needs().secrets.is_some() {
            return Err(format!("`{name}` is not configured; give its secret with --secret env:NAME or file:PATH"));
        }
        let binding = Binding { secrets: given.to_vec(), public_url: captured.base(), ..Binding::default() };
        let path = format!("/webhooks/{name}");
        let source = Source {
            name: name.to_owned(),
            provider: std::sync::Arc::clone(provider),
            binding,
            secret_names: arguments.secret.clone(),
            path,
        };
        return Ok((vec![source], 0));
    }
    let is_it = |source: &&SourceConfig| named.map_or(source.path == captured.path(), |name| source.name == name);
    let only = || config.sources.values().next().filter(|_| config.sources.len() == 1);
    let found = config.sources.values().find(is_it).or_else(only).ok_or_else(|| {
        let known: Vec<&str> = config.sources.keys().map(String::as_str).collect();
        format!("which source is it for? Name it with --source; there are: {}", known.join(", "))
    })?;
    // A secret of another source that cannot be read must not be in the way.
    let own = Source::configured(found)?;
    let others = config.sources.values().filter(|source| source.name != found.name);
    Ok((std::iter::once(own).chain(others.filter_map(|source| Source::configured(source).ok())).collect(), 0))
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
