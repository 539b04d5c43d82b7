//! A disk in memory whose faults the tests choose: short writes, a full disk, a failed sync, a killed process, a crash,
//! flipped bits.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use super::disk::{Appended, Disk};

/// What the next call of a kind does instead of what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The next append writes this many bytes and then fails: no space left.
    Full(usize),
    /// The next sync of a file fails.
    Sync,
    /// The next sync of the directory fails.
    Names,
    /// The next removal fails.
    Remove,
}

#[derive(Clone, Debug, Default)]
struct Content {
    /// As the cache has it.
    bytes: Vec<u8>,
    /// So much of it the disk has.
    synced: usize,
    /// A sync has failed: up to here the cache takes the bytes for written, and no later sync writes them.
    failed: usize,
    /// Blocks that cannot be read.
    spoiled: BTreeSet<usize>,
}

/// The size of a block in bytes.
const BLOCK: usize = 4_096;

/// What is to happen in the middle of a call.
type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    /// As the running process sees it.
    files: BTreeMap<String, Arc<Mutex<Content>>>,
    /// The names as they are on the platter.
    durable: BTreeMap<String, Arc<Mutex<Content>>>,
    faults: Vec<Fault>,
    syncs: usize,
    /// What happens after the next rename.
    after_rename: Option<Hook>,
}

/// The disk. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Faulty(Arc<Mutex<State>>);

impl Faulty {
    /// Have a fault happen once, at the next chance.
    pub(super) fn inject(&self, fault: Fault) {
        self.0.lock().unwrap().faults.push(fault);
    }

    /// Have something happen after the next rename, which replaces the cursor file, while nobody holds a lock.
    pub(super) fn after_rename(&self, hook: impl FnOnce() + Send + 'static) {
        self.0.lock().unwrap().after_rename = Some(Box::new(hook));
    }

    /// The power fails: names that were not synced are as they were, and of each file's bytes that were not synced the
    /// first `keep` in a hundred remain.
    pub(super) fn crash(&self, keep: usize) {
        let mut state = self.0.lock().unwrap();
        state.files = state.durable.clone();
        state.faults.clear();
        for file in state.files.values() {
            let mut content = file.lock().unwrap();
            let kept = content.synced + (content.bytes.len() - content.synced) * keep / 100;
            content.bytes.truncate(kept);
            (content.synced, content.failed) = (kept, 0);
        }
    }

    /// The process is killed and the machine lives on: the next one finds all that was ever written, synced or not.
    pub(super) fn kill(&self) {
        self.0.lock().unwrap().faults.clear();
    }

    /// Flip a bit; `at` may be beyond the end and then means one before it. Returns the byte.
    pub(super) fn flip(&self, name: &str, at: usize) -> Option<usize> {
        let file = self.0.lock().unwrap().files.get(name).cloned()?;
        let mut content = file.lock().unwrap();
        let bit = at % (content.bytes.len().max(1) * 8);
        *content.bytes.get_mut(bit / 8)? ^= 1 << (bit % 8);
        Some(bit / 8)
    }

    /// Cut a file's end off.
    pub(super) fn cut(&self, name: &str, length: usize) {
        let file = self.0.lock().unwrap().files.get(name).cloned().unwrap();
        let mut content = file.lock().unwrap();
        content.bytes.truncate(length);
        content.synced = content.synced.min(length);
    }

    /// A block of a file can no longer be read.
    pub(super) fn spoil(&self, name: &str, block: usize) {
        let file = self.0.lock().unwrap().files.get(name).cloned().unwrap();
        file.lock().unwrap().spoiled.insert(block);
    }

    /// Everything can be read again.
    pub(super) fn heal(&self) {
        self.0.lock().unwrap().files.values().for_each(|file| file.lock().unwrap().spoiled.clear());
    }

    /// Write at a file's end and sync nothing.
    pub(super) fn write_behind(&self, name: &str, bytes: &[u8]) {
        let file = self.0.lock().unwrap().files.get(name).cloned().unwrap();
        file.lock().unwrap().bytes.extend_from_slice(bytes);
    }

    /// A file's bytes.
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        let file = self.0.lock().unwrap().files.get(name).cloned().unwrap();
        file.lock().unwrap().bytes.clone()
    }

    /// Segments by name, oldest first.
    pub(super) fn segments(&self) -> Vec<String> {
        self.0.lock().unwrap().files.keys().filter(|name| name.ends_with(".segment")).cloned().collect()
    }

    /// Syncs of files so far.
    pub(super) fn syncs(&self) -> usize {
        self.0.lock().unwrap().syncs
    }

    fn take(&self, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut state = self.0.lock().unwrap();
        let index = state.faults.iter().position(wanted)?;
        Some(state.faults.remove(index))
    }
}

fn failed(kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, "injected")
}

struct Handle {
    disk: Faulty,
    content: Arc<Mutex<Content>>,
}

impl Appended for Handle {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(Fault::Full(short)) = self.disk.take(|fault| matches!(fault, Fault::Full(_))) {
            self.content.lock().unwrap().bytes.extend_from_slice(&bytes[..short.min(bytes.len())]);
            return Err(failed(io::ErrorKind::StorageFull));
        }
        self.content.lock().unwrap().bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.disk.take(|fault| *fault == Fault::Sync).is_some() {
            // As the kernel does it: the next sync would say that all is well.
            let mut content = self.content.lock().unwrap();
            content.failed = content.bytes.len();
            return Err(failed(io::ErrorKind::Other));
        }
        self.disk.0.lock().unwrap().syncs += 1;
        self.content.lock().unwrap().sync();
        Ok(())
    }
}

impl Content {
    fn sync(&mut self) {
        if self.failed == 0 {
            self.synced = self.bytes.len();
        }
    }
}

impl Disk for Faulty {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let state = self.0.lock().unwrap();
        let length = |file: &Arc<Mutex<Content>>| file.lock().unwrap().bytes.len() as u64;
        Ok(state.files.iter().map(|(name, file)| (name.clone(), length(file))).collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Appended>> {
        let content = Arc::new(Mutex::new(Content::default()));
        let mut state = self.0.lock().unwrap();
        if state.files.contains_key(name) {
            return Err(failed(io::ErrorKind::AlreadyExists));
        }
        state.files.insert(name.to_owned(), Arc::clone(&content));
        Ok(Box::new(Handle { disk: self.clone(), content }))
    }

    fn sync_names(&self) -> io::Result<()> {
        if self.take(|fault| *fault == Fault::Names).is_some() {
            return Err(failed(io::ErrorKind::Other));
        }
        let mut state = self.0.lock().unwrap();
        state.durable = state.files.clone();
        Ok(())
    }

    fn read(&self, name: &str, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let file = self.0.lock().unwrap().files.get(name).cloned();
        let file = file.ok_or_else(|| failed(io::ErrorKind::NotFound))?;
        let content = file.lock().unwrap();
        let at = usize::try_from(at).unwrap();
        let rest = content.bytes.get(at..).unwrap_or_default();
        if content.spoiled.contains(&(at / BLOCK)) && !rest.is_empty() {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
        }
        // Never beyond a block: short reads are allowed.
        let length = rest.len().min(buffer.len()).min(BLOCK - at % BLOCK);
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn ground(&self, name: &str) -> io::Result<()> {
        let file = self.0.lock().unwrap().files.get(name).cloned();
        let file = file.ok_or_else(|| failed(io::ErrorKind::NotFound))?;
        let mut content = file.lock().unwrap();
        content.sync();
        if content.failed > 0 {
            // Its length may have got there, and what was to fill it has not.
            let synced = content.synced;
            content.bytes.iter_mut().skip(synced).for_each(|byte| *byte = 0);
            (content.synced, content.failed) = (content.bytes.len(), 0);
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let file = state.files.remove(from).ok_or_else(|| failed(io::ErrorKind::NotFound))?;
        state.files.insert(to.to_owned(), file);
        let hook = state.after_rename.take();
        drop(state);
        if let Some(hook) = hook {
            hook();
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if self.take(|fault| *fault == Fault::Remove).is_some() {
            return Err(failed(io::ErrorKind::Other));
        }
        let removed = self.0.lock().unwrap().files.remove(name);
        removed.map(drop).ok_or_else(|| failed(io::ErrorKind::NotFound))
    }
}
