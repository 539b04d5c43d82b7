//! The live table of `dev`: one row for each fate, as it happens.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::command::Output;
use crate::enrich::Settled;
use crate::gateway::{Fate, Outcome};

/// Column widths; with the indent and the last column within 105.
const WIDTHS: [usize; 6] = [12, 8, 16, 9, 9, 6];

/// The column whose cells are known to the reader by their beginning.
const SOURCE: usize = 1;

/// How many events are remembered to say how long their record took.
const REMEMBERED: usize = 10_000;

/// Source and id of an event.
type Identity = (String, String);

/// The table and what it has seen.
pub(super) struct Table {
    output: Output,
    accepted: HashMap<Identity, (Instant, Option<String>)>,
    order: VecDeque<Identity>,
    /// Sources whose samples were passed on without a record, while they are gathered into one row.
    passed_on: Option<Vec<String>>,
    /// Events that the enricher is done with: enriched, or passed on without a record.
    pub(super) finished: u64,
}

impl Table {
    pub(super) fn new(output: Output) -> Self {
        Self { output, accepted: HashMap::new(), order: VecDeque::new(), passed_on: None, finished: 0 }
    }

    pub(super) fn head(&self) -> Result<(), String> {
        if self.output.is_json() {
            return Ok(());
        }
        self.row(["time", "source", "type", "id", "outcome", "after", "where"])
    }

    /// A request has ended.
    pub(super) fn fate(&mut self, fate: &Fate, kind: Option<&str>, note: Option<&str>) -> Result<(), String> {
        let source = fate.source.as_deref().unwrap_or("-");
        if fate.outcome == Outcome::Accepted
            && let Some(id) = &fate.id
        {
            self.remember((source.to_owned(), id.clone()), fate.kind.clone());
        }
        let place =
            fate.place.as_ref().map(|(topic, delivery)| format!("{topic}/{}@{}", delivery.partition, delivery.offset));
        if self.output.is_json() {
            return self.json(&[
                ("time", json!(crate::event::rfc3339_millis(fate.at))),
                ("source", json!(source)),
                ("type", json!(fate.kind.as_deref().or(kind))),
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
            fate.kind.as_deref().or(kind).unwrap_or("-"),
            fate.id.as_deref().unwrap_or("-"),
            outcome,
            &millis(fate.after),
            place.as_deref().unwrap_or(""),
        ])
    }

    /// The enricher has committed what became of an event; `summary` says what its record holds.
    pub(super) fn settled(&mut self, event: &Settled, summary: Option<&str>) -> Result<(), String> {
        self.finished += u64::from(matches!(event.outcome, "enriched" | "skipped" | "gone"));
        let known = self.accepted.remove(&(event.source.to_string(), event.id.clone()));
        let after = known.as_ref().map(|(since, _)| since.elapsed());
        let kind = known.and_then(|(_, kind)| kind);
        if self.output.is_json() {
            return self.json(&[
                ("time", json!(crate::event::rfc3339_millis(event.at))),
                ("source", json!(&*event.source)),
                ("type", json!(kind)),
                ("id", json!(event.id)),
                ("outcome", json!(event.outcome)),
                ("after_ms", json!(after.map(|after| after.as_secs_f64() * 1_000.0))),
                ("where", json!(summary)),
                ("reason", json!(event.reason)),
            ]);
        }
        if let Some(passed_on) = self.passed_on.as_mut().filter(|_| event.outcome == "skipped") {
            passed_on.push(event.source.to_string());
            return Ok(());
        }
        let place = match (event.outcome, summary, event.reason) {
            ("enriched", Some(summary), _) => format!("+ {summary}"),
            ("enriched", None, _) => "+ record".to_owned(),
            ("skipped", _, Some(reason)) => format!("{reason}; passed on"),
            (_, _, Some(reason)) => reason.to_owned(),
            (_, _, None) => String::new(),
        };
        let after = after.map(millis).unwrap_or_default();
        self.row([
            &clock(event.at),
            &event.source,
            kind.as_deref().unwrap_or("-"),
            &event.id,
            event.outcome,
            &after,
            &place,
        ])
    }

    /// From now on events without a record wait for one row together.
    pub(super) fn gather(&mut self) {
        self.passed_on = Some(Vec::new());
    }

    /// That row.
    pub(super) fn gathered(&mut self) -> Result<(), String> {
        let sources = self.passed_on.take().unwrap_or_default();
        if sources.is_empty() {
            return Ok(());
        }
        let [_, source, kind, id, outcome, after] = WIDTHS;
        let (sources, clock) = (sources.join(", "), clock(Timestamp::now()));
        let wide = source + kind + id + 4;
        let sources = fitted(&sources, wide, true);
        crate::command::print(&format!(
            "  {clock}  {sources}  {:outcome$}  {:after$}  no route to a record; passed on",
            "skipped", ""
        ))
    }

    fn remember(&mut self, identity: Identity, kind: Option<String>) {
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.accepted.remove(&oldest);
        }
        self.order.push_back(identity.clone());
        self.accepted.insert(identity, (Instant::now(), kind));
    }

    fn row(&self, cells: [&str; 7]) -> Result<(), String> {
        let mut line = String::from("  ");
        for (column, (cell, width)) in cells.iter().zip(WIDTHS).enumerate() {
            line.push_str(&fitted(cell, width, column != SOURCE));
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

/// A cell of exactly this width: what does not fit is cut, and says so where it matters.
fn fitted(text: &str, width: usize, mark: bool) -> String {
    let text = crate::command::visible(text);
    if text.chars().count() <= width {
        return format!("{text:<width$}");
    }
    let kept: String = text.chars().take(width - usize::from(mark)).collect();
    if mark { format!("{kept}…") } else { kept }
}

fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S%.3f").to_string()
}

fn millis(length: Duration) -> String {
    let millis = length.as_secs_f64() * 1_000.0;
    if millis < 10.0 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}
