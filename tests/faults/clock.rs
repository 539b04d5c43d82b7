//! The clock of the gateway's machine jumps, or is wrong from the start: R10. Only the time of day; what measures time is
//! never set on a real machine either.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;

use crate::rig::{Fault, Rig, Trial};
use crate::support::http::{self, Answer};
use crate::support::kafka::{Isolation, Seen, await_that};
use crate::support::serve::{SECRET, signature_with, source_table};

const HOUR: i64 = 3_600;

/// The time of day that one process is told.
struct FakeClock {
    directory: tempfile::TempDir,
}

impl FakeClock {
    /// Compiled on the spot: whoever builds hookstream has a C compiler.
    fn new() -> FakeClock {
        let clock = FakeClock { directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        clock.set(0);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/clock.c");
        let mut compiler = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()));
        let status = compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(clock.library()).arg(source).status();
        assert!(status.expect("run the C compiler").success());
        clock
    }

    fn library(&self) -> PathBuf {
        self.directory.path().join("clock.so")
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ahead")
    }

    /// So many seconds ahead of the real one from now on.
    fn set(&self, ahead: i64) {
        let mut file = File::options().create(true).write(true).truncate(false).open(self.file()).unwrap();
        file.write_all(&ahead.to_ne_bytes()).unwrap();
    }

    fn for_trial<'a>(&self, trial: Trial<'a>) -> Trial<'a> {
        let text = |path: PathBuf| path.display().to_string();
        trial.env("LD_PRELOAD", &text(self.library())).env("CLOCK_AHEAD", &text(self.file()))
    }
}

/// A minute after the beginning of 1970.
fn to_1970() -> i64 {
    60 - Timestamp::now().as_second()
}

/// What the provider of a source with timestamps sends, signed so many seconds ahead of the real clock.
fn stamped(trial: &Trial<'_>, id: &str, ahead: i64) -> Answer {
    let body = format!(
        r#"{{"id":"{id}","object":"event","type":"invoice.paid","created":1795168800,"data":{{"object":{{}}}}}}"#
    );
    let at = Timestamp::now().as_second() + ahead;
    let signature = format!("t={at},v1={}", signature_with(SECRET, format!("{at}.{body}").as_bytes()));
    http::post(trial.serve().public, "/webhooks/stripe", &[("Stripe-Signature", &signature)], body.as_bytes())
}

fn trial<'a>(rig: &'a Rig, row: &'static str, clock: &FakeClock) -> Trial<'a> {
    let stripe = source_table("stripe", "deadline = \"2400ms\"").replace("\"generic\"", "\"stripe\"");
    let again = source_table("again", "event = { id = \"/id\" }\nredeliveries = \"pass\"\ndeadline = \"2400ms\"");
    clock.for_trial(Trial::new(rig, row).source(&stripe).source(&again))
}

fn refused(trial: &Trial<'_>, reason: &str) -> f64 {
    trial.metrics().rejects("stripe", reason)
}

/// The clock tells this many seconds too much, while events without timestamps come all the time. Whatever happens meanwhile,
/// the end of it brings everything back.
#[test]
fn r10_the_clock_jumps_under_load() {
    let Some(rig) = Rig::shared() else { return };
    let clock = FakeClock::new();
    let mut trial = trial(&rig, "r10", &clock);
    trial.ready();
    let takes_the_future = rig.kafka.version().is_some_and(|version| version.starts_with("3."));
    let load = trial.load(100);
    let again = |body: &str| trial.serve().deliver("again", body.as_bytes()).json()["status"].clone();
    assert_eq!(again(r#"{"id":"a"}"#), "accepted");
    let begun = Timestamp::now();
    for (jump, (ahead, reason)) in [
        (HOUR, "timestamp_too_old"),
        (-HOUR, "timestamp_in_future"),
        (2 * HOUR, "timestamp_too_old"),
        (to_1970(), "timestamp_in_future"),
    ]
    .into_iter()
    .enumerate()
    {
        let before = load.acknowledged();
        await_that("events are acknowledged", || load.acknowledged() > before + 50);
        assert_eq!(stamped(&trial, &format!("right-{jump}"), 0).status, 200);
        clock.set(ahead);
        let count = refused(&trial, reason);
        assert_eq!(stamped(&trial, &format!("real-{jump}"), 0).status, 401);
        assert_eq!(refused(&trial, reason), count + 1.0, "{ahead}");
        if ahead.abs() == HOUR || (ahead > 0 && takes_the_future) {
            assert_eq!(stamped(&trial, &format!("fake-{jump}"), ahead).status, 200, "the window goes by its clock");
            let before = load.acknowledged();
            await_that("events without timestamps are acknowledged", || load.acknowledged() > before + 100);
            // A jump is no time that has passed: a copy that comes at once is no person's redelivery.
            assert_eq!(again(r#"{"id":"a"}"#), "duplicate");
            let new = format!(r#"{{"id":"a-{jump}"}}"#);
            assert_eq!([again(&new), again(&new)], ["accepted", "duplicate"]);
        } else {
            // Kafka refuses what is of the future, and, as `topics apply` sets it, what it would delete at once.
            let unavailable =
                || trial.metrics().sum("hookstream_gateway_unavailable_total", &[("reason", "invalid_timestamp")]);
            await_that("nothing is acknowledged for nothing", || unavailable() > 20.0);
            assert_eq!(trial.metrics().sum("hookstream_kafka_breakers_open", &[]), 0.0, "Kafka is well");
        }
        clock.set(0);
        assert_eq!(stamped(&trial, &format!("back-{jump}"), 0).status, 200);
        let before = load.acknowledged();
        await_that("events are acknowledged", || load.acknowledged() > before + 50);
    }
    // The age of what was let in says how far the clocks are apart.
    clock.set(-200);
    assert_eq!(stamped(&trial, "drift-behind", 0).status, 200);
    clock.set(200);
    assert_eq!(stamped(&trial, "drift-ahead", 0).status, 200);
    clock.set(0);
    let metrics = trial.metrics();
    let at_most =
        |le: &str| metrics.sum("hookstream_source_signed_age_seconds_bucket", &[("source", "stripe"), ("le", le)]);
    assert_eq!([at_most("-240"), at_most("-120"), at_most("-1")], [0.0, 1.0, 1.0], "one from the future");
    assert_eq!(at_most("+Inf") - at_most("120"), 1.0, "one that seems old");
    assert!(at_most("5") >= 6.0, "the others were young");
    trial.await_settled();
    let records = rig.kafka.read_all(&trial.topic_of("stripe"), Isolation::Uncommitted);
    let seconds = begun.duration_until(Timestamp::now()).as_secs();
    for record in &records {
        let value: serde_json::Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        let ahead = match value["id"].as_str().unwrap() {
            "fake-0" => HOUR,
            "fake-1" => -HOUR,
            "fake-2" => 2 * HOUR,
            "drift-behind" => -200,
            "drift-ahead" => 200,
            _ => 0,
        };
        let off = record.timestamp_ms / 1_000 - ahead - begun.as_second();
        assert!((-2..=seconds + 2).contains(&off), "{value}: {} s off", off);
    }
    assert_eq!(records.len(), 4 + 4 + 2 + usize::from(takes_the_future) + 2);
    trial.assert_kept(load);
}

/// The clock is wrong from the first moment on; a restart with the right one brings everything back.
#[test]
fn r10_the_clock_is_wrong_at_the_start() {
    let Some(rig) = Rig::shared() else { return };
    let clock = FakeClock::new();
    let mut trial = trial(&rig, "r10-start", &clock);
    for (start, (ahead, reason)) in
        [(HOUR, "timestamp_too_old"), (-HOUR, "timestamp_in_future"), (to_1970(), "timestamp_in_future")]
            .into_iter()
            .enumerate()
    {
        clock.set(ahead);
        trial.ready();
        assert_eq!(stamped(&trial, &format!("real-{start}"), 0).status, 401);
        assert_eq!(refused(&trial, reason), 1.0, "{ahead}");
        assert_eq!(refused(&trial, "timestamp_too_old") + refused(&trial, "timestamp_in_future"), 1.0);
        let body = format!(r#"{{"id":"plain-{start}"}}"#);
        let answer = trial.serve().deliver("again", body.as_bytes());
        if ahead.abs() == HOUR {
            assert_eq!(answer.json()["status"], "accepted");
        } else {
            assert_eq!(answer.status, 503);
        }
        assert!(answer.after < Duration::from_millis(2_400));
        clock.set(0);
        assert_eq!(trial.serve().deliver("again", body.as_bytes()).status, 200, "whatever it was told before");
        assert_eq!(stamped(&trial, &format!("right-{start}"), 0).status, 200);
        assert_eq!(trial.terminate().0, 0);
    }
    let ids = |source: &str| stored_ids(&rig.kafka.read_all(&trial.topic_of(source), Isolation::Uncommitted));
    let named = |name: &str| (0..3).map(|start| format!("{name}-{start}")).collect::<BTreeSet<_>>();
    assert_eq!(ids("again"), named("plain"));
    assert_eq!(ids("stripe"), named("right"));
}

/// What was acknowledged into the spool under a clock at 1970, Kafka refuses: it is kept aside, said, and put back as of now.
#[test]
fn r10_the_spool_holds_records_of_1970() {
    let Some(rig) = Rig::begin() else { return };
    let clock = FakeClock::new();
    let mut trial = trial(&rig, "r10-spool", &clock).spooling();
    trial.ready();
    rig.paths(Fault::Blackhole);
    clock.set(to_1970());
    let ids: Vec<String> = (0..5).map(|number| format!("spooled-{number}")).collect();
    for id in &ids {
        let answer = trial.serve().deliver("again", format!(r#"{{"id":"{id}"}}"#).as_bytes());
        assert_eq!(answer.json()["status"], "accepted");
    }
    clock.set(0);
    rig.paths(Fault::None);
    trial.await_settled();
    let aside = trial.metrics().sum("hookstream_spool_refused_total", &[("reason", "invalid_timestamp")]);
    assert_eq!(aside, 5.0, "nothing of it is lost without a word");
    assert_eq!(trial.serve().deliver("again", br#"{"id":"right"}"#).status, 200, "and nothing waits for it");
    assert_eq!(trial.terminate().0, 0);
    let (code, said) = trial.run(&["spool", "drain", "--refused"]);
    assert_eq!(code, 0, "{said}");
    let records = rig.kafka.read_all(&trial.topic_of("again"), Isolation::Uncommitted);
    let now = Timestamp::now().as_second();
    assert!(records.iter().all(|record| (now - record.timestamp_ms / 1_000) < 120), "Kafka keeps them");
    assert_eq!(stored_ids(&records), ["right".to_owned()].into_iter().chain(ids).collect());
}

fn stored_ids(records: &[Seen]) -> BTreeSet<String> {
    let id = |seen: &Seen| {
        let value: serde_json::Value = serde_json::from_slice(seen.value.as_ref().unwrap()).unwrap();
        value["id"].as_str().unwrap().to_owned()
    };
    let ids: BTreeSet<String> = records.iter().map(id).collect();
    assert_eq!(ids.len(), records.len(), "one record each");
    ids
}
