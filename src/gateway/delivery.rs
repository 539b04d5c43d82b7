//! From finished records to one outcome: a request is durable when all of its records are.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::answer::Unavailable;
use super::duplicates::{Key, Window};
use crate::kafka::{Delivery, DeliveryFailure, Settle};

/// A request that waits for its records.
pub(super) struct Pending(Mutex<State>);

struct State {
    left: usize,
    first: Option<Delivery>,
    failure: Option<Unavailable>,
    done: Option<oneshot::Sender<Outcome>>,
}

/// Where the first record stands (`None` when all were durable before), or why a record is not durable.
pub(super) type Outcome = Result<Option<Delivery>, Unavailable>;

impl Pending {
    /// A request with so many records, and where its outcome arrives.
    pub(super) fn new(records: usize) -> (Arc<Self>, oneshot::Receiver<Outcome>) {
        let (done, outcome) = oneshot::channel();
        (Arc::new(Self(Mutex::new(State { left: records, first: None, failure: None, done: Some(done) }))), outcome)
    }

    /// One more record has met its fate.
    pub(super) fn settled(&self, outcome: Result<Delivery, Unavailable>) {
        self.update(|state| match outcome {
            Ok(delivery) => drop(state.first.get_or_insert(delivery)),
            Err(failure) => state.failure = Some(failure),
        });
    }

    /// One more record was durable before.
    pub(super) fn known(&self) {
        self.update(|_| ());
    }

    fn update(&self, note: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        note(&mut state);
        state.left = state.left.saturating_sub(1);
        if state.left == 0
            && let Some(done) = state.done.take()
        {
            // Whoever hung up is not told; the outcome was counted by the producer.
            let _ = done.send(state.failure.map_or(Ok(state.first), Err));
        }
    }
}

/// What rides with a record through the producer.
pub(super) struct Receipt {
    pub(super) pending: Arc<Pending>,
    pub(super) claim: Option<(Arc<Window>, Key)>,
}

impl Receipt {
    /// The record met its fate, or was never taken.
    pub(super) fn close(self, outcome: Result<Delivery, Unavailable>) {
        // The window first: whoever gets a 200 from here on, a copy of it is a duplicate.
        if let Some((window, key)) = self.claim {
            window.settle(key, outcome, Instant::now());
        }
        self.pending.settled(outcome);
    }
}

impl Settle for Receipt {
    fn settle(self, outcome: Result<Delivery, DeliveryFailure>) {
        self.close(outcome.map_err(Unavailable::Delivery));
    }
}
