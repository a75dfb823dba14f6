//! The lock of an archive's directory: one process has it open.

use crate::Error;
use ferrometer_fork::{FileLock, TryLockError};
use std::fs::OpenOptions;
use std::path::Path;

/// Locks the directory until what is returned is dropped.
///
/// # Errors
/// [`Error::Busy`] when it is locked already, [`Error::Io`] when it cannot be.
pub(crate) fn take(directory: &Path) -> Result<FileLock, Error> {
    let path = directory.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
    FileLock::take(file, &path).map_err(|refused| match refused {
        TryLockError::WouldBlock => {
            let by = match FileLock::ancestor(&path) {
                Some(parent) => format!("process {parent}, which this one was forked from"),
                None => "another process".into(),
            };
            Error::Busy(format!("the archive {} is open in {by}", directory.display()))
        }
        TryLockError::Error(error) => Error::Io(error),
    })
}
