//! The file in which secrets are kept that a provider hands over in a handshake: one a line, replaced as a whole.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use subtle::ConstantTimeEq;

use super::Secret;
use crate::provider::MAX_SECRETS;

/// More than ten secrets of 256 bytes, and far less than a mistaken path could lead to.
const LARGEST: u64 = 16 << 10;

/// Nobody but the gateway's own user reads it.
const MODE: u32 = 0o600;

/// The file, and how many secrets it may come to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsFile {
    path: PathBuf,
    room: usize,
}

/// What tells one content of the file from another without reading it; nothing where there is no file.
pub type Mark = Option<(SystemTime, u64)>;

impl SecretsFile {
    /// # Errors
    /// The path names no file in a directory that exists.
    pub(super) fn new(path: &Path, room: usize) -> Result<Self, String> {
        let named = path.file_name().is_some() && directory(path).is_dir();
        if !named {
            return Err(format!("secrets_file: {} must name a file in a directory that exists", path.display()));
        }
        Ok(Self { path: path.to_owned(), room })
    }

    /// The secrets in it; none where it does not exist yet. Blocks the thread.
    ///
    /// # Errors
    /// It cannot be read, or is no such file.
    pub fn read(&self) -> Result<Vec<Secret>, String> {
        let text = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Ok(data) if data.len() > LARGEST => return Err(self.wrong("is too large to hold secrets")),
            Ok(_) | Err(_) => std::fs::read(&self.path).map_err(|error| self.wrong(&error.to_string()))?,
        };
        let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        let secrets: Vec<_> = lines.map(|line| Secret::new(line.to_vec())).collect();
        if secrets.len() > MAX_SECRETS { Err(self.wrong("holds more than ten secrets")) } else { Ok(secrets) }
    }

    /// What it holds now, in brief. Blocks the thread.
    pub fn mark(&self) -> Mark {
        let data = std::fs::metadata(&self.path).ok()?;
        Some((data.modified().ok()?, data.len()))
    }

    /// Take one more secret: on disk when this returns true. False where it is one too many; one that is there already
    /// is taken again, for a provider may repeat its handshake. A lock beside the file lets gateways share it. Blocks
    /// the thread.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn add(&self, secret: &Secret) -> Result<bool, String> {
        let wrong = |error: std::io::Error| self.wrong(&error.to_string());
        let lock = OpenOptions::new().create(true).write(true).truncate(false).mode(MODE).open(self.beside("lock"));
        let lock = lock.map_err(wrong)?;
        lock.lock().map_err(wrong)?;
        let mut secrets = self.read()?;
        if secrets.iter().any(|known| bool::from(known.expose().ct_eq(secret.expose()))) {
            return Ok(true);
        }
        if secrets.len() >= self.room {
            return Ok(false);
        }
        secrets.push(secret.clone());
        self.replace(&secrets).map_err(wrong)?;
        Ok(true)
    }

    /// Whoever reads sees the old content or the new one, and after a crash it is one of the two.
    fn replace(&self, secrets: &[Secret]) -> std::io::Result<()> {
        let new = self.beside("new");
        // What a crash left may be readable by others.
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(MODE).open(&new)?;
        for secret in secrets {
            file.write_all(secret.expose())?;
            file.write_all(b"\n")?;
        }
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        File::open(directory(&self.path))?.sync_all()
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(".");
        name.push(ending);
        name.into()
    }

    fn wrong(&self, problem: &str) -> String {
        format!("secrets_file {}: {problem}", self.path.display())
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{Secret, SecretsFile};

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn what_is_added_is_read_again_by_everybody_who_shares_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("asana.secrets");
        let (one, two) = (SecretsFile::new(&path, 2).unwrap(), SecretsFile::new(&path, 2).unwrap());
        assert_eq!((one.read().unwrap(), one.mark()), (Vec::new(), None));
        assert_eq!(one.add(&secret("first-secret")), Ok(true));
        let mark = one.mark();
        assert_eq!(two.add(&secret("other-secret")), Ok(true));
        assert_ne!(one.mark(), mark);
        assert_eq!(one.read().unwrap(), [secret("first-secret"), secret("other-secret")]);
        assert_eq!(one.add(&secret("third-secret")), Ok(false), "there is no room");
        assert_eq!(one.add(&secret("first-secret")), Ok(true), "a repeated handshake");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!directory.path().join("asana.secrets.new").exists());
    }

    #[test]
    fn what_a_crash_left_is_replaced_and_what_is_no_such_file_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        std::fs::write(directory.path().join("s.new"), "half a sec").unwrap();
        let file = SecretsFile::new(&path, 1).unwrap();
        assert_eq!(file.add(&secret("whole-secret")), Ok(true));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole-secret\n");
        std::fs::write(&path, "x".repeat(20_000)).unwrap();
        assert!(file.read().unwrap_err().contains("too large"));
        std::fs::write(&path, "x\n".repeat(11)).unwrap();
        assert!(file.read().unwrap_err().contains("more than ten"));
        assert!(SecretsFile::new(Path::new("/no/such/directory/s"), 1).is_err());
    }
}
