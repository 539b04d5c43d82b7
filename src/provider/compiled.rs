//! A provider file, checked and compiled. It knows no secrets; [`Provider::bind`] adds them.

use std::collections::BTreeSet;
use std::time::Duration;

use http::HeaderName;

use super::addresses::Addresses;
use super::api::Api;
use super::bind::{self, Binding};
use super::error::{BindError, Fault, SpecError, from_toml};
use super::glob::Globs;
use super::meaning::{self, Meaning};
use super::media::MediaType;
use super::read::{HandshakeSpec, Reader, Reply, Source};
use super::rules::Rules;
use super::sample::Sample;
use super::spec::{BodyKind, Disables, Encoding, Needs, SignedBody, Spec};
use super::verify::{Coverage, KeyKind, KeysPlan, Plan, SecretForm, header_name};
use crate::event::Pointer;

/// The deadline of a provider that publishes none.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(4);

/// Headers that carry credentials and are therefore never kept.
const NEVER_KEPT: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// One provider file, validated and compiled.
#[derive(Debug, Clone)]
pub struct Provider {
    spec: Spec,
    /// The file itself, for the sources that override parts of it.
    table: toml::Table,
    pub(super) compiled: Compiled,
}

/// What the file says, in the form in which it runs.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) plans: Vec<Plan>,
    pub(crate) reader: Reader,
    pub(crate) categories: Globs<Meaning<Pointer>>,
    pub(crate) kept_headers: Vec<HeaderName>,
    pub(crate) api: Option<Api>,
    pub(crate) unsigned_facts: Vec<&'static str>,
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) signed_body: SignedBody,
    pub(crate) media_types: Vec<MediaType>,
}

/// What one pattern of event types means under a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// The types, where `*` stands for any run of characters.
    pub pattern: &'a str,
    /// What must hold beside the type, in words; empty where the type says it all.
    pub when: String,
    /// None: such events have no category.
    pub category: Option<&'static str>,
}

/// How a provider waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerProfile {
    /// How long it waits, from its request to our answer.
    pub deadline: Duration,
    /// Does it say so itself, or is this our assumption?
    pub deadline_known: bool,
    /// Does it send again what was not answered with a 2xx?
    pub redelivers: bool,
    /// What becomes of the endpoint when too many deliveries fail, where that is known.
    pub disables: Option<Disables>,
}

impl Provider {
    /// Read a provider file. `file` is what errors call it.
    ///
    /// # Errors
    /// The first fault, with its line, key and what is allowed there.
    pub fn parse(file: &str, text: &str) -> Result<Provider, SpecError> {
        let spec: Spec = toml::from_str(text).map_err(|error| from_toml(&error, file, text))?;
        let table = toml::from_str(text).map_err(|error| from_toml(&error, file, text))?;
        let compiled = Compiled::new(&spec).map_err(|fault| fault.in_file(file, text))?;
        Ok(Provider { spec, table, compiled })
    }

    /// With one source's secrets, parameters and overrides: the rules that it runs per request.
    ///
    /// # Errors
    /// What is missing or contradictory, by its key in `[sources.NAME]`, and where the provider shows it.
    pub fn bind(&self, binding: &Binding) -> Result<Rules, BindError> {
        bind::bind(self, binding)
    }

    /// The name by which sources choose it.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The name that people use.
    pub fn title(&self) -> &str {
        &self.spec.title
    }

    /// The provider's own page about its webhooks.
    pub fn docs(&self) -> &str {
        &self.spec.docs
    }

    /// What stands before the provider's own type in the envelope's `type`.
    pub fn type_prefix(&self) -> &str {
        &self.spec.type_prefix
    }

    /// What a source must configure, and where to find it.
    pub fn needs(&self) -> &Needs {
        &self.spec.needs
    }

    /// How long it waits for an answer and whether it tries again.
    pub fn answer(&self) -> AnswerProfile {
        let known = self.spec.answer.deadline.map(|period| period.0);
        AnswerProfile {
            deadline: known.unwrap_or(DEFAULT_DEADLINE),
            deadline_known: known.is_some(),
            redelivers: self.spec.answer.redelivers,
            disables: self.spec.answer.disables,
        }
    }

    /// The answer to a stored event, where the provider wants another than ours.
    pub fn success(&self) -> Option<Reply> {
        let answer = &self.spec.answer;
        let ours = answer.status.is_none() && answer.content_type.is_none() && answer.body.is_none();
        (!ours).then(|| Reply {
            status: answer.status.unwrap_or(200),
            content_type: answer.content_type.clone(),
            headers: Vec::new(),
            follow_up: None,
            body: answer.body.clone().unwrap_or_default().into_bytes(),
        })
    }

    /// The status of the answer to a request that does not prove where it comes from, where the provider wants one
    /// without a body. Such a request is refused and counted as any other.
    pub fn rejected(&self) -> Option<u16> {
        self.spec.answer.rejected
    }

    /// What its bodies are.
    pub fn body_kind(&self) -> BodyKind {
        self.spec.body
    }

    /// Does it hand its secret over in a handshake, so that a source may begin without one?
    pub fn stores_secrets(&self) -> bool {
        self.compiled.reader.stores_secrets()
    }

    /// Is the truth of its requests what its API says?
    pub fn is_fetched(&self) -> bool {
        self.compiled.plans.iter().any(Plan::is_fetched)
    }

    /// The pull side, if hookstream knows it.
    pub fn api(&self) -> Option<&Api> {
        self.compiled.api.as_ref()
    }

    /// The addresses that it says it sends from, where they are published.
    pub fn addresses(&self) -> Option<&Addresses> {
        self.spec.addresses.as_ref()
    }

    /// What to do at the provider, step by step, for a source that is called at `url`.
    pub fn setup(&self, url: &str) -> impl Iterator<Item = String> {
        self.spec.setup.iter().map(move |step| step.replace("{url}", url))
    }

    /// Requests as it would send them.
    pub fn samples(&self) -> &[Sample] {
        &self.spec.samples
    }

    /// The request headers that are stored with the event.
    pub fn kept_headers(&self) -> &[HeaderName] {
        &self.compiled.kept_headers
    }

    /// What an operator should know.
    pub fn notes(&self) -> &[String] {
        &self.spec.notes
    }

    /// What this file claims without a source that was read.
    pub fn unverified(&self) -> &[String] {
        &self.spec.unverified
    }

    /// The keys that a source may set otherwise, such as `verify.header`.
    pub fn overridable(&self) -> &[String] {
        &self.spec.overridable
    }

    /// The schemes by which its requests are verified, in the order in which they are looked for.
    pub fn schemes(&self) -> Vec<&'static str> {
        let mut schemes: Vec<_> = self.compiled.plans.iter().map(Plan::scheme).collect();
        schemes.dedup();
        schemes
    }

    /// The hosts from which its keys are fetched; empty where the source holds them itself. What must be reachable for
    /// its events to be taken.
    pub fn key_hosts(&self) -> Vec<String> {
        self.compiled.plans.iter().filter_map(Plan::keys).flat_map(KeysPlan::hosts).collect()
    }

    /// The credentials without which its keys cannot be asked for.
    pub fn key_credentials(&self) -> Vec<&str> {
        self.compiled.plans.iter().filter_map(Plan::keys).flat_map(KeysPlan::credentials).collect()
    }

    /// Is every request verified with a key that is fetched, and none of the source's secrets?
    pub(crate) fn fetches_all_keys(&self) -> bool {
        self.compiled.plans.iter().all(|plan| plan.keys().is_some())
    }

    /// Every mapping of `[categories]`, the most specific pattern first, the cases of one in their order.
    pub fn categories(&self) -> impl Iterator<Item = Mapping<'_>> {
        let cases = |(pattern, meaning)| {
            let meaning: &Meaning<Pointer> = meaning;
            meaning.cases().iter().map(move |case| Mapping {
                pattern,
                when: case.conditions(),
                category: case.category,
            })
        };
        self.compiled.categories.iter().flat_map(cases)
    }

    /// The facts that rest on headers which the scheme does not sign: whoever holds one signed body chooses them. Such
    /// a value may name an event; it never chooses a host, a credential or a parser.
    pub fn unsigned_facts(&self) -> &[&'static str] {
        &self.compiled.unsigned_facts
    }

    /// Is the tenant covered by the signature? If not, it must be on the operator's list before it chooses a host.
    pub fn tenant_is_signed(&self) -> bool {
        !self.unsigned_facts().contains(&"tenant")
    }

    /// The places from which the subject is taken, in the order in which they are looked at.
    pub fn subjects(&self) -> Vec<String> {
        let texts = self.spec.event.texts();
        texts.into_iter().find(|(fact, _)| *fact == "subject").map(|(_, places)| places).unwrap_or_default()
    }

    /// Does nothing at all prove its requests? A source must then say that it takes them all the same.
    pub fn is_unsigned(&self) -> bool {
        self.compiled.plans.iter().all(|plan| plan.coverage() == Coverage::Nothing)
    }

    /// The key pair whose public half a source holds, for schemes without a shared secret.
    pub fn key_kind(&self) -> Option<KeyKind> {
        self.compiled.key_pair().map(|(kind, _)| kind)
    }

    /// The public half of such a pair as the source's secret: `raw` as cryptographic libraries give it.
    pub fn written_key(&self, raw: &[u8]) -> Option<String> {
        let (kind, form) = self.compiled.key_pair()?;
        form.encode(&kind.handed_out(raw))
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(crate) fn table(&self) -> &toml::Table {
        &self.table
    }
}

impl Compiled {
    pub(crate) fn key_pair(&self) -> Option<(KeyKind, SecretForm)> {
        self.plans.iter().find_map(Plan::key_pair)
    }

    pub(crate) fn new(spec: &Spec) -> Result<Compiled, Fault> {
        check_name(&spec.name)?;
        let plans = plans(spec)?;
        let api = spec.api.as_ref().map(|api| api.compile().map_err(|fault| fault.within("api"))).transpose()?;
        if let Some(api) = api.as_ref().filter(|api| !spec.needs.credentials.contains_key(api.credential())) {
            let problem = format!("`{}` is not among [needs] credentials", api.credential());
            return Err(Fault::new("credential", problem).within("api"));
        }
        let named = plans.iter().flat_map(Plan::params).chain(spec.handshake.iter().flat_map(HandshakeSpec::params));
        if let Some(name) = { named }.find(|name| !spec.needs.params.contains_key(name)) {
            let problem = format!("`{name}` is missing: the scheme or a handshake names it");
            return Err(Fault::new("params", problem).within("needs"));
        }
        if let Some(name) =
            plans.iter().flat_map(Plan::credentials).find(|name| !spec.needs.credentials.contains_key(*name))
        {
            let problem = format!("`{name}` is missing: the keys are asked for with it");
            return Err(Fault::new("credentials", problem).within("needs"));
        }
        if plans.iter().any(|plan| plan.needs_secret()) && spec.needs.secrets.is_none() {
            return Err(Fault::new("secrets", "is missing: the scheme cannot do without").within("needs"));
        }
        let asks = plans.iter().any(Plan::is_fetched);
        if asks && api.as_ref().is_none_or(Api::needs_tenant) {
            return Err(Fault::new(
                "api",
                "is missing, or needs a tenant: scheme fetched asks it before it knows anything",
            ));
        }
        if spec.answer.status.is_some_and(|status| !(200..300).contains(&status)) {
            return Err(Fault::new("status", "must be from 200 to 299").within("answer"));
        }
        if spec.answer.rejected.is_some_and(|status| status != 401 && !(200..300).contains(&status)) {
            return Err(Fault::new("rejected", "must be from 200 to 299, or 401").within("answer"));
        }
        let media_types = spec.media_types.iter().map(|text| MediaType::parse(text));
        let media_types = media_types.collect::<Result<_, _>>().map_err(|fault| Fault::new("media_types", fault))?;
        for (index, sample) in spec.samples.iter().enumerate() {
            sample.check().map_err(|fault| fault.within(&index.to_string()).within("samples"))?;
        }
        if spec.signed_body == SignedBody::Decoded && spec.encodings.is_empty() {
            return Err(Fault::new("signed_body", "says something of encoded bodies only; encodings names none"));
        }
        if let Some(addresses) = &spec.addresses {
            addresses.check().map_err(|fault| fault.within("addresses"))?;
        }
        for key in &spec.overridable {
            check_overridable(key, spec)?;
        }
        let categories = meaning::compile(&spec.categories)?;
        Ok(Compiled {
            reader: Reader::compile(spec, &categories)?,
            categories,
            kept_headers: kept_headers(spec, &plans)?,
            unsigned_facts: unsigned_facts(spec, &plans),
            encodings: spec.encodings.clone(),
            signed_body: spec.signed_body,
            media_types,
            plans,
            api,
        })
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=64).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(Fault::new("name", format!("`{name}` must be 1 to 64 of a-z, 0-9 and -")))
}

/// Of several alternatives all but the last must say when they apply: the choice never falls through to a weaker one.
fn plans(spec: &Spec) -> Result<Vec<Plan>, Fault> {
    let many = spec.verify.0.len() > 1;
    let within = |index: usize, fault: Fault| {
        let fault = if many { fault.within(&index.to_string()) } else { fault };
        fault.within("verify")
    };
    let plans =
        spec.verify.0.iter().enumerate().map(|(index, verify)| verify.compile().map_err(|fault| within(index, fault)));
    let plans: Vec<_> = plans.collect::<Result<_, _>>()?;
    let open = plans.iter().rev().skip(1).rev().position(|plan| plan.when.is_none());
    match (open, plans.is_empty()) {
        (_, true) => Err(Fault::new("verify", "needs at least one way to verify")),
        (Some(index), _) => {
            Err(within(index, Fault::new("when", "is missing: the header that chooses this alternative")))
        }
        (None, false) => Ok(plans),
    }
}

/// What the scheme reads and what the facts rest on, without being asked; the file adds others.
fn kept_headers(spec: &Spec, plans: &[Plan]) -> Result<Vec<HeaderName>, Fault> {
    let secret = |name: &HeaderName| {
        NEVER_KEPT.contains(&name.as_str()) || plans.iter().any(|plan| plan.credential_headers().contains(name))
    };
    let mut kept: Vec<HeaderName> = plans.iter().flat_map(Plan::proof_headers).cloned().collect();
    for facts in spec.facts() {
        let sources = facts.by_name().into_iter().flat_map(|(_, sources)| sources);
        kept.extend(sources.flat_map(|source| source.headers().into_iter().cloned().collect::<Vec<_>>()));
    }
    kept.retain(|name| !secret(name));
    for text in &spec.keep_headers {
        let name = header_name(text).map_err(|problem| Fault::new("keep_headers", problem))?;
        if secret(&name) {
            return Err(Fault::new("keep_headers", format!("`{text}` carries a credential and cannot be kept")));
        }
        kept.push(name);
    }
    let mut seen = BTreeSet::new();
    kept.retain(|name| seen.insert(name.as_str().to_owned()));
    Ok(kept)
}

fn check_overridable(key: &str, spec: &Spec) -> Result<(), Fault> {
    match key.split_once('.') {
        Some(("verify", name)) if !name.is_empty() && spec.verify.0.len() == 1 => Ok(()),
        Some(("event", name)) if !name.is_empty() => Ok(()),
        _ => Err(Fault::new("overridable", format!("`{key}` must be verify.KEY of a single [verify], or event.KEY"))),
    }
}

/// Each alternative is held against the facts that are read when it verified.
fn unsigned_facts(spec: &Spec, plans: &[Plan]) -> Vec<&'static str> {
    let mut unsigned = Vec::new();
    for (facts, plan) in spec.facts().iter().zip(plans) {
        for (fact, sources) in facts.by_name() {
            let open = |source: &&Source<Pointer>| {
                source.headers().into_iter().any(|name| !plan.signs_header(name))
                    || source.pointers().into_iter().any(|pointer| !plan.signs_pointer(pointer))
            };
            if sources.iter().any(open) && !unsigned.contains(&fact) {
                unsigned.push(fact);
            }
        }
    }
    unsigned
}
