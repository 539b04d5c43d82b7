//! Log lines: to stderr, one event each, JSON unless a person watches.
//!
//! A thread of their own writes them: a stderr that nobody reads must not hold up a request. What does not fit the queue
//! meanwhile is dropped.

use std::io::IsTerminal;

use tracing_appender::non_blocking::NonBlockingBuilder;
pub use tracing_appender::non_blocking::WorkerGuard as LogGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::config::LogFormat;

/// Lines that wait for stderr at most.
const QUEUE: usize = 10_000;

/// Start logging. Where no level is given `RUST_LOG` is used, then `default`. The guard is to be held until the end: on
/// its drop the last lines are written.
///
/// # Errors
/// A filter that cannot be read.
pub fn start(format: LogFormat, level: Option<&str>, default: &str) -> Result<LogGuard, String> {
    let filter = match level {
        Some(level) => EnvFilter::try_new(level).map_err(|error| format!("log level `{level}`: {error}"))?,
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default)),
    };
    let terminal = std::io::stderr().is_terminal();
    let text = match format {
        LogFormat::Auto => terminal,
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(QUEUE).lossy(true).finish(std::io::stderr());
    let registry = tracing_subscriber::registry().with(filter);
    let started = if text {
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        registry.with(fmt::layer().with_writer(writer).with_ansi(colour).with_target(false)).try_init()
    } else {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(writer)).try_init()
    };
    started.map(|()| guard).map_err(|error| error.to_string())
}
