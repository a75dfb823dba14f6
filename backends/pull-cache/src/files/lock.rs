//! The lock of a directory: held by the one process that writes it. A daemon whose parent has ended takes over the lock that it has itself.

use super::create::private;
use ferrometer_export::must_be_regular;
use ferrometer_fork::{FileLock, TryLockError};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the end of another writer is waited for.
const ENDING: Duration = Duration::from_millis(500);

/// Returns the file that is locked for a directory.
pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join("lock")
}

/// Takes the lock if nobody has it.
pub(super) fn take(directory: &Path) -> Result<FileLock, TryLockError> {
    let path = path(directory);
    FileLock::take(open(&path).map_err(TryLockError::Error)?, &path)
}

/// Locks the directory, and waits for a program, or a backend, that is just ending.
pub(super) fn wait_for(directory: &Path) -> Result<FileLock, TryLockError> {
    let begun = Instant::now();
    loop {
        match take(directory) {
            Err(TryLockError::WouldBlock) if begun.elapsed() < ENDING => std::thread::sleep(ENDING / 50),
            other => return other,
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    match must_be_regular(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => private().create(true).truncate(false).open(path),
    }
}
