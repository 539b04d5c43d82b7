//! The outside ledger: what was sent and what was answered, on the disk before the next step is taken.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot};

/// An append-only file of lines; several writers share one fdatasync.
pub(crate) struct Ledger {
    path: PathBuf,
    lines: mpsc::UnboundedSender<(String, oneshot::Sender<()>)>,
}

/// What a sender was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    /// 0 where no answer came.
    pub(crate) status: u16,
    pub(crate) millis: u64,
    /// The id in the answer's body.
    pub(crate) id: Option<String>,
    /// `accepted`, `duplicate` …
    pub(crate) word: String,
}

/// One event of the ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Event {
    pub(crate) source: String,
    /// Of the body, in hexadecimal.
    pub(crate) sha256: String,
    pub(crate) sent: usize,
    pub(crate) told: Vec<Told>,
}

impl Event {
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.told.iter().any(|told| (200..300).contains(&told.status))
    }

    /// Whether a sender had reason to send again: some copy got no answer, or no 2xx.
    pub(crate) fn had_trouble(&self) -> bool {
        self.told.len() < self.sent || self.told.iter().any(|told| !(200..300).contains(&told.status))
    }
}

impl Ledger {
    /// Open it, or go on with what is there.
    pub(crate) fn open(path: &Path) -> Ledger {
        let file = OpenOptions::new().create(true).append(true).open(path).expect("open the ledger");
        let (lines, queue) = mpsc::unbounded_channel();
        std::thread::spawn(move || write(file, queue));
        Ledger { path: path.to_owned(), lines }
    }

    /// The file's name, without its extension.
    pub(crate) fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// On the disk when this returns.
    pub(crate) async fn sent(&self, event: &str, source: &str, sha256: &str) {
        self.note(format!("sent {event} {source} {sha256}\n")).await;
    }

    /// On the disk when this returns.
    pub(crate) async fn told(&self, event: &str, told: &Told) {
        let id = told.id.as_deref().unwrap_or("-");
        self.note(format!("told {event} {} {} {} {id}\n", told.status, told.millis, told.word)).await;
    }

    async fn note(&self, line: String) {
        let (done, durable) = oneshot::channel();
        self.lines.send((line, done)).expect("the ledger's thread");
        durable.await.expect("the ledger's thread");
    }

    /// Everything that it says. A last line that a killed run left half written is not counted.
    pub(crate) fn read(&self) -> BTreeMap<String, Event> {
        let text = std::fs::read_to_string(&self.path).expect("read the ledger");
        let mut events: BTreeMap<String, Event> = BTreeMap::new();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["sent", event, source, sha256] => {
                    let event = events.entry(event.to_owned()).or_default();
                    event.source = source.to_owned();
                    event.sha256 = sha256.to_owned();
                    event.sent += 1;
                }
                ["told", event, status, millis, word, id] => {
                    let number = |text: &str| text.parse().expect("a number");
                    let told = Told {
                        status: number(status) as u16,
                        millis: number(millis),
                        word: word.to_owned(),
                        id: (id != "-").then(|| id.to_owned()),
                    };
                    events.get_mut(event).expect("sent before it was answered").told.push(told);
                }
                _ => panic!("not a line of a ledger: {line}"),
            }
        }
        events
    }
}

fn write(mut file: File, mut queue: mpsc::UnboundedReceiver<(String, oneshot::Sender<()>)>) {
    while let Some((mut text, done)) = queue.blocking_recv() {
        let mut waiting = vec![done];
        while let Ok((line, done)) = queue.try_recv() {
            text.push_str(&line);
            waiting.push(done);
        }
        file.write_all(text.as_bytes()).expect("write the ledger");
        file.sync_data().expect("sync the ledger");
        // A sender that was stopped waits no longer.
        for done in waiting {
            let _ = done.send(());
        }
    }
}
