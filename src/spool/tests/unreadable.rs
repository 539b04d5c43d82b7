//! Places that the disk cannot read: damage like any other at the start, and while the process lives once the disk has said so
//! for long enough.

use super::*;
use crate::spool::disk;

/// Six records of 3,000 bytes in one segment, of which the second block hits two.
fn spoiled() -> (Bench, String) {
    let mut bench = Bench::new();
    assert!(bench.append(6, 2_900));
    bench.log.settle().unwrap();
    bench.log.state().ledger.touch();
    bench.log.settle().unwrap();
    let name = bench.disk.segments().remove(0);
    bench.disk.spoil(&name, 1);
    (bench, name)
}

#[test]
fn a_bad_sector_costs_the_records_it_hits_and_is_named_at_the_start() {
    let (mut bench, name) = spoiled();
    let found = bench.restart();
    assert_eq!(found.damage.len(), 1);
    let damage = &found.damage[0];
    assert_eq!((&damage.file, &damage.lost), (&name, &(1..3)));
    assert!(damage.bytes.contains(&4_096) && damage.bytes.contains(&8_191), "{:?}", damage.bytes);
    let (records, lost) = bench.drain();
    assert_eq!((records.into_keys().collect::<Vec<_>>(), lost), (vec![0, 3, 4, 5], 0));
}

#[test]
fn a_bad_sector_of_the_cursor_file_makes_everything_go_again() {
    let (mut bench, _) = spoiled();
    bench.disk.heal();
    bench.disk.spoil(cursor::NAME, 0);
    let found = bench.restart();
    assert_eq!((found.damage.len(), found.ledger.records()), (1, 6));
    assert_eq!(bench.drain().0, bench.acknowledged);
}

#[test]
fn while_the_process_lives_a_place_is_lost_only_when_it_is_passed_over() {
    let (bench, _) = spoiled();
    let mut pass = Pass::begin(&bench.log);
    assert!(matches!(pass.next(&bench.log), Ok(Found::Record(taken)) if taken.sequence == 0));
    for _ in 0..3 {
        let error = pass.next(&bench.log).unwrap_err();
        assert!(disk::is_unreadable(&error));
        assert_eq!(pass.place(), (0, 1));
    }
    bench.disk.heal();
    assert_eq!(bench.drain(), (bench.acknowledged.clone(), 0), "it came back");
    let (bench, _) = spoiled();
    bench.log.pass_over(0);
    let (records, lost) = bench.drain();
    assert_eq!((records.into_keys().collect::<Vec<_>>(), lost), (vec![0, 3, 4, 5], 2));
    assert!(bench.log.state().ledger.is_done(2));
}
