//! The rig of a row: three brokers behind proxies, a gateway that can be killed, an open loop of senders with their ledger,
//! and the judge at the end.

pub(crate) mod batches;
mod checker;
mod dice;
mod ledger;
mod load;
mod mount;
mod proxy;
mod scale;
mod trial;

use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

pub(crate) use checker::{Stored, judge, stored};
pub(crate) use dice::Dice;
pub(crate) use ledger::{Event, Ledger, Told};
pub(crate) use load::Load;
pub(crate) use mount::Mount;
pub(crate) use proxy::{Fault, Proxy};
pub(crate) use scale::Scale;
pub(crate) use trial::{DEADLINE, PARTITIONS, Trial, say};

use crate::support::kafka::{Cluster, await_that, proxied};

static TURN: RwLock<()> = RwLock::new(());
static PROXIES: OnceLock<Vec<Proxy>> = OnceLock::new();

/// The cluster: for one row that breaks it, or for any number of rows that break the gateway alone. However a row ends,
/// the cluster is whole for the next.
pub(crate) struct Rig {
    pub(crate) kafka: &'static Cluster,
    turn: Turn,
    since: Instant,
}

enum Turn {
    Alone(#[allow(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
    Shared(#[allow(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
}

impl Rig {
    /// Wait for the turn. `None`: no Kafka on this machine, the test should return.
    pub(crate) fn begin() -> Option<Rig> {
        Self::at(Turn::Alone(TURN.write().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The same for a row that leaves the brokers and the ways to them alone.
    pub(crate) fn shared() -> Option<Rig> {
        Self::at(Turn::Shared(TURN.read().unwrap_or_else(PoisonError::into_inner)))
    }

    fn at(turn: Turn) -> Option<Rig> {
        let kafka = proxied()?;
        PROXIES.get_or_init(|| kafka.proxied().into_iter().map(|(port, behind)| Proxy::start(port, behind)).collect());
        Some(Rig { kafka, turn, since: Instant::now() })
    }

    fn is_alone(&self) -> bool {
        matches!(self.turn, Turn::Alone(_))
    }

    fn must_be_alone(&self) {
        assert!(self.is_alone(), "this row shares the cluster with others");
    }

    pub(crate) fn brokers(&self) -> usize {
        self.kafka.nodes().len()
    }

    /// What the way to this broker does from now on.
    pub(crate) fn path(&self, broker: usize, fault: Fault) {
        self.must_be_alone();
        PROXIES.get().expect("the rig has begun")[broker].set(fault);
    }

    /// The same for all of them.
    pub(crate) fn paths(&self, fault: Fault) {
        (0..self.brokers()).for_each(|broker| self.path(broker, fault));
    }

    /// Whatever was in the way is gone.
    pub(crate) fn open_paths(&self) {
        if self.is_alone() {
            self.paths(Fault::None);
        }
    }

    pub(crate) fn kill(&self, broker: usize) {
        self.must_be_alone();
        self.kafka.nodes()[broker].kill();
    }

    /// Start what was killed, and await that the cluster is whole.
    pub(crate) fn restart(&self, broker: usize) {
        self.kafka.restart(&self.kafka.nodes()[broker]);
    }

    /// The same, with a limit on what any of its files may grow to, in bytes.
    pub(crate) fn restart_with_largest_file(&self, broker: usize, largest: u64) {
        self.kafka.restart_with_largest_file(&self.kafka.nodes()[broker], largest);
    }

    /// Write to a topic that lives on this broker alone until it takes no more.
    pub(crate) fn fill(&self, broker: usize) {
        self.kafka.fill(broker);
    }

    pub(crate) fn freeze(&self, broker: usize) {
        self.must_be_alone();
        self.kafka.nodes()[broker].freeze();
    }

    pub(crate) fn thaw(&self, broker: usize) {
        self.kafka.nodes()[broker].thaw();
    }

    /// The broker that leads the metadata quorum.
    pub(crate) fn controller(&self) -> usize {
        let said = self.kafka.tool("org.apache.kafka.tools.MetadataQuorumCommand", &["describe", "--status"]);
        let line = said.lines().find_map(|line| line.strip_prefix("LeaderId:")).expect("a leader");
        line.trim().parse::<usize>().expect("a node") - 1
    }

    /// The cluster takes records again and promptly, and every partition of every topic has all its replicas in sync. In
    /// that order: a broker that has lost its controllers goes on telling the metadata of better days. Returns how long that
    /// took.
    pub(crate) fn await_whole(&self) -> Duration {
        static TOPIC: OnceLock<String> = OnceLock::new();
        let start = Instant::now();
        let topic = TOPIC.get_or_init(|| self.kafka.create_topic("whole", 6));
        await_that("records are acknowledged", || self.kafka.takes_records(topic));
        await_that("the cluster is whole", || self.kafka.is_whole());
        start.elapsed()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !self.is_alone() {
            return;
        }
        self.open_paths();
        for (index, node) in self.kafka.nodes().iter().enumerate() {
            if node.has_exited() {
                self.restart(index);
            } else {
                node.thaw();
            }
        }
        if !std::thread::panicking() {
            self.await_whole();
            say(&format!("held the cluster for {:.0} s", self.since.elapsed().as_secs_f64()));
        }
    }
}
