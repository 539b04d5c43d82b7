//! Dev keys in a directory of the test's own.

use std::path::PathBuf;

use hookstream::provider::Provider;

/// One file for each kind of key.
pub(crate) struct DevKeys {
    directory: tempfile::TempDir,
}

impl DevKeys {
    /// None yet: they are made where they are asked for.
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// The file of the key that signs for this provider.
    pub(crate) fn file(&self, provider: &Provider) -> Option<PathBuf> {
        provider.key_kind().map(|kind| self.directory.path().join(kind.as_str()))
    }
}
