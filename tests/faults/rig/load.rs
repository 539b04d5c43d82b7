//! An open loop of senders: events leave at their rate whatever became of those before, and come again as a provider would
//! send them again. (tests/it/support/load.rs is a closed loop, which ends with its gateway: what a source's own test needs.)

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::dice::Dice;
use super::ledger::{Ledger, Told};
use crate::support::http::Answer;
use crate::support::serve::signed;

/// No provider waits longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Copies of an event that are sent before the sender gives it up.
const COPIES: usize = 6;

/// Requests under way at most; an open loop needs an end as well.
const IN_FLIGHT: usize = 4_000;

/// Senders at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    runtime: Runtime,
    driver: JoinHandle<()>,
}

struct Shared {
    to: SocketAddr,
    run: String,
    ledger: Ledger,
    stop: AtomicBool,
    /// Copies are sent until here, also after `stop`.
    end: AtomicBool,
    idle: Mutex<Vec<TcpStream>>,
    slots: Arc<Semaphore>,
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
    refusals: Mutex<BTreeSet<u16>>,
    unanswered: AtomicUsize,
    slowest_ms: AtomicUsize,
}

/// What one event is.
struct Event {
    name: String,
    source: &'static str,
    body: Vec<u8>,
}

impl Load {
    /// Send about `rate` events a second. The seed decides what they are.
    pub(crate) fn start(to: SocketAddr, ledger: Ledger, seed: u64, rate: usize) -> Load {
        let run = format!("{}-{seed:x}-{}", ledger.name(), ledger.read().len());
        let shared = Arc::new(Shared {
            to,
            run,
            ledger,
            stop: AtomicBool::new(false),
            end: AtomicBool::new(false),
            idle: Mutex::default(),
            slots: Arc::new(Semaphore::new(IN_FLIGHT)),
            acknowledged: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            refusals: Mutex::default(),
            unanswered: AtomicUsize::new(0),
            slowest_ms: AtomicUsize::new(0),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let driver = runtime.spawn(open_loop(Arc::clone(&shared), Dice::new(seed), rate));
        Load { shared, runtime, driver }
    }

    /// Answers of 2xx so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Other answers so far.
    pub(crate) fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// The statuses of other answers so far.
    pub(crate) fn refusals(&self) -> BTreeSet<u16> {
        self.shared.refusals.lock().unwrap().clone()
    }

    /// Requests that got no answer, or none in time for any provider.
    pub(crate) fn unanswered(&self) -> usize {
        self.shared.unanswered.load(Ordering::Relaxed)
    }

    /// The slowest answer since this was last asked.
    pub(crate) fn slowest(&self) -> Duration {
        Duration::from_millis(self.shared.slowest_ms.swap(0, Ordering::Relaxed) as u64)
    }

    /// Send nothing new, await every answer, and give the ledger back. What was refused is sent again for at most `grace`.
    pub(crate) fn end(self, grace: Duration) -> Ledger {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.runtime.block_on(self.driver).expect("the driver");
        let all = |shared: &Shared| shared.slots.available_permits() == IN_FLIGHT;
        let grace = Instant::now() + grace;
        while !all(&self.shared) && Instant::now() < grace {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        self.shared.end.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + PATIENCE + Duration::from_secs(5);
        while !all(&self.shared) {
            assert!(Instant::now() < deadline, "senders that do not end");
            std::thread::park_timeout(Duration::from_millis(10));
        }
        self.runtime.shutdown_background();
        let shared = Arc::into_inner(self.shared);
        shared.map(|shared| shared.ledger).unwrap_or_else(|| panic!("a sender holds the ledger"))
    }
}

async fn open_loop(shared: Arc<Shared>, mut dice: Dice, rate: usize) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate as u32);
    let mut number = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        number += 1;
        let Ok(slot) = Arc::clone(&shared.slots).acquire_owned().await else { return };
        let event = event(&shared.run, number, &mut dice);
        let (shared, mut dice) = (Arc::clone(&shared), dice.clone());
        tokio::spawn(async move {
            for copy in 1..=COPIES {
                let told = send(&shared, &event).await;
                let done = (200..300).contains(&told.status) || copy == COPIES || shared.end.load(Ordering::Relaxed);
                if done {
                    break;
                }
                // A restless provider: its copies arrive while the first may still be undecided.
                tokio::time::sleep(dice.between(Duration::from_millis(200), Duration::from_secs(2))).await;
            }
            drop(shared);
            drop(slot);
        });
    }
}

/// Most events have an id. One in five is a reading, equal to many others and an event all the same.
fn event(run: &str, number: usize, dice: &mut Dice) -> Event {
    let name = format!("{run}-{number}");
    if dice.below(5) == 0 {
        let body = format!(r#"{{"type":"reading","celsius":{}}}"#, dice.below(4)).into_bytes();
        return Event { name, source: "readings", body };
    }
    let size = if dice.below(100) == 0 { 100_000 } else { 100 + dice.below(2_000) };
    let subject = dice.below(50);
    // Nothing that compression could make small.
    let pad: String =
        std::iter::repeat_with(|| char::from(b'A' + dice.below(58) as u8)).filter(|c| *c != '\\').take(size).collect();
    let body = format!(r#"{{"id":"{name}","type":"order","subject":"s{subject}","pad":"{pad}"}}"#);
    Event { name, source: "orders", body: body.into_bytes() }
}

async fn send(shared: &Shared, event: &Event) -> Told {
    shared.ledger.sent(&event.name, event.source, &hex::encode(Sha256::digest(&event.body))).await;
    let start = Instant::now();
    let answer = tokio::time::timeout(PATIENCE, exchange(shared, signed(event.source, &event.body))).await;
    let took = start.elapsed();
    let millis = took.as_millis() as u64;
    shared.slowest_ms.fetch_max(millis as usize, Ordering::Relaxed);
    let (status, body) = answer.ok().flatten().map_or((0, Vec::new()), |answer| (answer.status, answer.body));
    let counter = match status {
        0 => &shared.unanswered,
        200..300 => &shared.acknowledged,
        _ => {
            shared.refusals.lock().unwrap().insert(status);
            &shared.refused
        }
    };
    counter.fetch_add(1, Ordering::Relaxed);
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let word = body["status"].as_str().unwrap_or("-").to_owned();
    let told = Told { status, millis, word, id: body["id"].as_str().map(str::to_owned) };
    shared.ledger.told(&event.name, &told).await;
    told
}

/// One request on a connection of the pool, or a new one.
async fn exchange(shared: &Shared, request: Vec<u8>) -> Option<Answer> {
    let idle = shared.idle.lock().unwrap().pop();
    let mut stream = match idle {
        // A connection that was closed meanwhile is no fault of the gateway.
        Some(stream) if stream.try_read(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock) => stream,
        _ => TcpStream::connect(shared.to).await.ok()?,
    };
    stream.write_all(&request).await.ok()?;
    let mut read = Vec::new();
    let answer = loop {
        match Answer::parse(&read) {
            Some((answer, _)) => break answer,
            None if stream.read_buf(&mut read).await.ok()? == 0 => return None,
            None => {}
        }
    };
    if answer.header("connection") != Some("close") {
        shared.idle.lock().unwrap().push(stream);
    }
    Some(answer)
}
