//! The lock of a directory: held by the one process that writes it.

use super::create::{is_at, private};
use ferrometer_export::must_be_regular;
use fs4::TryLockError;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the end of another writer is waited for.
const ENDING: Duration = Duration::from_millis(500);

/// A directory that is held for writing, until this is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    process: u32,
}

impl Drop for Lock {
    /// Closing the file would not do while a child made by `fork` has it too. The child itself has nothing to unlock.
    fn drop(&mut self) {
        if self.process == std::process::id() {
            let _ = fs4::FileExt::unlock(&self.file);
        }
    }
}

impl Lock {
    pub(super) fn path(directory: &Path) -> PathBuf {
        directory.join("lock")
    }

    /// Takes the lock if nobody has it.
    pub(super) fn take(directory: &Path) -> Result<Lock, TryLockError> {
        let file = open(&Lock::path(directory)).map_err(TryLockError::Error)?;
        fs4::FileExt::try_lock(&file)?;
        Ok(Lock { file, process: std::process::id() })
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
