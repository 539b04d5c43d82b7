//! The door of a lane. Requests beyond those that keep the lane busy wait before they are read: what is under way stays in the
//! caches, and a crowd is answered about as quickly as a few are. Who came last is let in first, since what it needs is still
//! in the caches as well, but nobody waits for long behind others. Where the lane has nothing to do, because Kafka or the
//! clients are slow, more are let in at once: the door bounds work, not patience.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// So many requests of a lane may be under way before others wait: some milliseconds of work, which is what Kafka takes to
/// answer.
const BUSY: usize = 128;

/// Who has waited for this long goes before those that came last.
const PATIENCE: Duration = Duration::from_millis(250);

/// How many more are let in each time the lane has nothing to do.
const WHEN_IDLE: usize = 4;

/// The door of one lane.
#[derive(Debug, Default)]
pub(super) struct Door(Mutex<Requests>);

#[derive(Debug, Default)]
struct Requests {
    inside: usize,
    numbers: u64,
    /// By number, since when each waits. Who is not there was let in.
    waiting: BTreeMap<u64, (Instant, Waker)>,
}

impl Door {
    /// The lane has nothing to do.
    pub(super) fn idle(&self) {
        for _ in 0..WHEN_IDLE {
            let Some(waker) = self.requests().let_in() else { return };
            waker.wake();
        }
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One has left.
    fn left(&self) {
        let next = {
            let mut requests = self.requests();
            requests.inside -= 1;
            requests.next()
        };
        // Not under the lock: whoever is woken may come here.
        next.into_iter().for_each(Waker::wake);
    }
}

impl Requests {
    /// Who is let in because another has come or gone: places that are held by those that do not move must not keep the
    /// others out.
    fn next(&mut self) -> Option<Waker> {
        (self.inside < BUSY || self.is_overdue()).then(|| self.let_in()).flatten()
    }

    fn let_in(&mut self) -> Option<Waker> {
        let (_, (_, waker)) = if self.is_overdue() { self.waiting.pop_first() } else { self.waiting.pop_last() }?;
        self.inside += 1;
        Some(waker)
    }

    fn is_overdue(&self) -> bool {
        self.waiting.first_key_value().is_some_and(|(_, (since, _))| since.elapsed() > PATIENCE)
    }
}

/// A connection at the door of its lane. Where there is no lane there is no door.
#[derive(Debug)]
pub(super) struct Guest {
    door: Option<Arc<Door>>,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    Waiting(u64, Instant),
    Inside,
}

impl Guest {
    pub(super) fn at(door: Option<Arc<Door>>) -> Self {
        Self { door, place: Place::Outside }
    }

    /// There is a request to read: whether it may be read now, and how long it has waited for that. Otherwise the task is
    /// woken when it may.
    pub(super) fn enter(&mut self, cx: &Context<'_>) -> Option<Duration> {
        let Some(door) = &self.door else { return Some(Duration::ZERO) };
        let (mut requests, mut overdue) = (door.requests(), None);
        let waited = match self.place {
            Place::Inside => Some(Duration::ZERO),
            Place::Outside if requests.inside < BUSY => {
                requests.inside += 1;
                self.place = Place::Inside;
                Some(Duration::ZERO)
            }
            Place::Outside => {
                let (number, since) = (requests.numbers, Instant::now());
                requests.numbers += 1;
                overdue = requests.next();
                requests.waiting.insert(number, (since, cx.waker().clone()));
                self.place = Place::Waiting(number, since);
                None
            }
            Place::Waiting(number, since) => match requests.waiting.get_mut(&number) {
                Some((_, waker)) => {
                    waker.clone_from(cx.waker());
                    None
                }
                None => {
                    self.place = Place::Inside;
                    Some(since.elapsed())
                }
            },
        };
        drop(requests);
        overdue.into_iter().for_each(Waker::wake);
        waited
    }

    /// Its request is answered, or there was none.
    pub(super) fn leave(&mut self) {
        if self.place == Place::Inside
            && let Some(door) = &self.door
        {
            self.place = Place::Outside;
            door.left();
        }
    }

    pub(super) fn is_inside(&self) -> bool {
        self.place == Place::Inside
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.place, Place::Waiting(..))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let (Place::Waiting(number, _), Some(door)) = (self.place, &self.door)
            && door.requests().waiting.remove(&number).is_none()
        {
            // It was let in and never came.
            self.place = Place::Inside;
        }
        self.leave();
    }
}

/// A stream that can say whether there may be something to read, without reading.
pub(super) trait Readable {
    /// Otherwise the task is woken when there is.
    fn is_readable(&self, cx: &mut Context<'_>) -> bool;
}

impl Readable for TcpStream {
    fn is_readable(&self, cx: &mut Context<'_>) -> bool {
        self.poll_read_ready(cx).is_ready()
    }
}

impl<S: Readable> Readable for TlsStream<S> {
    fn is_readable(&self, cx: &mut Context<'_>) -> bool {
        let (stream, session) = self.get_ref();
        // Decrypted already, or the end.
        !session.wants_read() || stream.is_readable(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Visitor {
        guest: Guest,
        woken: Arc<Woken>,
    }

    impl Visitor {
        fn at(door: &Arc<Door>) -> Self {
            Self { guest: Guest::at(Some(Arc::clone(door))), woken: Arc::default() }
        }

        fn enters(&mut self) -> bool {
            let waker = Waker::from(Arc::clone(&self.woken));
            self.guest.enter(&Context::from_waker(&waker)).is_some()
        }

        fn woken(&self) -> usize {
            self.woken.0.load(Ordering::Relaxed)
        }
    }

    /// A door with all places taken.
    fn full() -> (Arc<Door>, Vec<Visitor>) {
        let door = Arc::new(Door::default());
        let inside = (0..BUSY).map(|_| Visitor::at(&door)).map(|mut visitor| {
            assert!(visitor.enters());
            visitor
        });
        let inside = inside.collect();
        (door, inside)
    }

    fn waiting(door: &Arc<Door>) -> Visitor {
        let mut visitor = Visitor::at(door);
        assert!(!visitor.enters());
        visitor
    }

    #[test]
    fn who_came_last_is_let_in_first() {
        let (door, mut inside) = full();
        let [mut first, mut second] = [waiting(&door), waiting(&door)];
        inside[0].guest.leave();
        assert_eq!((first.woken(), second.woken()), (0, 1));
        // The place is taken, though nobody has come for it yet.
        assert!(!inside[0].enters() && !first.enters());
        assert!(second.enters());
    }

    #[test]
    fn nobody_waits_for_long_behind_others() {
        let (door, mut inside) = full();
        let [mut first, second] = [waiting(&door), waiting(&door)];
        if let Some(mut entry) = door.requests().waiting.first_entry() {
            entry.get_mut().0 -= PATIENCE;
        }
        inside[0].guest.leave();
        assert_eq!((first.woken(), second.woken()), (1, 0));
        assert!(first.enters());
    }

    #[test]
    fn places_that_nobody_gives_back_do_not_keep_others_out() {
        let (door, _inside) = full();
        let mut first = waiting(&door);
        if let Some(mut entry) = door.requests().waiting.first_entry() {
            entry.get_mut().0 -= PATIENCE;
        }
        let mut second = waiting(&door);
        assert_eq!((first.woken(), second.woken()), (1, 0));
        assert!(first.enters() && !second.enters());
    }

    #[test]
    fn places_are_not_lost_with_those_that_go_away() {
        let (door, mut inside) = full();
        let [mut first, called, gone] = [waiting(&door), waiting(&door), waiting(&door)];
        drop(gone);
        inside.pop();
        assert_eq!((first.woken(), called.woken()), (0, 1));
        // Called, and gone before it came.
        drop(called);
        assert_eq!(first.woken(), 1);
        assert!(first.enters());
        drop((inside, first));
        assert_eq!(door.requests().inside, 0);
        assert!(door.requests().waiting.is_empty());
    }

    #[test]
    fn an_idle_lane_lets_more_in() {
        let (door, mut inside) = full();
        let mut crowd: Vec<_> = (0..WHEN_IDLE + 1).map(|_| waiting(&door)).collect();
        door.idle();
        let mut last = crowd.remove(0);
        assert!(crowd.iter_mut().all(Visitor::enters));
        assert!(!last.enters());
        // Only when there are fewer than usual is the next one let in for one that leaves.
        inside.truncate(BUSY - WHEN_IDLE);
        assert!(!last.enters());
        inside.pop();
        assert!(last.enters());
    }

    #[test]
    fn what_comes_twice_waits_once() {
        let (door, mut inside) = full();
        let mut visitor = waiting(&door);
        assert!(!visitor.enters());
        assert_eq!(door.requests().waiting.len(), 1);
        inside.pop();
        assert!(visitor.enters() && visitor.enters());
        assert_eq!(door.requests().inside, BUSY);
    }

    #[test]
    fn without_a_lane_nobody_waits() {
        let mut guest = Guest::at(None);
        assert_eq!(guest.enter(&Context::from_waker(Waker::noop())), Some(Duration::ZERO));
        guest.leave();
    }
}
