//! A child process that cannot outlive the test binary, however that ends.

use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

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

/// A running child. Killed when dropped.
pub(crate) struct Child {
    guard: std::process::Child,
    pub(super) pid: Pid,
    /// Held open: closing it is what kills the child.
    _lifeline: ChildStdin,
}

impl Child {
    /// Start it with the command's program, arguments and variables; what it says goes to the end of `log`.
    pub(crate) fn start(command: &Command, log: &Path) -> Child {
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "sh"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => guard.env(name, value),
                None => guard.env_remove(name),
            };
        }
        let mut guard = guard
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
        let pid = Pid::from_raw(line.trim().parse().expect("a pid")).expect("a pid above 0");
        Child { guard, pid, _lifeline: lifeline }
    }

    /// Its process id, as /proc has it.
    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_exited(&mut self) -> bool {
        self.guard.try_wait().expect("ask for the guard's end").is_some()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("signal the child");
    }

    /// Its exit code once it has ended; `None` when it runs on for so long. Ended by a signal counts as 128 + its number.
    pub(crate) fn wait(&mut self, patience: Duration) -> Option<i32> {
        let code = |status: ExitStatus| status.code().or(status.signal()).expect("an end");
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.guard.try_wait().expect("ask for the guard's end") {
                return Some(code(status));
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        None
    }

    /// SIGKILL, and wait until the process is gone.
    pub(crate) fn kill(&mut self) {
        if !self.has_exited() {
            let _ = kill_process(self.pid, Signal::KILL);
            self.guard.wait().expect("wait for the guard");
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use rustix::process::test_kill_process;

    use super::super::kafka::await_that;
    use super::*;

    const HOLDER: &str = "HOOKSTREAM_TEST_HOLDS_A_CHILD";

    /// Runs itself a second time as a process that holds a guarded child, and SIGKILLs that.
    #[test]
    fn a_child_ends_with_a_killed_test_binary() {
        if std::env::var_os(HOLDER).is_some() {
            let child = Child::start(Command::new("sleep").arg("600"), Path::new("/dev/null"));
            let line = format!("child={}\n", child.pid.as_raw_nonzero());
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
