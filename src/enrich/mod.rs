//! `enrich`: full records beside the events, exactly once.
//!
//! One thread, the `owner`, holds the consumer, the lanes and the transactional producer; `admit` and `commit` are the
//! two halves of its round. The bookkeeping is pure and apart from it: `lane` (what is undecided), `claims` (which
//! events are claimed), `account` with `rate` and `breaker` (who may ask), `answer` and `verdict` (what an answer
//! decides), `schedule` (when again), `plan` (what a decision writes). `fetch` and `restore` work beside the loop and
//! send messages to it.

mod account;
mod admit;
mod answer;
mod breaker;
mod claims;
mod commit;
mod fetch;
mod holding;
mod lane;
mod limits;
mod owner;
mod plan;
mod progress;
mod rate;
mod restore;
mod schedule;
mod source;
mod verdict;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;

use crate::config::Config;
use crate::kafka::GroupConsumer;
use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;
pub use progress::{Progress, Settled};

/// Why an enricher ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum EnrichError {
    /// A setting, a credential or a resource of the machine.
    #[error("{0}")]
    Start(String),
    /// The consumer cannot go on.
    #[error("the kafka consumer ended: {0}")]
    Consumer(String),
    /// Another process uses the same transactional id.
    #[error(
        "another enricher uses the transactional id `{0}` too and has taken over twice within a minute; give each instance its own enrich.instance"
    )]
    Twin(String),
    /// After a transaction of unknown outcome the committed offsets were neither the old nor the new ones.
    #[error("the group's offsets were changed by somebody else: {0}")]
    Contradiction(String),
    /// The loop's thread died.
    #[error("the enricher's thread ended with a panic")]
    Panic,
}

/// Enrich until told to stop: then what is finished is committed, and the group left.
///
/// # Errors
/// What a retry inside this process cannot put right.
pub async fn run(
    config: &Config,
    metrics: &Metrics,
    progress: Arc<Progress>,
    shutdown: Shutdown,
) -> Result<(), EnrichError> {
    let owner = assemble(config, metrics, progress, shutdown).map_err(EnrichError::Start)?;
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("enrich".to_owned())
        .spawn(move || {
            // Dropped unsent when the loop panics.
            let _ = ended.send(owner.run());
        })
        .map_err(|error| EnrichError::Start(format!("cannot start a thread: {error}")))?;
    end.await.unwrap_or(Err(EnrichError::Panic))
}

fn assemble(
    config: &Config,
    metrics: &Metrics,
    progress: Arc<Progress>,
    shutdown: Shutdown,
) -> Result<owner::Owner, String> {
    let names: Vec<&str> = config.sources.keys().map(String::as_str).collect();
    metrics.enrich.begin(&names, &verdict::OUTCOMES, &commit::OUTCOMES);
    let (sources, accounts) = source::Sources::new(config)?;
    let shared = plan::Shared::new(&config.kafka.topics);
    let (fetcher, answers) = fetch::Fetcher::new(Handle::current(), config.enrich.max_record, metrics.enrich.clone())?;
    let raw: BTreeSet<Arc<str>> = sources.iter().map(|source| Arc::clone(&source.raw_topic)).collect();
    let topics = raw.into_iter().chain(shared.retry_topics().map(|(_, topic)| Arc::clone(topic))).collect();
    Ok(owner::Owner {
        consumer: GroupConsumer::join(&config.kafka, &config.enrich.group, topics)?,
        committer: commit::Committer::new(config.kafka.clone(), config.transactional_id()),
        restorer: restore::Restorer::start(config)?,
        config: config.enrich.clone(),
        sources,
        shared,
        accounts,
        fetcher,
        answers,
        holdings: BTreeMap::new(),
        shelf: HashMap::new(),
        partitions: HashMap::new(),
        shares_known: false,
        epoch: 0,
        polled_at: Instant::now(),
        turn: None,
        told_at: None,
        metrics: metrics.enrich.clone(),
        progress,
        shutdown,
    })
}
