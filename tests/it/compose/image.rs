//! The Dockerfile: what it copies is there and enough for cargo, and what it makes has no rights.

use std::path::Path;
use std::process::Command;

use super::{CONFIG, config, read, root};

/// The arguments of an instruction's occurrences in the last stage, or in all.
fn instructions<'a>(dockerfile: &'a str, name: &str) -> Vec<&'a str> {
    dockerfile.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect()
}

/// What the build stage copies out of the repository.
fn copied(dockerfile: &str) -> Vec<&str> {
    let copies = instructions(dockerfile, "COPY").into_iter().filter(|copy| !copy.starts_with("--from="));
    copies
        .flat_map(|copy| {
            let mut words: Vec<&str> = copy.split(' ').collect();
            words.pop();
            words
        })
        .collect()
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

#[test]
fn cargo_finds_all_it_needs_among_what_is_copied() {
    let dockerfile = read("Dockerfile");
    let ignore = read(".dockerignore");
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for path in copied(&dockerfile) {
        assert!(ignore.lines().any(|line| line == format!("!{path}")), ".dockerignore keeps {path} from the builder");
        copy(&root().join(path), &directory.path().join(path));
    }
    for line in ignore.lines().filter_map(|line| line.strip_prefix('!')) {
        assert!(copied(&dockerfile).contains(&line), "{line} is sent to the builder for nothing");
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version=1", "--no-deps", "--locked", "--offline"]).current_dir(directory.path());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_image_is_pinned_and_runs_without_rights() {
    let dockerfile = read("Dockerfile");
    for image in instructions(&dockerfile, "FROM") {
        let image = image.split(' ').next().unwrap();
        let tag = image.split_once(':').map_or("", |(_, tag)| tag);
        assert!(tag.contains('.') && tag.starts_with(|c: char| c.is_ascii_digit()), "{image} moves");
    }
    let last = dockerfile.rsplit("\nFROM ").next().unwrap();
    let user = instructions(last, "USER").pop().expect("a user");
    let id = |text: Option<&str>| text.and_then(|id| id.parse::<u32>().ok());
    let mut ids = user.split(':');
    assert!(id(ids.next()).is_some_and(|id| id > 0) && id(ids.next()).is_some_and(|id| id > 0), "USER {user}");
    let after = last.split_once("USER ").unwrap().1;
    assert!(!after.contains("\nRUN") && !after.contains("\nCOPY"), "nothing is added after the user is set");
    assert!(last.contains("ca-certificates"), "providers' APIs are asked over TLS");
    assert_eq!(instructions(last, "ENTRYPOINT"), [r#"["hookstream"]"#]);
    assert_eq!(instructions(last, "ENV"), [format!("HOOKSTREAM_CONFIG={CONFIG}")]);
    let config = config();
    let ports = format!("{} {}", config.gateway.listen.port(), config.admin.listen.port());
    assert_eq!(instructions(last, "EXPOSE"), [ports]);
}
