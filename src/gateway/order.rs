//! Order of arrival for a source whose records are keyed by subject: while one record waits in the spool, those after it
//! wait behind it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::delivery::Errand;

/// The records of one source that Kafka has in hand, oldest first.
#[derive(Default)]
pub(super) struct Order(Mutex<VecDeque<Weak<Errand>>>);

impl Order {
    /// Send a record on its way behind all that came before.
    pub(super) fn enter(&self, errand: &Arc<Errand>, go: impl FnOnce()) {
        let mut lane = self.lane();
        while lane.front().is_some_and(|first| first.upgrade().is_none_or(|errand| errand.is_settled())) {
            lane.pop_front();
        }
        lane.push_back(Arc::downgrade(errand));
        go();
    }

    /// One of them is late: have all of them spooled, in their order.
    pub(super) fn spool_all(&self) {
        let mut lane = self.lane();
        for errand in lane.drain(..).filter_map(|errand| errand.upgrade()) {
            errand.spool();
        }
    }

    fn lane(&self) -> MutexGuard<'_, VecDeque<Weak<Errand>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
