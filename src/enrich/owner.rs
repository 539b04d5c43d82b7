//! The owner loop: one thread that owns the consumer, the lanes and the transactional producer.
//!
//! Poll, admit, collect, commit when due. Rebalances, restored claims and fetched records come as messages; nothing in
//! here waits for a provider, and no transaction is open while anything is being fetched.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::EnrichError;
use super::account::Accounts;
use super::claims::Window;
use super::commit::Committer;
use super::fetch::{Done, Fetcher};
use super::holding::{Holding, Role};
use super::plan::Shared;
use super::progress::Progress;
use super::rate::share;
use super::restore::{Job, Restored, Restorer};
use super::source::Sources;
use super::work::Work;
use crate::config::EnrichConfig;
use crate::kafka::barrier::ReadError;
use crate::kafka::{Change, GroupConsumer, Partition, Polled, Stored};
use crate::shutdown::Shutdown;
use crate::telemetry::EnrichMetrics;

/// The longest wait for a record, and the wait while answers are expected: they are looked at between two waits.
const IDLE: Duration = Duration::from_millis(50);
const BUSY: Duration = Duration::from_millis(2);

/// Records taken in one round, so that a full topic does not keep the loop from its other duties.
const AT_ONCE: usize = 500;

/// A fetch starts only if the last poll is younger than this, which is less than the shortest session timeout that
/// brokers allow: after a longer pause others may own the partitions.
const FRESH: Duration = Duration::from_secs(5);

/// How often a failed restore is begun again.
const RESTORE_AGAIN: Duration = Duration::from_secs(1);

/// How often gauges are set, old claims leave and new credentials are taken over.
const TELL: Duration = Duration::from_secs(1);

/// How long a question for a topic's partitions may take.
const LOOK: Duration = Duration::from_secs(3);

/// How long leaving the group may take.
const CLOSE: Duration = Duration::from_secs(5);

/// Claims that one partition keeps in memory at most: about 1 GiB. Beyond it the window is shorter than promised, and
/// a metric says so.
const MAX_CLAIMS: usize = 32_000_000;

/// The loop and everything it owns.
pub(crate) struct Owner {
    pub(super) config: EnrichConfig,
    pub(super) sources: Sources,
    pub(super) shared: Shared,
    pub(super) accounts: Accounts,
    pub(super) consumer: GroupConsumer,
    pub(super) committer: Committer,
    pub(super) fetcher: Fetcher,
    pub(super) answers: mpsc::Receiver<Done>,
    pub(super) restorer: Restorer,
    pub(super) holdings: BTreeMap<Partition, Holding>,
    /// Claims of partitions that went away, should they come back.
    pub(super) shelf: HashMap<Partition, Window>,
    pub(super) partitions: HashMap<Arc<str>, usize>,
    /// Whether every source's share of its budget is known.
    pub(super) shares_known: bool,
    pub(super) epoch: u64,
    pub(super) polled_at: Instant,
    /// Where the next round of admission begins, so that no partition always comes first.
    pub(super) turn: Option<Partition>,
    pub(super) told_at: Option<Instant>,
    pub(super) metrics: EnrichMetrics,
    pub(super) progress: Arc<Progress>,
    pub(super) shutdown: Shutdown,
}

impl Owner {
    /// Run until told to stop.
    ///
    /// # Errors
    /// What only a new process, or a person, can put right.
    pub(crate) fn run(mut self) -> Result<(), EnrichError> {
        let mut result = Ok(());
        while result.is_ok() && !self.shutdown.is_requested() {
            result = self.round();
        }
        self.finish(result.is_ok());
        result
    }

    fn round(&mut self) -> Result<(), EnrichError> {
        self.poll()?;
        self.admit();
        self.collect();
        self.commit_when_due()?;
        self.steer();
        self.tell();
        Ok(())
    }

    /// Take in what came: rebalances first, then records, in the order of the partition.
    fn poll(&mut self) -> Result<(), EnrichError> {
        let mut patience = if self.accounts.under_way() > 0 || self.has_finished() { BUSY } else { IDLE };
        for _ in 0..AT_ONCE {
            let polled = self.consumer.poll(patience);
            self.polled_at = Instant::now();
            patience = Duration::ZERO;
            self.rebalance();
            match polled {
                Polled::Record(stored) => self.take_in(*stored),
                Polled::Nothing => break,
                Polled::Trouble(why) => {
                    tracing::debug!(why, "the consumer met trouble and goes on");
                    break;
                }
                Polled::Fatal(why) => return Err(EnrichError::Consumer(why)),
            }
        }
        let restored: Vec<Restored> = self.restorer.done().collect();
        restored.into_iter().for_each(|each| self.restored(each));
        self.begin_restores();
        Ok(())
    }

    fn take_in(&mut self, stored: Stored) {
        let now = Instant::now();
        let Some(holding) = self.holdings.get_mut(&stored.partition) else { return };
        let age = Timestamp::now().as_millisecond().saturating_sub(stored.timestamp_ms);
        let age = Duration::from_millis(age.try_into().unwrap_or(0));
        let work = match holding.role {
            Role::Raw { .. } => Work::raw(stored, &self.sources),
            Role::Retry(_) => Work::token(stored, &self.sources),
        };
        holding.take_in(work, age, now);
        if !holding.paused && !holding.wants_more(now) && self.consumer.pause([&holding.partition]).is_ok() {
            holding.paused = true;
        }
    }

    /// What was revoked is dropped and nothing of it committed: it is done again elsewhere.
    fn rebalance(&mut self) {
        let changes: Vec<Change> = self.consumer.changes().collect();
        if changes.is_empty() {
            return;
        }
        for change in changes {
            match change {
                Change::Assigned(partitions) => {
                    tracing::info!(partitions = %names(&partitions), "partitions came");
                    partitions.into_iter().for_each(|partition| self.assigned(partition));
                }
                Change::Revoked(partitions) => {
                    tracing::info!(partitions = %names(&partitions), "partitions went");
                    partitions.into_iter().for_each(|partition| self.revoked(&partition));
                }
            }
        }
        self.share_budgets();
    }

    fn assigned(&mut self, partition: Partition) {
        self.epoch += 1;
        let known = self.partitions.get(&partition.topic).copied();
        if known.is_some_and(|count| usize::try_from(partition.number).is_ok_and(|number| number >= count)) {
            tracing::error!(
                %partition,
                "partitions were added to this topic: copies of one event on both sides of the change have two owners, and exactly-once does not hold for them"
            );
            self.partitions.remove(&partition.topic);
        }
        let role = match self.shared.delay_of(&partition.topic) {
            Some(delay) => Role::Retry(delay),
            None => Role::Raw {
                sources: self.sources.of_topic(&partition.topic).cloned().collect(),
                alone: self.sources.has_one_account(&partition.topic),
            },
        };
        let window = self.shelf.remove(&partition).unwrap_or_else(|| empty(&self.config));
        let holding = Holding::new(partition.clone(), self.epoch, role, window);
        self.holdings.insert(partition, holding);
    }

    fn revoked(&mut self, partition: &Partition) {
        let Some(holding) = self.holdings.remove(partition) else { return };
        let raw = matches!(holding.role, Role::Raw { .. });
        if let Some(window) = holding.leave()
            && raw
        {
            self.shelf.insert(partition.clone(), window);
        }
    }

    /// The budget follows what is owned.
    fn share_budgets(&mut self) {
        let owned = |topic: &str| self.holdings.keys().filter(|partition| *partition.topic == *topic).count();
        let owned_retry: usize = self.shared.retry_topics().map(|(_, topic)| owned(topic)).sum();
        let retry_topics: Vec<Arc<str>> = self.shared.retry_topics().map(|(_, topic)| Arc::clone(topic)).collect();
        let raw: Vec<(Arc<str>, Arc<str>, usize)> = self
            .sources
            .iter()
            .map(|source| (Arc::clone(&source.name), Arc::clone(&source.raw_topic), owned(&source.raw_topic)))
            .collect();
        self.shares_known = false;
        let Some(all_retry) = retry_topics.iter().map(|topic| self.partition_count(topic)).sum::<Option<usize>>()
        else {
            return;
        };
        for (source, topic, owned_raw) in raw {
            // The others keep what they have; all are asked for again within a second.
            let Some(all_raw) = self.partition_count(&topic) else { return };
            self.accounts.set_share(&source, share(owned_raw, all_raw, owned_retry, all_retry));
        }
        self.shares_known = true;
    }

    /// Partitions are chosen once, so a count is asked for once. A topic that does not exist has none.
    fn partition_count(&mut self, topic: &Arc<str>) -> Option<usize> {
        if let Some(count) = self.partitions.get(topic) {
            return Some(*count);
        }
        match self.consumer.partition_count(topic, LOOK) {
            Ok(Some(count)) => {
                self.partitions.insert(Arc::clone(topic), count);
                Some(count)
            }
            Ok(None) => Some(0),
            Err(error) => {
                tracing::warn!(%topic, error, "the topic's partitions are not known yet; budgets stay as they are until they are");
                None
            }
        }
    }

    fn begin_restores(&mut self) {
        let now = Instant::now();
        for holding in self.holdings.values_mut() {
            let Role::Raw { sources, .. } = &holding.role else { continue };
            let sources = sources.clone();
            let Some((window, cancelled)) = holding.begin_restore(now, empty(&self.config)) else { continue };
            let (partition, epoch) = (holding.partition.clone(), holding.epoch);
            self.restorer.restore(Job { partition, epoch, sources, window, cancelled });
        }
    }

    fn restored(&mut self, restored: Restored) {
        let Restored { partition, epoch, window, dropped, committed, took } = restored;
        self.dropped_claims(&partition, dropped);
        let holding = self.holdings.get_mut(&partition).filter(|holding| holding.epoch == epoch);
        match (holding, committed) {
            (Some(holding), Ok(committed)) => {
                tracing::info!(%partition, committed, ids = window.len(), ?took, "claimed ids restored");
                self.metrics.restored("restored", took);
                holding.restored(window, committed);
            }
            (Some(holding), Err(error)) => {
                tracing::warn!(%partition, %error, "claimed ids could not be restored; again");
                self.metrics.restored("failed", took);
                holding.restore_again(window, Instant::now() + RESTORE_AGAIN);
            }
            (None, Ok(_) | Err(ReadError::Cancelled | ReadError::Kafka(_))) => self.metrics.restored("cancelled", took),
        }
    }

    pub(super) fn dropped_claims(&self, partition: &Partition, dropped: usize) {
        if dropped > 0 {
            tracing::error!(%partition, dropped, "more ids than memory is meant for: the window is shorter than enrich.window, older copies would pass");
            self.metrics.ids_dropped.inc_by(dropped.try_into().unwrap_or(u64::MAX));
        }
    }

    /// Pause what is full or not due, resume what has drained.
    fn steer(&mut self) {
        let now = Instant::now();
        for holding in self.holdings.values_mut() {
            let wanted = holding.wants_more(now);
            let done = match (holding.paused, wanted) {
                (true, true) => self.consumer.resume([&holding.partition]),
                (false, false) => self.consumer.pause([&holding.partition]),
                (true, false) | (false, true) => continue,
            };
            match done {
                Ok(()) => holding.paused = !wanted,
                Err(error) => {
                    tracing::warn!(partition = %holding.partition, error, "could not pause or resume; again in the next round")
                }
            }
        }
    }

    /// Fetches may start: we have polled lately and the group still counts us in.
    pub(super) fn is_fresh(&self) -> bool {
        self.polled_at.elapsed() < FRESH && !self.consumer.assignment_lost()
    }

    fn tell(&mut self) {
        self.progress.beat(&self.metrics);
        let now = Instant::now();
        if self.told_at.is_some_and(|at| now.duration_since(at) < TELL) {
            return;
        }
        self.told_at = Some(now);
        if let Some(accounts) = self.progress.renewed() {
            let renewed = self.accounts.renew(accounts);
            tracing::info!(renewed, "credentials of the providers' APIs taken over");
        }
        if !self.shares_known {
            self.share_budgets();
        }
        self.tidy_shelf();
        let now_ms = Timestamp::now().as_millisecond();
        let mut lag: BTreeMap<Arc<str>, i64> =
            self.sources.iter().map(|source| (Arc::clone(&source.name), 0)).collect();
        for holding in self.holdings.values_mut() {
            holding.expire(now_ms);
            let events =
                holding.lane.slots().filter_map(|slot| Some((slot.item.event()?, slot.item.stored.timestamp_ms)));
            if let (Role::Raw { .. }, Some((event, oldest))) = (&holding.role, events.take(1).next()) {
                let lag = lag.entry(Arc::clone(&event.source.name)).or_default();
                *lag = (*lag).max(now_ms - oldest);
            }
        }
        let count = |test: fn(&Holding) -> bool| self.holdings.values().filter(|holding| test(holding)).count();
        let restoring = count(|holding| !holding.is_open());
        self.metrics.lags(&lag);
        self.metrics.partitions(self.holdings.len(), restoring, count(|holding| holding.is_open() && holding.paused));
        self.metrics.ids.set(self.holdings.values().map(Holding::claims).sum::<usize>().try_into().unwrap_or(i64::MAX));
        self.metrics.fetches_under_way.set(self.accounts.under_way().try_into().unwrap_or(i64::MAX));
        self.metrics.accounts_away(self.accounts.away());
        self.progress.owns(self.holdings.len(), restoring, self.consumer.is_member());
    }

    /// Claims of partitions that went away leave with their window, and all of them where they would fill the memory:
    /// a partition that comes back is then read again.
    fn tidy_shelf(&mut self) {
        let now_ms = Timestamp::now().as_millisecond();
        self.shelf.values_mut().for_each(|window| window.expire(now_ms));
        self.shelf.retain(|_, window| window.len() > 0);
        if self.shelf.values().map(Window::len).sum::<usize>() > MAX_CLAIMS {
            self.shelf.clear();
        }
    }

    /// What is finished is committed, what is under way is done again by whoever comes next.
    fn finish(mut self, in_order: bool) {
        if in_order && let Err(error) = self.commit_last() {
            tracing::warn!(%error, "the last commit failed; its events are done again");
        }
        for (_, holding) in std::mem::take(&mut self.holdings) {
            holding.leave();
        }
        self.consumer.close(CLOSE);
    }
}

fn empty(config: &EnrichConfig) -> Window {
    Window::new(config.window.as_millis().try_into().unwrap_or(i64::MAX), MAX_CLAIMS)
}

fn names(partitions: &[Partition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
