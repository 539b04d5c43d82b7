//! A TCP proxy in front of one broker. It can hold, swallow, delay, stall and reset what passes, and it knows enough of
//! Kafka's framing (length, then the API key) to hold requests of one kind. Where there is no broker, its port is closed.

use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::dice::Dice;

/// Requests larger than this are no Kafka.
const MAX_FRAME: usize = 128 << 20;

/// What the proxy does to its connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Nothing passes in either direction, and nobody is told.
    Blackhole,
    /// Requests arrive; their answers never do.
    AnswersLost,
    /// Every connection is reset, new ones as well.
    Reset,
    /// Everything comes so much later, in each direction.
    Latency(Duration),
    /// So many of a thousand chunks wait for a retransmission of this long, and what follows waits behind them.
    Loss { per_mille: u64, stall: Duration },
    /// Requests with this API key (0 is Produce) are held back.
    Hold(i16),
}

/// A running proxy.
pub(crate) struct Proxy(watch::Sender<Fault>);

/// One runtime for all proxies: they have to live as long as the cluster.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

impl Proxy {
    /// Listen on `port` and forward to `behind`.
    pub(crate) fn start(port: u16, behind: u16) -> Proxy {
        let (sender, fault) = watch::channel(Fault::None);
        let mut listener = RUNTIME.block_on(listen(port));
        RUNTIME.spawn(async move {
            let dice = Arc::new(Mutex::new(Dice::new(u64::from(port))));
            let mut gone = Arc::new(Notify::new());
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((client, _)) = accepted else { return };
                        tokio::spawn(connection(client, behind, fault.clone(), Arc::clone(&dice), Arc::clone(&gone)));
                    }
                    () = gone.notified() => {
                        // A dead broker's port is closed. One that accepts and then resets is another fault: librdkafka
                        // asks the brokers that are left for metadata each time.
                        drop(listener);
                        returned(behind).await;
                        listener = listen(port).await;
                        // What older connections still have to say is about the broker before.
                        gone = Arc::default();
                    }
                }
            }
        });
        Proxy(sender)
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.0.send_replace(fault);
    }
}

async fn listen(port: u16) -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("bind the proxy's port")
}

/// The broker has opened its port again.
async fn returned(behind: u16) {
    while TcpStream::connect((Ipv4Addr::LOCALHOST, behind)).await.is_err() {
        #[allow(clippy::disallowed_methods, reason = "nobody tells when a port is opened")]
        sleep_until(Instant::now() + Duration::from_millis(20)).await;
    }
}

async fn connection(
    client: TcpStream,
    behind: u16,
    mut fault: watch::Receiver<Fault>,
    dice: Arc<Mutex<Dice>>,
    gone: Arc<Notify>,
) {
    // A broker that cannot be reached through a black hole is not refused either.
    while *fault.borrow_and_update() == Fault::Blackhole {
        if fault.changed().await.is_err() {
            return;
        }
    }
    // Dropped with zero linger, a socket says RST.
    let _ = set_socket_linger(&client, Some(Duration::ZERO));
    if *fault.borrow() == Fault::Reset {
        return;
    }
    let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, behind)).await else {
        return gone.notify_one();
    };
    let _ = client.set_nodelay(true);
    let _ = broker.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let requests = pump(Side::Requests, from_client, to_broker, fault.clone(), Arc::clone(&dice));
    let answers = pump(Side::Answers, from_broker, to_client, fault.clone(), dice);
    let reset = async { while *fault.borrow_and_update() != Fault::Reset && fault.changed().await.is_ok() {} };
    tokio::select! {
        () = requests => {}
        () = answers => {}
        () = reset => {}
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Requests,
    Answers,
}

/// Bytes on their way: due at a time, and, for a request, its API key.
struct Chunk {
    due: Instant,
    api: Option<i16>,
    bytes: Vec<u8>,
}

/// Ends when either end closes, and when answers were lost for good.
async fn pump(
    side: Side,
    mut from: OwnedReadHalf,
    to: OwnedWriteHalf,
    fault: watch::Receiver<Fault>,
    dice: Arc<Mutex<Dice>>,
) {
    let (sender, receiver) = mpsc::channel(64);
    let now = fault.clone();
    let read = async move {
        while let Some((bytes, api)) = next(side, &mut from).await {
            let due = Instant::now() + delay(*now.borrow(), &dice);
            if sender.send(Chunk { due, api, bytes }).await.is_err() {
                return;
            }
        }
    };
    let mut write = std::pin::pin!(write(side, to, receiver, fault));
    tokio::select! {
        () = &mut write => {}
        // What was read before the end still has to arrive.
        () = read => write.await,
    }
}

async fn write(
    side: Side,
    mut to: OwnedWriteHalf,
    mut chunks: mpsc::Receiver<Chunk>,
    mut fault: watch::Receiver<Fault>,
) {
    while let Some(Chunk { due, api, bytes }) = chunks.recv().await {
        #[allow(clippy::disallowed_methods, reason = "lateness is what this is for")]
        sleep_until(due).await;
        let mut lost = false;
        loop {
            let now = *fault.borrow_and_update();
            let held = match now {
                Fault::Blackhole => true,
                Fault::AnswersLost => side == Side::Answers,
                Fault::Hold(key) => api == Some(key),
                _ => false,
            };
            if !held {
                break;
            }
            lost |= now == Fault::AnswersLost;
            if fault.changed().await.is_err() {
                return;
            }
        }
        // What was lost is not made up for: the connection ends instead.
        if lost || to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

fn delay(fault: Fault, dice: &Mutex<Dice>) -> Duration {
    match fault {
        Fault::Latency(delay) => delay,
        Fault::Loss { per_mille, stall } if dice.lock().unwrap().happens(per_mille) => stall,
        _ => Duration::ZERO,
    }
}

/// The next bytes: a whole request, or whatever there is of the answers.
async fn next(side: Side, from: &mut OwnedReadHalf) -> Option<(Vec<u8>, Option<i16>)> {
    if side == Side::Answers {
        let mut bytes = vec![0; 64 * 1024];
        let count = from.read(&mut bytes).await.ok().filter(|count| *count > 0)?;
        bytes.truncate(count);
        return Some((bytes, None));
    }
    let mut length = [0; 4];
    from.read_exact(&mut length).await.ok()?;
    let count = usize::try_from(i32::from_be_bytes(length)).ok().filter(|count| (2..=MAX_FRAME).contains(count))?;
    let mut bytes = length.to_vec();
    bytes.resize(4 + count, 0);
    from.read_exact(&mut bytes[4..]).await.ok()?;
    let api = i16::from_be_bytes([bytes[4], bytes[5]]);
    Some((bytes, Some(api)))
}
