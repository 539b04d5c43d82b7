//! Records that may themselves be to blame for not getting into Kafka: which go again alone, which let others by before
//! that, and when it is enough. Pure: the time, and what Kafka answered, come from outside.
//!
//! A broker refuses a whole batch for one record in it, so what is refused goes again alone. A request beyond a broker's
//! `socket.request.max.bytes` is not even refused: the broker closes the connection, as if it were away. Only that it answers
//! for other records of the partition tells the two apart.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A topic and a partition of it.
pub(super) type Lane = (Arc<str>, i32);

/// How often a record must be refused for itself: once among others, and then alone.
const REFUSALS: u8 = 3;

/// How often a record must stay unanswered: once, and then alone, each time after Kafka had answered for others of its partition.
const SILENCES: u8 = 3;

/// The bytes from which on a record can be too large for a broker to read: what brokers take of a record by default.
const LARGE: u64 = 1 << 20;

/// How long an unanswered record waits for an answer to another one before it is tried without.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a record may do on this walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Go among others.
    Free,
    /// Go alone.
    Alone,
    /// Let records with other keys by.
    LetBy,
}

/// The records that are suspected. Each is under way or waits, so that they are as many at most as were ever in Kafka's
/// hands at once, and then those that are large.
#[derive(Debug, Default)]
pub(super) struct Suspects(HashMap<u64, Suspect>);

#[derive(Debug, Default)]
struct Suspect {
    refusals: u8,
    silences: u8,
    waits: Option<Waits>,
}

/// An unanswered record lets others by.
#[derive(Debug)]
struct Waits {
    lane: Lane,
    /// How often Kafka had answered for the partition when it began.
    answers: u64,
    since: Instant,
    /// What failed along with it is back, so that the others can have their turn.
    settled: bool,
    /// Its turn has come.
    goes: bool,
    /// There was an answer for another.
    witnessed: bool,
}

impl Suspects {
    /// Whether nobody is suspected.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A record is in Kafka.
    pub(super) fn clear(&mut self, sequence: u64) {
        self.0.remove(&sequence);
    }

    /// A record was refused, where its neighbours may have been to blame. Returns whether it was often enough.
    pub(super) fn refused(&mut self, sequence: u64) -> bool {
        let suspect = self.0.entry(sequence).or_default();
        *suspect = Suspect { refusals: suspect.refusals + 1, ..Suspect::default() };
        let enough = suspect.refusals >= REFUSALS;
        if enough {
            self.0.remove(&sequence);
        }
        enough
    }

    /// There was no answer for a record with so many bytes. Returns whether it was often enough.
    pub(super) fn unanswered(&mut self, sequence: u64, bytes: u64) -> bool {
        if bytes < LARGE {
            return false;
        }
        let suspect = self.0.entry(sequence).or_default();
        let waited = suspect.waits.take();
        if suspect.silences == 0 || waited.is_some_and(|waits| waits.witnessed) {
            suspect.silences += 1;
        }
        let enough = suspect.silences >= SILENCES;
        if enough {
            self.0.remove(&sequence);
        }
        enough
    }

    /// What a record of this partition may do now, after so many answers of Kafka for it. `busy`: others of it are under way.
    pub(super) fn turn(&mut self, sequence: u64, lane: &Lane, answers: u64, busy: bool, now: Instant) -> Turn {
        let Some(suspect) = self.0.get_mut(&sequence) else { return Turn::Free };
        if suspect.silences == 0 {
            return Turn::Alone;
        }
        let waits = suspect.waits.get_or_insert_with(|| Waits {
            lane: lane.clone(),
            answers,
            since: now,
            settled: false,
            goes: false,
            witnessed: false,
        });
        if !waits.settled && !busy {
            (waits.settled, waits.answers) = (true, answers);
        }
        waits.witnessed = answers != waits.answers;
        waits.goes = waits.is_over(answers, now);
        if waits.goes { Turn::Alone } else { Turn::LetBy }
    }

    /// Others of a partition had no turn, because Kafka does not answer for it: whoever lets them by does so once more. An
    /// answer to live traffic would let it go before them otherwise, each time.
    pub(super) fn let_nobody_by(&mut self, lane: &Lane) {
        for suspect in self.0.values_mut() {
            if suspect.waits.as_ref().is_some_and(|waits| !waits.goes && waits.lane == *lane) {
                suspect.waits = None;
            }
        }
    }

    /// Whether one that let others by may go now.
    pub(super) fn may_go(&self, now: Instant, answers: impl Fn(&Lane) -> u64) -> bool {
        let mut waiting = self.0.values().filter_map(|suspect| suspect.waits.as_ref());
        waiting.any(|waits| !waits.goes && waits.is_over(answers(&waits.lane), now))
    }
}

impl Waits {
    fn is_over(&self, answers: u64, now: Instant) -> bool {
        (self.settled && answers != self.answers) || now.duration_since(self.since) >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> Lane {
        ("t".into(), 0)
    }

    #[test]
    fn what_is_refused_goes_alone_until_it_was_often_enough() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        assert_eq!(suspects.turn(7, &lane(), 0, false, now), Turn::Free);
        assert!(!suspects.refused(7) && !suspects.refused(7));
        assert_eq!(suspects.turn(7, &lane(), 0, false, now), Turn::Alone);
        assert!(suspects.refused(7) && suspects.is_empty());
    }

    #[test]
    fn what_stays_unanswered_is_to_blame_when_others_are_answered_each_time() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        assert!(!suspects.unanswered(7, LARGE - 1) && suspects.is_empty(), "no broker closes the connection on it");
        assert!(!suspects.unanswered(7, LARGE));
        for answers in [10, 20] {
            assert_eq!(suspects.turn(7, &lane(), answers, false, now), Turn::LetBy);
            assert!(!suspects.may_go(now, |_| answers) && suspects.may_go(now, |_| answers + 1));
            assert_eq!(suspects.turn(7, &lane(), answers + 1, false, now), Turn::Alone);
            assert!(!suspects.may_go(now, |_| answers + 1), "it was told");
            assert_eq!(suspects.unanswered(7, LARGE), answers == 20);
        }
        assert!(suspects.is_empty());
    }

    #[test]
    fn while_nobody_is_answered_nobody_is_to_blame() {
        let (mut suspects, mut now) = (Suspects::default(), Instant::now());
        for _ in 0..10 {
            assert!(!suspects.unanswered(7, LARGE));
            assert_eq!(suspects.turn(7, &lane(), 5, false, now), Turn::LetBy);
            now += PATIENCE;
            assert!(suspects.may_go(now, |_| 5));
            assert_eq!(suspects.turn(7, &lane(), 5, false, now), Turn::Alone);
        }
        suspects.clear(7);
        assert_eq!(suspects.turn(7, &lane(), 5, false, now), Turn::Free);
    }

    #[test]
    fn an_answer_of_its_own_ends_the_silence() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        assert!(!suspects.unanswered(7, LARGE) && !suspects.refused(7));
        assert_eq!(suspects.turn(7, &lane(), 0, false, now), Turn::Alone);
    }

    #[test]
    fn others_have_their_turn_first_whatever_live_traffic_is_answered() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        assert!(!suspects.unanswered(7, LARGE));
        assert_eq!(suspects.turn(7, &lane(), 5, true, now), Turn::LetBy);
        assert!(!suspects.may_go(now, |_| 6), "what failed along with it is not back");
        assert_eq!(suspects.turn(7, &lane(), 6, false, now), Turn::LetBy);
        suspects.let_nobody_by(&lane());
        assert!(!suspects.may_go(now, |_| 7), "they were not let by");
        assert_eq!(suspects.turn(7, &lane(), 7, false, now), Turn::LetBy);
        suspects.let_nobody_by(&("other".into(), 0));
        assert!(suspects.may_go(now, |_| 8));
        assert_eq!(suspects.turn(7, &lane(), 8, true, now), Turn::Alone);
    }

    #[test]
    fn a_partition_that_is_never_idle_holds_nobody_up_for_ever() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        assert!(!suspects.unanswered(7, LARGE));
        assert_eq!(suspects.turn(7, &lane(), 5, true, now), Turn::LetBy);
        let later = now + PATIENCE;
        assert!(suspects.may_go(later, |_| 9));
        assert_eq!(suspects.turn(7, &lane(), 9, true, later), Turn::Alone);
    }
}
