//! The fences and habits of ARCHITECTURE.md, held to by a test.

use std::path::{Path, PathBuf};

/// Lines beyond which a file is no longer one room with one purpose.
const LONGEST: usize = 500;

fn sources() -> Vec<(PathBuf, String)> {
    let files = rust_files("src");
    assert!(files.len() > 50, "the sources were not found");
    files
}

fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
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
    only_in("reqwest::", &["http/client.rs", "gateway/keys/https.rs", "command/send.rs", "dev"]);
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

/// The rows of the fault matrix that hookstream answers for.
const ROWS: [&str; 23] = [
    "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R10", "R11", "R12", "R13", "R15", "A1", "A3", "A4", "A5", "A6",
    "A7", "A8", "A12", "A13", "A14",
];

#[test]
fn every_row_of_faults_is_held_by_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/faults.md")).unwrap();
    let files = [rust_files("src"), rust_files("tests")].concat();
    // As a function, or as one of the functions in proptest!; a test, and no helper.
    let exists = |name: &str| {
        let start = format!("fn {name}(");
        files.iter().any(|(_, text)| {
            let before = text.split_once(&start).map(|(before, _)| before);
            before.is_some_and(|before| before.trim_end().ends_with("#[test]"))
        })
    };
    let named = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| row") && !line.starts_with("| ---"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ROWS, "docs/faults.md");
    for row in &rows {
        let tests = named(row[2]);
        assert!(!tests.is_empty(), "{} is held by nothing", row[0]);
        for test in tests {
            let there = if test.contains('/') { root.join(&test).exists() } else { exists(&test) };
            assert!(there, "docs/faults.md, {}: there is no test {test}", row[0]);
        }
    }
    for test in
        page.lines().take_while(|line| !line.starts_with('|')).flat_map(named).filter(|name| name.starts_with("the_"))
    {
        assert!(exists(&test), "docs/faults.md: there is no test {test}");
    }
    for (path, text) in &files {
        for (_, rest) in text.match_indices("#[test]\nfn r").map(|(at, _)| text.split_at(at)) {
            let name = rest["#[test]\nfn ".len()..].split('(').next().unwrap_or_default();
            let row = name[1..].starts_with(|c: char| c.is_ascii_digit());
            assert!(!row || page.contains(name), "{}: docs/faults.md does not name {name}", path.display());
        }
    }
}
