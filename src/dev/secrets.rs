//! The secrets of `dev`: known to everybody, so that `send` can sign for a `dev` that runs elsewhere. Where a scheme
//! wants a key pair there is none that everybody knows: it is the user's own, from a file.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::keys::DevKey;
use crate::config::Secret;
use crate::provider::{Binding, Provider, Rules};

/// What the name of the provider stands between.
const PREFIX: &str = "hookstream-dev-";
const SUFFIX: &str = "-not-a-secret";
/// A URL for finding out what a scheme takes; nothing is sent there.
const SOME_URL: &str = "http://localhost/";

/// The secret of a provider's source in `dev`, in the first form that its scheme takes: as it stands, `whsec_` and
/// base64, base64, hexadecimal, or `user:password`. A `serve` with it would be open to the world.
pub fn secret(provider: &Provider) -> Secret {
    let plain = format!("{PREFIX}{}{SUFFIX}", provider.name());
    let encoded = STANDARD.encode(&plain);
    let secret = |text: String| Secret::new(text.into_bytes());
    if provider.name() == "stripe" {
        return secret(format!("whsec_{plain}"));
    }
    let takes = |secret: &Secret| {
        let binding = Binding { secrets: vec![secret.clone()], ..unsecured(provider, SOME_URL) };
        provider.bind(&binding).is_ok()
    };
    let hexadecimal = hex::encode(&plain);
    let forms = [plain.clone(), format!("whsec_{encoded}"), encoded, hexadecimal, format!("hookstream-dev:{plain}")];
    forms.map(secret).into_iter().find(takes).unwrap_or_else(|| secret(plain))
}

/// Whether one of these is a secret of `dev`. Each provider's is looked for: it may have been copied to another's source.
pub fn knows_one_of(secrets: &[Secret]) -> bool {
    secrets.iter().any(|secret| {
        let text = secret.expose();
        let inner = text.strip_prefix(b"whsec_").unwrap_or(text);
        let decoded = STANDARD.decode(inner).unwrap_or_default();
        let hexadecimal = hex::decode(inner).unwrap_or_default();
        [inner, &decoded, &hexadecimal].into_iter().any(|text| {
            let text = text.strip_prefix(b"hookstream-dev:").unwrap_or(text);
            text.starts_with(PREFIX.as_bytes()) && text.ends_with(SUFFIX.as_bytes())
        })
    })
}

/// The parameters of a provider's source in `dev`.
pub fn params(provider: &Provider) -> BTreeMap<String, String> {
    provider.needs().params.keys().map(|name| (name.clone(), format!("hookstream-dev-{name}"))).collect()
}

/// The secrets that a provider's source has in `dev`: what everybody knows, or the public half of the user's dev key.
///
/// # Errors
/// The dev key cannot be made or read.
pub fn secrets(provider: &Provider, key: Option<&Path>) -> Result<Vec<Secret>, String> {
    if provider.needs().secrets.is_none() {
        return Ok(Vec::new());
    }
    let Some(kind) = provider.key_kind() else { return Ok(vec![secret(provider)]) };
    Ok(public_secret(provider, &DevKey::of(kind, key)?).into_iter().collect())
}

/// The public half of a dev key, as a secret of the provider's source.
pub fn public_secret(provider: &Provider, key: &DevKey) -> Option<Secret> {
    provider.written_key(key.public()).map(|text| Secret::new(text.into_bytes()))
}

/// The rules of a provider's source in `dev`, called at `url`: with `given`, or with the secret that everybody knows.
///
/// # Errors
/// The secret does not have the form that the scheme wants, or the dev key cannot be read.
pub fn rules(provider: &Provider, given: Option<Secret>, key: Option<&Path>, url: &str) -> Result<Rules, String> {
    let secrets = match given {
        Some(secret) => vec![secret],
        None => secrets(provider, key)?,
    };
    let binding = Binding { secrets, ..unsecured(provider, url) };
    signing(provider.bind(&binding).map_err(|error| error.to_string())?, key)
}

/// The same rules, able to sign with the dev key where the scheme wants a key pair.
///
/// # Errors
/// The dev key cannot be made or read.
pub fn signing(rules: Rules, key: Option<&Path>) -> Result<Rules, String> {
    match rules.key_kind() {
        Some(kind) => Ok(rules.signing_with(DevKey::of(kind, key)?.signer())),
        None => Ok(rules),
    }
}

fn unsecured(provider: &Provider, url: &str) -> Binding {
    Binding {
        params: params(provider),
        public_url: Some(url.to_owned()),
        accept_unsigned: provider.is_unsigned(),
        ..Binding::default()
    }
}
