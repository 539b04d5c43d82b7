//! Records that Kafka refused for good, or that this version cannot read: stepped over by the drain, kept beside the log
//! for somebody to look at.

use std::io;

use super::disk::{Appended, Disk};
use super::frame::{self, Mark};
use super::reader::{Piece, SegmentReader};

/// What the file's name begins and ends with; the mark stands between.
const NAME: (&str, &str) = ("refused-", ".kept");

/// Why a record was kept, as the file has it. Never renumber.
const REASONS: [(u8, &str); 7] = [
    (1, "too_large"),
    (2, "not_authorised"),
    (3, "no_topic"),
    (4, "refused"),
    (5, "unreadable"),
    (6, "invalid_timestamp"),
    (7, UNANSWERED),
];

/// The reason for a record whose form this version does not know.
pub const UNREADABLE: &str = "unreadable";

/// The reason for a record that Kafka left without an answer each time, while it answered for others of its partition.
pub const UNANSWERED: &str = "unanswered";

/// The names of all reasons.
pub fn reasons() -> [&'static str; REASONS.len()] {
    REASONS.map(|(_, name)| name)
}

/// The files of this process.
#[derive(Default)]
pub struct Refused {
    file: Option<(Box<dyn Appended>, Mark)>,
}

impl Refused {
    /// Keep the payload of a record. Durable when this returns.
    ///
    /// # Errors
    /// The disk's; the next record then goes into a new file, and of one that holds no other nothing stays.
    pub fn keep(&mut self, disk: &dyn Disk, sequence: u64, reason: &str, payload: &[u8]) -> io::Result<u64> {
        let (mut file, mark, new) = match self.file.take() {
            Some((file, mark)) => (file, mark, None),
            None => {
                let mark = super::log::new_mark();
                let name = format!("{}{:016x}{}", NAME.0, u64::from_be_bytes(mark.0), NAME.1);
                (disk.create(&name)?, mark, Some(name))
            }
        };
        let code = REASONS.iter().find(|(_, name)| *name == reason).map_or(4, |(code, _)| *code);
        let mut frame = Vec::with_capacity(frame::size(payload.len() + 1));
        frame::write(&mut frame, mark, sequence, &[&[code][..], payload].concat());
        let named = if new.is_some() { disk.sync_names() } else { Ok(()) };
        if let Err(error) = named.and_then(|()| file.append(&frame)).and_then(|()| file.sync()) {
            if let Some(name) = new {
                // It is tried again and again: a full disk would be full of such files.
                let _ = disk.remove(&name);
            }
            return Err(error);
        }
        self.file = Some((file, mark));
        Ok(frame.len() as u64)
    }
}

/// A record that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The file.
    pub file: String,
    /// Its sequence in the log.
    pub sequence: u64,
    /// Why.
    pub reason: &'static str,
    /// What the log had of it.
    pub payload: Vec<u8>,
}

/// Show every record that was kept, by file. Returns the bytes of all files, and of these what cannot be read.
///
/// # Errors
/// The disk's.
pub fn read(disk: &dyn Disk, mut show: impl FnMut(Kept)) -> io::Result<(u64, u64)> {
    let mut files = disk.list()?;
    files.sort();
    let (mut bytes, mut unreadable) = (0, 0);
    for (name, length) in files {
        let Some(mark) = mark_of(&name) else { continue };
        bytes += length;
        let mut reader = SegmentReader::new(name.clone(), mark);
        loop {
            match reader.next(disk, length, true)? {
                Piece::Frame { sequence, payload, .. } => {
                    if let Some((code, payload)) = reader.bytes(payload).split_first() {
                        let reason =
                            REASONS.iter().find(|(known, _)| known == code).map_or("refused", |(_, name)| name);
                        show(Kept { file: name.clone(), sequence, reason, payload: payload.to_vec() });
                    }
                }
                Piece::Unreadable(range) => unreadable += range.end - range.start,
                Piece::End => break,
            }
        }
    }
    Ok((bytes, unreadable))
}

fn mark_of(name: &str) -> Option<Mark> {
    let mark = name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?;
    Some(Mark(u64::from_str_radix(mark, 16).ok()?.to_be_bytes()))
}
