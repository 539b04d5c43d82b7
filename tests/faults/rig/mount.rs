//! A small disk of its own for a row, where mounting is allowed. It is gone with the test binary, however that ends.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::support::skip::skip_unprivileged;

/// What the guard does: it mounts, does what it is told, and unmounts when nobody is there any more.
const TMPFS: &str = r#"
trap '' INT TERM
mount -t tmpfs -o size=16m,mode=700 tmpfs "$1" && echo done || exit
cat >/dev/null
umount -l "$1"
"#;
const EXT4: &str = r#"
trap '' INT TERM
truncate -s 16M "$1.image" && mkfs.ext4 -q -F -e remount-ro "$1.image" && mount -o loop "$1.image" "$1" && echo done || exit
while read -r _; do
    umount "$1" && { e2fsck -p -f "$1.image" >&2 || [ $? = 1 ]; } && mount -o loop "$1.image" "$1" && echo done || break
done
umount -l "$1"
"#;

/// A mounted disk of 16 MiB.
pub(crate) struct Mount {
    directory: TempDir,
    guard: Child,
    /// Held open: closing it is what unmounts.
    told: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

impl Mount {
    /// In memory: what is written beyond its size fails. `None`: not allowed here, which has been said.
    pub(crate) fn tmpfs() -> Option<Mount> {
        Mount::by(TMPFS)
    }

    /// On a disk that goes read-only at its first error. `None`: not allowed here, which has been said.
    pub(crate) fn ext4() -> Option<Mount> {
        Mount::by(EXT4).filter(|mount| {
            let may = mount.error_file().exists();
            if !may {
                skip_unprivileged("this kernel lets nobody plant an error on ext4");
            }
            may
        })
    }

    fn by(script: &str) -> Option<Mount> {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("create a directory");
        let at = directory.path().join("disk");
        std::fs::create_dir(&at).expect("create a directory");
        let mut guard = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&at)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(directory.path().join("said")).expect("create a file"))
            .spawn()
            .expect("start sh");
        let (told, says) = (guard.stdin.take(), BufReader::new(guard.stdout.take().expect("stdout is piped")));
        let mut mount = Mount { directory, guard, told, says };
        if mount.is_done() {
            return Some(mount);
        }
        skip_unprivileged(&format!("mounting is not allowed here: {}", mount.errors()));
        None
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("disk")
    }

    /// Plant an error: from now on the disk is read-only, whoever has files open on it.
    pub(crate) fn fail(&self) {
        std::fs::write(self.error_file(), "1").expect("plant an error");
    }

    /// Unmount it, repair it, and mount it again, as an operator would. Nobody may use it meanwhile.
    pub(crate) fn repair(&mut self) {
        self.told.as_mut().expect("it is mounted").write_all(b"repair\n").expect("tell the guard");
        assert!(self.is_done(), "{}", self.errors());
    }

    fn error_file(&self) -> PathBuf {
        let mounts = std::fs::read_to_string("/proc/mounts").expect("/proc/mounts");
        let here = self.path().display().to_string();
        let line = mounts.lines().find(|line| line.split(' ').nth(1) == Some(&here)).expect("it is mounted");
        let device = Path::new(line.split(' ').next().expect("a device")).file_name().expect("a name").to_owned();
        Path::new("/sys/fs/ext4").join(device).join("trigger_fs_error")
    }

    fn is_done(&mut self) -> bool {
        let mut line = String::new();
        self.says.read_line(&mut line).expect("read what the guard says");
        line == "done\n"
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("said")).unwrap_or_default().replace('\n', " ")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(self.told.take());
        let _ = self.guard.wait();
    }
}
