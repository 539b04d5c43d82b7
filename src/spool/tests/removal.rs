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
