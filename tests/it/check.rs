//! `check`: each thing that it finds, in a table that fits a screen and in JSON.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use hookstream::event::Record;
use hookstream::spool::disk::{Directory, forgetful};
use hookstream::spool::{Entry, Limits, Spool};
use hookstream::telemetry::Metrics;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::skip::skip;

/// A configuration with its environment and its files.
struct Setting {
    directory: TempDir,
    environment: BTreeMap<String, String>,
}

/// The rows of one run, and how it ended.
struct Checked {
    rows: Vec<(String, String, String)>,
    code: Option<i32>,
}

impl Setting {
    fn new(text: &str) -> Setting {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("hookstream.toml"), text).unwrap();
        Setting { directory, environment: BTreeMap::new() }
    }

    fn env(mut self, name: &str, value: &str) -> Setting {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn file(self, name: &str, text: &str) -> Setting {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn run(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookstream"));
        command.args(["check"]).args(arguments).current_dir(self.directory.path()).envs(&self.environment);
        command.env("XDG_STATE_HOME", self.directory.path()).env_remove("HOOKSTREAM_CONFIG").output().unwrap()
    }

    fn check(&self) -> Checked {
        let output = self.run(&["--offline", "--json"]);
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        let lines = String::from_utf8(output.stdout).unwrap();
        let rows = lines.lines().map(|line| serde_json::from_str(line).unwrap());
        let rows = rows.map(|row: Value| (text(&row, "what"), text(&row, "result"), text(&row, "detail")));
        Checked { rows: rows.collect(), code: output.status.code() }
    }
}

impl Checked {
    #[track_caller]
    fn says(&self, what: &str, result: &str, detail: &str) {
        let found = self.rows.iter().any(|row| row.0 == what && row.1 == result && row.2.contains(detail));
        assert!(found, "no row {what} {result} …{detail}… in {:#?}", self.rows);
    }

    #[track_caller]
    fn says_nothing_of(&self, detail: &str) {
        assert!(self.rows.iter().all(|row| !row.2.contains(detail)), "{detail} in {:#?}", self.rows);
    }
}

const SOUND: &str = "it-2f7a61c0d94e4b0f8a3d5c6e7b8a9f01";

#[test]
fn a_sound_configuration_ends_with_0() {
    let setting = Setting::new("[sources.razorpay]\nsecrets = [\"env:RAZORPAY\"]\n").env("RAZORPAY", SOUND);
    let checked = setting.check();
    assert_eq!(checked.code, Some(0), "{:#?}", checked.rows);
    checked.says("hookstream.toml", "ok", "read");
    checked.says("providers", "ok", "vectors agree");
    checked.says("source razorpay", "ok", "at /webhooks/razorpay, into webhooks.razorpay");
    checked.says("source razorpay", "note", "of its file without a source; `hookstream providers razorpay`");
}

#[test]
fn secrets_that_cannot_be_meant_are_wrong() {
    for (provider, secret, detail) in [
        ("stripe", "sk_live_0123456789abcdef", "looks like"),
        ("stripe", "\"whsec_0123456789abcdef\"", "begins or ends with a double quote"),
        ("stripe", "whsec_0123456789abcdef\n", "line break"),
        ("stripe", "whsec_hookstream-dev-stripe-not-a-secret", "everybody knows it"),
        ("github", "change-me", "still \"change-me\""),
        ("standard-webhooks", "whsec_%%%", "whsec_"),
    ] {
        let text = format!("[sources.x]\nprovider = \"{provider}\"\nsecrets = [\"env:IT_SECRET\"]\n");
        let checked = Setting::new(&text).env("IT_SECRET", secret).check();
        assert_eq!(checked.code, Some(1), "{provider} {secret}: {:#?}", checked.rows);
        checked.says("source x", "WRONG", detail);
        checked.says_nothing_of("0123456789abcdef");
    }
    let missing = Setting::new("[sources.github]\nsecrets = [\"env:IT_NOWHERE\"]\n").check();
    missing.says("source github", "WRONG", "IT_NOWHERE is not set");
    assert_eq!(missing.code, Some(1));
}

#[test]
fn weak_proofs_and_lossy_providers_are_told() {
    let text = "[sources.mailgun]\nsecrets = [\"env:A\"]\n[sources.gitlab]\nsecrets = [\"env:B\"]\n\
                [sources.devices]\nprovider = \"generic\"\nsecrets = [\"env:C\", \"env:C\"]\n\
                [sources.github]\nsecrets = [\"env:B\"]\nkey = \"subject\"\n[sources.open]\nprovider = \"github\"\naccept_unsigned = true\n";
    let setting = Setting::new(text).env("A", SOUND).env("B", &SOUND.to_uppercase()).env("C", "short");
    let checked = setting.check();
    assert_eq!(checked.code, Some(0), "notes are no faults: {:#?}", checked.rows);
    checked.says("source mailgun", "note", "covers a part of the body");
    checked.says("source gitlab", "note", "travels with each request");
    checked.says("source devices", "note", "no id");
    checked.says("source devices", "note", "secret 1 has fewer than 16 bytes");
    checked.says("source devices", "note", "secret 2 is the same as an earlier one");
    checked.says("source github", "note", "does not send again by itself");
    checked.says("source github", "note", "key = \"subject\"");
    checked.says("source gitlab", "note", "a secret of source github too");
    checked.says("source open", "note", "accept_unsigned");
}

#[test]
fn a_signed_url_must_be_known() {
    let text = "[sources.twilio]\nsecrets = [\"env:A\"]\n";
    let checked = Setting::new(text).env("A", SOUND).check();
    checked.says("source twilio", "WRONG", "public_url");
    let text = format!("[gateway]\npublic_url = \"http://hooks.example.com\"\n{text}");
    let checked = Setting::new(&text).env("A", SOUND).check();
    checked.says("source twilio", "ok", "Twilio");
    checked.says("gateway", "note", "still the example");
}

/// A provider of the operator's own, whose addresses are of that day.
fn acme(day: &str) -> String {
    format!(
        "name = \"acme\"\ntitle = \"Acme\"\ndocs = \"https://acme.example\"\n[needs]\nsecrets = {{ min = 1, where = \"the moon\" }}\n\
         [verify]\nscheme = \"hmac-sha256\"\nheader = \"X-Acme\"\n[event]\nid = \"/id\"\ntype = \"/type\"\n\
         [addresses]\nranges = [\"192.0.2.0/24\", \"2001:db8::7\"]\nsource = \"https://acme.example/ips\"\ndate = \"{day}\"\n"
    )
}

const ACME: &str =
    "providers_dir = \"own\"\n[sources.acme]\nsecrets = [\"env:A\"]\nallow = [\"provider\", \"10.0.0.0/8\"]\n";

#[test]
fn old_addresses_are_told() {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    for (age, old) in [(0, false), (90, false), (91, true), (4_000, true)] {
        let day = today.checked_sub(jiff::Span::new().days(age)).unwrap().to_string();
        let checked = Setting::new(ACME).env("A", SOUND).file("own/acme.toml", &acme(&day)).check();
        assert_eq!(checked.code, Some(0), "{:#?}", checked.rows);
        checked.says("source acme", "note", &format!("the provider's addresses, as of {day}"));
        checked.says("gateway", "note", "allow is used without trusted_proxies");
        let told = checked.rows.iter().any(|row| row.2.contains("days old"));
        assert_eq!(told, old, "{age} days");
    }
}

#[test]
fn addresses_of_unknown_age_are_told() {
    let undated = acme("x").replace("date = \"x\"\n", "");
    let checked = Setting::new(ACME).env("A", SOUND).file("own/acme.toml", &undated).check();
    checked.says(
        "source acme",
        "note",
        "the provider's addresses, of unknown age, from https://acme.example/ips; look",
    );
}

#[test]
fn a_provider_without_addresses_has_none_to_allow() {
    let setting = Setting::new("[sources.slack]\nsecrets = [\"env:A\"]\nallow = [\"provider\"]\n").env("A", SOUND);
    let output = setting.run(&["--offline"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("[sources.slack] allow: \"provider\"") && said.contains("none are known of Slack"), "{said}");
}

#[test]
fn providers_of_the_operators_own_are_proven_too() {
    let vector = |expect: &str| {
        format!(
            "provider = \"acme\"\nurl = \"https://x.example\"\n[[vectors]]\nname = \"unsigned\"\nsource = \"captured\"\n\
             expect = \"{expect}\"\nsecrets = [\"s3cret\"]\nbody = \"{{}}\"\n"
        )
    };
    let setting = Setting::new(ACME).env("A", SOUND).file("own/acme.toml", &acme("2026-11-21"));
    setting.check().says("provider acme", "note", "no vectors");
    let setting = setting.file("own/acme.vectors.toml", &vector("signature_missing"));
    let checked = setting.check();
    let file = checked.rows.iter().find(|row| row.0.ends_with("own/acme.vectors.toml")).expect("its row").0.clone();
    checked.says(&file, "ok", "its 1 vectors agree");
    let setting = setting.file("own/acme.vectors.toml", &vector("ok"));
    let checked = setting.check();
    assert_eq!(checked.code, Some(1));
    checked.says(&file, "WRONG", "unsigned: expected");
    let setting = setting.file("own/acme.vectors.toml", "provider = 1\n");
    setting.check().says(&file, "WRONG", "acme.vectors.toml:1");
}

#[test]
fn the_table_fits_a_screen() {
    let text = "[sources.stripe]\nsecrets = [\"env:A\"]\n[sources.gitlab]\nsecrets = [\"env:A\"]\n";
    let output = Setting::new(text).env("A", SOUND).run(&["--offline"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 105), "{table}");
    assert!(table.lines().any(|line| line.starts_with("      ")), "long details are broken: {table}");
}

/// A source that spools, and the spool.
fn spooling(dir: &str, more: &str) -> Setting {
    let text = format!("[spool]\ndir = \"{dir}\"\n{more}\n[sources.github]\nsecrets = [\"env:A\"]\n");
    Setting::new(&text).env("A", SOUND)
}

#[test]
fn a_spool_that_will_do_is_ok() {
    let setting = spooling("spool", "ephemeral = true\nmax_bytes = \"1MiB\"");
    let checked = setting.check();
    assert_eq!(checked.code, Some(0), "{:#?}", checked.rows);
    checked.says("spool", "ok", "spool is made at the start");
    checked.says_nothing_of("does not send again");
    assert!(!setting.directory.path().join("spool").exists(), "check makes nothing");
    let refusing = spooling(
        "spool",
        "ephemeral = true\n[sources.woocommerce]\nwhen_kafka_is_away = \"refuse\"\nsecrets = [\"env:B\"]",
    );
    let checked = refusing.env("B", &SOUND.to_uppercase()).check();
    checked.says("source woocommerce", "note", "does not send again by itself");
    let large = spooling("spool", "ephemeral = true\nmax_bytes = \"8000000000GiB\"").check();
    large.says("spool", "note", "bytes are free where spool lies: spool.max_bytes (8589934592000000000) does not fit");
}

#[test]
fn a_directory_that_cannot_be_written_to_is_wrong() {
    for dir in ["taken", "taken/below"] {
        let checked = spooling(dir, "ephemeral = true").file("taken", "").check();
        assert_eq!(checked.code, Some(1), "{:#?}", checked.rows);
        checked.says("spool", "WRONG", &format!("{dir} cannot be written to: taken is no directory"));
    }
}

#[test]
fn a_spool_on_what_forgets_is_wrong_unless_it_is_meant() {
    let shm = Path::new("/dev/shm/hookstream-check-never-made");
    if forgetful(shm).ok().flatten() != Some("tmpfs") {
        return skip("/dev/shm is not tmpfs here");
    }
    let dir = shm.to_str().unwrap();
    let checked = spooling(dir, "").check();
    assert_eq!(checked.code, Some(1));
    checked.says("spool", "WRONG", "lies on tmpfs; use a volume, or write spool.ephemeral = true");
    let meant = spooling(dir, "ephemeral = true").check();
    assert_eq!(meant.code, Some(0));
    meant.says("spool", "note", "lies on tmpfs: a restart of the machine or container loses acknowledged events");
    meant.says("spool", "ok", "is made at the start");
}

#[test]
fn what_is_in_a_spool_is_told() {
    let setting = spooling("spool", "ephemeral = true");
    let path = setting.directory.path().join("spool");
    let metrics = Metrics::new().unwrap().spool.clone();
    let limits = Limits { max_bytes: 1 << 30 };
    let (spool, _) = Spool::open(Directory::hold(&path, true).unwrap(), limits, metrics, |_| ()).unwrap();
    let record = Record {
        topic: "webhooks.github".into(),
        partition: None,
        key: b"k".to_vec(),
        value: b"a value of a record".to_vec(),
        headers: vec![],
        timestamp_ms: 1,
    };
    let entry = Entry { source: "github".to_owned(), id: None, handed: false, record };
    for _ in 0..3 {
        spool.append_now(&entry).unwrap();
    }
    let checked = setting.check();
    assert_eq!(checked.code, Some(0), "{:#?}", checked.rows);
    let holder = format!("belongs to a running process (process {})", std::process::id());
    checked.says("spool", "note", &holder);
    checked.says("spool", "ok", "spool: 3 records wait");
    spool.close();
    drop(spool);
    setting.check().says_nothing_of("belongs to a running process");

    let segment = std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().path());
    let segment = segment.into_iter().find(|path| path.extension().is_some_and(|end| end == "segment")).unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let checked = setting.check();
    assert_eq!(checked.code, Some(1));
    checked.says("spool", "WRONG", "spool is damaged; `hookstream spool verify` says where");
}
