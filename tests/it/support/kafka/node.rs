//! One Kafka node (broker and controller) as a child process that cannot outlive the test binary.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process};

/// Starts "$@", prints its pid, and kills it when stdin closes: that is, when the process that holds the
/// other end ends, however it ends. A parent-death signal would follow the thread that started the child.
const GUARD: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- >>"$LOG" 2>&1 &
child=$!
echo "$child"
exec >&-
( read -r _ <&3; kill -9 "$child" ) 2>/dev/null &
guard=$!
wait "$child"
code=$?
kill "$guard" 2>/dev/null
exit "$code"
"#;

/// A node: its settings stay, its process may be killed and started again on the same data.
pub(crate) struct Node {
    pub(super) directory: PathBuf,
    running: Mutex<Option<Running>>,
}

struct Running {
    guard: Child,
    child: Pid,
    /// Held open: closing it is what kills the child.
    _lifeline: ChildStdin,
}

impl Running {
    fn start(command: &Command, log: &Path) -> Running {
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .env("LOG", log)
            // Its own process group: Ctrl-C is for the test binary, whose end closes the pipe.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A shell would say "Killed" after the last test.
            .stderr(Stdio::null())
            .spawn()
            .expect("start sh");
        let lifeline = guard.stdin.take().expect("stdin is piped");
        let mut line = String::new();
        BufReader::new(guard.stdout.take().expect("stdout is piped")).read_line(&mut line).expect("read the pid");
        let child = Pid::from_raw(line.trim().parse().expect("a pid")).expect("a pid above 0");
        Running { guard, child, _lifeline: lifeline }
    }
}

impl Node {
    pub(super) fn new(directory: PathBuf) -> Node {
        Node { directory, running: Mutex::new(None) }
    }

    /// Start the broker; it is ready when the cluster's metadata says so.
    pub(super) fn start(&self, java: &Command) {
        let mut broker = Command::new(java.get_program());
        broker.args(java.get_args()).arg("kafka.Kafka").arg(self.directory.join("server.properties"));
        *self.running.lock().unwrap() = Some(Running::start(&broker, &self.log_file()));
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join("broker.log")
    }

    /// Everything the broker has said.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    pub(super) fn create_log(&self) {
        File::create(self.log_file()).expect("create the broker's log");
    }

    /// Whether the JVM has ended by itself.
    pub(super) fn has_exited(&self) -> bool {
        match self.running.lock().unwrap().as_mut() {
            Some(running) => running.guard.try_wait().expect("ask for the guard's end").is_some(),
            None => true,
        }
    }

    /// SIGKILL, and wait until the process is gone.
    pub(crate) fn kill(&self) {
        if let Some(mut running) = self.running.lock().unwrap().take() {
            let _ = kill_process(running.child, Signal::KILL);
            running.guard.wait().expect("wait for the guard");
        }
    }

    /// SIGSTOP: the node holds its connections and answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT after [`Node::freeze`].
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let running = self.running.lock().unwrap();
        let running = running.as_ref().expect("the node runs");
        kill_process(running.child, signal).expect("signal the node");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use rustix::process::test_kill_process;

    use super::super::await_that;
    use super::*;

    const HOLDER: &str = "HOOKSTREAM_TEST_HOLDS_A_CHILD";

    /// Runs itself a second time as a process that holds a guarded child, and SIGKILLs that.
    #[test]
    fn a_child_ends_with_a_killed_test_binary() {
        if std::env::var_os(HOLDER).is_some() {
            let running = Running::start(Command::new("sleep").arg("600"), Path::new("/dev/null"));
            let line = format!("child={}\n", running.child.as_raw_nonzero());
            std::io::stdout().write_all(line.as_bytes()).expect("say so");
            let _ = std::io::stdin().read(&mut [0]);
            return;
        }
        let mut holder = Command::new(std::env::current_exe().expect("the path of this binary"))
            .args(["a_child_ends_with_a_killed_test_binary"])
            .env(HOLDER, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run this binary again");
        let said = BufReader::new(holder.stdout.take().expect("stdout is piped"));
        let child = said
            .lines()
            .find_map(|line| line.ok()?.split_once("child=")?.1.parse().ok())
            .and_then(Pid::from_raw)
            .expect("the child's pid");
        test_kill_process(child).expect("the child runs");
        holder.kill().expect("SIGKILL");
        holder.wait().expect("wait");
        await_that("the child is gone", || test_kill_process(child).is_err());
    }
}
