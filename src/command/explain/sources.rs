//! The sources of the configuration, and which of them a captured request was meant for.

use std::sync::Arc;

use super::Captured;
use crate::cli::Explain;
use crate::config::{Config, Secret, SourceConfig};
use crate::provider::diagnose::{Cause, Finding, Suspect};
use crate::provider::{Binding, Provider};

/// What a suspect borrows from.
pub(super) struct Source {
    name: String,
    provider: Arc<Provider>,
    binding: Binding,
    secret_names: Vec<String>,
    path: String,
}

impl Source {
    fn configured(source: &SourceConfig) -> Result<Source, String> {
        Ok(Source {
            name: source.name.clone(),
            provider: Arc::clone(&source.provider),
            binding: source.binding(source.secrets()?)?,
            secret_names: source.secret_names(),
            path: source.path.clone(),
        })
    }

    pub(super) fn suspect(&self) -> Suspect<'_> {
        Suspect {
            name: &self.name,
            provider: &self.provider,
            binding: &self.binding,
            secret_names: &self.secret_names,
            path: &self.path,
        }
    }
}

/// The source that is asked about, and all others.
pub(super) struct Sources {
    pub(super) own: Source,
    pub(super) others: Vec<Source>,
}

/// Which source it is.
pub(super) enum Asked {
    /// The one that was named, or whose path was called.
    Found(Sources),
    /// The only one there is, though its path is another.
    Guessed(Sources, Finding),
    /// None has that path.
    Nowhere(Finding),
}

/// Find the source: named, or by the path that was called. Without a configuration the name is a provider's, and --secret
/// gives its secrets.
pub(super) fn asked_about(
    config: &Config,
    arguments: &Explain,
    captured: &Captured,
    given: &[Secret],
) -> Result<Asked, String> {
    let named = arguments.source.as_deref();
    if let Some(name) = named.filter(|name| !config.sources.contains_key(*name)) {
        return unconfigured(config, arguments, captured, given, name).map(Asked::Found);
    }
    let is_it = |source: &&SourceConfig| named.map_or(source.path == captured.path(), |name| source.name == name);
    if let Some(found) = config.sources.values().find(is_it) {
        return all(config, found).map(Asked::Found);
    }
    let mut paths: Vec<&str> = config.sources.values().map(|source| source.path.as_str()).collect();
    paths.sort_unstable();
    match (config.sources.values().next(), paths.len()) {
        (None, _) => {
            Err("which source is it for? None is configured: --source names the provider, --secret its secret \
                          (env:NAME or file:PATH)"
                .to_owned())
        }
        (Some(only), 1) => {
            let advice = format!(
                "Unless something in front of the gateway rewrites the path, enter {} at the provider. The rest was looked at as \
                 if it had come there.",
                only.path
            );
            let what = format!(
                "No source has the path {}; the only one there is, `{}`, has {}.",
                captured.path(),
                only.name,
                only.path
            );
            Ok(Asked::Guessed(all(config, only)?, Finding::likely(Cause::Refused, what, advice)))
        }
        _ => {
            let what = format!("No source has the path {}.", captured.path());
            let advice =
                format!("{} --source NAME looks at the rest, whatever the path.", meant(&paths, captured.path()));
            Ok(Asked::Nowhere(Finding::proven(Cause::Refused, what, advice)))
        }
    }
}

/// The path that was meant, as far as that can be told.
fn meant(paths: &[&str], called: &str) -> String {
    let plain = |path: &str| path.trim_matches('/').replace("//", "/").to_ascii_lowercase();
    let wanted = plain(called);
    let near = paths.iter().find(|known| plain(known) == wanted);
    let inside = || paths.iter().find(|known| wanted.ends_with(&plain(known)));
    match near.or_else(inside).filter(|_| !wanted.is_empty()) {
        Some(known) => format!(
            "It differs from {known} in slashes, capital letters or a part before it: enter that path at the provider, or set path in \
             the source to what the provider calls."
        ),
        None => format!("The paths are: {}. Enter one of them at the provider.", paths.join(", ")),
    }
}

/// A secret of another source that cannot be read must not be in the way.
fn all(config: &Config, own: &SourceConfig) -> Result<Sources, String> {
    let others = config.sources.values().filter(|source| source.name != own.name);
    Ok(Sources {
        own: Source::configured(own)?,
        others: others.filter_map(|source| Source::configured(source).ok()).collect(),
    })
}

fn unconfigured(
    config: &Config,
    arguments: &Explain,
    captured: &Captured,
    given: &[Secret],
    name: &str,
) -> Result<Sources, String> {
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
    let own = Source {
        name: name.to_owned(),
        provider: Arc::clone(provider),
        binding,
        secret_names: arguments.secret.clone(),
        path: format!("/webhooks/{name}"),
    };
    Ok(Sources { own, others: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn the_path_that_was_meant() {
        let paths = ["/webhooks/shop", "/webhooks/stripe"];
        for called in ["/webhooks/Stripe/", "//webhooks/stripe", "/api/webhooks/stripe"] {
            assert!(meant(&paths, called).contains("differs from /webhooks/stripe"), "{called}");
        }
        for called in ["/webhooks/strip", "/", ""] {
            assert!(meant(&paths, called).contains("/webhooks/shop, /webhooks/stripe"), "{called}");
        }
    }
}
