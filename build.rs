//! Embeds `providers/*.toml` and their vectors, and the git revision for `hookstream_build_info`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    println!("cargo::rerun-if-changed=providers");
    fs::write(out.join("providers.rs"), listing(&root.join("providers"))?)?;
    // A path that does not exist would run this script at every build.
    if let Some(log) = git(&root, &["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| root.join(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
    // An image is built without .git: the Dockerfile's build argument says it then.
    println!("cargo::rerun-if-env-changed=HOOKSTREAM_REVISION");
    let given = env::var("HOOKSTREAM_REVISION").ok().filter(|revision| !revision.is_empty());
    let revision = given.or_else(|| git(&root, &["rev-parse", "--short=12", "HEAD"]));
    let revision = revision.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=HOOKSTREAM_REVISION={revision}");
    Ok(())
}

/// Two constants of (file name, text) pairs, in the order of the names.
fn listing(directory: &Path) -> io::Result<String> {
    let mut files = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    let (mut providers, mut vectors) = (String::new(), String::new());
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let list = match name.strip_suffix(".toml") {
            Some(stem) if stem.ends_with(".vectors") => &mut vectors,
            Some(_) => &mut providers,
            None => continue,
        };
        let _ = writeln!(list, "    ({name:?}, include_str!({path:?})),");
    }
    let list = "&[(&str, &str)]";
    Ok(format!(
        "pub(super) const PROVIDERS: {list} = &[\n{providers}];\npub(super) const VECTORS: {list} = &[\n{vectors}];\n"
    ))
}

/// What git says, inside a checkout.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).current_dir(root).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
