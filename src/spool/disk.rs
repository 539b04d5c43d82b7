//! The spool's directory: what it may do with files, and the real one. Tests put a disk with faults in its place.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, FlockOperation, access, flock, statfs, statvfs};
use rustix::io::Errno;

/// The file whose lock says that a process has the directory.
const LOCK: &str = "lock";

/// Whoever only looks has the lock for a moment; after this long it is somebody who means it.
const A_LOOK: Duration = Duration::from_millis(20);

/// Whether an error says that the disk cannot read a place, as opposed to all else that may be wrong.
pub(super) fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

/// A flat directory of files.
pub trait Disk: Send + Sync {
    /// The names and sizes of all files.
    ///
    /// # Errors
    /// The file system's.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;

    /// Make a new file to append to. It may vanish in a crash until the directory is synced.
    ///
    /// # Errors
    /// The file system's; also when there is one of that name.
    fn create(&self, name: &str) -> io::Result<Box<dyn Appended>>;

    /// Make names durable: those created, renamed and removed before.
    ///
    /// # Errors
    /// The file system's.
    fn sync_names(&self) -> io::Result<()>;

    /// Read at a place, at most as much as the buffer holds. 0: the end.
    ///
    /// # Errors
    /// The file system's.
    fn read(&self, name: &str, at: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// See to it that what is read of a file from now on is what the disk has of it. A process that was killed leaves bytes
    /// in the cache that were never synced, and a failed sync leaves some there that no later one writes.
    ///
    /// # Errors
    /// The file system's.
    fn ground(&self, name: &str) -> io::Result<()>;

    /// Give a file another's name, whose content is then gone.
    ///
    /// # Errors
    /// The file system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Remove a file.
    ///
    /// # Errors
    /// The file system's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The whole of a small file; `None` where there is none.
    ///
    /// # Errors
    /// The file system's, and one for a file larger than `most` bytes.
    fn small(&self, name: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = vec![0; most + 1];
        let mut have = 0;
        while have <= most {
            match self.read(name, have as u64, &mut bytes[have..]) {
                Ok(0) => break,
                Ok(more) => have += more,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        if have > most {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{name} is larger than {most} bytes")));
        }
        bytes.truncate(have);
        Ok(Some(bytes))
    }

    /// Put a small file in place of the one of that name, durable as a whole or not at all.
    ///
    /// # Errors
    /// The file system's; the old file then stays.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = format!("{name}.new");
        match self.remove(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = self.create(&new)?;
        file.append(bytes)?;
        file.sync()?;
        self.rename(&new, name)?;
        self.sync_names()
    }
}

/// A file that only grows.
pub trait Appended: Send {
    /// Write at the end, all of it.
    ///
    /// # Errors
    /// The file system's; some of the bytes may then stand there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Make what was written durable.
    ///
    /// # Errors
    /// The file system's. Nothing written since the last success may then be taken for durable, whatever a later call
    /// says.
    fn sync(&mut self) -> io::Result<()>;
}

/// Why a directory cannot be the spool's.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// What stands there does not outlive a restart.
    #[error(
        "{path} lies on {kind}, which does not outlive the machine or the container; use a volume, or write spool.ephemeral = true"
    )]
    Ephemeral {
        /// The directory.
        path: PathBuf,
        /// tmpfs, ramfs or overlayfs.
        kind: &'static str,
    },
    /// Another process has it.
    #[error("{path} belongs to another running process{holder}; each instance needs a directory of its own")]
    Held {
        /// The directory.
        path: PathBuf,
        /// Its process id, where it can be told.
        holder: String,
    },
    /// The file system's.
    #[error("{path}: {error}")]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
}

/// A directory on disk.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    handle: File,
    /// Held as long as this lives; the kernel lets go of it when the process ends, however it ends.
    _lock: Option<File>,
}

impl Directory {
    /// Take a directory for this process alone; it is made where it is missing, readable by its owner only.
    ///
    /// # Errors
    /// It cannot be made, lies on a file system that forgets, or another process has it.
    pub fn hold(path: &Path, ephemeral: bool) -> Result<Self, DirectoryError> {
        let failed = |error| DirectoryError::Io { path: path.to_owned(), error };
        make(path, |parent| File::open(parent)?.sync_all())?;
        if let Some(kind) = forgetful(path).map_err(failed)?.filter(|_| !ephemeral) {
            return Err(DirectoryError::Ephemeral { path: path.to_owned(), kind });
        }
        // A mounted volume may belong to somebody else; then its rights are his.
        if let Err(error) = fs::set_permissions(path, Permissions::from_mode(0o700)) {
            tracing::warn!(path = %path.display(), %error, "the spool's directory cannot be closed to others");
        }
        let name = path.join(LOCK);
        let lock = OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(&name);
        let mut lock = lock.map_err(|error| DirectoryError::Io { path: name.clone(), error })?;
        let take = || flock(&lock, FlockOperation::NonBlockingLockExclusive);
        let taken = take().or_else(|error| match error {
            Errno::WOULDBLOCK => {
                std::thread::park_timeout(A_LOOK);
                take()
            }
            error => Err(error),
        });
        taken.map_err(|error| match error {
            Errno::WOULDBLOCK => DirectoryError::Held { path: path.to_owned(), holder: holder(&name) },
            error => failed(error.into()),
        })?;
        // For whoever meets the lock; what counts is the lock.
        let _ = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
        Ok(Self { _lock: Some(lock), ..Self::look(path)? })
    }

    /// Read a directory that somebody may be writing to.
    ///
    /// # Errors
    /// It is not there, or may not be read.
    pub fn look(path: &Path) -> Result<Self, DirectoryError> {
        let handle = File::open(path).map_err(|error| DirectoryError::Io { path: path.to_owned(), error })?;
        Ok(Self { path: path.to_owned(), handle, _lock: None })
    }

    /// Whether a process has the directory, and which, where that can be told.
    ///
    /// # Errors
    /// The lock may not be read.
    pub fn holder(&self) -> io::Result<Option<String>> {
        let name = self.path.join(LOCK);
        let lock = match File::open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            lock => lock?,
        };
        match flock(&lock, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(None),
            Err(Errno::WOULDBLOCK) => Ok(Some(holder(&name))),
            Err(error) => Err(error.into()),
        }
    }
}

/// Make a directory with those above it that are missing, and sync whatever holds the name of one of them: records are only as
/// durable as the way to them. The directory right above is synced also where nothing is missing, for a process that
/// ended before it could.
fn make(path: &Path, sync: impl Fn(&Path) -> io::Result<()>) -> Result<(), DirectoryError> {
    let failed = |path: &Path, error| DirectoryError::Io { path: path.to_owned(), error };
    let there = existing(path).to_owned();
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| failed(path, error))?;
    let made = there != path;
    for parent in path.ancestors().skip(1) {
        // The parent of a relative path's first part.
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        match sync(parent) {
            // A volume's owner need not let us look at what it is mounted in.
            Err(error) if made => return Err(failed(parent, error)),
            _ => {}
        }
        if !made || parent == there {
            break;
        }
    }
    Ok(())
}

/// Who has the lock, in words that go behind "process"; empty where it does not say.
fn holder(lock: &Path) -> String {
    let pid = fs::read_to_string(lock).unwrap_or_default();
    if pid.is_empty() { pid } else { format!(" (process {})", pid.trim()) }
}

/// Whether a directory can be made here, or written to where it is there.
///
/// # Errors
/// Why not.
pub fn writable(path: &Path) -> io::Result<()> {
    let existing = existing(path);
    if !existing.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is no directory", existing.display())));
    }
    Ok(access(existing, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// The bytes that this user may still write on the file system where a directory is, or will be.
///
/// # Errors
/// The file system's.
pub fn free(path: &Path) -> io::Result<u64> {
    let found = statvfs(existing(path))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The nearest directory that is there.
fn existing(path: &Path) -> &Path {
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    if existing.as_os_str().is_empty() { Path::new(".") } else { existing }
}

/// The kind of a file system that does not outlive a restart; `None`: it does, as far as can be told. The nearest
/// directory that exists counts.
///
/// # Errors
/// The file system's.
pub fn forgetful(path: &Path) -> io::Result<Option<&'static str>> {
    // From linux/magic.h.
    const KINDS: [(u64, &str); 3] = [(0x0102_1994, "tmpfs"), (0x8584_58f6, "ramfs"), (0x794c_7630, "overlayfs")];
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast)] // the field's type differs between platforms
    let magic = statfs(existing(path))?.f_type as u64 & 0xffff_ffff;
    Ok(KINDS.iter().find(|(known, _)| *known == magic).map(|(_, kind)| *kind))
}

impl Disk for Directory {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            // Gone between the two looks: whoever writes here has removed it.
            let Ok(metadata) = entry.metadata() else { continue };
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                files.push((name, metadata.len()));
            }
        }
        Ok(files)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Appended>> {
        let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(self.path.join(name))?;
        Ok(Box::new(file))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn read(&self, name: &str, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        File::open(self.path.join(name))?.read_at(buffer, at)
    }

    fn ground(&self, name: &str) -> io::Result<()> {
        let file = File::open(self.path.join(name))?;
        let synced = file.sync_data();
        forget_cached(&file)?;
        // The first sync of a new handle also tells of a write that failed before it was opened. What could not be written
        // is out of the cache now, and the rest is on the disk if it says so this time.
        synced.or_else(|_| file.sync_data())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }
}

impl Appended for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()?;
        still_alive(self)
    }
}

/// Drop a file's pages from the cache. Those that are dirty would stay.
#[cfg(target_os = "linux")]
fn forget_cached(file: &File) -> io::Result<()> {
    use rustix::fs::{Advice, fadvise};
    Ok(fadvise(file, 0, None, Advice::DontNeed)?)
}

/// macOS has no such call, and is nobody's server.
#[cfg(not(target_os = "linux"))]
fn forget_cached(_: &File) -> io::Result<()> {
    Ok(())
}

/// Whether the file system can still begin a change. ext4 (seen on Linux 6.18) may return success from `fdatasync` in the
/// moment in which it gives its journal up, and forget the new length of the file: in 25 of 500 trials with an error
/// planted under a writer. A journal given up stays so until the next mount, and refuses whatever begins a transaction:
/// here, making sure of a byte that has its place already, which changes nothing and costs two microseconds. A second
/// `fdatasync` is not enough.
#[cfg(target_os = "linux")]
fn still_alive(file: &File) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, 1) {
        Err(error @ (Errno::IO | Errno::ROFS)) => Err(error.into()),
        // Others have no such call, or no room for it, and say nothing by that about what they have synced.
        _ => Ok(()),
    }
}

/// ext4 is Linux's.
#[cfg(not(target_os = "linux"))]
fn still_alive(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_held_by_another_process_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/spool");
        let held = Directory::hold(&path, true).unwrap();
        let error = Directory::hold(&path, true).unwrap_err();
        assert!(matches!(error, DirectoryError::Held { .. }));
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let looker = Directory::look(&path).unwrap();
        assert!(looker.list().is_ok(), "looking needs no lock");
        assert_eq!(looker.holder().unwrap(), Some(format!(" (process {})", std::process::id())));
        drop(held);
        assert_eq!(looker.holder().unwrap(), None, "and takes none");
        assert!(Directory::hold(&path, true).is_ok(), "it is free again");
    }

    #[test]
    #[allow(clippy::print_stderr, reason = "a skip is said aloud")]
    fn tmpfs_is_refused_unless_it_is_meant() {
        let shm = Path::new("/dev/shm");
        if forgetful(shm).ok().flatten() != Some("tmpfs") {
            assert!(std::env::var_os("CI").is_none(), "/dev/shm is not tmpfs here");
            eprintln!("skipped: /dev/shm is not tmpfs here");
            return;
        }
        let root = tempfile::tempdir_in(shm).unwrap();
        let path = root.path().join("spool");
        let error = Directory::hold(&path, false).unwrap_err().to_string();
        assert!(error.contains("tmpfs") && error.contains("spool.ephemeral"), "{error}");
        assert!(Directory::hold(&path, true).is_ok());
    }

    #[test]
    fn whatever_holds_the_name_of_a_new_directory_is_synced() {
        let root = tempfile::tempdir().unwrap();
        let synced = std::cell::RefCell::new(Vec::new());
        let sync = |parent: &Path| {
            assert!(root.path().join("a/b/spool").is_dir(), "first made");
            synced.borrow_mut().push(parent.strip_prefix(root.path()).unwrap().to_owned());
            Ok(())
        };
        make(&root.path().join("a/b/spool"), sync).unwrap();
        assert_eq!(*synced.borrow(), ["a/b", "a", ""].map(PathBuf::from));
        synced.borrow_mut().clear();
        make(&root.path().join("a/b/spool"), sync).unwrap();
        assert_eq!(*synced.borrow(), ["a/b"].map(PathBuf::from));
        let refused = |_: &Path| Err(io::ErrorKind::PermissionDenied.into());
        assert!(make(&root.path().join("a/b/spool"), refused).is_ok(), "it was there");
        assert!(make(&root.path().join("c"), refused).is_err());
    }

    #[test]
    fn grounding_a_file_keeps_what_was_written() {
        let root = tempfile::tempdir().unwrap();
        let disk = Directory::hold(root.path(), true).unwrap();
        disk.create("a").unwrap().append(&[7; 10_000]).unwrap();
        disk.ground("a").unwrap();
        assert_eq!(disk.small("a", 10_000).unwrap().unwrap(), [7; 10_000]);
        assert_eq!(disk.ground("b").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn files_are_for_their_owner_only_and_replaced_as_a_whole() {
        let root = tempfile::tempdir().unwrap();
        let disk = Directory::hold(root.path(), true).unwrap();
        for content in [&b"one"[..], b"another"] {
            disk.replace("cursor", content).unwrap();
            assert_eq!(disk.small("cursor", 64).unwrap().unwrap(), content);
        }
        assert!(disk.small("cursor", 3).is_err(), "larger than it may be");
        assert_eq!(disk.small("nothing", 3).unwrap(), None);
        for (name, _) in disk.list().unwrap() {
            let mode = fs::metadata(root.path().join(&name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
