//! From finished records to one outcome: a request is durable when all of its records are, each in Kafka or in the spool.
//!
//! An [`Errand`] is one record on its way. It lives in the producer's delivery context and in the spool's queue, not in
//! the request: reports settle it whoever hung up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::oneshot;

use super::answer::Unavailable;
use super::duplicates::{Key, Window};
use super::order::Order;
use crate::event::Record;
use crate::kafka::{Delivery, DeliveryFailure, Persistence, Probe, ProduceError, Producer, Settle};
use crate::spool::{Draft, Drained, Fate, Receive, Spool, SpoolError};

/// Where a record is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durable {
    /// In Kafka, there.
    Kafka(Delivery),
    /// In the spool.
    Spool,
}

/// A request that waits for its records.
pub(super) struct Pending(Mutex<State>);

struct State {
    left: usize,
    first: Option<Durable>,
    failure: Option<Unavailable>,
    done: Option<oneshot::Sender<Outcome>>,
}

/// Where the first record is durable, or the spool if one of them is only there (`None` when all were durable before);
/// or why a record is not durable.
pub(super) type Outcome = Result<Option<Durable>, Unavailable>;

impl Pending {
    /// A request with so many records, and where its outcome arrives.
    pub(super) fn new(records: usize) -> (Arc<Self>, oneshot::Receiver<Outcome>) {
        let (done, outcome) = oneshot::channel();
        (Arc::new(Self(Mutex::new(State { left: records, first: None, failure: None, done: Some(done) }))), outcome)
    }

    /// One more record has met its fate.
    pub(super) fn settled(&self, outcome: Result<Durable, Unavailable>) {
        self.update(|state| match outcome {
            Ok(Durable::Spool) => state.first = Some(Durable::Spool),
            Ok(durable) => drop(state.first.get_or_insert(durable)),
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

/// How far a record has come in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InKafka {
    Never,
    UnderWay,
    Settled(Fate),
}

/// How far a record has come in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InSpool {
    Never,
    Queued,
    Stored(u64),
    Failed(SpoolError),
}

#[derive(Debug)]
struct Way {
    kafka: InKafka,
    spool: InSpool,
    told: bool,
}

/// What every record of a source needs on its way.
pub(super) struct Route {
    /// The source's name.
    pub(super) source: Arc<str>,
    /// Where it remembers what is durable.
    pub(super) window: Arc<Window>,
    /// The spool, where the source uses it.
    pub(super) spool: Option<Arc<Spool>>,
    /// Where records of one subject keep their order.
    pub(super) order: Option<Order>,
}

impl Route {
    /// Whether a record may be the one that finds out whether its partition is back. Where the spool takes records its oldest
    /// is; where it takes none, nobody else would ever find out.
    pub(super) fn probe(&self) -> Probe {
        match &self.spool {
            Some(spool) if spool.has_room() => Probe::Spooled,
            _ => Probe::Allowed,
        }
    }
}

/// One record on its way: to Kafka, to the spool, or both. The first to have it decides for the sender.
pub(super) struct Errand {
    route: Arc<Route>,
    pending: Arc<Pending>,
    /// In the source's window.
    claim: Option<Key>,
    id: Option<String>,
    topic: Arc<str>,
    /// Gone once the request has its outcome, or the spool its chance: see [`UnderWay`].
    record: Weak<Record>,
    way: Mutex<Way>,
}

impl Errand {
    /// Send a record on its way. `record` must be held until it is decided, or was offered to the spool.
    pub(super) fn begin(
        route: &Arc<Route>,
        producer: &Producer<Receipt>,
        (record, id): (&Arc<Record>, Option<String>),
        pending: &Arc<Pending>,
        claim: Option<Key>,
    ) -> Arc<Self> {
        let errand = Arc::new(Self {
            route: Arc::clone(route),
            pending: Arc::clone(pending),
            claim,
            id,
            topic: Arc::clone(&record.topic),
            record: Arc::downgrade(record),
            way: Mutex::new(Way { kafka: InKafka::Never, spool: InSpool::Never, told: false }),
        });
        match &route.order {
            None => errand.produce(producer, record),
            Some(order) => order.enter(&errand, || match &route.spool {
                // Behind what waits there already.
                Some(spool) if spool.waits(&record.topic) => errand.spool(),
                _ => errand.produce(producer, record),
            }),
        }
        errand
    }

    fn produce(self: &Arc<Self>, producer: &Producer<Receipt>, record: &Record) {
        let probe = self.route.probe();
        // Before the hand-over: its report may come before the call returns.
        self.way().kafka = InKafka::UnderWay;
        let Err((error, _)) = producer.produce(record, Receipt::Live(Arc::clone(self)), probe) else { return };
        self.way().kafka = InKafka::Never;
        match (error, &self.route.spool) {
            (ProduceError::Refused(_), _) | (_, None) => self.tell(Err(Unavailable::Produce(error))),
            (_, Some(_)) => self.spool(),
        }
    }

    /// Kafka alone had its time: have the record spooled as well, and with it whatever must not come after it.
    pub(super) fn spool_in_order(self: &Arc<Self>) {
        let (told, reported) = {
            let way = self.way();
            (way.told, matches!(way.kafka, InKafka::Settled(_)))
        };
        match &self.route.order {
            _ if told => {}
            None => self.spool(),
            Some(order) => {
                // What was reported may have left the lane; nothing in it is older.
                if reported {
                    self.spool();
                }
                order.spool_all();
            }
        }
    }

    /// Have the record spooled as well, unless it is durable or on its way there already.
    pub(super) fn spool(self: &Arc<Self>) {
        let (Some(spool), Some(record)) = (&self.route.spool, self.record.upgrade()) else { return };
        let handed = {
            let mut way = self.way();
            if way.told || way.spool != InSpool::Never {
                return;
            }
            way.spool = InSpool::Queued;
            way.kafka != InKafka::Never
        };
        let draft = Draft { source: &self.route.source, id: self.id.as_deref(), handed, record: &record };
        if let Err(error) = spool.append(&draft, Arc::clone(self) as _) {
            self.not_spooled(error);
        }
    }

    fn not_spooled(&self, error: SpoolError) {
        let mut way = self.way();
        way.spool = InSpool::Failed(error);
        // Kafka may still have it in time.
        if way.kafka != InKafka::UnderWay {
            drop(way);
            self.tell(Err(Unavailable::Spool(error)));
        }
    }

    /// Whether it is undecided, and the spool was not tried.
    pub(super) fn may_be_spooled(&self) -> bool {
        let way = self.way();
        self.route.spool.is_some() && !way.told && way.spool == InSpool::Never
    }

    /// Whether nothing more will be heard of it from Kafka, or its sender was told.
    pub(super) fn is_settled(&self) -> bool {
        let way = self.way();
        way.told || matches!(way.kafka, InKafka::Settled(_))
    }

    /// Tell whoever waits, once.
    fn tell(&self, outcome: Result<Durable, Unavailable>) {
        if std::mem::replace(&mut self.way().told, true) {
            return;
        }
        // The window first: whoever gets a 200 from here on, a copy of it is a duplicate.
        if let Some(key) = self.claim {
            self.route.window.settle(key, outcome, Instant::now());
        }
        self.pending.settled(outcome);
    }

    fn reported(self: &Arc<Self>, outcome: Result<Delivery, DeliveryFailure>) {
        let fate = match outcome {
            Ok(_) => Fate::Persisted,
            Err(failure) if failure.persistence == Persistence::NotPersisted => Fate::NotPersisted,
            // Even when refused: Kafka may have taken it before, and refused what was sent again because the answer was lost.
            Err(_) => Fate::Unknown,
        };
        let spool_way = {
            let mut way = self.way();
            way.kafka = InKafka::Settled(fate);
            way.spool
        };
        if let Ok(delivery) = outcome {
            self.tell(Ok(Durable::Kafka(delivery)));
        }
        match (spool_way, outcome) {
            (InSpool::Stored(sequence), _) => self.decide(sequence, fate),
            // Whoever writes it will see what has come of it.
            (InSpool::Queued, _) | (_, Ok(_)) => {}
            (InSpool::Failed(_), Err(failure)) => self.tell(Err(Unavailable::Delivery(failure))),
            (InSpool::Never, Err(failure)) => {
                // What Kafka refuses for good it would refuse again.
                if failure.refusal.is_none() {
                    self.spool_in_order();
                }
                if self.way().spool == InSpool::Never {
                    self.tell(Err(Unavailable::Delivery(failure)));
                }
            }
        }
    }

    fn decide(&self, sequence: u64, fate: Fate) {
        if let Some(spool) = &self.route.spool {
            spool.decided(sequence, &self.topic, fate);
        }
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Errand {
    /// A record that Kafka has in hand.
    pub(super) fn in_kafkas_hands(route: &Arc<Route>, record: &Arc<Record>, pending: &Arc<Pending>) -> Arc<Self> {
        Arc::new(Self {
            route: Arc::clone(route),
            pending: Arc::clone(pending),
            claim: None,
            id: None,
            topic: Arc::clone(&record.topic),
            record: Arc::downgrade(record),
            way: Mutex::new(Way { kafka: InKafka::UnderWay, spool: InSpool::Never, told: false }),
        })
    }
}

impl Receive for Errand {
    fn stored(self: Arc<Self>, outcome: Result<u64, SpoolError>) {
        match outcome {
            Err(error) => self.not_spooled(error),
            Ok(sequence) => {
                let kafka = {
                    let mut way = self.way();
                    way.spool = InSpool::Stored(sequence);
                    way.kafka
                };
                self.tell(Ok(Durable::Spool));
                if let InKafka::Settled(fate) = kafka {
                    self.decide(sequence, fate);
                }
            }
        }
    }
}

/// What rides with a record through the producer.
pub(super) enum Receipt {
    /// A request's.
    Live(Arc<Errand>),
    /// The spool's.
    Drained(Drained),
}

impl From<Drained> for Receipt {
    fn from(drained: Drained) -> Self {
        Self::Drained(drained)
    }
}

impl Settle for Receipt {
    fn settle(self, outcome: Result<Delivery, DeliveryFailure>) {
        match self {
            Self::Live(errand) => errand.reported(outcome),
            Self::Drained(drained) => drained.settle(outcome),
        }
    }
}
