//! Keys that must be fetched: what a provider file says about them, and what one request needs. Nothing is fetched
//! here.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use url::Url;

use super::super::placeholder::{Piece, pieces};
use super::hosts::{Allowed, HostPattern, PathPattern, allowed};
use super::param::ParamText;
use super::place::Place;
use crate::config::Secret;
use crate::provider::error::Fault;

/// The parameter that chooses one of several environments.
const ENVIRONMENT: &str = "environment";

/// The longest name of a key that is looked for.
const LONGEST_KID: usize = 256;

/// What is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaterialKind {
    /// An X.509 certificate in PEM, perhaps with its chain, at an address that the request names.
    Certificate,
    /// A JSON Web Key Set at an address of its own.
    Jwks,
    /// One JSON Web Key, asked for by its name.
    Jwk,
}

/// What must be fetched before a request can be verified. Its address was built here or is one that the provider
/// file allows.
#[derive(Clone)]
pub struct KeyRequest {
    /// Where it is: https, on an allowed host.
    pub url: Url,
    /// What it is.
    pub kind: MaterialKind,
    /// The name of the key, where keys have names.
    pub kid: Option<String>,
    /// A JSON body to POST; a GET where there is none. It holds credentials.
    pub body: Option<Secret>,
}

impl fmt::Debug for KeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRequest").field("url", &self.url.as_str()).field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl KeyRequest {
    /// What tells its answer from others within one source.
    pub fn identity(&self) -> String {
        match (&self.kid, self.kind) {
            (Some(kid), MaterialKind::Jwk) => format!("{} {kid}", self.url),
            _ => self.url.to_string(),
        }
    }
}

/// `[verify.keys]` as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysSpec {
    kind: MaterialKind,
    /// Where the request names the certificate's address.
    at: Option<Place>,
    path: Option<PathPattern>,
    /// Our own address of the keys.
    url: Option<ParamText>,
    /// What is posted to it.
    body: Option<String>,
    #[serde(default)]
    hosts: Vec<HostPattern>,
    /// What the certificate must be issued to, one of them.
    #[serde(default)]
    names: Vec<String>,
    /// These by the source's `environment`.
    #[serde(default)]
    environments: BTreeMap<String, Environment>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Environment {
    url: Option<ParamText>,
    #[serde(default)]
    hosts: Vec<HostPattern>,
    #[serde(default)]
    names: Vec<String>,
}

/// The same, checked.
#[derive(Debug, Clone)]
pub(crate) struct KeysPlan {
    spec: KeysSpec,
    body: Option<Vec<Part>>,
}

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Credential(String),
    Kid,
}

/// With one source's settings.
#[derive(Debug, Clone)]
pub(crate) struct KeySource {
    kind: MaterialKind,
    hosts: Vec<HostPattern>,
    path: Option<PathPattern>,
    pub(super) names: Vec<String>,
    url: Option<Url>,
    body: Option<Vec<Part>>,
    credentials: BTreeMap<String, Secret>,
}

impl KeysSpec {
    pub(crate) fn kind(&self) -> MaterialKind {
        self.kind
    }

    pub(crate) fn compile(&self) -> Result<KeysPlan, Fault> {
        let none = Environment::default();
        let environments: Vec<&Environment> =
            if self.environments.is_empty() { vec![&none] } else { self.environments.values().collect() };
        let every = |has: fn(&Environment) -> bool| environments.iter().all(|environment| has(environment));
        let missing = |key: &str, what: &str| Err(Fault::new(key, format!("is missing: {what}")));
        match self.kind {
            MaterialKind::Certificate => {
                if self.at.is_none() {
                    return missing("at", "the place in the request at which the certificate's address stands");
                }
                if self.path.is_none() {
                    return missing("path", "the path under which the provider keeps its certificates");
                }
                if self.hosts.is_empty() && !every(|environment| !environment.hosts.is_empty()) {
                    return missing("hosts", "the hosts that a certificate may be fetched from");
                }
                if self.names.is_empty() && !every(|environment| !environment.names.is_empty()) {
                    return missing("names", "the names of which the certificate must have one");
                }
            }
            MaterialKind::Jwks | MaterialKind::Jwk => {
                if self.url.is_none() && !every(|environment| environment.url.is_some()) {
                    return missing("url", "the address of the keys");
                }
                let given =
                    [("at", self.at.is_some()), ("path", self.path.is_some()), ("hosts", !self.hosts.is_empty())];
                if let Some((key, _)) = given.into_iter().find(|(_, given)| *given) {
                    return Err(Fault::new(key, "has no meaning here: the address is ours"));
                }
            }
        }
        for url in self.urls() {
            let blank = url.params().map(|name| (name.to_owned(), "x".to_owned())).collect();
            is_ours(&url.bind(&blank), url.as_str()).map_err(|problem| Fault::new("url", problem))?;
        }
        let body = self.body.as_deref().map(body).transpose().map_err(|problem| Fault::new("body", problem))?;
        if self.kind != MaterialKind::Jwk && body.is_some() {
            return Err(Fault::new("body", "has no meaning here: only a single key is asked for by its name"));
        }
        Ok(KeysPlan { spec: self.clone(), body })
    }

    fn urls(&self) -> impl Iterator<Item = &ParamText> {
        self.url.iter().chain(self.environments.values().filter_map(|environment| environment.url.as_ref()))
    }
}

/// The credentials stay out of the host and the path: an address may be logged.
fn body(text: &str) -> Result<Vec<Part>, String> {
    let part = |piece| match piece {
        Piece::Literal(text) => Ok(Part::Literal(text)),
        Piece::Hole(name) if name == "kid" => Ok(Part::Kid),
        Piece::Hole(name) => match name.strip_prefix("credential:") {
            Some(credential) if !credential.is_empty() => Ok(Part::Credential(credential.to_owned())),
            _ => Err(format!("unknown part {{{name}}}, expected {{kid}} or {{credential:NAME}}")),
        },
    };
    pieces(text)?.into_iter().map(part).collect()
}

/// Only the path of an address of ours may depend on a parameter.
fn is_ours(text: &str, written: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).ok().filter(|url| url.as_str() == text && url.query().is_none() && url.fragment().is_none());
    let host = written.strip_prefix("https://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let pattern = HostPattern::try_from(host.to_owned());
    url.filter(|url| pattern.is_ok() && url.host_str() == Some(host) && url.port().is_none())
        .ok_or_else(|| format!("`{text}` is not https://HOST/PATH with nothing else in it"))
}

impl KeysPlan {
    /// Where the request names the address.
    pub(super) fn place(&self) -> Option<&Place> {
        self.spec.at.as_ref()
    }

    /// The parameters that it needs.
    pub(super) fn params(&self) -> Vec<String> {
        let environment = (!self.spec.environments.is_empty()).then(|| ENVIRONMENT.to_owned());
        let named = self.spec.urls().flat_map(ParamText::params).map(str::to_owned);
        environment.into_iter().chain(named).collect()
    }

    /// The credentials that it needs.
    pub(crate) fn credentials(&self) -> Vec<&str> {
        let parts = self.body.iter().flatten();
        parts.filter_map(|part| if let Part::Credential(name) = part { Some(name.as_str()) } else { None }).collect()
    }

    /// The hosts from which keys come, for the docs and for whoever asks whether they can be reached.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let spec = &self.spec;
        let given = spec.hosts.iter().chain(spec.environments.values().flat_map(|environment| &environment.hosts));
        let ours = spec.urls().filter_map(|url| url.as_str().strip_prefix("https://")?.split('/').next());
        given.map(HostPattern::as_str).chain(ours).map(str::to_owned).collect()
    }

    pub(super) fn describe(&self) -> String {
        let hosts = self.hosts().iter().map(|host| format!("`{host}`")).collect::<Vec<_>>().join(" or ");
        match self.spec.kind {
            MaterialKind::Certificate => {
                let path = self.spec.path.as_ref().map_or("", PathPattern::as_str);
                let at = self.spec.at.as_ref().map(Place::describe).unwrap_or_default();
                format!(
                    "the certificate at the address in `{at}`, which must be on {hosts} under `{path}`, chain and name checked"
                )
            }
            MaterialKind::Jwks => format!("the key set of {hosts}"),
            MaterialKind::Jwk => format!("the key of that name, asked of {hosts}"),
        }
    }

    pub(super) fn bind(
        &self,
        params: &BTreeMap<String, String>,
        credentials: &BTreeMap<String, Secret>,
    ) -> Result<KeySource, Fault> {
        let spec = &self.spec;
        let given = params.get(ENVIRONMENT).map(String::as_str).unwrap_or_default();
        let environment = match spec.environments.get(given) {
            None if !spec.environments.is_empty() => {
                let known: Vec<_> = spec.environments.keys().map(String::as_str).collect();
                let problem = format!("`{given}` is none of {}", known.join(", "));
                return Err(Fault::new(ENVIRONMENT, problem).within("params"));
            }
            found => found.cloned().unwrap_or_default(),
        };
        let bound = |url: &ParamText| {
            let word = |value: &String| {
                !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            };
            if let Some(name) = url.params().find(|name| params.get(*name).is_none_or(|value| !word(value))) {
                return Err(Fault::new(name, "must be of letters, digits, `-`, `_` and `.`: it stands in an address")
                    .within("params"));
            }
            is_ours(&url.bind(params), url.as_str()).map_err(|problem| Fault::new("keys", problem))
        };
        let url = environment.url.as_ref().or(spec.url.as_ref()).map(bound).transpose()?;
        if let Some(name) = self.credentials().into_iter().find(|name| !credentials.contains_key(*name)) {
            return Err(Fault::new(name, "is missing: the keys are asked for with it").within("credentials"));
        }
        Ok(KeySource {
            kind: spec.kind,
            hosts: [environment.hosts, spec.hosts.clone()].concat(),
            path: spec.path.clone(),
            names: [environment.names, spec.names.clone()].concat(),
            url,
            body: self.body.clone(),
            credentials: credentials.clone(),
        })
    }
}

impl KeySource {
    /// The address that a request named, if it is one of the provider's.
    pub(super) fn allowed(&self, text: &str) -> Option<Allowed> {
        allowed(text, &self.hosts, self.path.as_ref()?)
    }

    /// The request for the certificate at an allowed address.
    pub(super) fn certificate(&self, allowed: &Allowed) -> KeyRequest {
        KeyRequest { url: allowed.url.clone(), kind: self.kind, kid: None, body: None }
    }

    /// The request for the key of this name; `None` when no provider would call a key so.
    pub(super) fn named(&self, kid: &str) -> Option<KeyRequest> {
        let word = kid.bytes().all(|b| b.is_ascii_graphic()) && (1..=LONGEST_KID).contains(&kid.len());
        let url = self.url.clone().filter(|_| word)?;
        let body = self.body.as_ref().map(|parts| Secret::new(self.fill(parts, kid).into_bytes()));
        Some(KeyRequest { url, kind: self.kind, kid: Some(kid.to_owned()), body })
    }

    /// Every value as the inside of a JSON string.
    fn fill(&self, parts: &[Part], kid: &str) -> String {
        let quoted = |text: &str| {
            let text = serde_json::Value::from(text).to_string();
            text.get(1..text.len() - 1).unwrap_or_default().to_owned()
        };
        let part = |part: &Part| match part {
            Part::Literal(text) => text.clone(),
            Part::Kid => quoted(kid),
            Part::Credential(name) => {
                quoted(self.credentials.get(name).and_then(Secret::expose_text).unwrap_or_default())
            }
        };
        parts.iter().map(part).collect()
    }
}
