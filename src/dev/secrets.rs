//! The secrets of `dev`: known to everybody, so that `send` can sign for a `dev` that runs elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::Secret;
use crate::provider::{Binding, Provider, Rules};

/// The secret of a provider's source in `dev`, in the form its scheme wants. A `serve` with it would be open to the world.
pub fn secret(provider: &Provider) -> Secret {
    let plain = format!("hookstream-dev-{}-not-a-secret", provider.name());
    let text = match provider.name() {
        "stripe" => format!("whsec_{plain}"),
        // Standard Webhooks decodes what follows the prefix.
        "standard-webhooks" => format!("whsec_{}", STANDARD.encode(plain)),
        _ => plain,
    };
    Secret::new(text.into_bytes())
}

/// The rules of a provider's source in `dev`: `secret`, or the one that everybody knows.
///
/// # Errors
/// The secret does not have the form that the scheme wants.
pub fn rules(provider: &Provider, given: Option<Secret>) -> Result<Rules, String> {
    let binding = Binding { secrets: vec![given.unwrap_or_else(|| secret(provider))], ..Binding::default() };
    provider.bind(&binding).map_err(|error| error.to_string())
}
