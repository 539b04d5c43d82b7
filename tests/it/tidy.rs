//! The fences and habits of ARCHITECTURE.md, held to by a test.

use std::path::{Path, PathBuf};

/// Lines beyond which a file is no longer one room with one purpose.
const LONGEST: usize = 500;

fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned(), text));
            }
        }
    }
    assert!(files.len() > 50, "the sources were not found");
    files
}

/// The code without its comments and its own tests: a fence is about what runs.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn only_in(word: &str, rooms: &[&str]) {
    for (path, text) in sources() {
        let inside = rooms.iter().any(|room| path.starts_with(Path::new("src").join(room)));
        assert!(inside || !code(&text).contains(word), "{} names {word}; only {rooms:?} may", path.display());
    }
}

#[test]
fn fences() {
    only_in("rdkafka::", &["kafka"]);
    only_in("axum::", &["http", "gateway", "dev"]);
    only_in("unsafe {", &["kafka/ffi.rs"]);
    only_in("reqwest::", &["http/client.rs", "command/send.rs", "dev"]);
}

#[test]
fn pure_rooms_do_no_io_and_read_no_clock() {
    for (path, text) in sources() {
        if !path.starts_with("src/provider") && !path.starts_with("src/event") {
            continue;
        }
        for word in
            ["std::fs", "std::net", "std::env::var", "tokio", "Timestamp::now", "Instant::now", "async fn", "tracing::"]
        {
            assert!(!code(&text).contains(word), "{} names {word}; this room is pure", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_one_room() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not begin with what it is for", path.display());
        assert!(text.lines().count() <= LONGEST, "{} has more than {LONGEST} lines", path.display());
        for mark in ["TODO", "FIXME", "HACK"] {
            assert!(!text.contains(mark), "{} has a {mark}", path.display());
        }
    }
}
