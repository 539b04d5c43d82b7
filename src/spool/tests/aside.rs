//! What goes aside, and what Kafka's word that there is no topic is worth.

use std::time::{Duration, Instant};

use super::*;
use crate::kafka::{DeliveryFailure, Persistence, Refusal, Settle};
use crate::spool::aside::Aside;
use crate::spool::hands::{Handed, Hands};
use crate::spool::refused;

/// A spool with so many records, each in a file of its own, and as they are on their way aside.
fn refused_records(disk: &Faulty, count: usize) -> (Arc<Spool>, Vec<(Handed, &'static str)>) {
    let (spool, _) = spool(disk, 1 << 30);
    for n in 0..count {
        append(&spool, &format!("e{n}"), 10).unwrap();
    }
    let mut pass = Pass::begin(spool.log());
    let mut all = Vec::new();
    while let Found::Record(taken) = pass.next(spool.log()).unwrap() {
        spool.log().state().ledger.begin(taken.sequence);
        let topic = taken.entry.unwrap().record.topic;
        all.push((Handed { sequence: taken.sequence, topic, place: taken.place, partition: 0 }, "too_large"));
    }
    assert_eq!(all.len(), count);
    (spool, all)
}

fn kept(disk: &Faulty) -> (usize, usize) {
    let files = disk.list().unwrap().iter().filter(|(name, _)| name.ends_with(".kept")).count();
    let mut records = 0;
    refused::read(disk, |_| records += 1).unwrap();
    (files, records)
}

#[test]
fn a_full_disk_is_not_filled_with_files_that_hold_nothing() {
    let disk = Faulty::default();
    let (spool, refused) = refused_records(&disk, 3);
    let (mut aside, start) = (Aside::default(), Instant::now());
    (0..3).for_each(|_| disk.inject(Fault::Full(20)));
    aside.keep(&spool, refused, start);
    assert_eq!((kept(&disk), aside.len(), spool.records()), ((0, 0), 3, 3), "one try, and nothing of it stays");
    assert!(!aside.is_due(start + Duration::from_millis(900)) && aside.is_due(start + Duration::from_secs(1)));
    aside.keep(&spool, vec![], start + Duration::from_millis(900));
    for seconds in 1..3 {
        aside.keep(&spool, vec![], start + Duration::from_secs(seconds));
        assert_eq!(kept(&disk), (0, 0));
    }
    aside.keep(&spool, vec![], start + Duration::from_secs(3));
    assert_eq!((kept(&disk), aside.len(), spool.records()), ((1, 3), 0, 0));
}

#[test]
fn a_file_that_holds_records_stays_when_the_next_one_fails() {
    let disk = Faulty::default();
    let (spool, mut refused) = refused_records(&disk, 2);
    let (mut aside, start) = (Aside::default(), Instant::now());
    let second = refused.split_off(1);
    aside.keep(&spool, refused, start);
    disk.inject(Fault::Full(20));
    aside.keep(&spool, second, start);
    assert_eq!((kept(&disk), spool.records()), ((1, 1), 1));
    aside.keep(&spool, vec![], start + Duration::from_secs(1));
    assert_eq!((kept(&disk), spool.records()), ((2, 2), 0));
}

#[test]
fn a_record_that_was_damaged_on_its_way_aside_is_lost_and_named_and_holds_up_nothing() {
    let disk = Faulty::default();
    let (spool, refused) = refused_records(&disk, 2);
    let place = refused[0].0.place.clone();
    disk.flip(&place.file, (place.bytes.start as usize + 40) * 8);
    let mut aside = Aside::default();
    aside.keep(&spool, refused, Instant::now());
    assert_eq!((aside.len(), spool.records(), spool.metrics().lost.get()), (0, 0, 1));
    assert_eq!((kept(&disk), spool.metrics().failures.get()), ((1, 1), 0));
    assert!(spool.has_room());
}

#[test]
fn a_record_that_the_disk_cannot_read_any_more_is_tried_for_a_while() {
    let disk = Faulty::default();
    let (spool, refused) = refused_records(&disk, 1);
    disk.spoil(&refused[0].0.place.file, 0);
    let (mut aside, start) = (Aside::default(), Instant::now());
    aside.keep(&spool, refused, start);
    for seconds in 1..30 {
        aside.keep(&spool, vec![], start + Duration::from_secs(seconds));
        assert_eq!((aside.len(), spool.metrics().lost.get()), (1, 0), "{seconds} s: the disk may come back");
    }
    aside.keep(&spool, vec![], start + Duration::from_secs(30));
    assert_eq!((aside.len(), spool.records(), spool.metrics().lost.get()), (0, 0, 1));
}

#[test]
fn a_topic_that_is_said_to_be_missing_waits() {
    let disk = Faulty::default();
    let (spool, refused) = refused_records(&disk, 1);
    let hands = Arc::new(Hands::new(Arc::clone(&spool)));
    let handed = refused[0].0.clone();
    let failure = DeliveryFailure { persistence: Persistence::NotPersisted, refusal: Some(Refusal::NoTopic) };
    hands.take(handed, 10, false).settle(Err(failure));
    assert_eq!(hands.take_refused().len(), 0, "it may be made again in a moment");
    assert_eq!((spool.records(), spool.log().state().ledger.under_way()), (1, 0), "it is drained again");
}

/// It was sent twice: the first time Kafka took it and the answer was lost, the second time Kafka knew no topic any more.
#[test]
fn what_kafka_may_have_taken_before_it_refused_counts_as_unknown() {
    let disk = Faulty::default();
    let (spool, refused) = refused_records(&disk, 1);
    let hands = Arc::new(Hands::new(Arc::clone(&spool)));
    let failure = DeliveryFailure { persistence: Persistence::PossiblyPersisted, refusal: Some(Refusal::NoTopic) };
    hands.take(refused[0].0.clone(), 10, false).settle(Err(failure));
    assert_eq!((spool.records(), spool.metrics().unknown.get()), (1, 1), "it is drained again, perhaps as a copy");
}
