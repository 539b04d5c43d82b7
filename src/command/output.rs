//! Results on stdout: a table for people, JSON lines for programs.
#![allow(clippy::print_stderr)]

use std::io::{self, IsTerminal, Write};

use serde_json::{Map, Value};

/// One row: the same fields as a line of a table and as a JSON object.
pub type Row = Vec<(&'static str, Value)>;

/// The width of a screen; what is longer is broken in the last column, where that leaves room for it.
const SCREEN: usize = 105;

/// The narrowest last column that is worth breaking.
const NARROWEST: usize = 30;

/// The error of a pipe whose reader has gone.
const NOBODY_READS: &str = "nobody reads stdout any more";

/// How rows are shown.
#[derive(Clone, Debug)]
pub struct Output {
    json: bool,
    colour: bool,
}

impl Output {
    /// A table, or JSON lines.
    pub fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, colour: !json && wanted && io::stdout().is_terminal() }
    }

    /// Whether programs read this.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether colours may be used.
    pub fn is_coloured(&self) -> bool {
        self.colour
    }

    /// Print a whole table; the columns are as wide as their widest cell.
    ///
    /// # Errors
    /// Nobody reads stdout any more.
    pub fn table(&self, rows: &[Row]) -> Result<(), String> {
        if self.json {
            return rows.iter().try_for_each(|row| self.line(row, &[]));
        }
        let Some(first) = rows.first() else { return Ok(()) };
        let width = |column: usize, name: &str| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|(_, value)| cell(value).chars().count())
                .max()
                .unwrap_or(0)
                .max(name.len())
        };
        let widths: Vec<usize> = first.iter().enumerate().map(|(column, (name, _))| width(column, name)).collect();
        let names: Row = first.iter().map(|(name, _)| (*name, Value::from(*name))).collect();
        self.line(&names, &widths)?;
        rows.iter().try_for_each(|row| self.line(row, &widths))
    }

    /// Print one row. Without JSON the cells are padded to `widths`.
    ///
    /// # Errors
    /// Nobody reads stdout any more.
    pub fn line(&self, row: &[(&'static str, Value)], widths: &[usize]) -> Result<(), String> {
        if self.json {
            let object: Map<String, Value> =
                row.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            return print(&Value::Object(object).to_string());
        }
        let mut line = String::new();
        for (column, (_, value)) in row.iter().enumerate() {
            let cell = cell(value);
            let start = line.chars().count();
            if column + 1 == row.len() && widths.len() == row.len() && start + NARROWEST <= SCREEN {
                line.push_str(&broken(&cell, start));
                break;
            }
            let padding = widths.get(column).map_or(0, |width| width.saturating_sub(cell.chars().count()));
            line.push_str(&cell);
            line.extend(std::iter::repeat_n(' ', padding + 2));
        }
        print(line.trim_end())
    }
}

/// A value as a cell of a table.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => visible(text),
        other => other.to_string(),
    }
}

/// A cell that begins in this column, broken between words where it would leave the screen.
fn broken(cell: &str, start: usize) -> String {
    let mut text = String::new();
    let mut at = start;
    for word in cell.split(' ') {
        let length = word.chars().count();
        if at > start && at + 1 + length > SCREEN {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', start));
            at = start;
        } else if at > start {
            text.push(' ');
            at += 1;
        }
        text.push_str(word);
        at += length;
    }
    text
}

/// A text without control characters: what a stranger sent must not steer the terminal.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Print one line.
///
/// # Errors
/// Nobody reads stdout any more.
pub fn print(line: &str) -> Result<(), String> {
    print_bytes(format!("{line}\n").as_bytes())
}

/// Print bytes as they are.
///
/// # Errors
/// Nobody reads stdout any more.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => NOBODY_READS.to_owned(),
        _ => format!("cannot write to stdout: {error}"),
    })
}

/// Say why it did not work, on stderr. That `head` or a pager has read enough is no news.
pub(super) fn complain(message: &str) {
    if message != NOBODY_READS {
        eprintln!("hookstream: {message}");
    }
}
