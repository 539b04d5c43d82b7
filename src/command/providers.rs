//! `providers`: what is known, and what one provider needs.

use std::process::ExitCode;

use serde_json::json;

use super::{Failure, Output, Row, output};
use crate::cli::Providers;
use crate::config::Config;
use crate::provider::{Provider, docs};

pub(super) fn run(config: &Config, arguments: &Providers) -> Result<ExitCode, Failure> {
    let output = Output::new(arguments.json);
    let Some(name) = &arguments.name else {
        let rows: Vec<Row> = config.catalogue.iter().map(|provider| row(provider)).collect();
        output.table(&rows)?;
        return Ok(ExitCode::SUCCESS);
    };
    let provider = config
        .catalogue
        .get(name)
        .ok_or_else(|| format!("there is no provider `{name}`{}", config.catalogue.near(name)))?;
    if output.is_json() {
        output::print(&docs::provider_json(provider).to_string())?;
    } else {
        output::print(docs::provider_page(provider).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One line of the list; six columns fit a screen, `--json` with a name says everything.
fn row(provider: &Provider) -> Row {
    let answer = provider.answer();
    let yes = |yes| json!(if yes { "yes" } else { "no" });
    let mut schemes = provider.schemes();
    schemes.dedup();
    vec![
        ("name", json!(provider.name())),
        ("title", json!(provider.title())),
        ("records", yes(provider.api().is_some())),
        ("deadline", json!(format!("{:?}", answer.deadline))),
        ("redelivers", yes(answer.redelivers)),
        ("schemes", json!(schemes.join(", "))),
    ]
}
