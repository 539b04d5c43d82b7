//! Partitions that Kafka says do not exist: when they are asked for again, and when it is enough. Pure: the time comes
//! from outside.
//!
//! A client says so at once of a topic that it has long known, while somebody deletes it and makes it again. Whether it stays
//! away only the look at the metadata tells.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::suspects::Lane;

/// How long a topic must be missing, while Kafka answers, before its records are kept aside.
pub(super) const MISSING: Duration = Duration::from_secs(30);

/// How long a partition that does not exist is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// What a record of a partition may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// Go.
    Go,
    /// Wait for the partition.
    Wait,
    /// Be kept aside.
    Aside,
}

/// The partitions that records were refused for, and that took none since.
#[derive(Debug, Default)]
pub(super) struct Absent(HashMap<Lane, Said>);

/// When it was said first, and last.
#[derive(Debug)]
struct Said {
    since: Instant,
    last: Instant,
}

impl Absent {
    /// Kafka says that there is no such partition.
    pub(super) fn said(&mut self, lane: Lane, now: Instant) {
        self.0.entry(lane).or_insert(Said { since: now, last: now }).last = now;
    }

    /// It has taken a record.
    pub(super) fn clear(&mut self, lane: &Lane) {
        self.0.remove(lane);
    }

    /// What a record may do. `missing`: the metadata says the same, and has for as long as [`MISSING`] where the whole topic
    /// is away.
    pub(super) fn course(&self, lane: &Lane, missing: bool, now: Instant) -> Course {
        match self.0.get(lane) {
            None => Course::Go,
            Some(said) if missing && now.duration_since(said.since) >= MISSING => Course::Aside,
            Some(said) if now.duration_since(said.last) >= PAUSE => Course::Go,
            Some(_) => Course::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_is_made_again_costs_nothing_and_one_that_stays_away_does() {
        let (mut absent, lane, start) = (Absent::default(), ("t".into(), 0), Instant::now());
        assert_eq!(absent.course(&lane, true, start), Course::Go, "nobody was refused");
        let mut now = start;
        for _ in 0..29 {
            absent.said(lane.clone(), now);
            assert_eq!(absent.course(&lane, true, now), Course::Wait);
            now += PAUSE;
            assert_eq!(absent.course(&lane, true, now), Course::Go, "it is asked for again");
        }
        assert_eq!(absent.course(&("t".into(), 1), true, now), Course::Go);
        absent.said(lane.clone(), now);
        now = start + MISSING;
        assert_eq!(absent.course(&lane, false, now), Course::Go, "the metadata has it");
        assert_eq!(absent.course(&lane, true, now), Course::Aside);
        absent.clear(&lane);
        absent.said(lane.clone(), now);
        assert_eq!(absent.course(&lane, true, now), Course::Wait, "it was there in between");
    }
}
