//! The commands: each composes what the other modules offer and adds no second way of doing it.

mod check;
mod enrich;
mod output;
mod providers;
mod send;
mod serve;
mod tail;
mod topics;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::config::{Config, ConfigError, LogFormat};
use crate::shutdown::Shutdown;
use crate::telemetry::logging;
pub use output::{Output, Row, print, visible};
pub(crate) use send::{Sender, client};
pub(crate) use serve::Operators;

/// How a command can end before its time.
#[derive(Debug)]
pub enum Failure {
    /// The configuration is wrong: exit code 78.
    Config(ConfigError),
    /// It could not be done: exit code 1.
    Failed(String),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

/// What sysexits.h calls EX_CONFIG.
const WRONG_CONFIGURATION: u8 = 78;

/// Run a command to its end.
pub fn run(cli: Cli) -> ExitCode {
    match dispatch(cli) {
        Ok(code) => code,
        Err(Failure::Config(error)) => {
            output::complain(&format!("wrong configuration\n{error}"));
            ExitCode::from(WRONG_CONFIGURATION)
        }
        Err(Failure::Failed(message)) => {
            output::complain(&message);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    match &cli.command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "hookstream", &mut script);
            output::print_bytes(&script)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(|error| error.to_string())?;
            output::print_bytes(&page)?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let result = runtime.block_on(dispatch_async(cli));
    // A thread that is still blocked in a client must not keep the process.
    runtime.shutdown_background();
    result
}

async fn dispatch_async(cli: Cli) -> Result<ExitCode, Failure> {
    let shutdown = Shutdown::on_signals().map_err(|error| format!("cannot listen for signals: {error}"))?;
    match &cli.command {
        Command::Dev(arguments) => {
            // librdkafka repeats on many threads what dev says once.
            start_logging(&cli, None, "warn,hookstream::kafka=error")?;
            crate::dev::run(&cli, arguments, shutdown).await
        }
        Command::Serve(arguments) => serve::run(configured(&cli)?, arguments, shutdown).await,
        Command::Enrich(arguments) => enrich::run(configured(&cli)?, arguments, shutdown).await,
        Command::Send(arguments) => send::run(quiet(&cli)?, arguments, shutdown).await,
        Command::Tail(arguments) => tail::run(quiet(&cli)?, arguments, shutdown).await,
        Command::Check(arguments) => check::run(&cli, arguments).await,
        Command::Providers(arguments) => providers::run(&quiet(&cli)?, arguments),
        Command::Topics(arguments) => {
            let config = Config::load(cli.config_file())?;
            start_logging(&cli, Some(&config), "warn")?;
            topics::run(config, arguments).await
        }
        Command::Completions { .. } | Command::Man => Ok(ExitCode::SUCCESS),
    }
}

/// The configuration, and logging as it says.
fn configured(cli: &Cli) -> Result<Config, Failure> {
    let config = Config::load(cli.config_file())?;
    start_logging(cli, Some(&config), "info")?;
    Ok(config)
}

/// The configuration where there is one, else every default: for tools that also work without a file.
fn quiet(cli: &Cli) -> Result<Config, Failure> {
    start_logging(cli, None, "warn")?;
    let path = cli.config_file();
    // A file that was asked for must be there; the default one may be missing.
    let wanted = cli.config.is_some() || path.exists();
    Ok(if wanted { Config::load(path)? } else { Config::parse(path, "", std::env::vars())? })
}

fn start_logging(cli: &Cli, config: Option<&Config>, level: &str) -> Result<(), String> {
    let file = config.map(|config| &config.log);
    let format = cli.log_format.or(file.map(|log| log.format)).unwrap_or(LogFormat::Auto);
    let given = cli.log_level.as_deref().or(file.and_then(|log| log.level.as_deref()));
    logging::start(format, given, level)
}
