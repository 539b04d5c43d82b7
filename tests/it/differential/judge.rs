//! The Node process in which an official SDK judges.

use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;

use super::request::Case;

/// What is installed and run: everything lies in tests/vectors/sdk.
const FILES: [&str; 4] = ["package.json", "package-lock.json", ".npmrc", "judge.mjs"];

/// One SDK at work on a stream of cases.
pub(super) struct Judge {
    process: Child,
    answers: Lines<BufReader<ChildStdout>>,
    feeder: Option<JoinHandle<()>>,
}

impl Judge {
    /// Have all `cases` judged in their order.
    pub(super) fn start(
        provider: &str,
        case: impl Fn(u64) -> Case + Send + 'static,
        cases: u64,
    ) -> Result<Judge, String> {
        static HOME: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let home = HOME.get_or_init(|| install().map_err(|error| error.to_string())).clone()?;
        let mut process = Command::new("node")
            .arg("judge.mjs")
            .arg(provider)
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut questions = BufWriter::new(process.stdin.take().unwrap());
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let feeder = std::thread::spawn(move || {
            // A judge that died is noticed by whoever waits for its answers.
            let asked = (0..cases).try_for_each(|place| writeln!(questions, "{}", case(place).line()));
            let _ = asked.and_then(|()| questions.flush());
        });
        Ok(Judge { process, answers, feeder: Some(feeder) })
    }

    /// Why the next case is refused; empty if it is not.
    pub(super) fn refusal(&mut self) -> String {
        self.answers.next().expect("the judge ended early, see above").unwrap()
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        // It ends by itself when all is said; after a panic it is still being asked.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = self.feeder.take().map(JoinHandle::join);
    }
}

/// The pinned SDKs in a folder of their own beside the other build products.
fn install() -> std::io::Result<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sdk");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk-judges");
    fs::create_dir_all(&home)?;
    let stamp = home.join("installed.json");
    let wanted = fs::read(sources.join("package-lock.json"))?;
    for file in FILES {
        fs::copy(sources.join(file), home.join(file))?;
    }
    if fs::read(&stamp).ok().as_ref() != Some(&wanted) {
        let output = Command::new("npm")
            .args(["ci", "--omit=dev", "--loglevel=error"])
            .current_dir(&home)
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            return Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        fs::write(&stamp, wanted)?;
    }
    Ok(home)
}
