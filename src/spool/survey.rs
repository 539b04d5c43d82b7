//! Reading a whole directory: what is there, what is done, what is damaged. At the start, and for `spool list` and `verify`.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;

use super::cursor::{self, Cursor};
use super::disk::{self, Disk};
use super::entry::{Entry, EntryError};
use super::ledger::Ledger;
use super::reader::{Piece, SegmentReader};
use super::segment::Segment;

/// The topic under which the books have a record whose form is not known here.
pub const UNREADABLE_TOPIC: &str = "";

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// The bytes of it; empty where nothing is left of them.
    pub bytes: Range<u64>,
    /// The records that are gone by it: sequences that were acknowledged and not yet in Kafka.
    pub lost: Range<u64>,
}

/// What was found.
#[derive(Debug)]
pub struct Survey {
    /// The segments, oldest first.
    pub segments: Vec<Segment>,
    /// The books: what is done, what waits.
    pub ledger: Ledger,
    /// What was damaged. Whatever is not named here was read.
    pub damage: Vec<Damage>,
    /// The bytes at the end of the last segment that are the rest of a torn write: nobody got a 2xx for them.
    pub torn: u64,
    /// Generations of segments with places that the disk cannot read.
    pub unreadable: BTreeSet<u64>,
    /// Records that were never handed to Kafka lie at or beyond this sequence; `u64::MAX`: nobody knows.
    pub reached: u64,
}

/// Read everything as the disk has it, for a process that is to use it: what is found is durable, also what the process before
/// this one had written and not synced when it ended. Otherwise like [`survey`].
///
/// # Errors
/// As [`survey`].
pub(super) fn recover(
    disk: &dyn Disk,
    show: impl FnMut(u64, &Segment, Result<Entry, EntryError>),
) -> io::Result<Survey> {
    for (name, _) in disk.list()?.iter().filter(|(name, length)| Segment::parse(name, *length).is_some()) {
        disk.ground(name)?;
    }
    survey(disk, show)
}

/// Read everything. Each record that is not done is shown, in order.
///
/// # Errors
/// The disk's. Damage is no error.
pub fn survey(disk: &dyn Disk, mut show: impl FnMut(u64, &Segment, Result<Entry, EntryError>)) -> io::Result<Survey> {
    let files = disk.list()?;
    let mut segments: Vec<_> = files.iter().filter_map(|(name, length)| Segment::parse(name, *length)).collect();
    segments.sort_by_key(|segment| segment.generation);
    let mut damage = Vec::new();
    let known = match disk.small(cursor::NAME, cursor::LARGEST) {
        Ok(Some(bytes)) => Cursor::decode(&bytes),
        Ok(None) => None,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge || disk::is_unreadable(&error) => None,
        Err(error) => return Err(error),
    };
    let cursor = known.unwrap_or_else(|| {
        let first = segments.first().map_or(0, |segment| segment.first);
        if !segments.is_empty() {
            // Then everything is drained again, and each record counted as possibly there already.
            damage.push(Damage { file: cursor::NAME.to_owned(), bytes: 0..0, lost: 0..0 });
        }
        Cursor { done: first, reached: if segments.is_empty() { 0 } else { u64::MAX }, next: first, ahead: Vec::new() }
    });
    let mut ledger = Ledger::resume(&cursor);
    let mut expected = ledger.done();
    let (mut torn, mut newest_ms, mut blocked) = (0, 0, BTreeSet::new());
    for (index, segment) in segments.iter().enumerate() {
        let end = segments.get(index + 1).map(|next| next.first);
        let mut reader = SegmentReader::new(segment.name(), segment.mark).over_what_is_unreadable();
        let mut unreadable: Option<Range<u64>> = None;
        let mut miss = |range: Option<Range<u64>>, lost: Range<u64>, ledger: &mut Ledger| {
            let count = ledger.lose(lost.clone());
            ledger.gone(lost.clone());
            let lost = if count == 0 { lost.start..lost.start } else { lost };
            if range.is_some() || count > 0 {
                let at = range.unwrap_or(segment.length..segment.length);
                damage.push(Damage { file: segment.name(), bytes: at, lost });
            }
        };
        loop {
            match reader.next(disk, segment.length, true)? {
                Piece::Frame { sequence, payload, .. } => {
                    if sequence < expected.max(segment.first) || end.is_some_and(|end| sequence >= end) {
                        // Done long ago, or void.
                        if let Some(range) = unreadable.take().filter(|_| end.is_none_or(|end| sequence < end)) {
                            miss(Some(range), expected..expected, &mut ledger);
                        }
                        continue;
                    }
                    if sequence > expected || unreadable.is_some() {
                        miss(unreadable.take(), expected..sequence, &mut ledger);
                    }
                    expected = sequence + 1;
                    if !ledger.is_done(sequence) {
                        let entry = Entry::decode(reader.bytes(payload));
                        match &entry {
                            Ok(entry) => {
                                newest_ms = entry.record.timestamp_ms;
                                ledger.stored(sequence, &entry.record.topic, newest_ms, false);
                            }
                            Err(_) => ledger.stored(sequence, &UNREADABLE_TOPIC.into(), newest_ms, false),
                        }
                        show(sequence, segment, entry);
                    }
                }
                Piece::Unreadable(range) => match &mut unreadable {
                    Some(before) => before.end = range.end,
                    None => unreadable = Some(range),
                },
                Piece::End => break,
            }
        }
        if reader.has_passed_over() {
            blocked.insert(segment.generation);
        }
        // At the end of the last segment the rest may be a torn write, unless the cursor file knows better.
        let until = end.unwrap_or(cursor.next);
        // The same where all that is missing is done: then it was removed with the segments that followed.
        let void = unreadable.take_if(|_| ledger.all_done(expected..until));
        if expected < until {
            miss(unreadable.take(), expected..until, &mut ledger);
            expected = until;
        }
        torn = void.or(unreadable).map_or(0, |rest| rest.end - rest.start);
    }
    if segments.is_empty() && expected < cursor.next && ledger.lose(expected..cursor.next) > 0 {
        damage.push(Damage { file: "every segment".to_owned(), bytes: 0..0, lost: expected..cursor.next });
    }
    ledger.skip_to(expected);
    Ok(Survey { segments, ledger, damage, torn, unreadable: blocked, reached: cursor.reached })
}
