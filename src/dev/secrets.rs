//! The secrets of `dev`: known to everybody, so that `send` can sign for a `dev` that runs elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::Secret;
use crate::provider::{Binding, Provider, Rules};

/// What the name of the provider stands between.
const PREFIX: &str = "hookstream-dev-";
const SUFFIX: &str = "-not-a-secret";

/// The secret of a provider's source in `dev`, in the first form that its scheme takes: as it stands, `whsec_` and
/// base64, base64, or `user:password`. A `serve` with it would be open to the world.
pub fn secret(provider: &Provider) -> Secret {
    let plain = format!("{PREFIX}{}{SUFFIX}", provider.name());
    let encoded = STANDARD.encode(&plain);
    let secret = |text: String| Secret::new(text.into_bytes());
    if provider.name() == "stripe" {
        return secret(format!("whsec_{plain}"));
    }
    let takes =
        |secret: &Secret| provider.bind(&Binding { secrets: vec![secret.clone()], ..Binding::default() }).is_ok();
    let forms = [plain.clone(), format!("whsec_{encoded}"), encoded, format!("hookstream-dev:{plain}")];
    forms.map(secret).into_iter().find(takes).unwrap_or_else(|| secret(plain))
}

/// Whether one of these is a secret of `dev`. Each provider's is looked for: it may have been copied to another's source.
pub fn knows_one_of(secrets: &[Secret]) -> bool {
    secrets.iter().any(|secret| {
        let text = secret.expose();
        let inner = text.strip_prefix(b"whsec_").unwrap_or(text);
        let decoded = STANDARD.decode(inner).unwrap_or_default();
        [inner, &decoded].into_iter().any(|text| {
            let text = text.strip_prefix(b"hookstream-dev:").unwrap_or(text);
            text.starts_with(PREFIX.as_bytes()) && text.ends_with(SUFFIX.as_bytes())
        })
    })
}

/// The rules of a provider's source in `dev`: `secret`, or the one that everybody knows.
///
/// # Errors
/// The secret does not have the form that the scheme wants.
pub fn rules(provider: &Provider, given: Option<Secret>) -> Result<Rules, String> {
    let binding = Binding { secrets: vec![given.unwrap_or_else(|| secret(provider))], ..Binding::default() };
    provider.bind(&binding).map_err(|error| error.to_string())
}
