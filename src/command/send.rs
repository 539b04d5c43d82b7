//! `send`: signed samples, as the provider would send them.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};
use ulid::Ulid;

use super::{Failure, Output, output};
use crate::cli::Send;
use crate::config::{Config, Secret, SecretRef, SourceConfig};
use crate::dev::{self, DevKey};
use crate::provider::{Filling, Provider, Rules, Signed};
use crate::shutdown::Shutdown;

/// How long the gateway may take to answer; above every deadline it has.
const PATIENCE: Duration = Duration::from_secs(35);

/// The columns of the table.
const WIDTHS: [usize; 5] = [5, 28, 7, 9, 0];

pub(super) async fn run(config: Config, arguments: &Send, shutdown: Shutdown) -> Result<ExitCode, Failure> {
    let sender = Sender::new(&config, arguments)?;
    let output = Output::new(arguments.json);
    let interval = arguments.rate.map(|rate| Duration::from_secs(1) / rate);
    let start = Instant::now();
    let mut refused = 0_u64;
    for number in 0..arguments.count {
        if shutdown.is_requested() {
            break;
        }
        if let Some(interval) = interval {
            let due = start + interval.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
            // Woken early by the wish to stop, late never: what is behind its time is sent at once.
            let _ = tokio::time::timeout_at(due.into(), shutdown.requested()).await;
        }
        let sent = sender.send(number + 1, arguments.tamper).await?;
        refused += u64::from(!sent.status.is_success());
        let answer = serde_json::from_str::<Value>(&sent.answer).unwrap_or_else(|_| json!(sent.answer));
        let row = [
            ("n", json!(number + 1)),
            ("type", json!(sender.kind)),
            ("status", json!(sent.status.as_u16())),
            ("after", json!(format!("{:.1} ms", sent.after.as_secs_f64() * 1_000.0))),
            ("answer", answer),
        ];
        output.line(&row, &WIDTHS)?;
    }
    if arguments.tamper && refused < arguments.count {
        let advice =
            "accepted although its body was changed after signing: the proof of this provider does not cover it";
        output::complain(advice);
    }
    let expected = if arguments.tamper { arguments.count } else { 0 };
    Ok(if refused == expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One source's sample, signed anew for each request.
pub(crate) struct Sender {
    url: String,
    rules: Rules,
    sample: Sample,
    client: reqwest::Client,
    /// The event's type.
    pub(crate) kind: String,
}

enum Sample {
    Ours(crate::provider::Sample),
    File { headers: HeaderMap, body: Vec<u8> },
}

/// What came back.
pub(crate) struct Sent {
    pub(crate) status: http::StatusCode,
    pub(crate) after: Duration,
    pub(crate) answer: String,
}

impl Sender {
    fn new(config: &Config, arguments: &Send) -> Result<Self, Failure> {
        let name = &arguments.source;
        let source = config.sources.get(name);
        let provider = match source {
            Some(source) => source.provider.as_ref(),
            None => config.catalogue.get(name).ok_or_else(|| {
                format!(
                    "`{name}` is neither a source in {} nor a provider; `hookstream providers` lists those",
                    config.path.display()
                )
            })?,
        };
        let given = arguments
            .secret
            .as_deref()
            .map(|text| text.parse::<SecretRef>().and_then(|reference| reference.resolve()))
            .transpose()?;
        let base = arguments.to.clone().unwrap_or_else(|| format!("http://{}", reachable(config.gateway.listen)));
        let path = source.map_or_else(|| format!("/webhooks/{name}"), |source| source.path.clone());
        let url = format!("{}{path}", base.trim_end_matches('/'));
        let key = arguments.key.as_deref();
        let rules = match source {
            None => dev::rules(provider, given, key, &url)?,
            Some(source) => {
                let secrets = given.map_or_else(|| source.secrets(), |secret| Ok(vec![secret]))?;
                say_dev_key(source, &secrets, key)?;
                dev::signing(source.bind_with(secrets)?, key)?
            }
        };
        let (kind, sample) = sample(provider, arguments)?;
        Ok(Self { url, rules, sample, client: client()?, kind })
    }

    /// The sender of one sample of `dev`.
    pub(crate) fn of(rules: Rules, sample: &crate::provider::Sample, url: String, client: reqwest::Client) -> Self {
        Self { url, rules, client, kind: sample.providertype.clone(), sample: Sample::Ours(sample.clone()) }
    }

    /// Send the sample with a new id; `tamper` changes the last byte after signing.
    pub(crate) async fn send(&self, number: u64, tamper: bool) -> Result<Sent, String> {
        let id = Ulid::new();
        self.send_as(number, &id.to_string().to_lowercase(), tamper).await
    }

    /// The same under a given id: sending twice gives a duplicate.
    pub(crate) async fn send_as(&self, number: u64, id: &str, tamper: bool) -> Result<Sent, String> {
        let (headers, body) = match &self.sample {
            Sample::Ours(sample) => {
                let filled = sample.fill(&Filling { id, n: number, uuid: &uuid(id), now: Timestamp::now() });
                (filled.headers, filled.body)
            }
            Sample::File { headers, body } => (headers.clone(), body.clone()),
        };
        let signed = self.rules.sign(&body, &headers, Timestamp::now()).map_err(|error| error.to_string())?;
        let Signed { headers, query, mut body } = signed;
        if tamper && let Some(byte) = body.iter_mut().rev().find(|byte| byte.is_ascii_alphanumeric()) {
            *byte ^= 1;
        }
        let start = Instant::now();
        let url = if query.is_empty() { self.url.clone() } else { format!("{}?{query}", self.url) };
        let response = self.client.post(url).headers(headers).body(body).send().await.map_err(|error| {
            format!(
                "no answer from {}: {}; is `hookstream dev` or `hookstream serve` running?",
                self.url,
                reason(&error)
            )
        })?;
        let status = response.status();
        let answer = response.text().await.map_err(|error| error.to_string())?;
        Ok(Sent { status, after: start.elapsed(), answer })
    }
}

/// A source that does not know the dev key refuses what is signed with it: say how it learns it.
fn say_dev_key(source: &SourceConfig, secrets: &[Secret], key: Option<&Path>) -> Result<(), String> {
    let provider = &source.provider;
    let Some(kind) = provider.key_kind() else { return Ok(()) };
    let key = DevKey::of(kind, key)?;
    let Some(public) = dev::public_secret(provider, &key) else { return Ok(()) };
    if !secrets.contains(&public) {
        let variable = format!("{}_DEV_KEY", source.name.to_uppercase().replace('-', "_"));
        let (name, path, text) = (&source.name, key.path.display(), public.expose_text().unwrap_or_default());
        output::complain(&format!(
            "{} signs with a key of its own; this is signed with yours, {path}.\n\
             For a gateway that is not live: add \"env:{variable}\" to the secrets of [sources.{name}] and set\n{variable}={text}",
            provider.title()
        ));
    }
    Ok(())
}

fn sample(provider: &Provider, arguments: &Send) -> Result<(String, Sample), String> {
    if let Some(file) = &arguments.file {
        let body = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        // The headers that name an event's type come from the first sample; the body is the caller's.
        let filling = Filling { id: &Ulid::new().to_string(), n: 1, uuid: &uuid(""), now: Timestamp::now() };
        let headers = provider.samples().first().map(|sample| sample.fill(&filling).headers).unwrap_or_default();
        return Ok((file.display().to_string(), Sample::File { headers, body }));
    }
    let mut samples = provider.samples().iter();
    let found = match &arguments.r#type {
        Some(kind) => samples.find(|sample| sample.providertype == *kind),
        None => samples.next(),
    };
    let sample = found.ok_or_else(|| {
        let known: Vec<&str> = provider.samples().iter().map(|sample| sample.providertype.as_str()).collect();
        format!("{} has no such sample; it has {}. --file sends a body of your own", provider.title(), known.join(", "))
    })?;
    Ok((sample.providertype.clone(), Sample::Ours(sample.clone())))
}

/// An address that can be connected to: 0.0.0.0 means this machine.
pub(crate) fn reachable(address: std::net::SocketAddr) -> std::net::SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}

/// 128 bits in the form of a UUID, the same for the same id.
fn uuid(id: &str) -> String {
    let bits = u128::from(Ulid::from_string(&id.to_uppercase()).unwrap_or_else(|_| Ulid::new()));
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A client for our own gateway.
pub(crate) fn client() -> Result<reqwest::Client, String> {
    crate::http::client::install_crypto();
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())
}

/// The innermost cause: "connection refused" rather than "error sending request".
fn reason(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
