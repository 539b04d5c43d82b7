//! Has anything changed? Decided by content: Kubernetes swaps a symlink and changes no file's name or time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::{Config, ConfigError, KafkaConfig, SecretRef, provider_files};

/// What stood in all files that a configuration rests on. Stays in memory: it is made of secrets too.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut hasher = Sha256::new();
        for file in files {
            hasher.update(file.as_os_str().as_encoded_bytes());
            match std::fs::read(&file) {
                Ok(bytes) => {
                    hasher.update([0]);
                    hasher.update(Sha256::digest(&bytes));
                }
                Err(error) => hasher.update(format!("\u{1}{}", error.kind())),
            }
        }
        Self(hasher.finalize().into())
    }
}

impl KafkaConfig {
    /// The fingerprint of the files that its clients rest on: passwords, certificates, keys.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.files())
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        [&self.properties, &self.producer, &self.consumer].into_iter().flat_map(|properties| properties.files())
    }
}

impl Config {
    /// Load the configuration with the fingerprint of what it was made of. A file that changes meanwhile makes the next
    /// fingerprint another one, so that no change is missed.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with_fingerprint(path: &Path) -> Result<(Self, Fingerprint), ConfigError> {
        // The first one says which files there are; they are looked at before the one that counts is read.
        let fingerprint = Self::load(path)?.fingerprint();
        Ok((Self::load(path)?, fingerprint))
    }

    /// The fingerprint of the files as they are now.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.files())
    }

    /// A number for the text of the configuration file alone: equal on instances that run the same. 48 bits, so that a
    /// metric holds it exactly.
    pub fn number(&self) -> u64 {
        let hash = Sha256::digest(self.written.to_string());
        hash.iter().take(6).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The keys with other values than in `other`.
    pub fn changed_keys(&self, other: &Self) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        differences(&self.written, &other.written, "", &mut keys);
        keys
    }

    /// Every file that it rests on.
    fn files(&self) -> BTreeSet<PathBuf> {
        let mut files: BTreeSet<PathBuf> = self.sources.values().flat_map(super::SourceConfig::files).collect();
        files.extend(self.kafka.files());
        files.insert(self.path.clone());
        files.extend(self.admin.token.as_ref().and_then(SecretRef::file).map(Path::to_path_buf));
        files.extend(self.gateway.tls.iter().flat_map(|tls| [tls.certificate.clone(), tls.key.clone()]));
        if let Some(dir) = &self.providers_dir {
            // A directory that is gone counts as a file that cannot be read.
            files.extend(provider_files(dir, false).unwrap_or_else(|_| BTreeSet::from([dir.clone()])));
        }
        files
    }
}

/// The leaves in which two tables differ, by their dotted keys.
fn differences(left: &Table, right: &Table, prefix: &str, into: &mut BTreeSet<String>) {
    let empty = Table::new();
    for key in left.keys().chain(right.keys()) {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match (left.get(key), right.get(key)) {
            (Some(Value::Table(left)), Some(Value::Table(right))) => differences(left, right, &name, into),
            (Some(Value::Table(only)), None) | (None, Some(Value::Table(only))) => {
                differences(only, &empty, &name, into);
            }
            (left, right) if left != right => drop(into.insert(name)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Config;

    fn config(text: &str) -> Config {
        Config::parse(Path::new("hookstream.toml"), text, []).unwrap()
    }

    #[test]
    fn changed_keys_are_named() {
        let before = config("[gateway]\nlisten = \"0.0.0.0:1\"\n[kafka]\nbootstrap_servers = \"a:1\"\n");
        let after = config(
            "[gateway]\nlisten = \"0.0.0.0:2\"\n[kafka]\nbootstrap_servers = \"a:1\"\n[log]\nlevel = \"debug\"\n",
        );
        let keys: Vec<String> = after.changed_keys(&before).into_iter().collect();
        assert_eq!(keys, ["gateway.listen", "log.level"]);
        assert!(before.changed_keys(&before).is_empty());
        assert_ne!(before.number(), after.number());
    }

    #[test]
    fn a_symlink_swap_counts_and_a_touch_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        for (data, secret) in [("data-1", "one"), ("data-2", "two")] {
            std::fs::create_dir(place(data)).unwrap();
            std::fs::write(place(data).join("secret"), secret).unwrap();
        }
        std::os::unix::fs::symlink("data-1", place("..data")).unwrap();
        std::os::unix::fs::symlink("..data/secret", place("secret")).unwrap();
        let text = format!("[sources.stripe]\nsecrets = [\"file:{}\"]\n", place("secret").display());
        let config = config(&text);
        let before = config.fingerprint();
        std::fs::write(place("data-1").join("secret"), "one").unwrap();
        assert!(config.fingerprint() == before, "the same content");
        std::os::unix::fs::symlink("data-2", place("..data_tmp")).unwrap();
        std::fs::rename(place("..data_tmp"), place("..data")).unwrap();
        assert!(config.fingerprint() != before);
        std::fs::remove_file(place("..data")).unwrap();
        assert!(config.fingerprint() != before, "a file that is gone");
    }
}
