//! From a provider and one source's settings to the rules that the source runs.

use std::collections::{BTreeMap, BTreeSet};

use super::compiled::{Compiled, Provider};
use super::error::{BindError, from_toml};
use super::rules::Rules;
use super::spec::{Needs, Spec};
use super::verify::{Check, Keys, Plan};
use crate::config::Secret;

/// More live secrets than a rotation needs would multiply the cost of every forged request.
pub const MAX_SECRETS: usize = 10;

/// One source's settings, as far as its provider has a say in them.
#[derive(Debug, Clone, Default)]
pub struct Binding {
    /// Live secrets, the newest first by custom; the first one signs.
    pub secrets: Vec<Secret>,
    /// `[sources.X.params]`.
    pub params: BTreeMap<String, String>,
    /// The full URL that the provider calls for this source.
    pub public_url: Option<String>,
    /// `[sources.X.verify]` and `[sources.X.event]`, by those two names.
    pub overrides: toml::Table,
    /// Somebody wrote down that this source takes unsigned requests.
    pub accept_unsigned: bool,
    /// There may be none yet: the provider hands them over in a handshake. Until then every request is refused.
    pub secrets_follow: bool,
}

pub(crate) fn bind(provider: &Provider, binding: &Binding) -> Result<Rules, BindError> {
    if provider.is_fetched() && binding.accept_unsigned {
        let problem = "says nothing here: each request is confirmed by the provider's API".to_owned();
        return Err(BindError { key: "accept_unsigned".to_owned(), problem });
    }
    check_secrets(provider, binding)?;
    check_params(provider.needs(), &binding.params)?;
    let mut compiled = compiled(provider, &binding.overrides)?;
    compiled.reader.bind(&binding.params);
    let public_url = binding.public_url.as_deref();
    let keys = Keys { secrets: &binding.secrets, params: &binding.params, public_url };
    let check = |plan: &Plan| if binding.accept_unsigned { Ok(Check::None) } else { plan.bind(&keys) };
    let checks = compiled.plans.iter().map(check).collect::<Result<_, _>>()?;
    Ok(Rules::new(provider.type_prefix().to_owned(), compiled, checks, binding.clone()))
}

/// The provider as one source has it: its file, with what the source sets otherwise.
pub(crate) fn compiled(provider: &Provider, overrides: &toml::Table) -> Result<Compiled, BindError> {
    if overrides.is_empty() { Ok(provider.compiled.clone()) } else { overridden(provider, overrides) }
}

fn check_secrets(provider: &Provider, binding: &Binding) -> Result<(), BindError> {
    let fault = |problem: String| Err(BindError { key: "secrets".to_owned(), problem });
    let given = binding.secrets.len();
    match &provider.needs().secrets {
        _ if binding.accept_unsigned && given > 0 => {
            fault("are given although accept_unsigned = true ignores them; keep one of the two".to_owned())
        }
        _ if binding.accept_unsigned => Ok(()),
        Some(need) if given < need.min && !binding.secrets_follow => {
            fault(format!("needs at least {} (find it at: {}), or accept_unsigned = true", need.min, need.place))
        }
        None if given > 0 => fault("are given, but this provider sends nothing to check them against".to_owned()),
        None if provider.is_fetched() => Ok(()),
        None => Err(BindError {
            key: "accept_unsigned".to_owned(),
            problem: "this provider does not sign its requests; set it to true to take them all the same".to_owned(),
        }),
        Some(_) if given > MAX_SECRETS => fault(format!("holds {given} secrets; at most {MAX_SECRETS} may be live")),
        Some(_) => Ok(()),
    }
}

fn check_params(needs: &Needs, params: &BTreeMap<String, String>) -> Result<(), BindError> {
    let known: BTreeSet<_> = needs.params.keys().collect();
    if let Some(unknown) = params.keys().find(|name| !known.contains(name)) {
        let known: Vec<_> = known.into_iter().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(BindError {
            key: format!("params.{unknown}"),
            problem: format!("is unknown to this provider, which takes: {known}"),
        });
    }
    match needs.params.iter().find(|(name, _)| params.get(*name).is_none_or(String::is_empty)) {
        Some((name, place)) => {
            Err(BindError { key: format!("params.{name}"), problem: format!("is missing (find it at: {place})") })
        }
        None => Ok(()),
    }
}

/// The provider's file with the source's values in it, compiled anew.
fn overridden(provider: &Provider, overrides: &toml::Table) -> Result<Compiled, BindError> {
    let mut table = provider.table().clone();
    for (section, values) in overrides {
        let Some(values) = values.as_table() else {
            return Err(BindError { key: section.clone(), problem: "must be a table".to_owned() });
        };
        for (name, value) in values {
            let key = format!("{section}.{name}");
            if !provider.overridable().contains(&key) {
                return Err(not_overridable(provider, key));
            }
            let target = table.get_mut(section).and_then(toml::Value::as_table_mut);
            target.map(|target| target.insert(name.clone(), value.clone()));
        }
    }
    let written = |problem: String| BindError { key: "verify".to_owned(), problem };
    let text = toml::to_string(&table).map_err(|error| written(error.to_string()))?;
    let spec: Spec = toml::from_str(&text).map_err(|error| {
        let error = from_toml(&error, "", &text);
        if error.key == "verify.secret" {
            // Here people paste the secret itself; then it must not be repeated.
            let problem =
                "says how the secret is written: plain, base64, hex or whsec; the secret itself belongs into secrets";
            return BindError { key: error.key, problem: problem.to_owned() };
        }
        BindError { key: error.key, problem: error.problem }
    })?;
    Ok(Compiled::new(&spec)?)
}

fn not_overridable(provider: &Provider, key: String) -> BindError {
    let problem = match provider.overridable() {
        [] => format!(
            "cannot be set: {} says all of it in its file; `provider = \"generic\"` can be shaped",
            provider.title()
        ),
        keys => format!("cannot be set, only {}", keys.join(", ")),
    };
    BindError { key, problem }
}
