//! Admission and collection: which records may be fetched now, and what their answers decide.

use std::ops::Bound;
use std::time::Instant;

use super::account::{Accounts, Leave};
use super::fetch::{Ask, Done, Fetcher, Ticket};
use super::holding::Holding;
use super::owner::Owner;
use super::verdict::{Aside, Circumstances, Decision, Place, Verdict, aside, judge};
use crate::config::EnrichConfig;

/// A request that starts this close to the end of its time budget still gets so much time.
const LEAST_PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

impl Owner {
    /// Drop duplicates, pass on what needs no record, start fetches as far as budgets reach.
    pub(super) fn admit(&mut self) {
        if !self.is_fresh() {
            return;
        }
        let now = Instant::now();
        let turn = self.turn.take();
        let start = turn.as_ref().map_or(Bound::Unbounded, Bound::Included);
        let end = turn.as_ref().map(Bound::Excluded);
        let Self { holdings, accounts, fetcher, config, .. } = self;
        for (_, holding) in holdings.range_mut((start, Bound::Unbounded)) {
            admit(holding, accounts, fetcher, config, now);
        }
        if let Some(end) = end {
            for (_, holding) in holdings.range_mut((Bound::Unbounded, end)) {
                admit(holding, accounts, fetcher, config, now);
            }
        }
        let after = turn.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        self.turn = self.holdings.range((after, Bound::Unbounded)).next().map(|(partition, _)| partition.clone());
    }

    /// Answers that came, and time budgets that are spent.
    pub(super) fn collect(&mut self) {
        while let Ok(done) = self.answers.try_recv() {
            self.answered(done);
        }
        let now = Instant::now();
        for holding in self.holdings.values_mut().filter(|holding| holding.is_open()) {
            for offset in holding.lane.overdue(self.config.time_budget, now) {
                put_aside(holding, offset, Aside::NoTurn);
            }
        }
    }

    fn answered(&mut self, done: Done) {
        let Done { ticket, answer, exchange } = done;
        let breaker_open = self.accounts.answered(ticket.account, answer.health(), Instant::now());
        let holding = self.holdings.get_mut(&ticket.partition).filter(|holding| holding.epoch == ticket.epoch);
        let Some(holding) = holding else { return };
        let Some(event) = holding.lane.get(ticket.offset).and_then(|slot| slot.item.event()) else { return };
        let circumstances = Circumstances {
            place: holding.place(),
            attempts: event.attempts(),
            max_attempts: self.config.max_attempts,
            was_not_found: event.was_not_found(),
            deleted: event.target.as_ref().is_ok_and(|target| target.deleted),
            breaker_open,
        };
        tracing::debug!(source = %event.source.name, id = event.id, answer = answer.as_str(), status = exchange.status, "a provider answered");
        match judge(answer, exchange, &circumstances) {
            Verdict::Decided(decision) => decide(holding, ticket.offset, decision),
            Verdict::PutBack => holding.lane.put_back(ticket.offset),
        }
    }
}

fn admit(holding: &mut Holding, accounts: &mut Accounts, fetcher: &Fetcher, config: &EnrichConfig, now: Instant) {
    if !holding.is_open() {
        return;
    }
    let waiting: Vec<i64> =
        holding.lane.waiting().take_while(|slot| slot.since <= now).map(|slot| slot.offset).collect();
    for offset in waiting {
        if holding.is_duplicate(offset) {
            decide(holding, offset, Decision::Duplicate);
            continue;
        }
        if let Some(decision) = holding.lane.get(offset).and_then(|slot| slot.item.foregone()) {
            decide(holding, offset, decision);
            continue;
        }
        match start(holding, offset, accounts, fetcher, config, now) {
            Leave::Granted => {}
            // All the others in here wait for the same account.
            Leave::NotNow | Leave::Away if holding.place().waits() => return,
            Leave::NotNow => {}
            Leave::Away if matches!(holding.place(), Place::Retry(_)) => put_aside(holding, offset, Aside::Away),
            Leave::Away => {}
        }
    }
}

/// Start the fetch of a record, if its account gives leave. A lane that holds all the bytes it may starts its oldest
/// undecided record only: that one has to go before the lane can shrink.
fn start(
    holding: &mut Holding,
    offset: i64,
    accounts: &mut Accounts,
    fetcher: &Fetcher,
    config: &EnrichConfig,
    now: Instant,
) -> Leave {
    if holding.lane.bytes() >= super::lane::MAX_BYTES && holding.lane.oldest_undecided() != Some(offset) {
        return Leave::NotNow;
    }
    let Some(event) = holding.lane.get(offset).and_then(|slot| slot.item.event()) else { return Leave::NotNow };
    let Ok(target) = &event.target else { return Leave::NotNow };
    let leave = accounts.ask(target.account, config.concurrency, now);
    let (Leave::Granted, Some(account)) = (leave, accounts.get(target.account)) else { return leave };
    let (url, source, headers) = (target.url.clone(), event.source.name.clone(), account.headers.clone());
    let ticket = Ticket { partition: holding.partition.clone(), epoch: holding.epoch, offset, account: target.account };
    let since = holding.lane.fetching(offset, now);
    let patience = config.time_budget.saturating_sub(now.duration_since(since)).max(LEAST_PATIENCE);
    fetcher.start(Ask { ticket, source, url, headers, patience });
    Leave::Granted
}

fn put_aside(holding: &mut Holding, offset: i64, why: Aside) {
    let attempts = holding.lane.get(offset).and_then(|slot| slot.item.event()).map_or(0, |event| event.attempts());
    decide(holding, offset, aside(holding.place(), attempts, why));
}

fn decide(holding: &mut Holding, offset: i64, decision: Decision) {
    let bytes = decision.bytes();
    holding.lane.decide(offset, decision, bytes);
}
