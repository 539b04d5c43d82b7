//! The boards as Grafana reads them: what they ask, and the form that all of them keep.

use std::collections::BTreeSet;

use serde_json::Value;

use super::directory;

/// One board.
pub(super) struct Board {
    pub(super) file: String,
    pub(super) json: Value,
}

/// What one variable of a board offers: the values of a label over the series of a selector.
pub(super) struct Variable<'a> {
    pub(super) name: &'a str,
    pub(super) selector: &'a str,
    pub(super) label: &'a str,
}

impl Board {
    /// All of them, by file name.
    pub(super) fn all() -> Vec<Board> {
        let entries = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
        files.sort();
        let read = |path: std::path::PathBuf| Board {
            file: path.file_name().unwrap().to_string_lossy().into_owned(),
            json: serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap(),
        };
        files.into_iter().map(read).collect()
    }

    /// The panels that show something.
    pub(super) fn panels(&self) -> impl Iterator<Item = &Value> {
        self.json["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
    }

    /// The expressions of all panels, with the panel's title.
    pub(super) fn expressions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.panels().flat_map(|panel| {
            let title = panel["title"].as_str().unwrap();
            panel["targets"].as_array().unwrap().iter().map(move |target| (title, target["expr"].as_str().unwrap()))
        })
    }

    /// The variables that are asked of Prometheus, in their order: a later one may use an earlier one.
    pub(super) fn variables(&self) -> impl Iterator<Item = Variable<'_>> {
        let all = self.json["templating"]["list"].as_array().unwrap().iter();
        all.filter(|variable| variable["type"] == "query").map(|variable| {
            let query = variable["query"]["query"].as_str().unwrap();
            let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
            let (selector, label) = inner.rsplit_once(", ").unwrap();
            Variable { name: variable["name"].as_str().unwrap(), selector, label }
        })
    }

    /// Every text in which metrics are named.
    pub(super) fn texts(&self) -> impl Iterator<Item = String> {
        let selectors = self.variables().map(|variable| variable.selector.to_owned());
        self.expressions().map(|(_, expression)| expression.to_owned()).chain(selectors)
    }
}

#[test]
fn all_boards_keep_one_form() {
    let boards = Board::all();
    let files: Vec<&str> = boards.iter().map(|board| board.file.as_str()).collect();
    assert_eq!(files, ["enricher.json", "gateway.json", "overview.json"]);
    let uids: BTreeSet<&str> = boards.iter().map(|board| board.json["uid"].as_str().unwrap()).collect();
    assert_eq!(uids.len(), boards.len(), "each board has an address of its own");
    for board in &boards {
        let file = &board.file;
        assert_eq!(board.json["editable"], false, "{file}: what is changed in Grafana is lost at the next start");
        assert!(
            board.json["tags"].as_array().unwrap().contains(&"hookstream".into()),
            "{file}: boards are linked by it"
        );
        let variables: Vec<&str> =
            board.json["templating"]["list"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
        assert_eq!(variables, ["datasource", "job", "instance", "source"], "{file}");
        let mut ids = BTreeSet::new();
        for panel in board.panels() {
            let title = panel["title"].as_str().unwrap();
            let place = format!("{file}: {title}");
            assert!(ids.insert(panel["id"].as_i64().unwrap()), "{place}: its id is taken");
            assert!(
                panel["description"].as_str().is_some_and(|text| text.ends_with('.')),
                "{place}: says what it shows"
            );
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{place}: has a unit");
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{place}: asks something");
            for part in panel["targets"].as_array().unwrap().iter().chain([panel]) {
                assert_eq!(part["datasource"]["uid"], "${datasource}", "{place}: any Prometheus will do");
            }
        }
        for (title, expression) in board.expressions() {
            let place = format!("{file}: {title}: {expression}");
            assert!(expression.contains(r#"job=~"$job", instance=~"$instance""#), "{place}");
            // A fixed range is empty at a long scrape interval and blurred at a short one; an hour is said in the text.
            let ranges = expression.split('[').skip(1).map(|rest| rest.split(']').next().unwrap());
            assert!(ranges.into_iter().all(|range| matches!(range, "$__rate_interval" | "1h")), "{place}");
        }
    }
}

#[test]
fn panels_do_not_overlap() {
    for board in Board::all() {
        let mut taken = BTreeSet::new();
        for panel in board.json["panels"].as_array().unwrap() {
            let at = |key: &str| panel["gridPos"][key].as_i64().unwrap();
            assert!(at("x") + at("w") <= 24, "{}: {}", board.file, panel["title"]);
            for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
                assert!(taken.insert((x, y)), "{}: {} lies over another", board.file, panel["title"]);
            }
        }
    }
}
