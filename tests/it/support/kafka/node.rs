//! One Kafka node (broker and controller): its settings stay, its process may be killed and started again.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use rustix::process::Signal;

use super::super::child::Child;

/// A node on its own data.
pub(crate) struct Node {
    pub(super) directory: PathBuf,
    running: Mutex<Option<Child>>,
}

impl Node {
    pub(super) fn new(directory: PathBuf) -> Node {
        Node { directory, running: Mutex::new(None) }
    }

    /// Start the broker; it is ready when the cluster's metadata says so.
    pub(super) fn start(&self, java: &Command) {
        let mut broker = Command::new(java.get_program());
        broker.args(java.get_args()).arg("kafka.Kafka").arg(self.directory.join("server.properties"));
        self.run(&broker);
    }

    /// The same, with a limit on what any of its files may grow to, in bytes.
    pub(super) fn start_with_largest_file(&self, java: &Command, largest: u64) {
        let mut broker = Command::new("sh");
        // In blocks of 512 bytes; the signal that comes first is not for the JVM, which then sees a failed write.
        broker.args(["-c", r#"trap '' XFSZ; ulimit -f "$0"; exec "$@""#, &(largest / 512).to_string()]);
        broker.arg(java.get_program()).args(java.get_args());
        broker.arg("kafka.Kafka").arg(self.directory.join("server.properties"));
        self.run(&broker);
    }

    fn run(&self, broker: &Command) {
        *self.running.lock().unwrap() = Some(Child::start(broker, &self.log_file()));
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
    pub(crate) fn has_exited(&self) -> bool {
        self.running.lock().unwrap().as_mut().is_none_or(Child::has_exited)
    }

    /// SIGKILL, and wait until the process is gone.
    pub(crate) fn kill(&self) {
        drop(self.running.lock().unwrap().take());
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
        self.running.lock().unwrap().as_ref().expect("the node runs").signal(signal);
    }
}
