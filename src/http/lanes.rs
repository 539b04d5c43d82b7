//! Lanes: a thread for each core, with a runtime of its own. A connection stays on one of them, so that what it does wakes
//! no other lane and what it touches stays in one core's caches; docs/performance.md has the figures.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

use super::door::{Door, Guest};

/// A body of more bytes than this keeps a core busy so long that the others of its lane are better served by another
/// thread: about a quarter of a millisecond, some ten times what the change of threads costs.
const LONG: usize = 256 * 1024;

/// Where connections are served. Without any lane: where their listener is.
#[derive(Default)]
pub struct Lanes(Vec<Lane>);

struct Lane {
    /// Of one thread. There until the drop.
    runtime: Option<Runtime>,
    connections: Arc<AtomicUsize>,
    door: Arc<Door>,
}

/// A connection's place in its lane, to be held as long as it lives.
pub(super) struct Seat(Option<(Arc<AtomicUsize>, Arc<Door>)>);

impl Lanes {
    /// One for each core that the process may use.
    ///
    /// # Errors
    /// The process has no descriptors left for them.
    pub fn start() -> Result<Self, String> {
        Self::so_many(available_parallelism().map_or(1, usize::from))
            .map_err(|error| format!("cannot start the threads that serve connections: {error}"))
    }

    fn so_many(count: usize) -> io::Result<Self> {
        let lane = |_| {
            // Not a runtime of the current thread: waking that from outside is a system call each time, and it has
            // nobody to go on when a long piece of work comes.
            let door = Arc::<Door>::default();
            let idle = Arc::clone(&door);
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("lane")
                .enable_all()
                // What Kafka has answered comes from outside; it goes before what is new.
                .global_queue_interval(1)
                .on_thread_park(move || idle.idle())
                .build()?;
            Ok(Lane { runtime: Some(runtime), connections: Arc::default(), door })
        };
        (0..count).map(lane).collect::<io::Result<_>>().map(Self)
    }

    /// Serve a connection on the lane that has the fewest.
    ///
    /// # Errors
    /// The lane could not take it over: no memory in the kernel. It is closed.
    pub(super) fn serve<F>(&self, stream: TcpStream, serve: impl FnOnce(TcpStream, Seat) -> F) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let free = self.0.iter().min_by_key(|lane| lane.connections.load(Ordering::Relaxed));
        let Some((lane, runtime)) = free.and_then(|lane| Some((lane, lane.runtime.as_ref()?))) else {
            tokio::spawn(serve(stream, Seat(None)));
            return Ok(());
        };
        let seat = Seat::take(lane);
        let stream = {
            let stream = stream.into_std()?;
            let _lane = runtime.enter();
            TcpStream::from_std(stream)?
        };
        // As it is: wrapped once more, each connection at rest would take twice the room.
        runtime.spawn(serve(stream, seat));
        Ok(())
    }
}

impl Drop for Lanes {
    /// What still runs is cut. Waits for nothing: it may be dropped on a thread that must not block.
    fn drop(&mut self) {
        self.0.iter_mut().filter_map(|lane| lane.runtime.take()).for_each(Runtime::shutdown_background);
    }
}

impl Seat {
    fn take(lane: &Lane) -> Self {
        lane.connections.fetch_add(1, Ordering::Relaxed);
        Self(Some((Arc::clone(&lane.connections), Arc::clone(&lane.door))))
    }

    /// The connection at its lane's door.
    pub(super) fn guest(&self) -> Guest {
        Guest::at(self.0.as_ref().map(|(_, door)| Arc::clone(door)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((connections, _)) = &self.0 {
            connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Do a piece of work on so many bytes; when it is a long one, the lane's other connections go on meanwhile.
pub fn work<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let movable = || Handle::try_current().is_ok_and(|here| here.runtime_flavor() == RuntimeFlavor::MultiThread);
    match (bytes > LONG && movable()).then(|| Aside::begin(&ASIDE)).flatten() {
        Some(_aside) => {
            let done = tokio::task::block_in_place(work);
            // What follows runs beside the lane, which may be asleep: it must look at its door once more.
            tokio::spawn(async {});
            done
        }
        None => work(),
    }
}

/// How many there are.
static ASIDE: AtomicUsize = AtomicUsize::new(0);

/// One long piece of work that has left its lane to another thread.
struct Aside(&'static AtomicUsize);

impl Aside {
    /// How many there may be at one time, over all lanes: each is a thread.
    const MOST: usize = 32;

    fn begin(all: &'static AtomicUsize) -> Option<Self> {
        let more = |count| (count < Self::MOST).then_some(count + 1);
        all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(all))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::mpsc;
    use std::task::Poll;
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    /// Each holds its place until all have one.
    #[tokio::test]
    async fn a_lane_that_has_nothing_to_do_lets_all_in() {
        const CROWD: usize = 200;
        let lanes = Lanes::so_many(1).unwrap();
        let all = Arc::new(tokio::sync::Barrier::new(CROWD));
        let (done, mut ended) = tokio::sync::mpsc::channel(CROWD);
        for _ in 0..CROWD {
            let (all, done) = (Arc::clone(&all), done.clone());
            let serve = |_stream, seat: Seat| async move {
                let mut guest = seat.guest();
                poll_fn(|cx| guest.enter(cx).map_or(Poll::Pending, Poll::Ready)).await;
                all.wait().await;
                guest.leave();
                done.send(()).await.unwrap();
            };
            lanes.serve(connection().await.0, serve).unwrap();
        }
        for _ in 0..CROWD {
            tokio::time::timeout(Duration::from_secs(20), ended.recv()).await.expect("all are let in").unwrap();
        }
    }

    /// Both ends of a connection.
    async fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (near.unwrap(), far.unwrap().0)
    }

    #[tokio::test]
    async fn long_work_leaves_the_lane_to_the_others() {
        let lanes = Lanes::so_many(1).unwrap();
        let (told, tell) = (mpsc::channel(), mpsc::channel());
        let (_one, stream) = connection().await;
        lanes
            .serve(stream, |_, _| async move {
                let heard = work(LONG + 1, || tell.1.recv_timeout(Duration::from_secs(10)));
                told.0.send(heard).unwrap();
            })
            .unwrap();
        let (_other, stream) = connection().await;
        lanes.serve(stream, |_, _| async move { tell.0.send(()).unwrap() }).unwrap();
        let heard = tokio::task::spawn_blocking(move || told.1.recv_timeout(Duration::from_secs(20))).await.unwrap();
        assert_eq!(heard, Ok(Ok(())), "the second was served while the first worked");
    }

    #[tokio::test]
    async fn connections_are_spread_and_their_places_are_given_back() {
        let lanes = Lanes::so_many(2).unwrap();
        let mut held = Vec::new();
        for _ in 0..4 {
            let (near, stream) = connection().await;
            lanes
                .serve(stream, |stream, seat| async move {
                    let _seat = seat;
                    let _ = stream.readable().await;
                })
                .unwrap();
            held.push(near);
        }
        let open = || lanes.0.iter().map(|lane| lane.connections.load(Ordering::Relaxed)).collect::<Vec<_>>();
        assert_eq!(open(), [2, 2]);
        drop(held);
        while open() != [0, 0] {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn so_many_leave_their_lanes_and_no_more() {
        static ALL: AtomicUsize = AtomicUsize::new(0);
        let aside: Vec<_> = std::iter::from_fn(|| Aside::begin(&ALL)).take(Aside::MOST + 1).collect();
        assert_eq!(aside.len(), Aside::MOST);
        drop(aside);
        assert!(Aside::begin(&ALL).is_some(), "their places are given back");
    }

    #[tokio::test]
    async fn work_is_done_wherever_it_is() {
        assert_eq!(work(LONG + 1, || 7), 7, "on a runtime of one thread");
        assert_eq!(std::thread::spawn(|| work(LONG + 1, || 7)).join().unwrap(), 7, "on none");
    }
}
