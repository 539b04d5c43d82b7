//! Putting aside what Kafka will never take: read once more, kept, and only then counted as done. One record on a disk that
//! takes nothing costs no file, and one that can no longer be read holds up no other.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::frame::{self, Step};
use super::hands::Handed;
use super::pass::Place;
use super::refused::{self, Refused};
use super::segment::Segment;
use super::store::Spool;

/// How long the thread works at it before it looks after the rest: each record is synced by itself.
const TURN: Duration = Duration::from_millis(100);

/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a record that the disk cannot read is tried.
const TRIES: u32 = 30;

/// What is on its way aside.
#[derive(Default)]
pub(super) struct Aside {
    files: Refused,
    waiting: VecDeque<Waiting>,
    /// Not to be tried before.
    not_before: Option<Instant>,
}

struct Waiting {
    handed: Handed,
    reason: &'static str,
    /// How often the disk could not read it.
    tries: u32,
}

impl Aside {
    /// Records that could not be kept yet.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether there is something to do.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.waiting.is_empty() && self.not_before.is_none_or(|at| now >= at)
    }

    /// Keep these and those from before, as many as a turn allows, up to the first that cannot be kept.
    pub(super) fn keep(&mut self, spool: &Spool, more: Vec<(Handed, &'static str)>, now: Instant) {
        self.waiting.extend(more.into_iter().map(|(handed, reason)| Waiting { handed, reason, tries: 0 }));
        if !self.is_due(now) {
            return;
        }
        self.not_before = None;
        let began = Instant::now();
        for _ in 0..self.waiting.len() {
            let Some(mut next) = self.waiting.pop_front() else { return };
            match read_again(spool.log().disk(), &next.handed) {
                Ok(payload) => {
                    if let Err(error) = self.keep_one(spool, &next, &payload) {
                        // The next one would fare no better.
                        self.fail(spool, "a refused record cannot be kept aside; it is tried again", &error, now);
                        self.waiting.push_front(next);
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData || next.tries >= TRIES => {
                    lose(spool, &next.handed, &error);
                }
                Err(error) => {
                    next.tries += 1;
                    self.fail(spool, "a refused record cannot be read; it is tried again", &error, now);
                    self.waiting.push_back(next);
                }
            }
            if began.elapsed() >= TURN {
                return;
            }
        }
    }

    fn fail(&mut self, spool: &Spool, what: &str, error: &io::Error, now: Instant) {
        spool.failed(what, error);
        self.not_before = Some(now + PAUSE);
    }

    fn keep_one(&mut self, spool: &Spool, next: &Waiting, payload: &[u8]) -> io::Result<()> {
        let Waiting { handed, reason, .. } = next;
        let bytes = self.files.keep(spool.log().disk(), handed.sequence, reason, payload)?;
        spool.kept_aside(bytes);
        spool.metrics().refused(reason).inc();
        let why = match *reason {
            refused::UNANSWERED => {
                "has no answer for a record, and has for others of its partition (`hookstream check` compares the brokers' limits)"
            }
            _ => "refuses a record for good",
        };
        tracing::error!(topic = %handed.topic, reason, "spool: kafka {why}; it is kept aside, see `hookstream spool list`");
        spool.finish(handed.sequence, &handed.topic);
        Ok(())
    }
}

/// The disk has changed a record since it was read: nobody can keep it any more.
fn lose(spool: &Spool, handed: &Handed, error: &io::Error) {
    let Handed { sequence, place, .. } = handed;
    tracing::error!(sequence, file = place.file, bytes = ?place.bytes, %error,
        "spool: an acknowledged record can no longer be read; it was to be kept aside");
    spool.metrics().lost.inc();
    spool.finish(*sequence, &handed.topic);
}

/// The payload of a record that was read before.
fn read_again(disk: &dyn Disk, handed: &Handed) -> io::Result<Vec<u8>> {
    let Place { file, bytes } = &handed.place;
    let gone = || io::Error::new(io::ErrorKind::InvalidData, format!("{file}: the record is damaged"));
    let length = usize::try_from(bytes.end - bytes.start).map_err(|_| gone())?;
    let (mut frame, mut have) = (vec![0; length], 0);
    while have < length {
        match disk.read(file, bytes.start + have as u64, &mut frame[have..])? {
            0 => return Err(gone()),
            more => have += more,
        }
    }
    let mark = Segment::parse(file, 0).ok_or_else(gone)?.mark;
    match frame::step(&frame, mark, true) {
        Step::Frame { payload, sequence, .. } if sequence == handed.sequence => Ok(frame[payload].to_vec()),
        _ => Err(gone()),
    }
}
