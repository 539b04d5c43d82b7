//! The provider files, each proven by the vectors beside it.

use super::{Finding, Verdict};
use crate::config::{Config, own_files};
use crate::provider::vectors::Vectors;
use crate::provider::{Provider, embedded_vectors};

/// The most failing vectors that are told of one file.
const TOLD: usize = 3;

pub(super) fn check(config: &Config, findings: &mut Vec<Finding>) {
    let own = own_providers(config);
    let mut built_in = (0, 0);
    let mut failed = false;
    for (file, text) in embedded_vectors() {
        // What a file of the operator's own replaces is proven by vectors of the operator's own.
        if own.iter().any(|name| file.strip_suffix(".vectors.toml") == Some(name.as_str())) {
            continue;
        }
        let (count, wrong) = run(config, file, text);
        built_in = (built_in.0 + 1, built_in.1 + count);
        failed |= !wrong.is_empty();
        findings.extend(wrong);
    }
    if !failed {
        let detail = format!("{} built in, their {} vectors agree", built_in.0, built_in.1);
        findings.push(Finding::new("providers", Verdict::Ok, detail));
    }
    if let Some(dir) = &config.providers_dir {
        let files = own_files(dir, true).unwrap_or_default();
        let mut proven = Vec::new();
        for (file, text) in &files {
            let (count, wrong) = run(config, file, text);
            if wrong.is_empty() {
                findings.push(Finding::new(file.clone(), Verdict::Ok, format!("its {count} vectors agree")));
            }
            findings.extend(wrong);
            proven.extend(Vectors::parse(file, text).map(|vectors| vectors.provider));
        }
        for name in own.iter().filter(|name| !proven.contains(name)) {
            let detail =
                format!("no vectors: put {name}.vectors.toml beside its file, with requests that you captured");
            findings.push(Finding::new(format!("provider {name}"), Verdict::Note, detail));
        }
    }
}

/// The names of the providers that have files in `providers_dir`.
fn own_providers(config: &Config) -> Vec<String> {
    let files = config.providers_dir.as_ref().and_then(|dir| own_files(dir, false).ok()).unwrap_or_default();
    let name = |(file, text): &(String, String)| Provider::parse(file, text).ok().map(|one| one.name().to_owned());
    files.iter().filter_map(name).collect()
}

/// How many vectors a file holds, and what is wrong with it.
fn run(config: &Config, file: &str, text: &str) -> (usize, Vec<Finding>) {
    let wrong = |detail: String| Finding::new(file, Verdict::Wrong, detail);
    let vectors = match Vectors::parse(file, text) {
        Ok(vectors) => vectors,
        Err(error) => return (0, vec![wrong(error.to_string())]),
    };
    let Some(provider) = config.catalogue.get(&vectors.provider) else {
        return (0, vec![wrong(format!("provider `{}` is not known", vectors.provider))]);
    };
    let each = vectors.vectors.iter().filter_map(|vector| Some((vector, vector.check(provider).err()?)));
    let all: Vec<_> = each.map(|(vector, why)| wrong(format!("{}: {why}", vector.name))).collect();
    let more = all.len().saturating_sub(TOLD);
    let mut told: Vec<_> = all.into_iter().take(TOLD).collect();
    if more > 0 {
        told.push(wrong(format!("and {more} more")));
    }
    (vectors.vectors.len(), told)
}
