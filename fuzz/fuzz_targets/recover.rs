//! The spool after damage: valid records, then whatever the fuzzer does to the files. Nothing that was not written comes
//! back, every record whose bytes were not touched does, and what is gone is named.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use hookstream::event::Record;
use hookstream::spool::cursor::{self, Cursor};
use hookstream::spool::disk::{Appended, Disk};
use hookstream::spool::frame::{self, Mark};
use hookstream::spool::refused;
use hookstream::spool::segment::Segment;
use hookstream::spool::survey::survey;
use hookstream::spool::{Draft, Entry};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

/// Segments and records at most: more only make the run slower.
const SEGMENTS: usize = 4;
const RECORDS: usize = 6;

#[derive(Arbitrary, Debug)]
struct Input {
    /// For each segment the values of its records.
    segments: Vec<Vec<Vec<u8>>>,
    first: u16,
    done: u8,
    reached: u8,
    /// Pairs of distances: what is done beyond.
    ahead: Vec<(u8, u8)>,
    cursor: Small,
    damage: Vec<Damage>,
    /// Read as files of their own.
    raw: Vec<u8>,
}

/// What becomes of a small file.
#[derive(Arbitrary, Debug)]
enum Small {
    Whole,
    Missing,
    Flipped(u16),
}

#[derive(Arbitrary, Debug)]
enum Damage {
    Flip {
        segment: u8,
        at: u16,
        by: u8,
    },
    Cut {
        segment: u8,
        at: u16,
    },
    Zero {
        segment: u8,
        at: u16,
        length: u16,
    },
    Insert {
        segment: u8,
        at: u16,
        bytes: Vec<u8>,
    },
    Remove {
        segment: u8,
        at: u16,
        length: u16,
    },
    /// A part of a file once more, such as a write that went to the wrong place.
    Copy {
        from: u8,
        start: u16,
        length: u16,
        segment: u8,
        at: u16,
    },
}

/// A byte of a file, and which byte it was when it was written.
type Byte = (u8, Option<usize>);

/// A file of the log, its bytes with where they came from.
struct File {
    segment: Segment,
    bytes: Vec<Byte>,
    /// Each record's sequence and where its frame was written.
    frames: Vec<(u64, std::ops::Range<usize>)>,
}

impl File {
    /// Where the frame of this range stands untouched.
    fn holds(&self, frame: &std::ops::Range<usize>) -> bool {
        let mut run = frame.start;
        self.bytes.iter().any(|(_, origin)| {
            run = match origin {
                Some(origin) if *origin == run => run + 1,
                Some(origin) if *origin == frame.start => frame.start + 1,
                _ => frame.start,
            };
            run == frame.end
        })
    }

    fn plain(&self) -> Vec<u8> {
        self.bytes.iter().map(|(byte, _)| *byte).collect()
    }
}

/// Files in memory.
struct Memory(BTreeMap<String, Vec<u8>>);

impl Disk for Memory {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        Ok(self.0.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect())
    }

    fn read(&self, name: &str, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.get(name).ok_or(io::ErrorKind::NotFound)?;
        let rest = bytes.get(at as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn Appended>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

fn record(value: &[u8]) -> Record {
    Record {
        topic: Arc::from("webhooks.orders"),
        partition: value.first().map(|byte| i32::from(*byte)),
        key: b"key".to_vec(),
        value: value.to_vec(),
        headers: vec![("ce_id".into(), value.iter().take(4).copied().collect())],
        timestamp_ms: 1_750_000_000_000,
    }
}

fn write(input: &Input) -> Vec<File> {
    let mut sequence = u64::from(input.first);
    let mut files = Vec::new();
    for (generation, values) in input.segments.iter().take(SEGMENTS).enumerate() {
        // Random in life: nothing that a sender writes can begin a frame.
        let mark = Mark((0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(generation as u64 + 1)).to_le_bytes());
        let (first, mut bytes, mut frames) = (sequence, Vec::new(), Vec::new());
        for value in values.iter().take(RECORDS) {
            let start = bytes.len();
            let draft =
                Draft { source: "orders", id: Some("id"), handed: value.len() % 2 == 0, record: &record(value) };
            frame::write(&mut bytes, mark, sequence, &draft.encode());
            frames.push((sequence, start..bytes.len()));
            sequence += 1;
        }
        let segment = Segment { generation: generation as u64, first, mark, length: 0, closed: true };
        let bytes = bytes.into_iter().enumerate().map(|(at, byte)| (byte, Some(at))).collect();
        files.push(File { segment, bytes, frames });
    }
    files
}

fn hit(files: &mut [File], damage: &Damage) {
    let count = files.len();
    let place = |at: u16, length: usize| usize::from(at).min(length);
    let part = |bytes: &[Byte], at: u16, length: u16| {
        let start = place(at, bytes.len());
        start..(start + usize::from(length)).min(bytes.len())
    };
    let file = |segment: u8| usize::from(segment) % count;
    match damage {
        Damage::Flip { segment, at, by } => {
            let bytes = &mut files[file(*segment)].bytes;
            if let Some(byte) = bytes.get_mut(usize::from(*at)).filter(|_| *by != 0) {
                *byte = (byte.0 ^ by, None);
            }
        }
        Damage::Cut { segment, at } => files[file(*segment)].bytes.truncate(usize::from(*at)),
        Damage::Zero { segment, at, length } => {
            let bytes = &mut files[file(*segment)].bytes;
            let part = part(bytes, *at, *length);
            bytes[part].fill((0, None));
        }
        Damage::Insert { segment, at, bytes: new } => {
            let bytes = &mut files[file(*segment)].bytes;
            let at = place(*at, bytes.len());
            bytes.splice(at..at, new.iter().map(|byte| (*byte, None)));
        }
        Damage::Remove { segment, at, length } => {
            let bytes = &mut files[file(*segment)].bytes;
            let part = part(bytes, *at, *length);
            bytes.drain(part);
        }
        Damage::Copy { from, start, length, segment, at } => {
            let own = file(*from) == file(*segment);
            let bytes = &files[file(*from)].bytes;
            let mut copy = bytes[part(bytes, *start, *length)].to_vec();
            if !own {
                copy.iter_mut().for_each(|byte| byte.1 = None);
            }
            let bytes = &mut files[file(*segment)].bytes;
            let at = place(*at, bytes.len());
            bytes.splice(at..at, copy);
        }
    }
}

fuzz_target!(|input: Input| {
    raw(&input.raw);
    let mut files = write(&input);
    let Some(last) = files.last() else { return };
    let next = last.frames.last().map_or(last.segment.first, |(sequence, _)| sequence + 1);
    let cursor = cursor(&input, next);
    for damage in input.damage.iter().take(8) {
        hit(&mut files, damage);
    }
    let written = |sequence: u64| {
        let before = u64::from(input.first);
        let values = input.segments.iter().take(SEGMENTS).flat_map(|values| values.iter().take(RECORDS));
        values.into_iter().nth((sequence.checked_sub(before)?) as usize)
    };
    let mut disk = Memory(BTreeMap::new());
    for file in &files {
        let bytes = file.plain();
        let found = frame::recover(&bytes, file.segment.mark);
        for (sequence, payload) in &found.records {
            let entry = Entry::decode(&bytes[payload.clone()]).expect("what passes its checksum was written");
            let value = written(*sequence).expect("what was not written");
            assert_eq!(entry.record, record(value), "sequence {sequence}");
        }
        for (sequence, range) in &file.frames {
            let there = found.records.iter().any(|(other, _)| other == sequence);
            assert!(there || !file.holds(range), "sequence {sequence} of {:?}", file.frames);
        }
        let records: usize = found.records.iter().map(|(_, payload)| frame::size(payload.len())).sum();
        let unreadable: usize = found.unreadable.iter().map(|range| range.len()).sum();
        assert_eq!(records + unreadable, bytes.len(), "every byte is one or the other");
        disk.0.insert(file.segment.name(), bytes);
    }
    let known = match input.cursor {
        Small::Whole => Some(cursor.encode()),
        Small::Missing => None,
        Small::Flipped(bit) => {
            let mut bytes = cursor.encode();
            let bit = usize::from(bit) % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            Some(bytes)
        }
    };
    if let Some(bytes) = known {
        disk.0.insert(cursor::NAME.to_owned(), bytes);
    }
    judge(&input, &files, &disk, &cursor, written);
});

/// What the cursor file says: some of it is done, and what the last segment holds was acknowledged.
fn cursor(input: &Input, next: u64) -> Cursor {
    let done = (u64::from(input.first) + u64::from(input.done)).min(next);
    let mut ahead = Vec::new();
    let mut at = done;
    for (gap, length) in input.ahead.iter().take(8) {
        let start = at + 1 + u64::from(*gap);
        at = start + 1 + u64::from(*length);
        if at > next {
            break;
        }
        ahead.push(start..at);
    }
    Cursor { done, reached: done + u64::from(input.reached), next, ahead }
}

/// The survey of the whole directory: what it shows was written, and what it does not show is done, or named.
fn judge<'a>(
    input: &Input,
    files: &[File],
    disk: &Memory,
    cursor: &Cursor,
    written: impl Fn(u64) -> Option<&'a Vec<u8>>,
) {
    let shown = Mutex::new(BTreeSet::new());
    let survey = survey(disk, |sequence, _, entry| {
        let value = written(sequence).expect("what was not written");
        assert_eq!(entry.expect("an entry").record, record(value));
        assert!(shown.lock().expect("no panic before").insert(sequence), "{sequence} is shown twice");
    });
    let survey = survey.expect("no fault of the disk");
    let shown = shown.into_inner().expect("no panic before");
    // Where one part of a file stands twice or elsewhere, what comes after a later record is taken for an old one.
    let copied = input.damage.iter().take(8).any(|damage| matches!(damage, Damage::Copy { .. }));
    let whole = matches!(input.cursor, Small::Whole);
    let is_done =
        |sequence: u64| whole && (sequence < cursor.done || cursor.ahead.iter().any(|range| range.contains(&sequence)));
    let last = files.last().map_or(0, |file| file.segment.first);
    for file in files {
        for (sequence, range) in &file.frames {
            let named = survey.damage.iter().any(|damage| damage.lost.contains(sequence));
            if shown.contains(sequence) {
                assert!(!is_done(*sequence), "{sequence} is done and comes back");
                assert!(!named, "{sequence} is there and named as lost");
            } else if !is_done(*sequence) {
                assert!(copied || !file.holds(range), "{sequence} is not shown: {:?}", survey.damage);
                // At the end of the last segment damage looks like a torn write, unless the cursor file knows better.
                let known = whole || *sequence < last || shown.last().is_some_and(|newest| sequence < newest);
                assert!(named || !known, "{sequence} is gone and nobody says so: {:?}", survey.damage);
            }
        }
    }
}

/// Bytes as they might stand in any of the files.
fn raw(bytes: &[u8]) {
    if let Ok(entry) = Entry::decode(bytes) {
        let draft =
            Draft { source: &entry.source, id: entry.id.as_deref(), handed: entry.handed, record: &entry.record };
        assert_eq!(Entry::decode(&draft.encode()).as_ref(), Ok(&entry));
    }
    let _ = Cursor::decode(bytes);
    let mut numbers = bytes.chunks_exact(8).filter_map(|word| word.try_into().ok().map(u64::from_le_bytes));
    if let (Some(done), Some(reached), Some(next)) = (numbers.next(), numbers.next(), numbers.next()) {
        let mut ahead = Vec::new();
        while let (Some(start), Some(end)) = (numbers.next(), numbers.next()) {
            ahead.push(start..end);
        }
        let cursor = Cursor { done, reached, next, ahead };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    }
    if let Ok(name) = std::str::from_utf8(bytes) {
        let _ = Segment::parse(name, 1);
    }
    let mark = Mark(*b"\xf5refused");
    let mut file = Vec::new();
    frame::write(&mut file, mark, 7, bytes);
    file.extend_from_slice(bytes);
    let name = format!("refused-{:016x}.kept", u64::from_be_bytes(mark.0));
    let mut shown = 0;
    refused::read(&Memory(BTreeMap::from([(name, file)])), |_| shown += 1).expect("no fault of the disk");
    assert_eq!(shown, usize::from(!bytes.is_empty()));
}
