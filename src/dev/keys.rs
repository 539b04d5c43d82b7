//! The dev key: a private key of our own, for the schemes in which a source holds only the public half of the provider's.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING as P256, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use crate::provider::{KeyKind, Signer};

/// The largest file that is taken for a key, in bytes.
const LARGEST: usize = 16 * 1024;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// A key pair from a file that only its owner can read.
pub struct DevKey {
    /// Where it is kept.
    pub path: PathBuf,
    pair: Pair,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    EcdsaP256(EcdsaKeyPair),
}

impl DevKey {
    /// The key in this file, or in the one of the user's own; made where there is none.
    ///
    /// # Errors
    /// A file that cannot be made or read, that others can read, or that holds no such key.
    pub fn of(kind: KeyKind, file: Option<&Path>) -> Result<Self, String> {
        let path = match file {
            Some(file) => file.to_owned(),
            None => own_directory()?.join(file_name(kind)),
        };
        let wrong = |why: String| format!("the dev key {}: {why}", path.display());
        let pem = match read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => make(&path, kind).map_err(wrong)?,
            other => other.map_err(|error| wrong(error.to_string()))?,
        };
        let pair = pair(kind, &pem).ok_or_else(|| {
            wrong(format!("holds no private key for {} in PKCS #8; name another with --key", kind.as_str()))
        })?;
        Ok(Self { path, pair })
    }

    /// The user's own key, if there is one already.
    pub fn existing(kind: KeyKind) -> Option<Self> {
        let path = own_directory().ok()?.join(file_name(kind));
        path.exists().then(|| Self::of(kind, Some(&path)).ok()).flatten()
    }

    /// The public half: 32 bytes, or an uncompressed point.
    pub fn public(&self) -> &[u8] {
        match &self.pair {
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
            Pair::EcdsaP256(pair) => pair.public_key().as_ref(),
        }
    }

    /// What signs with it.
    pub fn signer(self) -> Arc<Signer> {
        let random = SystemRandom::new();
        Arc::new(move |message| match &self.pair {
            Pair::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
            Pair::EcdsaP256(pair) => pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec()),
        })
    }
}

fn file_name(kind: KeyKind) -> String {
    format!("dev-{}.pem", kind.as_str())
}

/// `$XDG_STATE_HOME/hookstream`, by default `~/.local/state/hookstream`.
fn own_directory() -> Result<PathBuf, String> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let state = state.or_else(|| set("HOME").map(|home| home.join(".local/state")));
    Ok(state.ok_or("there is no place for the dev key: HOME is not set; name a file with --key")?.join("hookstream"))
}

fn read(path: &Path) -> std::io::Result<Zeroizing<String>> {
    let metadata = fs::metadata(path)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(std::io::Error::other("others can read it; chmod 600 it"));
    }
    if metadata.len() > LARGEST as u64 {
        return Err(std::io::Error::other("is too large for a key"));
    }
    fs::read_to_string(path).map(Zeroizing::new)
}

/// Written beside its place and linked there whole: of two programs that make it at once both then use one.
fn make(path: &Path, kind: KeyKind) -> Result<Zeroizing<String>, String> {
    let says = |error: std::io::Error| error.to_string();
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(says)?;
    }
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(says)?;
    let written = pem(kind).and_then(|pem| file.write_all(pem.as_bytes()).map_err(says));
    let linked = written.and_then(|()| match fs::hard_link(&beside, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error.to_string()),
        _ => read(path).map_err(says),
    });
    fs::remove_file(&beside).map_err(says)?;
    linked
}

/// A new key as openssl writes them too.
fn pem(kind: KeyKind) -> Result<Zeroizing<String>, String> {
    let random = SystemRandom::new();
    let document = match kind {
        KeyKind::Ed25519 => Ed25519KeyPair::generate_pkcs8(&random),
        KeyKind::EcdsaP256 => EcdsaKeyPair::generate_pkcs8(&P256, &random),
    };
    let document = document.map_err(|_| "the system gave no random bytes".to_owned())?;
    let text = Zeroizing::new(STANDARD.encode(document.as_ref()));
    let mut pem = Zeroizing::new(format!("{BEGIN}\n"));
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(END);
    pem.push('\n');
    Ok(pem)
}

fn pair(kind: KeyKind, pem: &str) -> Option<Pair> {
    let text = pem.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let text: Zeroizing<String> = Zeroizing::new(text.split_whitespace().collect());
    let document = Zeroizing::new(STANDARD.decode(text.as_bytes()).ok()?);
    match kind {
        // Not only the newer form with the public key in it: openssl writes the older one.
        KeyKind::Ed25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&document).ok().map(Pair::Ed25519),
        KeyKind::EcdsaP256 => {
            EcdsaKeyPair::from_pkcs8(&P256, &document, &SystemRandom::new()).ok().map(Pair::EcdsaP256)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{DevKey, KeyKind};

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        for kind in [KeyKind::Ed25519, KeyKind::EcdsaP256] {
            let path = directory.path().join("below").join(kind.as_str());
            let made = DevKey::of(kind, Some(&path)).unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let again = DevKey::of(kind, Some(&path)).unwrap();
            assert_eq!(made.public(), again.public());
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert!(DevKey::of(kind, Some(&path)).is_err_and(|why| why.contains("chmod 600")));
        }
        assert_eq!(std::fs::read_dir(directory.path().join("below")).unwrap().count(), 2, "nothing is left beside");
    }

    #[test]
    fn another_kind_of_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        DevKey::of(KeyKind::Ed25519, Some(&path)).unwrap();
        assert!(DevKey::of(KeyKind::EcdsaP256, Some(&path)).is_err_and(|why| why.contains("ecdsa-p256")));
    }
}
