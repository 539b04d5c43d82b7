//! The disk under the spool, a real one: full, and read-only from one moment to the next: R8.

use std::path::PathBuf;
use std::time::Duration;

use hookstream::spool::disk::{Directory, Disk};

use crate::rig::{Fault, Mount, Rig, Trial};
use crate::support::kafka::await_that;

/// What the spool cannot have of the 16 MiB.
const BALLAST: usize = 14 << 20;

/// Nothing fits any more: what is acknowledged is kept, the rest is refused, and room brings it back while Kafka is away.
#[test]
fn r8_the_spools_disk_has_no_space_left() {
    let Some(disk) = Mount::tmpfs() else { return };
    let Some(rig) = Rig::begin() else { return };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; BALLAST]).unwrap();
    let mut trial = Trial::new(&rig, "r8-full").spooling_in(&disk.path().join("spool"));
    trial.ready();
    let load = trial.load(200);
    await_that("events are acknowledged", || load.acknowledged() > 50);
    rig.paths(Fault::Blackhole);
    await_that("a write fails", || trial.metrics().sum("hookstream_spool_failures_total", &[]) > 0.0);
    await_that("it says why", || trial.serve().process.log().contains("No space left on device"));
    let refused = load.refused();
    await_that("events are refused", || load.refused() > refused + 50);
    std::fs::remove_file(ballast).unwrap();
    let before = load.acknowledged();
    await_that("events are acknowledged, Kafka still being away", || load.acknowledged() > before + 200);
    assert!(trial.serve().is_ready(), "there is room again");
    rig.paths(Fault::None);
    trial.assert_recovers(&load);
    trial.assert_kept(load);
}

/// Kafka and the spool's disk are away together; Kafka comes back first. Nobody but a live event can find that out, and one
/// does. Beyond 30 s (`tests/faults/campaign --seconds 40`) Kafka's breakers have nothing under way any more that could close them.
#[test]
fn r8_kafka_comes_back_before_the_spools_disk() {
    let Some(disk) = Mount::tmpfs() else { return };
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r8-both").spooling_in(&disk.path().join("spool"));
    trial.ready();
    let load = trial.load(100);
    await_that("events are acknowledged", || load.acknowledged() > 50);
    // Every byte of it.
    let mut ballast = std::fs::File::create(disk.path().join("ballast")).unwrap();
    while std::io::Write::write_all(&mut ballast, &[0; 512]).is_ok() {}
    rig.paths(Fault::Blackhole);
    await_that("a write fails", || trial.metrics().sum("hookstream_spool_failures_total", &[]) > 0.0);
    await_that("nothing can be made durable", || !trial.serve().is_ready());
    std::thread::park_timeout(trial.scale().lasting(Duration::from_secs(2)));
    assert_eq!(trial.metrics().sum("hookstream_spool_records", &[]), 0.0, "the drain has nothing to find it out with");
    rig.paths(Fault::None);
    trial.assert_recovers(&load);
    assert!(trial.serve().is_ready(), "Kafka answers");
    trial.assert_kept(load);
}

/// The disk turns read-only under open files, as ext4 does after an error: nothing is acknowledged into it any more, what goes
/// to Kafka goes on, and what had been acknowledged is there after the repair.
#[test]
fn r8_the_spools_disk_turns_read_only() {
    let Some(mut disk) = Mount::ext4() else { return };
    let Some(rig) = Rig::begin() else { return };
    let mut trial = Trial::new(&rig, "r8-read-only").spooling_in(&disk.path().join("spool"));
    trial.ready();
    let load = trial.load(100);
    await_that("events are acknowledged", || load.acknowledged() > 50);
    rig.paths(Fault::Blackhole);
    await_that("events are in the spool", || trial.metrics().sum("hookstream_spool_records", &[]) > 50.0);
    disk.fail();
    await_that("a write fails", || trial.metrics().sum("hookstream_spool_failures_total", &[]) > 0.0);
    // The failed sync says "Input/output error", what comes later "Read-only file system".
    let message = "spool: a batch could not be made durable; nothing of it is acknowledged";
    await_that("it says so", || !trial.serve().process.said(message).is_empty());
    let refused = load.refused();
    await_that("events are refused", || load.refused() > refused + 50);
    // Kafka's last answer counts for a few seconds.
    await_that("nothing can be made durable", || !trial.serve().is_ready());
    rig.paths(Fault::None);
    trial.assert_recovers(&load);
    assert!(trial.serve().is_ready());
    trial.kill();
    disk.repair();
    trial.ready();
    let before = load.acknowledged();
    await_that("events are acknowledged", || load.acknowledged() > before + 50);
    trial.assert_kept(load);
}

/// ext4 may say that a sync succeeded while it gives its journal up: one in twenty times, without what
/// `Appended::sync` does about it.
#[test]
fn r8_no_sync_succeeds_while_the_journal_is_given_up() {
    const TRIALS: usize = 80;
    const RECORD: usize = 3_000;
    let Some(mut disk) = Mount::ext4() else { return };
    for trial in 0..TRIALS {
        let spool: PathBuf = disk.path().join(format!("spool-{trial}"));
        let directory = Directory::hold(&spool, false).unwrap();
        let mut file = directory.create("segment").unwrap();
        directory.sync_names().unwrap();
        let synced = std::thread::scope(|scope| {
            scope.spawn(|| {
                // Anywhere in the life of a sync.
                std::thread::park_timeout(Duration::from_micros(2_000 + 97 * trial as u64));
                disk.fail();
            });
            let mut synced = 0;
            while file.append(&[7; RECORD]).and_then(|()| file.sync()).is_ok() {
                synced += RECORD as u64;
            }
            synced
        });
        drop((file, directory));
        disk.repair();
        let found = std::fs::metadata(spool.join("segment")).map_or(0, |file| file.len());
        assert!(found >= synced, "trial {trial}: {synced} bytes were said to be durable, {found} are there");
        std::fs::remove_dir_all(spool).unwrap();
    }
}
