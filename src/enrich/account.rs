//! The accounts that ask providers: one per source, and one per tenant on the operator's list. Each has its budget,
//! its breaker and its count of requests under way. Pure: time comes from outside.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;

use super::answer::Health;
use super::breaker::Breaker;
use super::rate::{Bucket, Budget};
use crate::provider::Rate;

/// Requests under way at most, over all sources.
const MAX_UNDER_WAY: usize = 256;

/// Which account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AccountId(usize);

/// One account.
#[derive(Debug)]
pub(crate) struct Account {
    source: Arc<str>,
    tenant: Option<String>,
    /// What its requests carry, credentials included; they are marked as sensitive.
    pub(crate) headers: Arc<HeaderMap>,
    rate: Rate,
    budget: Budget,
    bucket: Option<Bucket>,
    breaker: Breaker,
    under_way: usize,
}

/// Whether a request may start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It may, and is counted.
    Granted,
    /// The account has no budget or no place left for the moment.
    NotNow,
    /// Its provider is away.
    Away,
}

/// All accounts.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    accounts: Vec<Account>,
    under_way: usize,
    under_way_of: HashMap<Arc<str>, usize>,
}

impl Account {
    /// An account that may not ask anything until its share is known.
    pub(crate) fn new(source: Arc<str>, tenant: Option<&str>, headers: HeaderMap, rate: Rate) -> Self {
        Self {
            source,
            tenant: tenant.map(str::to_owned),
            headers: Arc::new(headers),
            rate,
            budget: Budget::new(0.0, 0.0, 0.0),
            bucket: None,
            breaker: Breaker::default(),
            under_way: 0,
        }
    }
}

impl Accounts {
    /// Add an account.
    pub(crate) fn open(&mut self, account: Account) -> AccountId {
        self.accounts.push(account);
        AccountId(self.accounts.len() - 1)
    }

    /// The account of an id given by [`Accounts::open`].
    pub(crate) fn get(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(id.0)
    }

    /// What this instance may use of a source's budgets, from 0 to 1.
    pub(crate) fn set_share(&mut self, source: &str, share: f64) {
        for account in self.accounts.iter_mut().filter(|account| *account.source == *source) {
            account.budget = Budget::new(account.rate.per_second, f64::from(account.rate.burst), share);
        }
    }

    /// Ask to start a request; `concurrency` is what one source may have under way. Granted, it must be given back with
    /// [`Accounts::answered`].
    pub(crate) fn ask(&mut self, id: AccountId, concurrency: usize, now: Instant) -> Leave {
        let of_source = self.get(id).and_then(|account| self.under_way_of.get(&account.source)).copied().unwrap_or(0);
        let crowded = self.under_way >= MAX_UNDER_WAY || of_source >= concurrency;
        let Some(account) = self.accounts.get_mut(id.0) else { return Leave::NotNow };
        if !account.breaker.admits(now) {
            return Leave::Away;
        }
        // One tenant that is slow leaves room for the others.
        let own = if account.tenant.is_some() { concurrency.div_ceil(2) } else { concurrency };
        if crowded || account.under_way >= own {
            return Leave::NotNow;
        }
        if !account.bucket.get_or_insert_with(|| Bucket::new(now)).take(account.budget, now) {
            return Leave::NotNow;
        }
        account.breaker.started(now);
        account.under_way += 1;
        self.under_way += 1;
        *self.under_way_of.entry(Arc::clone(&account.source)).or_default() += 1;
        Leave::Granted
    }

    /// A granted request ended. Returns whether the provider is taken for away now.
    pub(crate) fn answered(&mut self, id: AccountId, health: Health, now: Instant) -> bool {
        let Some(account) = self.accounts.get_mut(id.0) else { return false };
        account.under_way = account.under_way.saturating_sub(1);
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(of_source) = self.under_way_of.get_mut(&account.source) {
            *of_source = of_source.saturating_sub(1);
        }
        let was_open = account.breaker.is_open();
        match health {
            Health::Well => account.breaker.succeeded(),
            Health::Pause(pause) => {
                account.breaker.succeeded();
                account.bucket.get_or_insert_with(|| Bucket::new(now)).block(pause, now);
            }
            Health::Trouble => account.breaker.failed(now),
            Health::Refused => account.breaker.refused(now),
        }
        let is_open = account.breaker.is_open();
        if is_open != was_open {
            let tenant = account.tenant.as_deref();
            if is_open {
                tracing::warn!(source = %account.source, tenant, ?health, "the provider's API is taken for away; its events wait");
            } else {
                tracing::info!(source = %account.source, tenant, "the provider's API is back");
            }
        }
        is_open
    }

    /// Requests under way.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Take over the credentials of the same accounts; their budgets and requests under way stay. An account that was
    /// refused with the old ones is asked again. Returns how many changed.
    pub(crate) fn renew(&mut self, from: Self) -> usize {
        let mut changed = 0;
        for fresh in from.accounts {
            let same = |account: &&mut Account| account.source == fresh.source && account.tenant == fresh.tenant;
            if let Some(account) = self.accounts.iter_mut().find(same)
                && account.headers != fresh.headers
            {
                account.headers = fresh.headers;
                account.breaker = Breaker::default();
                changed += 1;
            }
        }
        changed
    }

    /// How many accounts of each source are taken for away.
    pub(crate) fn away(&self) -> HashMap<&Arc<str>, i64> {
        let mut away = HashMap::new();
        for account in &self.accounts {
            *away.entry(&account.source).or_default() += i64::from(account.breaker.is_open());
        }
        away
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn accounts(tenants: &[Option<&str>]) -> (Accounts, Vec<AccountId>) {
        let mut accounts = Accounts::default();
        let rate = Rate { per_second: 1_000.0, burst: 1_000 };
        let ids = tenants
            .iter()
            .map(|tenant| accounts.open(Account::new("shop".into(), *tenant, HeaderMap::new(), rate)))
            .collect();
        accounts.set_share("shop", 1.0);
        (accounts, ids)
    }

    fn granted(accounts: &mut Accounts, id: AccountId, now: Instant) -> usize {
        (0..100).filter(|step| accounts.ask(id, 8, now + Duration::from_millis(10 * step)) == Leave::Granted).count()
    }

    #[test]
    fn one_tenant_leaves_room_for_the_others() {
        let now = Instant::now();
        let (mut accounts, ids) = accounts(&[Some("a"), Some("b"), Some("c")]);
        assert_eq!(granted(&mut accounts, ids[0], now), 4);
        assert_eq!(granted(&mut accounts, ids[1], now), 4);
        assert_eq!(granted(&mut accounts, ids[2], now), 0, "the source has its limit too");
        accounts.answered(ids[0], Health::Well, now);
        assert_eq!(granted(&mut accounts, ids[2], now), 1);
    }

    #[test]
    fn nothing_is_asked_before_the_share_is_known() {
        let now = Instant::now();
        let (mut accounts, ids) = accounts(&[None]);
        accounts.set_share("shop", 0.0);
        assert_eq!(accounts.ask(ids[0], 8, now), Leave::NotNow);
    }

    #[test]
    fn refused_credentials_stop_the_account_and_no_other() {
        let now = Instant::now();
        let (mut accounts, ids) = accounts(&[Some("a"), Some("b")]);
        assert_eq!(accounts.ask(ids[0], 8, now), Leave::Granted);
        assert!(accounts.answered(ids[0], Health::Refused, now));
        assert_eq!(accounts.ask(ids[0], 8, now + Duration::from_secs(1)), Leave::Away);
        assert_eq!(accounts.ask(ids[1], 8, now + Duration::from_secs(1)), Leave::Granted);
        assert_eq!(accounts.away().values().sum::<i64>(), 1);
    }
}
