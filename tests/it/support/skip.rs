//! Saying loudly that a test was skipped, and refusing to skip in CI.

use std::io::Write;

/// Say on the process's own stderr that the running test is skipped and why; with `CI=true`, fail it.
///
/// The test harness captures only `eprintln!`: a line written to the handle itself is shown for
/// passing tests too.
pub(crate) fn skip(reason: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{name} needs what this machine lacks, and CI=true allows no skipping: {reason}"
    );
    say(reason);
}

fn say(reason: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    // One write on a line of its own, since tests say this from several threads at once.
    let _ = std::io::stderr().write_all(format!("\nSKIPPED {name}: {reason}\n").as_bytes());
}

/// The same for what only root may do: no machine owes us that, so it is said everywhere and fails nowhere.
#[allow(dead_code, reason = "tests/faults mounts disks")]
pub(crate) fn skip_unprivileged(reason: &str) {
    say(reason);
}
