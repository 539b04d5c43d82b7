//! `init`: a commented configuration for the providers that somebody has, to begin with.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::{Failure, output};
use crate::cli::{Cli, Init};
use crate::config;
use crate::provider::starter::{self, EXAMPLE_HOST};
use crate::provider::{Catalogue, Provider};

/// Reads no configuration, not even the default one: that file is often the one being written.
pub(super) fn run(arguments: &Init) -> Result<ExitCode, Failure> {
    if arguments.providers.is_empty() {
        let says = "say which providers send to you, for example\n\n  hookstream init stripe github > hookstream.toml\n\n\
                    `hookstream providers` lists those that are known; `generic` takes any sender that signs with HMAC";
        let mut command = Cli::command();
        command.build();
        let init = command.find_subcommand_mut("init").map(|init| init.error(ErrorKind::MissingRequiredArgument, says));
        return Err(init.map_or_else(|| Failure::Failed(says.to_owned()), |error| error.exit()));
    }
    let mut catalogue = Catalogue::embedded().map_err(|error| error.to_string())?;
    if let Some(directory) = &arguments.providers_dir {
        config::add_providers(&mut catalogue, directory)?;
    }
    let mut chosen: Vec<&Provider> = Vec::new();
    for name in &arguments.providers {
        let provider =
            catalogue.get(name).ok_or_else(|| format!("there is no provider `{name}`{}", catalogue.near(name)))?;
        if chosen.iter().all(|known| known.name() != provider.name()) {
            chosen.push(provider);
        }
    }
    output::print_bytes(written(arguments, &chosen)?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The whole file.
fn written(arguments: &Init, providers: &[&Provider]) -> Result<String, String> {
    let public_url = match &arguments.public_url {
        Some(url) => config::public_url(url)?,
        None => format!("https://{EXAMPLE_HOST}"),
    };
    let url = |provider: &Provider| format!("{public_url}/webhooks/{}", provider.name());
    let mut text = head(providers, arguments.public_url.is_none(), &url);
    if let Some(directory) = &arguments.providers_dir {
        let _ = writeln!(text, "providers_dir = {}\n", toml::Value::from(directory.display().to_string()));
    }
    text.push_str("[gateway]\nlisten = \"0.0.0.0:8080\"\n");
    starter::comment(
        &mut text,
        "",
        "The URL under which providers reach this gateway, without a path. Some providers sign it.",
    );
    let _ = writeln!(text, "public_url = {}", toml::Value::from(public_url.as_str()));
    starter::comment(
        &mut text,
        "",
        "The proxies in front of it; only they may say in X-Forwarded-For who the sender is.",
    );
    text.push_str("# trusted_proxies = [\"10.0.0.0/8\"]\n\n[kafka]\nbootstrap_servers = \"localhost:9092\"\n");
    starter::comment(&mut text, "", "Brokers with SASL and TLS; [kafka.properties] takes whatever librdkafka knows.");
    text.push_str(
        "# properties.\"security.protocol\" = \"SASL_SSL\"\n# properties.\"sasl.mechanism\" = \"SCRAM-SHA-512\"\n\
         # properties.\"sasl.username\" = \"hookstream\"\n# properties.\"sasl.password\" = \"env:KAFKA_PASSWORD\"\n",
    );
    starter::comment(
        &mut text,
        "",
        "With a single broker: topics.replication = 1. With three, an acknowledged event survives the loss of one.",
    );
    text.push_str("# topics.replication = 3\n");
    for provider in providers {
        let _ = write!(text, "\n{}", starter::source_table(provider, &url(provider)));
    }
    Ok(text)
}

/// What to do with the file, in the order in which it is done.
fn head(providers: &[&Provider], example: bool, url: &dyn Fn(&Provider) -> String) -> String {
    let names: Vec<&str> = providers.iter().map(|provider| provider.name()).collect();
    let mut text = String::new();
    starter::comment(
        &mut text,
        "",
        &format!("Written by `hookstream init {}`. Every key: docs/reference/config.md.", names.join(" ")),
    );
    text.push_str("#\n# 1. Set these variables, or write file:/run/secrets/NAME in the place of env:NAME:\n");
    let variables: Vec<_> = providers.iter().flat_map(|provider| starter::variables(provider)).collect();
    let width = variables.iter().map(|variable| variable.name.len()).max().unwrap_or(0);
    for variable in &variables {
        starter::comment(&mut text, &format!("     {:width$}  ", variable.name), &variable.place);
    }
    text.push_str("# 2. Enter these URLs at the providers");
    text.push_str(if example { "; put your own host into public_url below first:\n" } else { ":\n" });
    let width = providers.iter().map(|provider| provider.title().chars().count()).max().unwrap_or(0);
    for provider in providers {
        let _ = writeln!(text, "#      {:width$}  {}", provider.title(), url(provider));
    }
    text.push_str(
        "# 3. hookstream check          what is wrong or missing\n#    hookstream topics apply   creates the topics\n\
         #    hookstream serve          and, for full records, beside it: hookstream enrich\n\n",
    );
    text
}
