//! The load generator: keep-alive connections on loopback, closed loop (each sends when it was answered) or open loop
//! (events fall due at a steady rate, whatever the answers do, and their latency counts from then).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::event::{BODIES, Request};
use super::pace::Pace;
use super::process::{self, Machine};
use super::sample::{Plan, Sample, pause};

/// How many connections are open at one time, where nothing else is asked for.
pub(crate) const CONNECTIONS: usize = 256;

/// Before everything, unmeasured: Kafka's JVM compiles what is busy.
pub(crate) const WARM_UP_OF_KAFKA: Duration = Duration::from_secs(20);

/// Threads of the generator, each with its share of the connections.
const THREADS: usize = 2;

/// Answers are read into this much; none of ours is longer.
const ANSWER: usize = 4_096;

const WARMING: u8 = 0;
const MEASURING: u8 = 1;
const ENDING: u8 = 2;

struct Shared {
    phase: AtomicU8,
    /// The number of the next event, over all windows.
    numbers: Arc<AtomicU64>,
    pace: Option<Pace>,
}

/// What connections have seen.
#[derive(Default)]
struct Tally {
    accepted: u64,
    failed: u64,
    measured: Vec<Duration>,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.accepted += other.accepted;
        self.failed += other.failed;
        self.measured.extend(other.measured);
    }
}

/// So much load on one address, unmeasured.
pub(crate) fn warm_up(to: SocketAddr, paths: &[String], pid: u32, plan: Plan, numbers: &Arc<AtomicU64>) {
    run(to, paths, pid, Plan { warm_up: Duration::ZERO, length: WARM_UP_OF_KAFKA, ..plan }, numbers);
}

/// One window of load on one address. Each connection takes its share of the paths in turn. `pid` is the process whose CPU
/// time is taken.
pub(crate) fn run(to: SocketAddr, paths: &[String], pid: u32, plan: Plan, numbers: &Arc<AtomicU64>) -> Sample {
    let pace = plan.rate.map(|rate| Pace::begin(rate, THREADS));
    let shared = Arc::new(Shared { phase: AtomicU8::new(WARMING), numbers: Arc::clone(numbers), pace });
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| (thread, Arc::clone(&shared)))
            .map(|(thread, shared)| scope.spawn(move || generate(to, paths, thread, plan.connections, shared)))
            .collect();
        if let Some(pace) = &shared.pace {
            scope.spawn(|| pace.run(|| shared.phase.load(Ordering::Relaxed) == ENDING));
        }
        pause(plan.warm_up);
        let (cpu, machine, start) = (process::cpu(pid), Machine::now(), Instant::now());
        shared.phase.store(MEASURING, Ordering::Relaxed);
        pause(plan.length);
        shared.phase.store(ENDING, Ordering::Relaxed);
        let (cpu, machine, length) = (process::cpu(pid) - cpu, machine.since(), start.elapsed());
        let mut total = Tally::default();
        threads.into_iter().for_each(|thread| total.add(thread.join().expect("the generator's thread")));
        Sample { accepted: total.accepted, failed: total.failed, ..Sample::new(total.measured, length, cpu, machine) }
    })
}

fn generate(to: SocketAddr, paths: &[String], thread: usize, connections: usize, shared: Arc<Shared>) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let due = Arc::new(Semaphore::new(0));
        if shared.pace.is_some() {
            let (shared, due) = (Arc::clone(&shared), Arc::clone(&due));
            tokio::spawn(async move {
                if let Some(pace) = &shared.pace {
                    pace.release(thread, &due).await;
                }
            });
        }
        let tasks: Vec<_> = (thread..connections)
            .step_by(THREADS)
            .map(|index| {
                // With fewer paths than connections several connections share one.
                let own = paths.iter().skip(index % paths.len()).step_by(connections);
                let requests = own.map(|path| Request::new(path, index % BODIES)).collect();
                tokio::spawn(connection(to, requests, Arc::clone(&shared), Arc::clone(&due)))
            })
            .collect();
        let mut total = Tally::default();
        for task in tasks {
            total.add(task.await.expect("a connection"));
        }
        total
    })
}

async fn connection(to: SocketAddr, mut requests: Vec<Request>, shared: Arc<Shared>, due: Arc<Semaphore>) -> Tally {
    let mut stream = TcpStream::connect(to).await.expect("connect");
    stream.set_nodelay(true).expect("no delay");
    let mut answer = [0; ANSWER];
    let mut tally = Tally::default();
    for turn in (0..requests.len()).cycle() {
        let due = match &shared.pace {
            None => Some(Instant::now()),
            Some(pace) => pace.next(&due).await,
        };
        let Some(due) = due.filter(|_| shared.phase.load(Ordering::Relaxed) != ENDING) else { return tally };
        let bytes = requests[turn].number(shared.numbers.fetch_add(1, Ordering::Relaxed));
        stream.write_all(bytes).await.expect("send");
        if read_answer(&mut stream, &mut answer).await {
            tally.accepted += 1;
        } else {
            tally.failed += 1;
        }
        if shared.phase.load(Ordering::Relaxed) == MEASURING {
            tally.measured.push(due.elapsed());
        }
    }
    tally
}

/// Read one answer to its end; whether it was a 200.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8; ANSWER]) -> bool {
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..]).await.expect("read an answer");
        assert!(count > 0, "the connection was closed: {}", String::from_utf8_lossy(&buffer[..filled]));
        filled += count;
        if let Some(end) = answer_end(&buffer[..filled])
            && end <= filled
        {
            return buffer.starts_with(b"HTTP/1.1 200");
        }
    }
}

/// The length of the answer that begins here, once its head is complete.
fn answer_end(read: &[u8]) -> Option<usize> {
    const LENGTH: &[u8] = b"content-length: ";
    let head = memchr::memmem::find(read, b"\r\n\r\n")? + 4;
    let at = memchr::memmem::find(&read[..head], LENGTH).expect("an answer with its length") + LENGTH.len();
    let digits = read[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(head + digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0')))
}
