//! The live table of `dev`: one row for each fate, as it happens.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::command::Output;
use crate::gateway::{Fate, Outcome};

/// Column widths; with the indent and the last column within 105.
const WIDTHS: [usize; 6] = [12, 8, 16, 9, 9, 8];

/// How many events are remembered to say how long their record took.
const REMEMBERED: usize = 10_000;

/// The table and what it has seen.
pub(super) struct Table {
    output: Output,
    accepted: HashMap<(String, String), (Instant, Option<String>)>,
    order: VecDeque<(String, String)>,
    skipped: BTreeSet<String>,
    /// Enriched events, whatever became of them.
    pub(super) enriched: u64,
}

/// An enriched event, as read from its topic.
pub(super) struct Enriched {
    pub(super) at: Timestamp,
    pub(super) source: String,
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) status: String,
    pub(super) summary: Option<String>,
}

impl Table {
    pub(super) fn new(output: Output) -> Self {
        Self { output, accepted: HashMap::new(), order: VecDeque::new(), skipped: BTreeSet::new(), enriched: 0 }
    }

    pub(super) fn head(&self) -> Result<(), String> {
        if self.output.is_json() {
            return Ok(());
        }
        self.row(["time", "source", "type", "id", "outcome", "after", "where"])
    }

    /// A request has ended.
    pub(super) fn fate(&mut self, fate: &Fate, note: Option<&str>) -> Result<(), String> {
        let source = fate.source.as_deref().unwrap_or("-");
        if fate.outcome == Outcome::Accepted
            && let Some(id) = &fate.id
        {
            self.remember((source.to_owned(), id.clone()));
        }
        let place = fate.place.as_ref().map(|(topic, delivery)| format!("{topic}/{}@{}", delivery.partition, delivery.offset));
        if self.output.is_json() {
            return self.json(&[
                ("time", json!(crate::event::rfc3339_millis(fate.at))),
                ("source", json!(source)),
                ("type", json!(fate.kind)),
                ("id", json!(fate.id)),
                ("outcome", json!(fate.outcome.as_str())),
                ("after_ms", json!(fate.after.as_secs_f64() * 1_000.0)),
                ("where", json!(place)),
                ("reason", json!(fate.reason)),
            ]);
        }
        let outcome = match fate.outcome {
            Outcome::Rejected => "REJECTED",
            other => other.as_str(),
        };
        let place = place.or_else(|| match (fate.reason, note) {
            (Some(reason), Some(note)) => Some(format!("{reason}: {note}")),
            (Some(reason), None) => Some(reason.to_owned()),
            (None, note) => note.map(str::to_owned),
        });
        self.row([
            &clock(fate.at),
            source,
            fate.kind.as_deref().unwrap_or("-"),
            fate.id.as_deref().unwrap_or("-"),
            outcome,
            &millis(fate.after),
            place.as_deref().unwrap_or(""),
        ])
    }

    /// An enriched event has appeared.
    pub(super) fn enriched(&mut self, event: &Enriched) -> Result<(), String> {
        self.enriched += 1;
        let key = (event.source.clone(), event.id.clone());
        let after = self.accepted.remove(&key).map(|(since, _)| since.elapsed());
        if self.output.is_json() {
            return self.json(&[
                ("time", json!(crate::event::rfc3339_millis(event.at))),
                ("source", json!(event.source)),
                ("type", json!(event.kind)),
                ("id", json!(event.id)),
                ("outcome", json!(event.status)),
                ("after_ms", json!(after.map(|after| after.as_secs_f64() * 1_000.0))),
                ("where", json!(event.summary)),
            ]);
        }
        let place = match (event.status.as_str(), &event.summary) {
            ("enriched", Some(summary)) => format!("+ {summary}"),
            ("enriched", None) => "+ record".to_owned(),
            ("skipped", _) if !self.skipped.insert(event.source.clone()) => "passed on".to_owned(),
            ("skipped", _) => "no route to a record; passed on".to_owned(),
            (status, _) => status.to_owned(),
        };
        let after = after.map(millis).unwrap_or_default();
        self.row([&clock(event.at), &event.source, &event.kind, &event.id, &event.status, &after, &place])
    }

    fn remember(&mut self, key: (String, String)) {
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.accepted.remove(&oldest);
        }
        self.order.push_back(key.clone());
        self.accepted.insert(key, (Instant::now(), None));
    }

    fn row(&self, cells: [&str; 7]) -> Result<(), String> {
        let mut line = String::from("      ");
        for (cell, width) in cells.iter().zip(WIDTHS) {
            line.push_str(&fitted(cell, width));
            line.push_str("  ");
        }
        line.push_str(&crate::command::visible(cells[6]));
        let line = line.trim_end();
        if self.output.is_coloured() && line.contains("REJECTED") {
            return crate::command::print(&format!("\x1b[31m{line}\x1b[0m"));
        }
        crate::command::print(line)
    }

    fn json(&self, row: &[(&'static str, Value)]) -> Result<(), String> {
        self.output.line(row, &[])
    }
}

/// A cell of exactly this width: what does not fit is cut, and says so.
fn fitted(text: &str, width: usize) -> String {
    let text = crate::command::visible(text);
    if text.chars().count() <= width {
        return format!("{text:<width$}");
    }
    let kept: String = text.chars().take(width - 1).collect();
    format!("{kept}…")
}

fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S%.3f").to_string()
}

fn millis(length: Duration) -> String {
    let millis = length.as_secs_f64() * 1_000.0;
    if millis < 10.0 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}
