//! The alert rules, and their places in the runbook and the unit tests.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::directory;

/// One alert rule.
pub(super) struct Rule {
    pub(super) alert: String,
    pub(super) expression: String,
    json: Value,
}

/// All of them.
pub(super) fn all() -> Vec<Rule> {
    let file: Value = serde_saphyr::from_str(&read("alerts.yml")).unwrap();
    let groups = file["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rules
        .map(|rule| Rule { alert: text(&rule["alert"]), expression: text(&rule["expr"]), json: rule.clone() })
        .collect()
}

/// An alert's expression without its comparisons: what it looks at, whether or not it fires.
pub(super) fn without_comparisons(expression: &str) -> String {
    let words: Vec<&str> = expression.split_whitespace().collect();
    let mut kept = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        // Comparisons stand between spaces, matchers of labels do not.
        if !matches!(word, "==" | "!=" | ">" | "<" | ">=" | "<=") {
            kept.push(word);
            continue;
        }
        let limit = words.next().unwrap();
        let number = limit.trim_end_matches(')');
        assert!(number.parse::<f64>().is_ok(), "{expression}: {limit} is not a limit");
        kept.extend((number.len() < limit.len()).then(|| &limit[number.len()..]));
    }
    kept.join(" ")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(directory().join(file)).unwrap()
}

#[test]
fn a_rule_without_its_comparisons() {
    let cases = [
        ("up{a!=\"b\"} == 0", "up{a!=\"b\"}"),
        ("time() - (x > 0) > 10", "time() - (x )"),
        ("a / b > 0.2 and sum(c) > 20", "a / b and sum(c)"),
    ];
    for (rule, expected) in cases {
        assert_eq!(without_comparisons(rule), expected);
    }
}

#[test]
fn every_rule_is_explained_and_tested() {
    let runbook = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md")).unwrap();
    let sections: BTreeSet<&str> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .filter(|title| title.starts_with("Hookstream"))
        .collect();
    let tests = read("alerts.test.yml");
    let mut alerts = BTreeSet::new();
    for rule in all() {
        let Rule { alert, json, .. } = &rule;
        assert!(alerts.insert(alert.clone()), "{alert} is there twice");
        assert!(matches!(json["labels"]["severity"].as_str(), Some("page" | "ticket")), "{alert} has a severity");
        for annotation in ["summary", "description"] {
            assert!(json["annotations"][annotation].is_string(), "{alert} has no {annotation}");
        }
        let url = json["annotations"]["runbook_url"].as_str().unwrap();
        let repository = env!("CARGO_PKG_REPOSITORY");
        assert_eq!(url, format!("{repository}/blob/main/docs/runbook.md#{}", alert.to_lowercase()));
        assert!(sections.contains(alert.as_str()), "docs/runbook.md has no section {alert}");
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "alerts.test.yml never has {alert} fire");
    }
    let explained: BTreeSet<String> = sections.into_iter().map(str::to_owned).collect();
    assert_eq!(explained, alerts, "the runbook explains what exists");
}
