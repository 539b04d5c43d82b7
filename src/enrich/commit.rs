//! Commits: the finished prefixes of all lanes in one transaction, and what to do when its outcome is not known.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::EnrichError;
use super::holding::Committed;
use super::owner::Owner;
use super::plan::records;
use super::verdict::{Dead, Decision};
use crate::config::KafkaConfig;
use crate::kafka::client::TRANSACTION_TIMEOUT;
use crate::kafka::{Abort, Batch, Partition, Refusal, TransactionOutcome as Outcome, Transactor};

/// How a transaction ends: the metric's labels.
pub(super) const OUTCOMES: [&str; 4] = [COMMITTED, ABORTED, FENCED, UNKNOWN];
const COMMITTED: &str = "committed";
const ABORTED: &str = "aborted";
const FENCED: &str = "fenced";
const UNKNOWN: &str = "unknown";

/// What is finished is committed this often.
const EVERY: Duration = Duration::from_millis(200);

/// A transaction takes at most this many records, and about so many bytes.
const MAX_EVENTS: usize = 1_000;
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Opening a producer may take this long; the loop stands still meanwhile.
const OPEN: Duration = Duration::from_secs(5);

/// Committed offsets are waited for as long as a transaction may stay undecided.
const DOUBT: Duration = TRANSACTION_TIMEOUT;

/// The pauses after a transaction that failed.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Fenced twice within this time means that another process uses our transactional id.
const TWIN: Duration = Duration::from_secs(60);

/// The transactional producer with what is known of its last transaction.
pub(crate) struct Committer {
    kafka: KafkaConfig,
    id: String,
    producer: Option<Transactor>,
    /// Parts of a transaction whose outcome is not known. Nothing is written before it is.
    doubt: Vec<Part>,
    committed_at: Instant,
    not_before: Option<Instant>,
    pause: Duration,
    fenced: VecDeque<Instant>,
}

/// What a transaction takes from one lane.
#[derive(Clone, Debug)]
struct Part {
    partition: Partition,
    epoch: u64,
    /// What was committed before; nothing where it was not known: the first transaction of a retry partition.
    before: Option<Committed>,
    next: i64,
}

/// A batch and where its parts come from.
#[derive(Default)]
struct Gathered {
    batch: Batch,
    parts: Vec<Part>,
    /// The record of a lane that each record of the batch stands for.
    of: Vec<(Partition, i64)>,
}

impl Committer {
    /// A committer that opens its producer at the first commit.
    pub(crate) fn new(kafka: KafkaConfig, id: String) -> Self {
        Self {
            kafka,
            id,
            producer: None,
            doubt: Vec::new(),
            committed_at: Instant::now(),
            not_before: None,
            pause: FIRST_PAUSE,
            fenced: VecDeque::new(),
        }
    }

    /// After trouble: when to try again.
    fn back_off(&mut self) {
        self.not_before = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn went_well(&mut self) {
        self.not_before = None;
        self.pause = FIRST_PAUSE;
        self.committed_at = Instant::now();
    }

    /// A producer that is ready; opened anew where there is none.
    fn producer(&mut self) -> Result<&Transactor, String> {
        match &mut self.producer {
            Some(producer) => Ok(producer),
            none => Ok(none.insert(Transactor::open(&self.kafka, &self.id, OPEN)?)),
        }
    }

    /// Another producer took our id. Once happens: an instance that was taken for dead. Twice is a twin.
    fn note_fenced(&mut self) -> Result<(), EnrichError> {
        let now = Instant::now();
        self.fenced.retain(|at| now.duration_since(*at) < TWIN);
        self.fenced.push_back(now);
        if self.fenced.len() >= 2 { Err(EnrichError::Twin(self.id.clone())) } else { Ok(()) }
    }
}

impl Owner {
    /// Whether anything could be committed.
    pub(super) fn has_finished(&self) -> bool {
        let now = Instant::now();
        self.holdings.values().any(|holding| holding.committable(now).next().is_some())
    }

    /// Commit, if it is time.
    pub(super) fn commit_when_due(&mut self) -> Result<(), EnrichError> {
        let now = Instant::now();
        if self.committer.not_before.is_some_and(|at| now < at) {
            return Ok(());
        }
        // Opened before it is needed, so that the first commit need not wait for it.
        match self.committer.producer() {
            Ok(producer) => producer.poll(),
            Err(why) => {
                self.trouble(&why);
                return Ok(());
            }
        }
        if self.is_due(now) { self.commit() } else { Ok(()) }
    }

    /// Commit what is finished, before leaving.
    pub(super) fn commit_last(&mut self) -> Result<(), EnrichError> {
        if self.committer.doubt.is_empty() && self.committer.producer.is_some() && self.has_finished() {
            self.commit()?;
        }
        Ok(())
    }

    fn is_due(&self, now: Instant) -> bool {
        let (mut events, mut bytes) = (0, 0);
        for (slot, _) in self.holdings.values().flat_map(|holding| holding.committable(now)) {
            events += 1;
            bytes += slot.bytes();
        }
        let elapsed = now.duration_since(self.committer.committed_at);
        events >= MAX_EVENTS
            || bytes >= MAX_BYTES
            || (events > 0 && elapsed >= EVERY)
            || !self.committer.doubt.is_empty()
    }

    fn commit(&mut self) -> Result<(), EnrichError> {
        if !self.committer.doubt.is_empty() && !self.resolve()? {
            return Ok(());
        }
        let gathered = self.gather();
        if gathered.parts.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        let Ok(producer) = self.committer.producer() else { return Ok(()) };
        tracing::debug!(
            records = gathered.batch.records.len(),
            partitions = gathered.parts.len(),
            "a transaction begins"
        );
        let outcome = producer.commit(&gathered.batch, &self.consumer);
        match outcome {
            Outcome::Committed(offsets) => {
                self.metrics.transaction(COMMITTED, start.elapsed());
                self.committer.went_well();
                if self.holdings.values().all(|holding| holding.refused_until.is_none_or(|until| until <= start)) {
                    self.progress.trouble(None);
                }
                self.note_ids(&gathered, &offsets);
                self.release(&gathered.parts);
            }
            Outcome::Aborted(abort) => {
                self.metrics.transaction(ABORTED, start.elapsed());
                self.aborted(&gathered, &abort);
            }
            Outcome::Unknown { why, fenced } => {
                self.metrics.transaction(if fenced { FENCED } else { UNKNOWN }, start.elapsed());
                tracing::warn!(
                    why,
                    fenced,
                    "the outcome of a transaction is not known; finding out before anything else is written"
                );
                if let Some(producer) = self.committer.producer.take() {
                    producer.retire();
                }
                self.committer.doubt = gathered.parts;
                // A transaction that took longer than it may was fenced by the broker itself.
                if fenced && start.elapsed() < TRANSACTION_TIMEOUT {
                    self.committer.note_fenced()?;
                }
                self.committer.back_off();
            }
        }
        Ok(())
    }

    /// The run of decided records of every lane, as far as one transaction takes them. A slow provider's lanes add
    /// nothing and cost nothing.
    fn gather(&self) -> Gathered {
        let (now, instant) = (Timestamp::now(), Instant::now());
        let mut gathered = Gathered::default();
        let (mut events, mut bytes) = (0, 0);
        for holding in self.holdings.values() {
            let mut next = None;
            for (slot, decision) in holding.committable(instant) {
                if events >= MAX_EVENTS || bytes >= MAX_BYTES {
                    break;
                }
                for record in records(&slot.item, decision, &self.shared, now) {
                    bytes += record.key.len() + record.value.len();
                    gathered.batch.records.push(record);
                    gathered.of.push((holding.partition.clone(), slot.offset));
                }
                events += 1;
                next = Some(slot.offset + 1);
            }
            if let Some(next) = next {
                gathered.batch.offsets.push((holding.partition.clone(), next));
                let (partition, epoch, before) = (holding.partition.clone(), holding.epoch, holding.committed);
                gathered.parts.push(Part { partition, epoch, before, next });
            }
        }
        gathered
    }

    /// A transaction is committed: its records leave their lanes.
    fn release(&mut self, parts: &[Part]) {
        let now_ms = Timestamp::now().as_millisecond();
        for part in parts {
            let holding = self.holdings.get_mut(&part.partition).filter(|holding| holding.epoch == part.epoch);
            let Some(holding) = holding else { continue };
            let (slots, dropped) = holding.commit(part.next, now_ms);
            for slot in &slots {
                self.progress.settled(slot, &self.metrics);
            }
            self.dropped_claims(&part.partition, dropped);
        }
    }

    /// The ids records of a commit are known here: should the partition come back, it need not be read that far.
    fn note_ids(&mut self, gathered: &Gathered, offsets: &[i64]) {
        for ((record, (partition, _)), offset) in gathered.batch.records.iter().zip(&gathered.of).zip(offsets) {
            let is_ids = self.sources.of_topic(&partition.topic).any(|source| source.ids_topic == record.topic);
            if is_ids && let Some(holding) = self.holdings.get_mut(partition) {
                holding.known_until(&record.topic, offset + 1);
            }
        }
    }

    /// Nothing was written. What Kafka would refuse again is decided anew; the rest goes into the next transaction.
    fn aborted(&mut self, gathered: &Gathered, abort: &Abort) {
        let culprit = abort.refused.and_then(|(index, refusal)| Some((gathered.of.get(index)?, refusal)));
        match culprit {
            Some(((partition, offset), Refusal::TooLarge)) => {
                tracing::warn!(%partition, offset, "a record is too large for its topic; it becomes a dead letter");
                if let Some(holding) = self.holdings.get_mut(partition) {
                    shrink(holding, *offset);
                }
                self.committer.not_before = None;
            }
            Some(((partition, _), Refusal::NotAuthorised | Refusal::NoTopic | Refusal::Timestamp | Refusal::Other)) => {
                // A source whose topic or right is missing waits for somebody; the others go on without it.
                let why = format!("what {partition} leads to cannot be written: {}", abort.why);
                tracing::error!(why, "this partition waits; `hookstream check` says what is missing");
                self.progress.trouble(Some(&why));
                if let Some(holding) = self.holdings.get_mut(partition) {
                    holding.refused_until = Some(Instant::now() + LONGEST_PAUSE);
                }
            }
            None => self.trouble(&abort.why),
        }
    }

    /// Say it, and leave Kafka alone for a while.
    fn trouble(&mut self, why: &str) {
        tracing::warn!(why, "nothing could be committed; again soon");
        self.progress.trouble(Some(why));
        self.committer.back_off();
    }

    /// The new producer has ended the old transaction one way or the other; the committed offsets say which. False: not
    /// known yet.
    fn resolve(&mut self) -> Result<bool, EnrichError> {
        let held =
            |part: &Part, owner: &Self| owner.holdings.get(&part.partition).is_some_and(|h| h.epoch == part.epoch);
        // What went away meanwhile is its new owner's.
        let parts: Vec<Part> = self.committer.doubt.iter().filter(|part| held(part, self)).cloned().collect();
        let committed = match self.consumer.committed(parts.iter().map(|part| &part.partition), DOUBT) {
            Ok(committed) => committed,
            Err(why) => {
                self.trouble(&why);
                return Ok(false);
            }
        };
        match found_out(&parts, &committed) {
            Some(true) => {
                tracing::info!("the transaction took place");
                self.release(&parts);
            }
            Some(false) => tracing::info!("the transaction did not take place; its events go into the next"),
            None => return Err(EnrichError::Contradiction(format!("{parts:?}, committed {committed:?}"))),
        }
        self.committer.doubt.clear();
        Ok(true)
    }
}

/// Whether a transaction took place, from the committed offsets of its parts: all as it meant to leave them, or all as
/// they were before. `None`: neither, so somebody else has changed them.
fn found_out(parts: &[Part], committed: &[Committed]) -> Option<bool> {
    let all = |test: fn(&Part, Committed) -> bool| parts.iter().zip(committed).all(|(part, now)| test(part, *now));
    let unchanged = |part: &Part, now| part.before.map_or(now != Some(part.next), |before| now == before);
    if all(|part, now| now == Some(part.next)) {
        Some(true)
    } else if all(unchanged) {
        Some(false)
    } else {
        None
    }
}

/// Decide a record anew that is too large: first without the provider's record, then without the event's bytes.
fn shrink(holding: &mut super::holding::Holding, offset: i64) {
    let Some(slot) = holding.lane.get(offset) else { return };
    let attempts = slot.item.event().map_or(0, super::work::Event::attempts);
    let super::lane::State::Decided(decision) = &slot.state else { return };
    let without_body = match decision {
        Decision::Enriched(..) => false,
        Decision::Duplicate | Decision::Skipped(_) | Decision::Gone(_) | Decision::Retry(_) | Decision::Dead(_) => true,
    };
    let dead = Dead {
        reason: "too_large_for_topic",
        error: "kafka refuses the record as too large; raise max.message.bytes".to_owned(),
        attempts,
        without_body,
    };
    holding.lane.redecide(offset, Decision::Dead(dead));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(before: Option<Committed>, next: i64) -> Part {
        let partition = Partition { topic: "webhooks.stripe".into(), number: 0 };
        Part { partition, epoch: 1, before, next }
    }

    #[test]
    fn committed_offsets_tell_what_became_of_a_transaction() {
        // The last one is a retry partition, of which nobody has asked what was committed.
        let parts = [part(Some(None), 3), part(Some(Some(7)), 9), part(None, 5)];
        assert_eq!(found_out(&parts, &[Some(3), Some(9), Some(5)]), Some(true));
        for before in [None, Some(4)] {
            assert_eq!(found_out(&parts, &[None, Some(7), before]), Some(false));
        }
        let torn =
            [[Some(3), Some(7), None], [None, Some(9), None], [None, Some(7), Some(5)], [Some(2), Some(7), None]];
        for torn in torn {
            assert_eq!(found_out(&parts, &torn), None, "a transaction is never half there: {torn:?}");
        }
        assert_eq!(found_out(&[], &[]), Some(true), "nothing to do again: all of it went to another owner");
    }

    #[test]
    fn one_fence_is_no_twin() {
        let kafka = crate::config::Config::parse(std::path::Path::new("test"), "", []).unwrap().kafka;
        let mut committer = Committer::new(kafka, "id".to_owned());
        assert!(committer.note_fenced().is_ok());
        assert!(matches!(committer.note_fenced(), Err(EnrichError::Twin(id)) if id == "id"));
    }
}
