//! A disk that failed is found out to work again, also when nobody sends anything.

use super::*;

#[test]
fn a_disk_that_failed_is_tried_without_traffic() {
    let disk = Faulty::default();
    let (failing, _) = spool(&disk, 64 << 20);
    for fault in [Fault::Full(3), Fault::Sync, Fault::Names] {
        disk.inject(fault);
        let _ = append(&failing, "a", 10);
    }
    assert_eq!(append(&failing, "a", 10), Ok(0));
    disk.inject(Fault::Sync);
    assert_eq!(append(&failing, "b", 10), Err(SpoolError::Failed));
    assert!(!failing.has_room(), "not ready: nobody comes");
    failing.log().settle().unwrap();
    disk.inject(Fault::Full(100));
    failing.settle();
    assert!(!failing.has_room(), "it is still full");
    failing.settle();
    assert!(!failing.has_room(), "not tried at any speed");
    await_that("it is ready again", || {
        failing.settle();
        failing.has_room()
    });
    assert_eq!(append(&failing, "b", 10), Ok(1));
    failing.close();
    assert!(disk.list().unwrap().iter().all(|(name, _)| !name.starts_with("trial")), "{:?}", disk.list());
}
