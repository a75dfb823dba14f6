//! A directory that one process uses at a time. The lock is the directory's own, so that no further file stands in it; it ends with the process,
//! however that ends.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A directory that is this process' own. All of them in one process share one lock: a backend that takes another's place is made before that one ends.
#[derive(Clone, Debug)]
pub(crate) struct DirectoryLock {
    _file: Arc<Locked>,
}

#[derive(Debug)]
struct Locked(File, u32);

impl Drop for Locked {
    /// Closing alone would not do while the child of a fork has the file open too; and that child has nothing to unlock.
    fn drop(&mut self) {
        if self.1 == std::process::id() {
            let _ = unlock(&self.0);
        }
    }
}

/// The directories of this process.
static OURS: Mutex<Vec<(PathBuf, Weak<Locked>)>> = Mutex::new(Vec::new());

impl DirectoryLock {
    /// Takes the lock; `None` when another process has it.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub(crate) fn take(directory: &Path) -> io::Result<Option<DirectoryLock>> {
        let path = std::fs::canonicalize(directory)?;
        let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
        ours.retain(|(_, file)| file.strong_count() > 0);
        if let Some(file) = ours.iter().find(|(known, _)| *known == path).and_then(|(_, file)| file.upgrade()) {
            return Ok(Some(DirectoryLock { _file: file }));
        }
        let Some(file) = lock(&path)? else { return Ok(None) };
        let file = Arc::new(Locked(file, std::process::id()));
        ours.push((path, Arc::downgrade(&file)));
        Ok(Some(DirectoryLock { _file: file }))
    }
}

#[cfg(unix)]
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::open(path)?;
    match fs4::FileExt::try_lock(&file) {
        Ok(()) => Ok(Some(file)),
        Err(fs4::TryLockError::WouldBlock) => Ok(None),
        // A file system without locks has none to break.
        Err(fs4::TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(Some(file)),
        Err(fs4::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(unix)]
fn unlock(file: &File) -> io::Result<()> {
    fs4::FileExt::unlock(file)
}

/// Directories cannot be locked there: nothing is, and the program's own file stands for the lock.
#[cfg(not(unix))]
fn lock(_: &Path) -> io::Result<Option<File>> {
    let path = std::env::current_exe()?;
    File::open(path).map(Some)
}

#[cfg(not(unix))]
fn unlock(_: &File) -> io::Result<()> {
    Ok(())
}
