//! A node of its own for tests that take Kafka away, one at a time. However such a test ends, the node is back for the next.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::cluster::Cluster;
use super::settings::Listener;
use super::{Shared, or_skip};

static ONE: Shared = Shared::new();
static TURN: Mutex<()> = Mutex::new(());

/// The right to kill or freeze the node.
pub(crate) struct Outage {
    pub(crate) kafka: &'static Cluster,
    _turn: MutexGuard<'static, ()>,
}

impl Outage {
    /// Wait for the turn. `None`: no Kafka on this machine, the test should return.
    pub(crate) fn begin() -> Option<Outage> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let kafka = or_skip(ONE.get_or_init(|| Cluster::start(1, Listener::Plain)))?;
        Some(Outage { kafka, _turn: turn })
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) {
        self.kafka.nodes()[0].kill();
    }

    /// Start it again on its data; the moment from which clients can use it.
    pub(crate) fn restart(&self) -> Instant {
        self.kafka.restart(&self.kafka.nodes()[0]);
        self.kafka.await_ready(1).unwrap_or_else(|log| panic!("Kafka did not come back:\n{log}"));
        Instant::now()
    }

    /// SIGSTOP: it holds its connections and answers nothing.
    pub(crate) fn freeze(&self) {
        self.kafka.nodes()[0].freeze();
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.kafka.nodes()[0].thaw();
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        if self.kafka.nodes()[0].has_exited() {
            self.restart();
        } else {
            self.thaw();
        }
    }
}
