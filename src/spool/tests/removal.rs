//! Which segments are removed, and when: never one that holds a record which is acknowledged and not done.

use std::sync::{Arc, Mutex};

use super::*;

/// The cursor file is written without the lock, and the writing thread may do all this meanwhile.
#[test]
fn a_record_that_is_stored_while_the_cursor_is_written_keeps_its_segment() {
    let mut bench = Bench::new();
    assert!(bench.append(10, 10));
    (0..10).for_each(|sequence| bench.finish(sequence));
    let name = bench.disk.segments().remove(0);
    let disk = bench.disk.clone();
    let (log, active) = (Arc::new(bench.log), Arc::new(Mutex::new(bench.active.take())));
    let (writer, in_hand) = (Arc::clone(&log), Arc::clone(&active));
    bench.disk.after_rename(move || {
        let mut active = in_hand.lock().unwrap();
        assert_eq!(writer.write(&mut active, &[parcel("late", 20_000)]).unwrap(), 10, "the segment is full now");
        disk.inject(Fault::Names);
        assert!(writer.write(&mut active, &[parcel("next", 10)]).is_err(), "closed, and no other one yet");
    });
    log.settle().unwrap();
    assert_eq!(bench.disk.segments(), [name]);
    assert_eq!(read(&bench.disk).0.into_values().collect::<Vec<_>>(), ["late"]);
}

/// A partition without a leader, or a record that a broker never answers for.
#[test]
fn a_stuck_record_does_not_keep_the_segments_behind_it() {
    let mut bench = Bench::new();
    for _ in 0..5 {
        assert!(bench.append(2, 10_000));
    }
    let stuck = bench.disk.segments().remove(0);
    (1..7).for_each(|sequence| bench.finish(sequence));
    bench.log.settle().unwrap();
    let left = bench.disk.segments();
    assert_eq!((left.len(), &left[0]), (3, &stuck), "{left:?}");
    assert_eq!(bench.drain(), (bench.acknowledged.clone(), 0));
    (7..10).for_each(|sequence| bench.finish(sequence));
    bench.log.settle().unwrap();
    bench.log.close_if_asked(&mut bench.active);
    bench.log.state().ledger.touch();
    bench.log.settle().unwrap();
    assert_eq!(bench.disk.segments(), [stuck], "nor the open one");
    for keep in [0, 100] {
        let waiting = bench.acknowledged.len() as u64;
        let found = bench.crash(keep);
        assert_eq!((found.damage.len(), found.ledger.records()), (0, waiting), "a gap that is done is not loss");
        assert!(bench.append(1, 20_000));
        assert_eq!(bench.drain(), (bench.acknowledged.clone(), 0));
    }
    assert_eq!(bench.acknowledged.keys().copied().collect::<Vec<_>>(), [0, 10, 11]);
    bench.finish(0);
    bench.log.settle().unwrap();
    assert_eq!(bench.disk.segments().len(), 2);
    assert_eq!(bench.crash(0).damage, []);
}

#[test]
fn a_segment_that_cannot_be_removed_keeps_no_other_and_goes_later() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        assert!(bench.append(1, 20_000));
    }
    let first = bench.disk.segments().remove(0);
    (0..2).for_each(|sequence| bench.finish(sequence));
    // Not the removal of what an earlier cursor file left.
    let disk = bench.disk.clone();
    bench.disk.after_rename(move || disk.inject(Fault::Remove));
    assert!(bench.log.settle().is_err());
    let left = bench.disk.segments();
    assert_eq!((left.len(), &left[0]), (2, &first), "{left:?}");
    assert_eq!(bench.restart().damage, []);
    bench.log.state().ledger.touch();
    bench.log.settle().unwrap();
    assert_eq!(bench.disk.segments(), left[1..]);
    assert_eq!(bench.drain(), (bench.acknowledged.clone(), 0));
}

/// Records of the failed batch have sequences that were given again, to records that are done and no longer there.
#[test]
fn what_a_failed_batch_left_stays_void_when_its_sequences_are_gone() {
    let mut bench = Bench::new();
    assert!(bench.append(1, 100));
    bench.disk.inject(Fault::Sync);
    assert!(!bench.append(3, 10));
    for _ in 0..2 {
        assert!(bench.append(2, 20_000));
    }
    (1..3).for_each(|sequence| bench.finish(sequence));
    bench.log.settle().unwrap();
    assert_eq!(bench.disk.segments().len(), 2);
    assert_eq!(bench.restart().damage, []);
    assert_eq!(bench.drain(), (bench.acknowledged.clone(), 0));
}

#[test]
fn only_what_the_cursor_file_says_is_done_is_removed_and_it_goes_on_saying_so() {
    let mut bench = Bench::new();
    assert!(bench.append(68_000, 0) && bench.append(1, 20_000) && bench.append(1, 20_000));
    let odd = |bench: &mut Bench, range: std::ops::Range<u64>| {
        range.filter(|n| n % 2 == 1).for_each(|n| bench.finish(n));
    };
    odd(&mut bench, 0..65_000);
    bench.finish(68_000);
    bench.log.settle().unwrap();
    assert_eq!(bench.disk.segments().len(), 3, "32,500 ranges come before this one, and 32,000 fit");
    (0..2_000).for_each(|sequence| bench.finish(sequence));
    bench.log.settle().unwrap();
    assert_eq!(bench.disk.segments().len(), 2);
    odd(&mut bench, 65_000..68_000);
    (2_001..2_003).for_each(|sequence| bench.finish(sequence));
    bench.log.settle().unwrap();
    let found = bench.crash(0);
    assert_eq!(found.damage, []);
    assert!(found.ledger.is_done(68_000), "it is not there any more");
    assert_eq!(bench.crash(0).damage, [], "the next one knows it too");
}
