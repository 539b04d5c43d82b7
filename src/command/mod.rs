//! The commands: each composes what the other modules offer and adds no second way of doing it.

mod check;
mod enrich;
mod explain;
mod init;
mod man;
mod output;
mod providers;
mod reload;
mod send;
mod serve;
mod spool;
mod tail;
mod topics;

use std::process::ExitCode;
use std::sync::Arc;

use clap::CommandFactory;

use crate::cli::{Cli, Command, Spool};
use crate::config::{self, Config, ConfigError, LogFormat};
use crate::gateway::StartError;
use crate::shutdown::Shutdown;
use crate::telemetry::logging::{self, Logging};
pub use explain::Captured;
pub use man::page as man_page;
pub use output::{Output, Row, print, visible};
pub(crate) use send::{Sender, client, reachable};
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

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(error) => Self::Config(error),
            StartError::Spool(message) => Self::Failed(message),
        }
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
            output::print_bytes(man::page().map_err(|error| error.to_string())?.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Init(arguments) => return init::run(arguments),
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
            let _log = start_logging(&cli, None, "warn,hookstream::kafka=error")?;
            crate::dev::run(&cli, arguments, shutdown).await
        }
        Command::Serve(arguments) => {
            let (config, fingerprint) = Config::load_with_fingerprint(cli.config_file())?;
            let log = Arc::new(start_logging(&cli, Some(&config), "info")?);
            serve::run(config, fingerprint, arguments, &log, shutdown).await
        }
        Command::Enrich(arguments) => {
            let (config, fingerprint) = Config::load_with_fingerprint(cli.config_file())?;
            let log = Arc::new(start_logging(&cli, Some(&config), "info")?);
            enrich::run(config, fingerprint, arguments, &log, shutdown).await
        }
        Command::Send(arguments) => {
            let (config, _log) = configured_or_default(&cli)?;
            send::run(config, arguments, shutdown).await
        }
        Command::Tail(arguments) => {
            let (config, _log) = configured_or_default(&cli)?;
            tail::run(config, arguments, shutdown).await
        }
        Command::Check(arguments) => {
            // What a client would log, the table says.
            let (config, _log) = configured(&cli, "error")?;
            check::run(&config, arguments).await
        }
        Command::Explain(arguments) => {
            let (config, _log) = configured_or_default(&cli)?;
            explain::run(&config, arguments).await
        }
        Command::Providers(arguments) => {
            let (config, _log) = configured_or_default(&cli)?;
            providers::run(&config, arguments)
        }
        Command::Topics(arguments) => {
            let (config, _log) = configured(&cli, "warn")?;
            topics::run(config, arguments).await
        }
        Command::Spool(Spool::List(arguments)) => {
            let (config, _log) = configured_or_default(&cli)?;
            spool::list(&config, arguments)
        }
        Command::Spool(Spool::Verify(arguments)) => {
            let (config, _log) = configured_or_default(&cli)?;
            spool::verify(&config, arguments)
        }
        Command::Spool(Spool::Drain(arguments)) => {
            let (config, _log) = configured(&cli, "warn")?;
            spool::drain(config, arguments, shutdown).await
        }
        Command::Completions { .. } | Command::Man | Command::Init(_) => Ok(ExitCode::SUCCESS),
    }
}

/// The configuration, and logging as it says.
fn configured(cli: &Cli, level: &str) -> Result<(Config, Logging), Failure> {
    let config = Config::load(cli.config_file())?;
    let log = start_logging(cli, Some(&config), level)?;
    Ok((config, log))
}

/// The same, with every default where there is no file: for tools that also work without one.
fn configured_or_default(cli: &Cli) -> Result<(Config, Logging), Failure> {
    let path = cli.config_file();
    // A file that was asked for must be there; the default one may be missing.
    if cli.config.is_some() || path.exists() {
        return configured(cli, "warn");
    }
    Ok((Config::parse(path, "", config::variables())?, start_logging(cli, None, "warn")?))
}

fn start_logging(cli: &Cli, config: Option<&Config>, level: &str) -> Result<Logging, String> {
    let file = config.map(|config| &config.log);
    let format = cli.log_format.or(file.map(|log| log.format)).unwrap_or(LogFormat::Auto);
    let file = file.and_then(|log| log.level.as_deref());
    logging::start(format, cli.log_level.as_deref(), file, level)
}
