//! Boards and alert rules: their form, the names in them, their unit tests, and every query against a live system.

mod boards;
mod live;
mod prometheus;
mod rules;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use hookstream::telemetry::{Description, Metrics};

use crate::support::skip::skip;
use boards::Board;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dashboards")
}

#[test]
fn every_metric_that_is_asked_for_exists() {
    let metrics = Metrics::new().unwrap();
    let series = |family: &Description| {
        let suffixes: &[&str] = if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        suffixes.iter().map(|suffix| format!("{}{suffix}", family.name)).collect::<Vec<_>>()
    };
    let known: BTreeSet<String> = metrics.descriptions().iter().flat_map(series).collect();
    let boards = Board::all();
    let asked = boards.iter().flat_map(Board::texts).chain(rules::all().into_iter().map(|rule| rule.expression));
    let mut used = BTreeSet::new();
    for text in asked {
        for name in names(&text) {
            assert!(known.contains(name), "{name} does not exist; asked for in {text}");
            used.insert(name.to_owned());
        }
    }
    // A family that nobody looks at is a family nobody needs.
    for family in metrics.descriptions() {
        let shown = series(family).iter().any(|name| used.contains(name));
        assert!(shown, "no board and no rule shows {}", family.name);
    }
}

/// The names of our metrics in an expression.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    words.filter(|word| word.starts_with("hookstream_"))
}

/// Run promtool in dashboards/; `false` when it is not there, which has been said.
fn promtool(arguments: &[&str]) -> bool {
    let Ok(output) = Command::new("promtool").args(arguments).current_dir(directory()).output() else {
        skip("promtool is not on the PATH (Debian's package prometheus has it)");
        return false;
    };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}");
    true
}

#[test]
fn promtool_accepts_configuration_and_rules() {
    let _ = promtool(&["check", "config", "prometheus.yml"]) && promtool(&["check", "rules", "alerts.yml"]);
}

#[test]
fn the_unit_tests_of_the_rules_pass() {
    promtool(&["test", "rules", "alerts.test.yml"]);
}
