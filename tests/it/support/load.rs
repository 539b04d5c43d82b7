//! Senders that go on whatever happens, and the ledger of what they were told.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::http::Wire;
use super::kafka::{Cluster, Isolation};
use super::serve::signed;

/// How long a sender rests after anything but a 2xx.
const REST: Duration = Duration::from_millis(20);

/// Senders of events for the source `orders`, each event with an id of its own, until nobody listens any more.
pub(crate) struct Load {
    ledger: Arc<Mutex<Vec<Entry>>>,
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<()>>,
}

/// What became of one event.
pub(crate) struct Entry {
    id: String,
    pub(crate) sent: Instant,
    pub(crate) after: Duration,
    pub(crate) status: u16,
}

/// The entries in the order of their answers.
pub(crate) struct Ledger(pub(crate) Vec<Entry>);

impl Load {
    pub(crate) fn start(to: SocketAddr, senders: usize) -> Load {
        let (ledger, stop) = (Arc::<Mutex<Vec<Entry>>>::default(), Arc::<AtomicBool>::default());
        let sender = |sender: usize| {
            let (ledger, stop) = (Arc::clone(&ledger), Arc::clone(&stop));
            std::thread::spawn(move || send(sender, to, &ledger, &stop))
        };
        Load { senders: (0..senders).map(sender).collect(), ledger, stop }
    }

    /// How many events got a 2xx.
    pub(crate) fn acknowledged(&self) -> usize {
        self.ledger.lock().unwrap().iter().filter(|entry| entry.status == 200).count()
    }

    pub(crate) fn end(self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        self.senders.into_iter().for_each(|sender| sender.join().unwrap());
        Ledger(std::mem::take(&mut self.ledger.lock().unwrap()))
    }
}

fn send(sender: usize, to: SocketAddr, ledger: &Mutex<Vec<Entry>>, stop: &AtomicBool) {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let Some(mut wire) = Wire::try_connect(to) else { return };
        let mut open = true;
        while open && !stop.load(Ordering::Relaxed) {
            number += 1;
            let id = format!("{sender}-{number}");
            let sent = Instant::now();
            wire.send(signed("orders", format!(r#"{{"id":"{id}","type":"t"}}"#).as_bytes()));
            let Some(answer) = wire.answer() else { break };
            open = answer.header("connection") != Some("close");
            let status = answer.status;
            ledger.lock().unwrap().push(Entry { id, sent, after: sent.elapsed(), status });
            if status != 200 {
                std::thread::park_timeout(REST);
            }
        }
    }
}

impl Ledger {
    /// Everything that got a 2xx stands in the topic, and nothing stands there twice.
    pub(crate) fn assert_nothing_lost(&self, kafka: &Cluster, topic: &str) {
        self.assert_kept(kafka, topic, 0);
    }

    /// Everything that got a 2xx stands in the topic, with so many second copies at most.
    pub(crate) fn assert_kept(&self, kafka: &Cluster, topic: &str, second_copies: usize) {
        let records = kafka.read_all(topic, Isolation::Committed);
        let stored: Vec<String> =
            records.into_iter().map(|seen| String::from_utf8(seen.key.expect("a key")).expect("UTF-8")).collect();
        let distinct: BTreeSet<&str> = stored.iter().map(String::as_str).collect();
        let twice = stored.len() - distinct.len();
        assert!(twice <= second_copies, "{twice} events stand there twice, {second_copies} may");
        let acknowledged = || self.0.iter().filter(|entry| entry.status == 200);
        let lost: Vec<&str> = acknowledged().map(|entry| &*entry.id).filter(|id| !distinct.contains(id)).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged events are lost: {lost:?}", lost.len(), acknowledged().count());
    }
}
