//! The judge: what the ledger says was promised, against what Kafka holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hookstream::event::{Data, decode};
use sha2::{Digest, Sha256};

use super::ledger::Event;
use crate::support::kafka::{Cluster, Isolation, Seen};

/// One stored record, as far as the judge looks at it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) source: String,
    pub(crate) id: String,
    pub(crate) sha256: String,
    /// Topic, partition and offset.
    pub(crate) place: (String, i32, i64),
}

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) events: usize,
    pub(crate) acknowledged: usize,
    pub(crate) stored: usize,
    /// Records beyond the first of their event.
    pub(crate) copies: usize,
    /// What must not be. Empty where all is well.
    pub(crate) faults: Vec<String>,
    /// Where the records of events stand that have copies without a reason.
    pub(crate) twice: Vec<(String, i32, i64)>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { events, acknowledged, stored, copies, faults, .. } = self;
        write!(
            f,
            "{events} events, {acknowledged} acknowledged, {stored} stored, {copies} copies, {} faults",
            faults.len()
        )
    }
}

/// The records of these topics, as readers of both isolation levels see them: raw topics are never written in a transaction.
pub(crate) fn stored(kafka: &Cluster, topics: &[(String, &'static str)]) -> Vec<Stored> {
    let read = |(topic, source): &(String, &'static str)| {
        let seen = kafka.read_all(topic, Isolation::Uncommitted);
        let committed = kafka.read_all(topic, Isolation::Committed);
        assert!(seen == committed, "{topic} looks different to a read_committed reader");
        seen.into_iter().map(|seen| of(&seen, topic, source)).collect::<Vec<_>>()
    };
    topics.iter().flat_map(read).collect()
}

fn of(seen: &Seen, topic: &str, source: &str) -> Stored {
    let envelope = decode(&seen.headers, seen.value.as_deref().expect("a value")).expect("an event of ours");
    let Data::Json(data) = envelope.data else { panic!("not JSON: {envelope:?}") };
    let (id, sha256) = (envelope.attributes.id.into_owned(), hex::encode(Sha256::digest(data)));
    Stored { source: source.to_owned(), id, sha256, place: (topic.to_owned(), seen.partition, seen.offset) }
}

/// Acknowledged ⊆ stored ⊆ sent, with equal bytes; and a second copy only of what a sender had reason to send again, or of
/// one of `unknown` records whose first delivery nobody could know about.
pub(crate) fn judge(ledger: &BTreeMap<String, Event>, stored: &[Stored], unknown: usize) -> Verdict {
    let mut verdict = Verdict { events: ledger.len(), stored: stored.len(), ..Verdict::default() };
    let mut records: BTreeMap<(&str, &str), Vec<&Stored>> = BTreeMap::new();
    for record in stored {
        records.entry((&record.source, &record.id)).or_default().push(record);
    }
    // What was sent: by id, and, where events have none, by content.
    let hashes: BTreeSet<(&str, &str)> = ledger.values().map(|event| (&*event.source, &*event.sha256)).collect();
    let (mut inexplicable, mut twice) = (Vec::new(), Vec::new());
    for (name, event) in ledger {
        verdict.acknowledged += usize::from(event.is_acknowledged());
        let ids: BTreeSet<&str> = match event.source.as_str() {
            "orders" => event.is_acknowledged().then_some(name.as_str()).into_iter().collect(),
            // Each acknowledged delivery of a reading is an event of its own, by the id that its answer names.
            _ => event.told.iter().filter(|told| told.status == 200).filter_map(|told| told.id.as_deref()).collect(),
        };
        if event.is_acknowledged() && ids.is_empty() {
            verdict
                .faults
                .push(format!("UNKNOWN: nobody can say whether {} {name} is stored: {event:?}", event.source));
        }
        for id in ids {
            match records.get(&(&*event.source, id)).map(|copies| copies[0].sha256 == event.sha256) {
                None => verdict.faults.push(format!("LOST: {} {id}: {event:?}", event.source)),
                Some(false) => verdict.faults.push(format!("CHANGED: {} {id}", event.source)),
                Some(true) => {}
            }
        }
    }
    for ((source, id), copies) in &records {
        let sent = if *source == "orders" { ledger.get(*id) } else { None };
        for copy in copies {
            if !hashes.contains(&(*source, &*copy.sha256)) || (*source == "orders" && sent.is_none()) {
                verdict.faults.push(format!("INVENTED: {source} {id}"));
            }
        }
        let more = copies.len() - 1;
        verdict.copies += more;
        if more > 0 && !sent.is_some_and(Event::had_trouble) {
            inexplicable.extend(std::iter::repeat_n(format!("{source} {id}"), more));
            twice.extend(copies.iter().map(|copy| copy.place.clone()));
        }
    }
    if inexplicable.len() > unknown {
        verdict.faults.push(format!("TWICE: {unknown} unknown outcomes, copies without a reason: {inexplicable:?}"));
        verdict.twice = twice;
    }
    verdict
}
