//! A directory that one process uses at a time. The lock is the directory's own, so that no further file stands in it; it ends with the process,
//! however that ends.

use ferrometer_fork::PerProcess;
#[cfg(unix)]
use ferrometer_fork::{FileLock, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A directory that is this process' own. All of them in one process share one lock: a backend that takes another's place is made before that one ends.
#[derive(Clone, Debug)]
pub(crate) struct DirectoryLock {
    _locked: Arc<Locked>,
}

/// The directories of this process.
static OURS: PerProcess<Mutex<Ours>> = PerProcess::new();

type Ours = Vec<(PathBuf, Weak<Locked>)>;

impl DirectoryLock {
    /// Takes the lock; `None` when another process has it, the one that this one was forked from too.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub(crate) fn take(directory: &Path) -> io::Result<Option<DirectoryLock>> {
        let path = std::fs::canonicalize(directory)?;
        let mut ours = OURS.get().lock().unwrap_or_else(PoisonError::into_inner);
        ours.retain(|(_, locked)| locked.strong_count() > 0);
        if let Some(locked) = ours.iter().find(|(known, _)| *known == path).and_then(|(_, locked)| locked.upgrade()) {
            return Ok(Some(DirectoryLock { _locked: locked }));
        }
        let Some(locked) = lock(&path)? else { return Ok(None) };
        let locked = Arc::new(locked);
        ours.push((path, Arc::downgrade(&locked)));
        Ok(Some(DirectoryLock { _locked: locked }))
    }
}

/// `None`: on a file system without locks, which has none to break.
#[cfg(unix)]
type Locked = Option<FileLock>;

#[cfg(unix)]
fn lock(path: &Path) -> io::Result<Option<Locked>> {
    match FileLock::take(std::fs::File::open(path)?, path) {
        Ok(lock) => Ok(Some(Some(lock))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(Some(None)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Directories cannot be locked there.
#[cfg(not(unix))]
type Locked = ();

#[cfg(not(unix))]
fn lock(_: &Path) -> io::Result<Option<Locked>> {
    Ok(Some(()))
}
