//! The configuration of `dev`: one source for each provider with samples, their APIs in the sandbox.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use crate::cli::Dev;
use crate::command::reachable;
use crate::config::file::{File, Source};
use crate::config::{Config, ConfigError, Secret, SecretRef};
use crate::provider::{Catalogue, Provider};

use super::sandbox::Sandbox;
use super::secrets;

/// The providers that `dev` shows, the best known first: enough to see every kind of fate on one screen.
const SHOWN: [&str; 6] = ["stripe", "github", "shopify", "slack", "standard-webhooks", "generic"];

/// The built-in sources, pointed at the sandbox and at a Kafka.
///
/// # Errors
/// A secret that a scheme cannot use.
pub(super) fn built_in(
    arguments: &Dev,
    catalogue: &Catalogue,
    sandbox: &Sandbox,
    kafka: &str,
    listen: SocketAddr,
) -> Result<Config, ConfigError> {
    let mut file = File::default();
    file.gateway.listen = listen;
    let reached = || format!("http://{}", reachable(listen));
    file.gateway.public_url = Some(arguments.public_url.clone().unwrap_or_else(reached));
    file.admin.listen = arguments.admin;
    kafka.clone_into(&mut file.kafka.bootstrap_servers);
    // One broker is what people have at hand; a cluster takes it as well.
    file.kafka.topics.replication = 1;
    for name in &arguments.source {
        if catalogue.get(name).is_none() {
            let message = format!("there is no provider `{name}`{}", catalogue.near(name));
            return Err(ConfigError { origin: "--source".to_owned(), message });
        }
    }
    let asked = arguments.source.iter().filter_map(|name| catalogue.get(name)).map(AsRef::as_ref);
    for provider in providers(catalogue).into_iter().chain(asked) {
        let source = source(arguments, provider, sandbox)
            .map_err(|message| ConfigError { origin: provider.name().to_owned(), message })?;
        file.sources.insert(provider.name().to_owned(), source);
    }
    for (name, _) in &arguments.secret {
        if !file.sources.contains_key(name) {
            let known: Vec<&str> = file.sources.keys().map(String::as_str).collect();
            let message = format!("there is no source `{name}`; dev has {}", known.join(", "));
            return Err(ConfigError { origin: "--secret".to_owned(), message });
        }
    }
    Config::from_file(Path::new("dev"), file)
}

/// The providers that `dev` shows, in their order.
pub(super) fn providers(catalogue: &Catalogue) -> Vec<&Provider> {
    SHOWN.iter().filter_map(|name| catalogue.get(name)).map(AsRef::as_ref).collect()
}

fn source(arguments: &Dev, provider: &Provider, sandbox: &Sandbox) -> Result<Source, String> {
    let given = arguments.secret.iter().filter(|(name, _)| name == provider.name());
    let given: Vec<Secret> = given.map(|(_, secret)| Secret::new(secret.clone().into_bytes())).collect();
    // A real secret stands beside the known one, so that `send` goes on working.
    let own = secrets::secrets(provider, None)?;
    let secrets = given.into_iter().chain(own).map(SecretRef::Given).collect();
    let credential = || SecretRef::Given(Secret::new(b"sandbox".to_vec()));
    let credentials = provider.needs().credentials.keys().map(|name| (name.clone(), credential())).collect();
    let tenants = sandbox.tenants(provider).into_iter().map(|tenant| (tenant, BTreeMap::new())).collect();
    let mut source = Source {
        secrets,
        credentials,
        tenants,
        params: secrets::params(provider),
        accept_unsigned: provider.is_unsigned(),
        api_base: sandbox.base(provider.name()),
        ..Source::default()
    };
    if provider.name() == "generic" {
        // A sender's id is never guessed; the sample's stands here.
        source.event.insert("id".to_owned(), "/Data/OrderId".into());
    }
    Ok(source)
}
