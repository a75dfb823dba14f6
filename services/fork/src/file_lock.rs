//! The lock of a file or a directory, held by one process; it ends with the process, however that ends.
//!
//! A lock belongs to an open file, and the child of a fork has its parent's open files: closing the file does not end the lock while one of the two has it.

use crate::{PerProcess, ancestor_is_running};
use fs4::{FileExt, TryLockError};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, TryLockError as Busy, Weak};

/// A file or a directory that this process has locked, until this is dropped.
///
/// ```
/// use ferrometer_fork::FileLock;
///
/// let path = std::env::temp_dir().join(format!("locked-{}", std::process::id()));
/// let open = || std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
/// let lock = FileLock::take(open()?, &path).unwrap();
/// assert!(FileLock::take(open()?, &path).is_err());
/// drop(lock);
/// assert!(FileLock::take(open()?, &path).is_ok());
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FileLock {
    file: Arc<File>,
    process: u32,
}

/// The files that each process has locked.
static LOCKED: PerProcess<Mutex<Vec<Weak<File>>>> = PerProcess::new();

impl FileLock {
    /// Locks `file`, which was opened at `path`. What this process has from one that it was forked from and that has ended, it takes over.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] when it is locked, by another process or by this one; [`TryLockError::Error`] when it cannot be.
    pub fn take(file: File, path: &Path) -> Result<FileLock, TryLockError> {
        let file = Arc::new(file);
        let mut locked = FileExt::try_lock(&*file);
        if let (Err(TryLockError::WouldBlock), Some((owner, inherited))) = (&locked, inherited(path))
            && !ancestor_is_running(owner)
        {
            let _ = FileExt::unlock(&*inherited);
            locked = FileExt::try_lock(&*file);
        }
        locked?;
        let mut all = LOCKED.get().lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|file| file.strong_count() > 0);
        all.push(Arc::downgrade(&file));
        Ok(FileLock { file, process: std::process::id() })
    }

    /// Returns the process that this one was forked from and that has locked the file at `path`, as far as it is known.
    #[must_use]
    pub fn ancestor(path: &Path) -> Option<u32> {
        inherited(path).map(|(owner, _)| owner)
    }

    /// Returns whether the file that is locked is still at this path.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn is_at(&self, path: &Path) -> io::Result<bool> {
        is_at(&self.file, path)
    }
}

impl Drop for FileLock {
    /// Unlocks in the process that locked. The child of a fork has nothing to unlock.
    fn drop(&mut self) {
        if self.process == std::process::id() {
            let _ = FileExt::unlock(&*self.file);
        }
    }
}

/// Returns the open file of a lock that this process has from one that it was forked from, and which process that was.
fn inherited(path: &Path) -> Option<(u32, Arc<File>)> {
    LOCKED.ancestors().find_map(|(process, locked)| {
        // Held by another thread of that process at the fork, it is held for ever.
        let locked = match locked.try_lock() {
            Ok(locked) => locked,
            Err(Busy::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(Busy::WouldBlock) => return None,
        };
        let file = locked.iter().filter_map(Weak::upgrade).find(|file| is_at(file, path).unwrap_or(false))?;
        Some((process, file))
    })
}

/// Returns whether a file that is open is still at its path.
///
/// # Errors
/// Those of the file system.
#[cfg(unix)]
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((open.dev(), open.ino()) == (there.dev(), there.ino())),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(why) => Err(why),
    }
}

/// Returns `true`: an open file cannot be deleted.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    let _ = fs::metadata(path);
    Ok(true)
}
