//! The lock of a directory: held by the one process that writes it.
//!
//! The child of a fork has its parent's open files, and a lock belongs to an open file: it stays locked as long as one of the two lives. A daemon whose parent
//! has ended opens the lock that it has itself.

use super::create::{is_at, private};
use ferrometer_export::{ancestor_is_running, must_be_regular};
use fs4::TryLockError;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError as Busy, Weak};
use std::time::{Duration, Instant};

/// How long the end of another writer is waited for.
const ENDING: Duration = Duration::from_millis(500);

/// A directory that is held for writing, until this is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: Arc<File>,
    process: u32,
}

/// Files that are locked, with the process that did.
type Locked = Vec<(u32, Weak<File>)>;

/// Those of this process, and of those that it was forked from.
static LOCKED: Mutex<Locked> = Mutex::new(Vec::new());

impl Drop for Lock {
    /// Closing the file would not do while a child made by `fork` has it too. The child itself has nothing to unlock.
    fn drop(&mut self) {
        if self.process == std::process::id() {
            let _ = fs4::FileExt::unlock(&*self.file);
        }
    }
}

impl Lock {
    pub(super) fn path(directory: &Path) -> PathBuf {
        directory.join("lock")
    }

    /// Takes the lock if nobody has it.
    pub(super) fn take(directory: &Path) -> Result<Lock, TryLockError> {
        let path = Lock::path(directory);
        let (file, process) = (Arc::new(open(&path).map_err(TryLockError::Error)?), std::process::id());
        let mut locked = fs4::FileExt::try_lock(&*file);
        if let (Err(TryLockError::WouldBlock), Some((owner, inherited))) = (&locked, inherited(&path))
            && !ancestor_is_running(owner)
        {
            let _ = fs4::FileExt::unlock(&*inherited);
            locked = fs4::FileExt::try_lock(&*file);
        }
        locked?;
        if let Some(mut all) = locked_files() {
            all.retain(|(_, file)| file.strong_count() > 0);
            all.push((process, Arc::downgrade(&file)));
        }
        Ok(Lock { file, process })
    }

    /// Returns the process that this one was forked from and that has the directory, as far as it is known.
    pub(super) fn ancestor(directory: &Path) -> Option<u32> {
        inherited(&Lock::path(directory)).map(|(owner, _)| owner)
    }

    /// Locks the directory, and waits for a program, or a backend, that is just ending.
    pub(super) fn wait_for(directory: &Path) -> Result<Lock, TryLockError> {
        let begun = Instant::now();
        loop {
            match Lock::take(directory) {
                Err(TryLockError::WouldBlock) if begun.elapsed() < ENDING => std::thread::sleep(ENDING / 50),
                other => return other,
            }
        }
    }

    /// Returns whether it is still the one of the directory.
    pub(super) fn is_in(&self, directory: &Path) -> io::Result<bool> {
        is_at(&self.file, &Lock::path(directory))
    }
}

fn open(path: &Path) -> io::Result<File> {
    match must_be_regular(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => private().create(true).truncate(false).open(path),
    }
}

/// `None` when another thread has them, perhaps for ever: one of the parent's had them at the fork.
fn locked_files() -> Option<MutexGuard<'static, Locked>> {
    match LOCKED.try_lock() {
        Ok(locked) => Some(locked),
        Err(Busy::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(Busy::WouldBlock) => None,
    }
}

/// Returns the open file of a lock that this process has from the one that it was forked from, and which process that was.
fn inherited(path: &Path) -> Option<(u32, Arc<File>)> {
    let locked = locked_files()?;
    let others = locked.iter().filter(|(process, _)| *process != std::process::id());
    let mut files = others.filter_map(|(process, file)| Some((*process, file.upgrade()?)));
    files.find(|(_, file)| is_at(file, path).unwrap_or(false))
}
