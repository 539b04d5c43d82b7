//! `spool`: what waits on an instance's disk, whether all of it can be read, and putting it into Kafka without the instance.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::check::Verdict;
use super::serve::RECORDS_REMAIN;
use super::{Failure, Output, Row};
use crate::cli::{SpoolDrain, SpoolLook};
use crate::config::{Config, SpoolConfig};
use crate::event::rfc3339_millis;
use crate::kafka::{Producer, Refusal};
use crate::shutdown::Shutdown;
use crate::spool::disk::{self, Directory, Disk};
use crate::spool::entry::EntryError;
use crate::spool::refused::Refused;
use crate::spool::segment::Segment;
use crate::spool::survey::{Survey, survey};
use crate::spool::{Drain, Drained, Entry, Limits, Spool, refused};
use crate::telemetry::Metrics;

/// How often the drain looks whether it is done.
const LOOK: Duration = Duration::from_millis(50);

/// Records alike, for one row.
#[derive(Default)]
struct Group {
    records: u64,
    bytes: usize,
    oldest_ms: Option<i64>,
}

impl Group {
    fn add(&mut self, entry: Option<&Entry>, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
        let at = entry.map(|entry| entry.record.timestamp_ms);
        self.oldest_ms = [self.oldest_ms, at].into_iter().flatten().min();
    }
}

/// By what holds them (or the reason why they are kept aside), source and topic.
type Groups = BTreeMap<(&'static str, String, String), Group>;

/// How often a directory is read that changes meanwhile.
const ATTEMPTS: usize = 5;

/// Read a directory that an instance may be writing to: what looks like damage counts when it is there twice, alike.
fn read_steadily<T: Default>(
    disk: &Directory,
    show: impl Fn(&mut T, u64, &Segment, Result<Entry, EntryError>),
) -> Result<(Survey, T), Failure> {
    let mut before = None;
    for attempt in 1.. {
        let mut shown = T::default();
        match survey(disk, |sequence, segment, entry| show(&mut shown, sequence, segment, entry)) {
            Err(error) if attempt == ATTEMPTS || error.kind() != io::ErrorKind::NotFound => {
                return Err(unreadable(error));
            }
            Ok(found) if found.damage.is_empty() || attempt == ATTEMPTS || before.as_ref() == Some(&found.damage) => {
                return Ok((found, shown));
            }
            Ok(found) => before = Some(found.damage),
            // A segment was drained and removed in between.
            Err(_) => {}
        }
    }
    Err(Failure::Failed("the spool never stood still".to_owned()))
}

/// `spool list`
pub(super) fn list(config: &Config, arguments: &SpoolLook) -> Result<ExitCode, Failure> {
    let disk = look(config, arguments.dir.as_ref())?;
    let add = |groups: &mut Groups, state, entry: Option<&Entry>, bytes: usize| {
        let (source, topic) = entry
            .map_or((String::new(), String::new()), |entry| (entry.source.clone(), entry.record.topic.to_string()));
        groups.entry((state, source, topic)).or_default().add(entry, bytes);
    };
    let (_, mut groups) = read_steadily::<Groups>(&disk, |groups, _, _, entry| {
        let entry = entry.ok();
        let bytes = entry.as_ref().map_or(0, |entry| entry.record.key.len() + entry.record.value.len());
        add(groups, "waiting", entry.as_ref(), bytes);
    })?;
    refused::read(&disk, |kept| {
        let entry = Entry::decode(&kept.payload).ok();
        add(&mut groups, kept.reason, entry.as_ref(), kept.payload.len());
    })
    .map_err(unreadable)?;
    let row = |((state, source, topic), group): (&(&'static str, String, String), &Group)| -> Row {
        let at = group.oldest_ms.and_then(|at| Timestamp::from_millisecond(at).ok()).map(rfc3339_millis);
        vec![
            ("state", json!(state)),
            ("source", json!(source)),
            ("topic", json!(topic)),
            ("records", json!(group.records)),
            ("bytes", json!(group.bytes)),
            ("oldest", json!(at)),
        ]
    };
    Output::new(arguments.json).table(&groups.iter().map(row).collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

/// `spool verify`
pub(super) fn verify(config: &Config, arguments: &SpoolLook) -> Result<ExitCode, Failure> {
    let disk = look(config, arguments.dir.as_ref())?;
    let (found, foreign) = read_steadily::<Vec<(String, String)>>(&disk, |foreign, sequence, segment, entry| {
        if let Err(error) = entry {
            foreign.push((segment.name(), format!("record {sequence}: {error}")));
        }
    })?;
    let kept = refused::read(&disk, |_| ()).map_err(unreadable)?;
    let (rows, sound) = verdicts(&found, &foreign, &kept.unreadable);
    Output::new(arguments.json).table(&rows)?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verdicts(found: &Survey, foreign: &[(String, String)], kept: &[(String, u64)]) -> (Vec<Row>, bool) {
    let row = |file: &str, result: &str, detail: String| -> Row {
        vec![("file", json!(file)), ("result", json!(result)), ("detail", json!(detail))]
    };
    let mut rows = Vec::new();
    for damage in &found.damage {
        let lost = damage.lost.end - damage.lost.start;
        let what = match lost {
            0 => "nothing that was still to go to Kafka is lost by it".to_owned(),
            _ => format!("{lost} acknowledged records are lost: {} to {}", damage.lost.start, damage.lost.end - 1),
        };
        rows.push(row(
            &damage.file,
            "DAMAGED",
            format!("bytes {} to {}: {what}", damage.bytes.start, damage.bytes.end),
        ));
    }
    rows.extend(foreign.iter().map(|(file, detail)| row(file, "UNREADABLE", detail.clone())));
    for (file, bytes) in kept {
        rows.push(row(file, "DAMAGED", format!("{bytes} bytes of what was kept aside cannot be read")));
    }
    let sound = rows.is_empty();
    if found.torn > 0 {
        let detail = format!("{} bytes at the end are the rest of a write that nobody was told of", found.torn);
        rows.push(row("the last segment", "ok", detail));
    }
    let detail = format!("{} segments, {} records wait", found.segments.len(), found.ledger.records());
    rows.push(row("everything else", "ok", detail));
    (rows, sound)
}

/// `spool drain`
pub(super) async fn drain(config: Config, arguments: &SpoolDrain, shutdown: Shutdown) -> Result<ExitCode, Failure> {
    let path = directory(&config, arguments.dir.as_ref())?;
    // Whoever empties a copy may have it anywhere; what must be there already is the directory.
    drop(Directory::look(&path).map_err(|error| error.to_string())?);
    let held = Directory::hold(&path, true).map_err(|error| error.to_string())?;
    let metrics = Metrics::new().map_err(|error| error.to_string())?;
    let limits = Limits { max_bytes: u64::MAX };
    let (spool, opened) = Spool::open(held, limits, metrics.spool.clone(), |_| ()).map_err(unreadable)?;
    let (mut topics, mut damaged) = (opened.topics, Vec::new());
    if arguments.refused {
        let back = put_back(&spool, &path)?;
        topics.extend(back.topics);
        damaged = back.damaged;
    }
    let before = spool.records();
    let producer = Producer::<Drained>::start(&config.kafka, topics.into_iter().collect(), metrics.kafka.clone())?;
    let now = Box::new(|| Timestamp::now().as_millisecond());
    let draining = Drain::start(Arc::clone(&spool), Arc::clone(&producer), config.enrich.window, now)?;
    let end = Instant::now() + arguments.timeout.0;
    while spool.records() > 0 && Instant::now() < end && !shutdown.is_requested() {
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    let ended = tokio::task::spawn_blocking(move || {
        drop(draining);
        producer.close(end.saturating_duration_since(Instant::now()).min(Duration::from_secs(3)));
        spool.close()
    });
    let remain = ended.await.map_err(|error| error.to_string())?;
    let spool = &metrics.spool;
    let row: Vec<(&'static str, Value)> = vec![
        ("found", json!(before)),
        ("drained", json!(spool.drained.get())),
        ("remain", json!(remain)),
        ("unknown", json!(spool.unknown.get())),
        ("late", json!(spool.late.get())),
        ("refused", json!(refused::reasons().map(|reason| spool.refused(reason).get()).iter().sum::<u64>())),
        ("lost", json!(spool.lost.get())),
    ];
    Output::new(arguments.json).table(&[row])?;
    if !damaged.is_empty() {
        let files = damaged.join(", ");
        return Err(Failure::Failed(format!(
            "some of what was kept aside cannot be read; what can was put back, and the rest stays in {files} ({remain} records remain)"
        )));
    }
    Ok(if remain == 0 { ExitCode::SUCCESS } else { ExitCode::from(RECORDS_REMAIN) })
}

/// What came of putting back what was kept aside.
struct Back {
    topics: Vec<Arc<str>>,
    /// The files that hold what cannot be read.
    damaged: Vec<String>,
}

/// Put what was kept aside back among what waits.
fn put_back(spool: &Spool, path: &std::path::Path) -> Result<Back, Failure> {
    let disk = Directory::look(path).map_err(|error| error.to_string())?;
    let now_ms = Timestamp::now().as_millisecond();
    let mut files: BTreeMap<String, Vec<refused::Kept>> = BTreeMap::new();
    let found = refused::read(&disk, |kept| files.entry(kept.file.clone()).or_default().push(kept));
    let unreadable_of: BTreeMap<String, u64> = found.map_err(unreadable)?.unreadable.into_iter().collect();
    // Also those of which nothing can be read.
    for file in unreadable_of.keys() {
        files.entry(file.clone()).or_default();
    }
    let mut back = Back { topics: Vec::new(), damaged: Vec::new() };
    let mut stays = Refused::default();
    for (file, all) in files {
        for kept in all {
            match Entry::decode(&kept.payload) {
                Ok(mut entry) => {
                    // Its own time was told by a clock that was wrong, and Kafka would never take it.
                    if kept.reason == Refusal::Timestamp.as_str() {
                        entry.record.timestamp_ms = now_ms;
                    }
                    spool.append_now(&entry).map_err(|error| error.to_string())?;
                    back.topics.push(entry.record.topic);
                }
                // What this version cannot read goes on being kept, without those that were put back.
                Err(_) => {
                    stays.keep(&disk, kept.sequence, kept.reason, &kept.payload).map_err(unreadable)?;
                }
            }
        }
        if let Some(bytes) = unreadable_of.get(&file) {
            let name = refused::put_out_of_the_way(&disk, &file).map_err(unreadable)?;
            tracing::error!(file = name, bytes, "spool: some of what was kept aside cannot be read; the file stays");
            back.damaged.push(path.join(name).display().to_string());
        } else {
            disk.remove(&file).and_then(|()| disk.sync_names()).map_err(unreadable)?;
        }
    }
    Ok(back)
}

/// The rows of `check`: whether the directory will do, and what is in it.
pub(super) fn check(config: &SpoolConfig, note: &mut dyn FnMut(Verdict, String)) {
    let dir = config.dir.display();
    match disk::forgetful(&config.dir) {
        Err(error) => return note(Verdict::Wrong, format!("{dir}: {error}")),
        Ok(Some(kind)) if config.ephemeral => {
            note(
                Verdict::Note,
                format!("{dir} lies on {kind}: a restart of the machine or container loses acknowledged events"),
            );
        }
        Ok(Some(kind)) => {
            return note(
                Verdict::Wrong,
                format!("{dir} lies on {kind}; use a volume, or write spool.ephemeral = true"),
            );
        }
        Ok(None) => {}
    }
    if let Err(error) = disk::writable(&config.dir) {
        return note(Verdict::Wrong, format!("{dir} cannot be written to: {error}"));
    }
    if !config.dir.exists() {
        note(Verdict::Ok, format!("{dir} is made at the start"));
        return room(config, 0, note);
    }
    let found = Directory::look(&config.dir).map_err(|error| error.to_string());
    if let Ok(Some(holder)) = found.as_ref().map_or(Ok(None), Directory::holder) {
        let detail = format!("{dir} belongs to a running process{holder}; another instance needs one of its own");
        note(Verdict::Note, detail);
    }
    let found = found.map_err(Failure::Failed).and_then(|disk| read_steadily::<()>(&disk, |(), _, _, _| ()));
    match found.map(|(found, ())| found) {
        Err(Failure::Failed(error)) => note(Verdict::Wrong, format!("{dir}: {error}")),
        Err(Failure::Config(error)) => note(Verdict::Wrong, error.to_string()),
        Ok(found) if !found.damage.is_empty() => {
            note(Verdict::Wrong, format!("{dir} is damaged; `hookstream spool verify` says where"));
        }
        Ok(found) => {
            note(Verdict::Ok, format!("{dir}: {} records wait", found.ledger.records()));
            room(config, found.segments.iter().map(|segment| segment.length).sum(), note);
        }
    }
}

/// Whether the disk holds what the spool may take, of which it has `used`.
fn room(config: &SpoolConfig, used: u64, note: &mut dyn FnMut(Verdict, String)) {
    let Ok(free) = disk::free(&config.dir) else { return };
    if free.saturating_add(used) < config.max_bytes {
        let (dir, most) = (config.dir.display(), config.max_bytes);
        note(Verdict::Note, format!("{free} bytes are free where {dir} lies: spool.max_bytes ({most}) does not fit"));
    }
}

fn look(config: &Config, dir: Option<&PathBuf>) -> Result<Directory, Failure> {
    Directory::look(&directory(config, dir)?).map_err(|error| Failure::Failed(error.to_string()))
}

fn directory(config: &Config, dir: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    let configured = || config.spool.as_ref().map(|spool| spool.dir.clone());
    let dir = dir.cloned().or_else(configured);
    dir.ok_or_else(|| Failure::Failed("no spool is configured; say --dir DIR".to_owned()))
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn unreadable(error: io::Error) -> Failure {
    Failure::Failed(format!("the spool cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Record;
    use crate::spool::Draft;

    #[test]
    fn what_is_damaged_of_what_was_kept_aside_stays_and_is_named() {
        let root = tempfile::tempdir().unwrap();
        let held = Directory::hold(root.path(), true).unwrap();
        let mut kept = Refused::default();
        for id in ["a", "b", "c"] {
            let (topic, key, value) = ("t".into(), id.into(), id.into());
            let record = Record { topic, partition: None, key, value, headers: vec![], timestamp_ms: 1 };
            let payload = Draft { source: "orders", id: Some(id), handed: false, record: &record }.encode();
            kept.keep(&held, 0, "too_large", &payload).unwrap();
        }
        let name = held.list().unwrap().into_iter().map(|(name, _)| name).find(|name| name.ends_with(".kept")).unwrap();
        let path = root.path().join(&name);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let found = refused::read(&held, |_| ()).unwrap();
        assert_eq!(found.unreadable, [(name, bytes.len() as u64 / 3)]);

        let limits = Limits { max_bytes: 1 << 20 };
        let (spool, _) = Spool::open(held, limits, Metrics::new().unwrap().spool, |_| ()).unwrap();
        let back = put_back(&spool, root.path()).map_err(|_| "failed").unwrap();
        assert_eq!((back.topics.len(), spool.records(), back.damaged.len()), (2, 2, 1));
        assert_eq!(std::fs::read(&back.damaged[0]).unwrap(), bytes, "as it was found");
        assert!(back.damaged[0].ends_with(".kept.damaged") && !path.exists());
        let again = put_back(&spool, root.path()).map_err(|_| "failed").unwrap();
        assert_eq!((again.topics.len(), again.damaged.len()), (0, 0), "nothing goes back twice");
        spool.close();
    }
}
