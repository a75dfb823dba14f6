//! The lock of an archive's directory: one process has it open.

use crate::Error;
use ferrometer_fork::{FileLock, TryLockError};
use std::fs::OpenOptions;
use std::io;
use std::path::Path;

/// Locks the directory until what is returned is dropped.
///
/// # Errors
/// [`Error::Busy`] when it is locked already, [`Error::Io`] when it cannot be.
pub(crate) fn take(directory: &Path) -> Result<FileLock, Error> {
    let path = directory.join("lock");
    // A named pipe would be waited for.
    match std::fs::metadata(&path) {
        Ok(found) if !found.is_file() => {
            let error = io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no file", path.display()));
            return Err(Error::Io(error));
        }
        _ => {}
    }
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_in_the_place_of_the_lock_is_refused_and_never_opened() {
        let directory = std::env::temp_dir().join(format!("ferrometer-archive-lock-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let lock = directory.join("lock");
        assert!(std::process::Command::new("mkfifo").arg(&lock).status().unwrap().success());
        // It would wait for ever.
        let refused = take(&directory).unwrap_err().to_string();
        assert!(refused.contains("lock is no file"), "{refused}");
        std::fs::remove_file(&lock).unwrap();
        assert!(take(&directory).is_ok());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
