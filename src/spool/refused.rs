//! Records that Kafka refused for good, or that this version cannot read: stepped over by the drain, kept beside the log
//! for somebody to look at.

use std::io;

use super::disk::{Appended, Disk};
use super::frame::{self, Mark};
use super::reader::{Piece, SegmentReader};

/// What the file's name begins and ends with; the mark stands between.
const NAME: (&str, &str) = ("refused-", ".kept");

/// What the name of a file ends with that holds only what cannot be read, and what was put back.
const DAMAGED: &str = ".damaged";

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

/// The files of all that was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Their bytes.
    pub bytes: u64,
    /// Those with bytes that cannot be read, and how many.
    pub unreadable: Vec<(String, u64)>,
}

/// Show every record that was kept, by file.
///
/// # Errors
/// The disk's. Damage is no error.
pub fn read(disk: &dyn Disk, mut show: impl FnMut(Kept)) -> io::Result<Files> {
    let mut names = disk.list()?;
    names.sort();
    let mut files = Files::default();
    for (name, length) in names {
        let Some(mark) = mark_of(&name) else { continue };
        files.bytes += length;
        let mut unreadable = 0;
        let mut reader = SegmentReader::new(name.clone(), mark).over_what_is_unreadable();
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
        if unreadable > 0 {
            files.unreadable.push((name, unreadable));
        }
    }
    Ok(files)
}

/// Put a file out of the way whose readable records went back, so that they go back once and the rest stays for somebody to
/// look at. Returns its new name.
///
/// # Errors
/// The disk's.
pub fn put_out_of_the_way(disk: &dyn Disk, name: &str) -> io::Result<String> {
    let to = format!("{name}{DAMAGED}");
    disk.rename(name, &to)?;
    disk.sync_names()?;
    Ok(to)
}

fn mark_of(name: &str) -> Option<Mark> {
    let mark = name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?;
    Some(Mark(u64::from_str_radix(mark, 16).ok()?.to_be_bytes()))
}
