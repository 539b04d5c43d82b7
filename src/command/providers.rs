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
        .ok_or_else(|| format!("provider `{name}` is not known; `hookstream providers` lists those that are"))?;
    if output.is_json() {
        output.line(&row(provider), &[])?;
    } else {
        output::print(docs::provider_section(provider).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(provider: &Provider) -> Row {
    let answer = provider.answer();
    vec![
        ("name", json!(provider.name())),
        ("title", json!(provider.title())),
        ("schemes", json!(provider.schemes().join(", "))),
        ("records", json!(if provider.api().is_some() { "yes" } else { "no" })),
        ("deadline", json!(format!("{:?}", answer.deadline))),
        ("redelivers", json!(if answer.redelivers { "yes" } else { "no" })),
        ("docs", json!(provider.docs())),
    ]
}
