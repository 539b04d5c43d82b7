//! What others publish, fetched once from a package registry at a pinned version and kept under `target/packages/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

/// One published file: where it stands in its package, and the hash of its bytes.
pub(crate) struct Published {
    pub(crate) path: &'static str,
    pub(crate) sha256: &'static str,
}

/// Files of an npm package. The error says why they cannot be had: a reason to skip.
pub(crate) fn npm(package: &str, version: &str, files: &[Published]) -> Result<PathBuf, String> {
    fetched(&format!("npm/{package}@{version}"), files, |scratch| {
        let listed = Command::new("npm")
            .args(["pack", "--silent", "--pack-destination", "."])
            .arg(format!("{package}@{version}"))
            .current_dir(scratch)
            .stdin(Stdio::null())
            .output();
        let archive = said(listed, "npm")?;
        let archive = archive.lines().last().ok_or("npm packed nothing")?.trim().to_owned();
        let unpacked = Command::new("tar")
            .args(["--extract", "--gzip", "--strip-components=1", "--file"])
            .arg(archive)
            .current_dir(scratch)
            .output();
        said(unpacked, "tar").map(drop)
    })
}

/// Files of a Go module. The error says why they cannot be had: a reason to skip.
pub(crate) fn go(module: &str, version: &str, files: &[Published]) -> Result<PathBuf, String> {
    fetched(&format!("go/{module}@{version}"), files, |scratch| {
        let downloaded = Command::new("go")
            .args(["mod", "download", "-modcacherw", "-json"])
            .arg(format!("{module}@{version}"))
            .env("GOMODCACHE", scratch.join("cache"))
            .env("GOFLAGS", "-mod=mod")
            .current_dir(scratch)
            .stdin(Stdio::null())
            .output();
        said(downloaded, "go")?;
        for file in files {
            let kept = scratch.join(file.path);
            fs::create_dir_all(kept.parent().unwrap_or(scratch)).map_err(|error| error.to_string())?;
            let from = scratch.join("cache").join(format!("{module}@{version}")).join(file.path);
            fs::rename(&from, &kept).map_err(|error| format!("{}: {error}", from.display()))?;
        }
        fs::remove_dir_all(scratch.join("cache")).map_err(|error| error.to_string())
    })
}

/// The directory of a package. What a download left half done is never taken for a whole one, and no file for another.
fn fetched(
    name: &str,
    files: &[Published],
    download: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("packages").join(name);
    fs::create_dir_all(directory.parent().expect("a parent")).expect("create target/packages");
    let lock = File::create(directory.with_extension("lock")).expect("create the lock file");
    lock.lock().expect("lock the package against other test binaries");
    if !directory.exists() {
        let scratch = directory.with_extension("partial");
        let _ = fs::remove_dir_all(&scratch);
        fs::create_dir_all(&scratch).expect("create a scratch directory");
        download(&scratch)?;
        fs::rename(&scratch, &directory).expect("keep the package");
    }
    for file in files {
        let bytes =
            fs::read(directory.join(file.path)).unwrap_or_else(|error| panic!("{name}: {}: {error}", file.path));
        assert_eq!(hex::encode(Sha256::digest(&bytes)), file.sha256, "{name}: {} is another file", file.path);
    }
    Ok(directory)
}

fn said(output: std::io::Result<std::process::Output>, program: &str) -> Result<String, String> {
    let output = output.map_err(|error| format!("`{program}` does not run here ({error})"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("`{program}` failed: {}", errors.lines().last().unwrap_or("no reason given")))
}
