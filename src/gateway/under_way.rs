//! The records of one request while they are undecided, whoever still waits for them: a sender that hangs up takes neither
//! their way into the spool with it, nor the outcome that copies of them wait for.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::body::Share;
use super::delivery::Errand;
use crate::event::Record;

/// Held by the request until it has its outcome.
pub(super) struct UnderWay {
    errands: Vec<(Arc<Errand>, Arc<Record>)>,
    /// When Kafka alone has had its time.
    spool_at: Instant,
    /// Of the memory of all bodies.
    share: Option<Share>,
}

impl UnderWay {
    pub(super) fn new(errands: Vec<(Arc<Errand>, Arc<Record>)>, spool_at: Instant, share: Share) -> Self {
        Self { errands, spool_at, share: Some(share) }
    }

    /// Kafka alone had its time: have what is undecided spooled as well.
    pub(super) fn spool(&self) {
        self.errands.iter().for_each(|(errand, _)| errand.spool_in_order());
    }
}

impl Drop for UnderWay {
    /// Undecided at the end: the sender hung up. The rest of Kafka's time is waited for without it, so that an impatient
    /// sender does not send everything over the disk.
    fn drop(&mut self) {
        if !self.errands.iter().any(|(errand, _)| errand.may_be_spooled()) {
            return;
        }
        // Without a runtime the process ends.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut rest =
            Self { errands: std::mem::take(&mut self.errands), spool_at: self.spool_at, share: self.share.take() };
        runtime.spawn(async move {
            sleep(rest.spool_at.saturating_duration_since(Instant::now())).await;
            rest.spool();
            rest.errands.clear();
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::time::Duration;

    use tokio::sync::oneshot::Receiver;
    use tokio::time::timeout;

    use super::super::body::Memory;
    use super::super::delivery::{Durable, Outcome, Pending, Receipt, Route};
    use super::super::duplicates::Window;
    use super::*;
    use crate::kafka::{Delivery, Probe, Settle};
    use crate::spool::disk::Directory;
    use crate::spool::{Limits, Spool};
    use crate::telemetry::Metrics;

    struct Left {
        errand: Arc<Errand>,
        record: Weak<Record>,
        memory: Arc<Memory>,
        outcome: Receiver<Outcome>,
    }

    /// A record whose sender hangs up.
    fn leave(spool: Option<&Arc<Spool>>, spool_at: Instant) -> Left {
        let route = Arc::new(Route {
            source: "orders".into(),
            window: Arc::new(Window::new(1)),
            spool: spool.cloned(),
            order: None,
        });
        let (topic, key, value) = ("webhooks.orders".into(), b"k".to_vec(), b"v".to_vec());
        let record = Arc::new(Record { topic, partition: None, key, value, headers: vec![], timestamp_ms: 1 });
        let (pending, outcome) = Pending::new(1);
        let errand = Errand::in_kafkas_hands(&route, &record, &pending);
        let memory = Memory::new(100);
        let mut share = memory.share();
        share.grow(10).unwrap();
        let left = Left { errand: Arc::clone(&errand), record: Arc::downgrade(&record), memory, outcome };
        drop(UnderWay::new(vec![(errand, record)], spool_at, share));
        left
    }

    fn spool(root: &tempfile::TempDir, metrics: &Metrics) -> Arc<Spool> {
        let directory = Directory::hold(root.path(), true).unwrap();
        Spool::open(directory, Limits { max_bytes: 1 << 30 }, metrics.spool.clone(), |_| ()).unwrap().0
    }

    #[tokio::test]
    async fn what_is_undecided_when_kafkas_time_is_over_is_spooled() {
        let (root, metrics) = (tempfile::tempdir().unwrap(), Metrics::new().unwrap());
        let spool = spool(&root, &metrics);
        let left = leave(Some(&spool), Instant::now());
        let outcome = timeout(Duration::from_secs(10), left.outcome).await.expect("an outcome");
        assert_eq!(outcome.unwrap(), Ok(Some(Durable::Spool)));
        assert_eq!(spool.close(), 1);
        assert_eq!(left.memory.used(), 0);
    }

    #[tokio::test]
    async fn where_the_spool_takes_nothing_any_record_may_find_out_whether_kafka_is_back() {
        let (root, metrics) = (tempfile::tempdir().unwrap(), Metrics::new().unwrap());
        let route = |max_bytes: u64| {
            let directory = Directory::hold(&root.path().join(max_bytes.to_string()), true).unwrap();
            let (spool, ..) = Spool::open(directory, Limits { max_bytes }, metrics.spool.clone(), |_| ()).unwrap();
            Route { source: "orders".into(), window: Arc::new(Window::new(1)), spool: Some(spool), order: None }
        };
        assert_eq!(route(1 << 30).probe(), Probe::Spooled, "the oldest record there is the probe");
        assert_eq!(route(1).probe(), Probe::Allowed);
    }

    #[tokio::test]
    async fn what_kafka_has_in_its_time_is_not() {
        let (root, metrics) = (tempfile::tempdir().unwrap(), Metrics::new().unwrap());
        let spool = spool(&root, &metrics);
        let left = leave(Some(&spool), Instant::now() + Duration::from_secs(1));
        // Half of Kafka's time.
        sleep(Duration::from_millis(500)).await;
        assert!(left.record.upgrade().is_some() && left.memory.used() == 10, "held for the spool, and counted");
        Receipt::Live(Arc::clone(&left.errand)).settle(Ok(Delivery { partition: 0, offset: 7 }));
        while left.record.upgrade().is_some() {
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!((spool.close(), metrics.spool.stored.get()), (0, 0));
        assert_eq!(left.memory.used(), 0);
    }

    #[tokio::test]
    async fn without_a_spool_nothing_is_held() {
        let left = leave(None, Instant::now() + Duration::from_secs(60));
        assert!(left.record.upgrade().is_none() && left.memory.used() == 0);
        assert!(!left.errand.is_settled());
    }
}
