//! How long a connection may stay silent: a head must be complete soon after its first byte, while a connection between
//! two requests may rest. Load balancers keep connections for a minute or more, and a request that crosses our end of
//! one on the wire is lost to them; so ours must last longer than theirs. hyper has one timer for both, hence this one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep};

use super::door::{Guest, Readable};

/// Nothing came yet.
const NEW: u8 = 0;
/// A head is under way.
const HEAD: u8 = 1;
/// A request is being answered; its body has a deadline of its own.
const ANSWERING: u8 = 2;
/// Between two requests.
const RESTING: u8 = 3;
/// The last answer is on its way. What still comes is the rest of a body that was refused early.
const ENDING: u8 = 4;

/// Where in its life a connection is: told by the service, heeded by its reading side.
#[derive(Debug, Default)]
pub(super) struct Pace {
    state: AtomicU8,
    timed_out: AtomicBool,
    /// Whether a request waits at the lane's door.
    waiting: AtomicBool,
    /// How long the last one waited there, in microseconds.
    waited: AtomicU64,
}

impl Pace {
    /// A head is complete.
    pub(super) fn answering(&self) {
        self.state.store(ANSWERING, Ordering::Relaxed);
    }

    /// The answer is on its way.
    pub(super) fn resting(&self) {
        self.state.store(RESTING, Ordering::Relaxed);
    }

    /// The answer is on its way, and says that it is the last.
    pub(super) fn ending(&self) {
        self.state.store(ENDING, Ordering::Relaxed);
    }

    /// Whether a head has begun and is not complete, or would have, were it not kept waiting.
    pub(super) fn is_in_head(&self) -> bool {
        self.state.load(Ordering::Relaxed) == HEAD || self.waiting.load(Ordering::Relaxed)
    }

    /// How long the request that was read last was kept waiting; asked once for each.
    pub(super) fn waited(&self) -> Duration {
        Duration::from_micros(self.waited.swap(0, Ordering::Relaxed))
    }

    /// Whether a head was not complete in time.
    pub(super) fn timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Relaxed)
    }
}

/// A stream whose silence has an end.
pub(super) struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
    guest: Guest,
    head: Duration,
    idle: Duration,
    /// The state that `deadline` was set for.
    seen: u8,
    deadline: Instant,
    sleep: Pin<Box<Sleep>>,
    /// When `sleep` wakes the task, once it knows the task.
    wakes_at: Option<Instant>,
}

impl<S> Paced<S> {
    /// `head` is what a head may take, from accept for the first one; `idle` what may lie between two requests.
    pub(super) fn new(stream: S, guest: Guest, head: Duration, idle: Duration) -> (Self, Arc<Pace>) {
        let pace = Arc::new(Pace::default());
        let deadline = Instant::now() + head;
        #[allow(clippy::disallowed_methods)] // this is the bound around the work
        let sleep = Box::pin(tokio::time::sleep_until(deadline));
        (Self { stream, pace: Arc::clone(&pace), guest, head, idle, seen: NEW, deadline, sleep, wakes_at: None }, pace)
    }

    /// Nothing came: whether that has lasted too long.
    fn silent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = self.pace.state.load(Ordering::Relaxed);
        let now = Instant::now();
        if state != self.seen {
            self.seen = state;
            self.deadline = now + if state == HEAD { self.head } else { self.idle };
        }
        // The timer is not touched for each request: it mostly goes off too early anyway, and is out of the caches.
        if state == ANSWERING || self.wakes_at.is_some_and(|wakes| now < wakes && wakes <= self.deadline) {
            return Poll::Pending;
        }
        // Mostly the end moves away: then the timer may go off too early and is set again, instead of for each request.
        if self.sleep.deadline() > self.deadline {
            self.sleep.as_mut().reset(self.deadline);
        }
        while self.sleep.as_mut().poll(cx).is_ready() {
            if self.sleep.deadline() >= self.deadline {
                return self.end(state);
            }
            self.sleep.as_mut().reset(self.deadline);
        }
        // A task that has used up its turn is not registered by the poll.
        self.wakes_at = has_budget_remaining().then(|| self.sleep.deadline());
        Poll::Pending
    }

    /// The silence was too long.
    fn end(&self, state: u8) -> Poll<io::Result<()>> {
        if matches!(state, RESTING | ENDING) {
            // As if the client had ended it.
            return Poll::Ready(Ok(()));
        }
        self.pace.timed_out.store(true, Ordering::Relaxed);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Between two requests, or before the first, what comes is one more for the lane: whether it may be read.
    fn may_read(&mut self, cx: &mut Context<'_>) -> bool
    where
        S: Readable,
    {
        if self.guest.is_inside() || (!self.guest.is_waiting() && !self.stream.is_readable(cx)) {
            return true;
        }
        let waited = self.guest.enter(cx);
        self.pace.waiting.store(waited.is_none(), Ordering::Relaxed);
        let Some(waited) = waited else { return false };
        self.pace.waited.store(waited.as_micros().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        // Not the client's silence.
        self.deadline += waited;
        true
    }

    /// What was to be written is: after an answer the rest begins. Not when the next request is first read for: hyper does not
    /// read again until something wakes it, if it has looked for the client's end while the request was answered.
    fn written(&mut self, cx: &mut Context<'_>) {
        let state = self.pace.state.load(Ordering::Relaxed);
        if state == self.seen || !matches!(state, RESTING | ENDING) {
            return;
        }
        if state == RESTING {
            self.guest.leave();
        }
        if self.silent(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Something came: between two requests, and before the first, a head has begun.
    fn heard(&mut self) {
        self.seen = match self.pace.state.load(Ordering::Relaxed) {
            // Its time goes on: it began with the accept.
            NEW => HEAD,
            // Its time begins when it is first waited for.
            RESTING => ANSWERING,
            _ => return,
        };
        self.pace.state.store(HEAD, Ordering::Relaxed);
    }
}

impl<S: AsyncRead + Unpin + Readable> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let between = matches!(self.pace.state.load(Ordering::Relaxed), NEW | RESTING);
        if between && !self.may_read(cx) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Pending => {
                if between {
                    self.guest.leave();
                    self.pace.waited.store(0, Ordering::Relaxed);
                }
                self.silent(cx)
            }
            Poll::Ready(result) => {
                if buffer.filled().len() > before {
                    self.heard();
                }
                Poll::Ready(result)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.written(cx);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Waker;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::coop::consume_budget;
    use tokio::time::timeout;

    use super::super::door::Door;

    use super::*;

    /// It cannot say. Where nothing is there a guest only waits for it inside.
    impl Readable for DuplexStream {
        fn is_readable(&self, _: &mut Context<'_>) -> bool {
            true
        }
    }

    const HEAD_TIME: Duration = Duration::from_millis(100);
    const IDLE_TIME: Duration = Duration::from_millis(500);

    #[tokio::test]
    async fn a_head_has_its_time_and_a_rest_more() {
        let (mut client, server) = duplex(64);
        let (mut server, pace) = Paced::new(server, Guest::at(None), HEAD_TIME, IDLE_TIME);
        let mut buffer = [0; 8];
        client.write_all(b"GET").await.unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 3);
        pace.answering();
        let patient = timeout(2 * HEAD_TIME, server.read(&mut buffer)).await;
        assert!(patient.is_err(), "the answer takes what it takes");
        pace.resting();
        let late = async {
            tokio::time::sleep(2 * HEAD_TIME).await;
            client.write_all(b"G").await.unwrap();
        };
        let (read, ()) = tokio::join!(server.read(&mut buffer), late);
        assert_eq!(read.unwrap(), 1, "a load balancer uses it again");
        let start = Instant::now();
        let error = server.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() < IDLE_TIME && pace.timed_out(), "{:?}", start.elapsed());
    }

    /// As hyper does it: a read while the request is answered, the answer, and no further read until the task is woken.
    #[tokio::test]
    async fn a_rest_begins_with_the_answer() {
        let (mut client, server) = duplex(64);
        let (mut server, pace) = Paced::new(server, Guest::at(Some(Arc::default())), HEAD_TIME, IDLE_TIME);
        client.write_all(b"GET").await.unwrap();
        let mut buffer = [0; 8];
        assert_eq!(server.read(&mut buffer).await.unwrap(), 3);
        pace.answering();
        let mut wakes = 0;
        let start = Instant::now();
        let read = poll_fn(|cx| {
            wakes += 1;
            let mut buffer = ReadBuf::new(&mut buffer);
            if wakes == 1 {
                assert!(Pin::new(&mut server).poll_read(cx, &mut buffer).is_pending());
                assert!(server.guest.is_inside());
                pace.resting();
                assert!(Pin::new(&mut server).poll_flush(cx).is_ready());
                assert!(!server.guest.is_inside(), "its place is another's");
                return Poll::Pending;
            }
            Pin::new(&mut server).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
        });
        let read = timeout(4 * IDLE_TIME, read).await;
        assert_eq!(read.unwrap().unwrap(), 0, "the end");
        assert!((IDLE_TIME..3 * IDLE_TIME).contains(&start.elapsed()) && !pace.timed_out(), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn silence_ends_at_its_time() {
        let (_client, server) = duplex(64);
        let start = Instant::now();
        let (mut server, pace) = Paced::new(server, Guest::at(None), HEAD_TIME, IDLE_TIME);
        assert!(server.read(&mut [0; 8]).await.is_err(), "who connects must say something");
        assert!((HEAD_TIME..IDLE_TIME).contains(&start.elapsed()));
        pace.resting();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0, "the end, and no error");
        assert!(start.elapsed() >= HEAD_TIME + IDLE_TIME);
    }

    #[tokio::test]
    async fn the_rest_of_a_body_after_the_last_answer_is_no_request() {
        let (door, _inside) = full();
        let (mut client, server) = duplex(64);
        let (mut server, pace) = Paced::new(server, Guest::at(Some(door)), HEAD_TIME, IDLE_TIME);
        pace.answering();
        let mut buffer = [0; 8];
        assert!(timeout(HEAD_TIME, server.read(&mut buffer)).await.is_err(), "nothing came yet");
        pace.ending();
        server.flush().await.unwrap();
        client.write_all(b"rest").await.unwrap();
        let rest = timeout(IDLE_TIME, server.read(&mut buffer)).await.expect("it waits at no door");
        assert_eq!(rest.unwrap(), 4);
        assert!(!pace.is_in_head(), "a stop does not wait for it");
        assert_eq!(server.read(&mut buffer).await.unwrap(), 0, "nor does anything wait for more of it for ever");
        assert!(!pace.timed_out());
    }

    /// A door with all its places taken, and those that have them.
    fn full() -> (Arc<Door>, Vec<Guest>) {
        let door = Arc::<Door>::default();
        let visit = || {
            let mut guest = Guest::at(Some(Arc::clone(&door)));
            guest.enter(&Context::from_waker(Waker::noop())).map(|_| guest)
        };
        let inside = std::iter::from_fn(visit).collect();
        (door, inside)
    }

    #[tokio::test]
    async fn what_waits_at_the_door_is_not_its_senders_silence() {
        let (door, mut inside) = full();
        let (mut client, server) = duplex(64);
        let (mut server, pace) = Paced::new(server, Guest::at(Some(door)), IDLE_TIME, IDLE_TIME);
        client.write_all(b"GET").await.unwrap();
        let mut buffer = [0; 8];
        let patient = timeout(IDLE_TIME + HEAD_TIME, server.read(&mut buffer)).await;
        assert!(patient.is_err(), "it is full");
        assert!(pace.is_in_head(), "at a stop it is still to be answered");
        inside.pop();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 3);
        assert!(pace.is_in_head());
        assert!(pace.waited() >= IDLE_TIME);
        assert_eq!(pace.waited(), Duration::ZERO, "one request's wait is not the next one's");
        let start = Instant::now();
        let error = server.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() >= IDLE_TIME / 2, "a head has its time beside the wait: {:?}", start.elapsed());
    }

    /// Nothing is registered for a task that has used up its turn; tokio only lets it come again.
    #[tokio::test]
    async fn silence_ends_for_those_that_have_used_up_their_turn() {
        let (_client, server) = duplex(64);
        let (mut server, _) = Paced::new(server, Guest::at(None), HEAD_TIME, IDLE_TIME);
        let start = Instant::now();
        let mut turns = 0;
        let read = poll_fn(|cx| {
            turns += 1;
            if turns == 1 {
                while has_budget_remaining() {
                    let _ = pin!(consume_budget()).poll(cx);
                }
            }
            let mut bytes = [0; 8];
            Pin::new(&mut server).poll_read(cx, &mut ReadBuf::new(&mut bytes))
        });
        let read = timeout(4 * IDLE_TIME, read).await;
        assert!(read.unwrap().is_err(), "who connects must say something");
        assert!(start.elapsed() < 2 * IDLE_TIME && turns > 1, "{:?} {turns}", start.elapsed());
    }
}
