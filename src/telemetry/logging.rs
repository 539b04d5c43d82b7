//! Log lines: to stderr, one event each, JSON unless a person watches.
//!
//! A thread of their own writes them: a stderr that nobody reads must not hold up a request. What does not fit the queue
//! meanwhile is dropped.

use std::io::IsTerminal;

use tracing_appender::non_blocking::NonBlockingBuilder;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::LogFormat;

/// Lines that wait for stderr at most.
const QUEUE: usize = 10_000;

/// Logging under way. To be held until the end: on its drop the last lines are written.
pub struct Logging {
    _worker: WorkerGuard,
    filter: reload::Handle<EnvFilter, Registry>,
    /// The command line's word, which no file changes.
    given: Option<String>,
    default: String,
}

impl Logging {
    /// Take over the level that the configuration file says now.
    ///
    /// # Errors
    /// A filter that cannot be read.
    pub fn set_level(&self, file: Option<&str>) -> Result<(), String> {
        let filter = filter(self.given.as_deref().or(file), &self.default)?;
        self.filter.reload(filter).map_err(|error| error.to_string())
    }
}

fn filter(level: Option<&str>, default: &str) -> Result<EnvFilter, String> {
    match level {
        Some(level) => EnvFilter::try_new(level).map_err(|error| format!("log level `{level}`: {error}")),
        None => Ok(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default))),
    }
}

/// Start logging. The level that the command line has `given` comes first, then the `file`'s, then `RUST_LOG`, then
/// `default`.
///
/// # Errors
/// A filter that cannot be read.
pub fn start(format: LogFormat, given: Option<&str>, file: Option<&str>, default: &str) -> Result<Logging, String> {
    let (filter, handle) = reload::Layer::new(filter(given.or(file), default)?);
    let terminal = std::io::stderr().is_terminal();
    let text = match format {
        LogFormat::Auto => terminal,
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let (writer, worker) =
        NonBlockingBuilder::default().buffered_lines_limit(QUEUE).lossy(true).finish(std::io::stderr());
    let registry = tracing_subscriber::registry().with(filter);
    let started = if text {
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        registry.with(fmt::layer().with_writer(writer).with_ansi(colour).with_target(false)).try_init()
    } else {
        registry.with(fmt::layer().json().flatten_event(true).with_writer(writer)).try_init()
    };
    started.map_err(|error| error.to_string())?;
    Ok(Logging { _worker: worker, filter: handle, given: given.map(str::to_owned), default: default.to_owned() })
}
