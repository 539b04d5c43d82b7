//! The command line. Help, completions, man page and docs/reference/cli.md all come from these declarations.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{Length, LogFormat};
use crate::kafka::print::Language;

/// Webhooks into Kafka: verified, in one envelope, none lost; the full records from the providers' APIs beside them.
#[derive(Debug, Parser)]
#[command(name = "hookstream", version, propagate_version = true, arg_required_else_help = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, `check` found something or `explain` nothing, 2 wrong usage, 75 records remain in the spool, 78 wrong configuration."
)]
pub struct Cli {
    /// The configuration file. Default: hookstream.toml.
    #[arg(long, short, global = true, env = "HOOKSTREAM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How log lines on stderr look.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// error, warn, info, debug, trace, or a filter as RUST_LOG takes it.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The configuration file, named or not.
    pub fn config_file(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new("hookstream.toml"))
    }
}

/// What hookstream can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try everything in one process: gateway, enricher, a Kafka stand-in and the providers' APIs. With --config: your sources.
    Dev(Dev),
    /// Write a commented configuration for these providers to stdout.
    Init(Init),
    /// Take webhooks, verify them, and make them durable in Kafka.
    Serve(Serve),
    /// Fetch the full records and write them beside the events, exactly once.
    Enrich(Enrich),
    /// Send a signed sample event, as the provider would.
    Send(Send),
    /// Print the records of a topic.
    Tail(Tail),
    /// Check configuration, secrets, provider files, Kafka and topics.
    Check(Check),
    /// Say why a request was refused, and what to do.
    Explain(Explain),
    /// List the providers, or describe one.
    Providers(Providers),
    /// The topics and access rights that hookstream needs.
    #[command(subcommand)]
    Topics(Topics),
    /// What waits on a spool's disk, whether it can be read, and putting it into Kafka.
    #[command(subcommand)]
    Spool(Spool),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the man page.
    Man,
}

/// `dev`
#[derive(Debug, Args)]
pub struct Dev {
    /// Where webhooks are taken. Port 0, or a taken one: a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where metrics, health and status are. Port 0, or a taken one: a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9464")]
    pub admin: SocketAddr,
    /// A real Kafka instead of the stand-in; topics that are missing are created there.
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// Where the stand-in for Kafka listens. Port 0, or a taken one: a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9092", conflicts_with = "kafka")]
    pub kafka_listen: SocketAddr,
    /// Send no samples at the start.
    #[arg(long)]
    pub no_samples: bool,
    /// Another provider as a source of its own; may be given several times.
    #[arg(long, value_name = "PROVIDER")]
    pub source: Vec<String>,
    /// A real secret for a source, to receive real webhooks. May be given several times.
    #[arg(long, value_name = "SOURCE=SECRET", value_parser = source_secret)]
    pub secret: Vec<(String, String)>,
    /// The URL under which providers reach this machine, for those that sign it.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Show the secrets in use.
    #[arg(long)]
    pub print_secrets: bool,
    /// One JSON object per row instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// `init`
#[derive(Debug, Args)]
pub struct Init {
    /// The providers that send, as `hookstream providers` names them.
    #[arg(value_name = "PROVIDER")]
    pub providers: Vec<String>,
    /// The URL under which providers will reach the gateway, without a path.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// A directory of provider files of your own.
    #[arg(long, value_name = "DIR")]
    pub providers_dir: Option<PathBuf>,
}

/// `serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Instead of gateway.listen.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Instead of admin.listen.
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
}

/// `enrich`
#[derive(Debug, Args)]
pub struct Enrich {
    /// Instead of admin.listen.
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
}

/// `send`
#[derive(Debug, Args)]
pub struct Send {
    /// The source of the configuration, or, without a configuration, the provider.
    pub source: String,
    /// The type of event; the provider's first sample when left out.
    #[arg(long, value_name = "TYPE")]
    pub r#type: Option<String>,
    /// The gateway. Default: gateway.listen of the configuration, or 127.0.0.1:8080.
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// The secret to sign with, as env:NAME or file:PATH. Default: the source's first, or the one that `dev` uses.
    #[arg(long, value_name = "REF")]
    pub secret: Option<String>,
    /// The private key (PKCS #8) for schemes with a key pair. Default: your own dev key, made where there is none.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Send the body in this file instead of a sample.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Change one byte after signing, as a forger would.
    #[arg(long)]
    pub tamper: bool,
    /// How many events.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub count: u64,
    /// Events per second at most. Default: one after the other, as fast as they are answered.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: Option<u32>,
    /// One JSON object per event instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// `tail`
#[derive(Debug, Args)]
pub struct Tail {
    /// The topic, or a source's name for its raw topic.
    pub topic: String,
    /// Kafka. Default: kafka.bootstrap_servers of the configuration, or localhost:9092.
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// Only what arrives from now on, instead of everything that is there.
    #[arg(long)]
    pub new: bool,
    /// Stop after so many records.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Stop when nothing came for this long.
    #[arg(long, value_name = "TIME")]
    pub idle: Option<Length>,
    /// Show records of open and aborted transactions too.
    #[arg(long)]
    pub uncommitted: bool,
    /// One JSON object per record: topic, partition, offset, timestamp, key, headers, value.
    #[arg(long)]
    pub json: bool,
}

/// `check`
#[derive(Debug, Args)]
pub struct Check {
    /// Do not ask Kafka.
    #[arg(long)]
    pub offline: bool,
    /// One JSON object per row instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// `explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// The request id of a refusal, as the provider's dashboard shows it; or a file with the captured request (raw HTTP, a curl command line, HAR, an API gateway's JSON), - for stdin.
    pub request: String,
    /// The source that a captured request was meant for; without a configuration, the provider. Default: the one whose path it has.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// The admin address of the running gateway; several where there are several. Default: admin.listen of the configuration.
    #[arg(long, value_name = "HOST:PORT")]
    pub admin: Vec<String>,
    /// A further secret to try on a captured request, as env:NAME or file:PATH.
    #[arg(long, value_name = "REF")]
    pub secret: Vec<String>,
    /// When a captured request was received, in RFC 3339. Default: now, and its age is no fault.
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// One JSON object instead of the text.
    #[arg(long)]
    pub json: bool,
}

/// `providers`
#[derive(Debug, Args)]
pub struct Providers {
    /// Describe this one.
    pub name: Option<String>,
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// `topics`
#[derive(Debug, Subcommand)]
pub enum Topics {
    /// What is needed, beside what is there.
    List(TopicsList),
    /// Create what is missing and set what may be set.
    Apply(TopicsApply),
}

/// `topics list`
#[derive(Debug, Args)]
pub struct TopicsList {
    /// Print what is needed, with access rights, for clusters where somebody else creates topics. Kafka is not asked.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub r#as: Option<Language>,
    /// One JSON object per row instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// `topics apply`
#[derive(Debug, Args)]
pub struct TopicsApply {
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// One JSON object per row instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// `spool`
#[derive(Debug, Subcommand)]
pub enum Spool {
    /// What waits, and what was kept aside, by source and topic. Also beside a running instance.
    List(SpoolLook),
    /// Read everything and name what is damaged: exit code 1 if something is. Also beside a running instance.
    Verify(SpoolLook),
    /// Put what waits into Kafka without its instance: exit code 75 if records remain.
    Drain(SpoolDrain),
}

/// `spool list` and `spool verify`
#[derive(Debug, Args)]
pub struct SpoolLook {
    /// The directory. Default: spool.dir.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// One JSON object per row instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// `spool drain`
#[derive(Debug, Args)]
pub struct SpoolDrain {
    /// The directory. Default: spool.dir.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Give up after this long.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub timeout: Length,
    /// Also try again what Kafka had refused and was kept aside.
    #[arg(long)]
    pub refused: bool,
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

fn source_secret(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((source, secret)) if !source.is_empty() && !secret.is_empty() => {
            Ok((source.to_owned(), secret.to_owned()))
        }
        _ => Err("write SOURCE=SECRET, for example stripe=whsec_…".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_declarations_are_consistent() {
        Cli::command().debug_assert();
    }
}
