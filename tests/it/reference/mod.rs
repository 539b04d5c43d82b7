//! docs/reference and schemas/config.schema.json are written from the code. Here they are compared;
//! `HOOKSTREAM_REWRITE=1 cargo test --test it reference` writes them anew.

mod cli;
mod config;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hookstream::provider::{Catalogue, Reject, docs};
use hookstream::telemetry::Metrics;

const WRITTEN: &str =
    "<!-- Written from the code; a test compares. Rewrite: HOOKSTREAM_REWRITE=1 cargo test --test it reference -->\n\n";

#[test]
fn command_line() {
    compare("docs/reference/cli.md", &(WRITTEN.to_owned() + &cli::page()));
}

#[test]
fn configuration() {
    let schema = schemars::schema_for!(hookstream::config::file::File);
    let json = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    compare("schemas/config.schema.json", &json);
    compare("docs/reference/config.md", &(WRITTEN.to_owned() + &config::page(schema.as_value())));
}

#[test]
fn metrics() {
    let mut page = WRITTEN.to_owned()
        + "# Metrics\n\nAt `/metrics` on the admin port. Labels are source names and closed lists: no type, id, path or address of an event.\n\n";
    page.push_str("| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n");
    for family in Metrics::new().unwrap().descriptions() {
        let labels = family.labels.join(", ");
        writeln!(page, "| `{}` | {} | {labels} | {} |", family.name, family.kind, family.help).unwrap();
    }
    page.push_str("\nBeside these the process's own: `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`, `process_start_time_seconds` and their like.\n");
    compare("docs/reference/metrics.md", &page);
}

#[test]
fn reject_reasons() {
    let mut page = WRITTEN.to_owned()
        + "# Reject reasons\n\nThe sender sees the status alone. The reason is the label of `hookstream_gateway_rejects_total`, stands in the log line with the request id, and in `/status`.\n\n";
    page.push_str("| reason | status | meaning |\n| --- | --- | --- |\n");
    for reject in Reject::ALL {
        writeln!(page, "| `{}` | {} | {} |", reject.as_str(), reject.status(), reject.docs()).unwrap();
    }
    compare("docs/reference/reject-reasons.md", &page);
}

#[test]
fn providers() {
    let catalogue = Catalogue::embedded().unwrap();
    compare("docs/reference/providers.md", &(WRITTEN.to_owned() + &docs::index_page(&catalogue)));
    let mut pages = BTreeSet::new();
    for provider in catalogue.iter() {
        let page = format!("{}.md", provider.name());
        compare(&format!("docs/reference/providers/{page}"), &(WRITTEN.to_owned() + &docs::provider_page(provider)));
        pages.insert(page);
    }
    // A page of a provider that is gone would stay for ever.
    for entry in std::fs::read_dir(root().join("docs/reference/providers")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(pages.contains(&name), "docs/reference/providers/{name} is no provider's");
    }
}

#[test]
fn causes() {
    let page = std::fs::read_to_string(root().join("docs/explain.md")).unwrap();
    for cause in hookstream::provider::diagnose::Cause::ALL {
        assert!(page.contains(&format!("\n| `{}` | ", cause.as_str())), "docs/explain.md does not know {cause:?}");
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compare a generated file with the one in the repository, or write it where that was asked for.
pub(crate) fn compare(path: &str, expected: &str) {
    let file = root().join(Path::new(path));
    if std::env::var_os("HOOKSTREAM_REWRITE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, expected).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == expected,
        "{path} is not what the code says; HOOKSTREAM_REWRITE=1 cargo test --test it reference writes it"
    );
}
