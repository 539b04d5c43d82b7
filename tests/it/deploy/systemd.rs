//! The systemd units: command lines, what systemd itself says of them, and the exit codes that they know.

use std::path::PathBuf;
use std::process::Command;

use clap::Parser;
use hookstream::cli::Cli;

use super::root;
use crate::support::skip::skip;

fn units() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(root().join("systemd")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |file: &PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|file| (name(file), std::fs::read_to_string(file).unwrap())).collect()
}

fn values<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn units_run_what_there_is_and_give_it_its_time() {
    let mut names = Vec::new();
    for (name, text) in units() {
        let [command] = values(&text, "ExecStart")[..] else { panic!("{name} runs one thing") };
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(words[0], "/usr/local/bin/hookstream", "{name}: as in the image");
        let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(cli.config_file().to_str(), Some("/etc/hookstream/hookstream.toml"), "{name}");
        let stop: i64 = values(&text, "TimeoutStopSec")[0].parse().unwrap();
        assert!(stop > super::ENDS_WITHIN, "{name}: {stop}");
        assert_eq!(values(&text, "RestartPreventExitStatus"), ["2 78"], "{name}");
        names.push(name);
    }
    assert_eq!(names, ["hookstream-enrich.service", "hookstream-serve.service"]);
}

/// systemd's own word: the units are well-formed, and exposed little (0 is nothing, 10 everything).
#[test]
fn systemd_finds_nothing_wrong() {
    for (name, text) in units() {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let unit = directory.path().join(&name);
        std::fs::write(&unit, text.replace("/usr/local/bin/hookstream", env!("CARGO_BIN_EXE_hookstream"))).unwrap();
        for arguments in [&["verify"][..], &["security", "--offline=true", "--threshold=20"]] {
            let Ok(output) = Command::new("systemd-analyze").args(arguments).arg(&unit).output() else {
                return skip("systemd-analyze is not on the PATH");
            };
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: {arguments:?}: {said}");
            assert!(!said.contains(&name), "{name}: {arguments:?}: {said}");
        }
    }
}
