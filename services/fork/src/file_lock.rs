//! The lock of a file or a directory, held by one process; it ends with the process, however that ends.
//!
//! A lock belongs to an open file, and the child of a fork has its parent's open files: closing the file does not end the lock while one of the two has it.
//! The locks of a process are kept in places, each with a mutex that its lock takes at its beginning and its end: whatever other threads do at
//! a fork, the child can read which files its parent has locked.

use crate::{PerProcess, ancestor_is_running};
use fs4::{FileExt, TryLockError};
use once_cell::race::OnceBox;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, Mutex, PoisonError, TryLockError as Busy, Weak};
use std::time::SystemTime;

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
#[must_use = "the file is locked until this is dropped"]
pub struct FileLock {
    file: Arc<File>,
    process: u32,
    slot: &'static Slot,
}

/// The files that each process has locked.
static LOCKED: PerProcess<Slot> = PerProcess::new();

/// A place for one lock, and the places after it.
#[derive(Debug, Default)]
struct Slot {
    is_taken: AtomicBool,
    locked: Mutex<Option<Locked>>,
    next: OnceBox<Slot>,
}

impl Slot {
    /// Returns a place that nobody has, for the caller alone.
    fn claim(&self) -> &Slot {
        let mut slot = self;
        while slot.is_taken.swap(true, Acquire) {
            slot = slot.next.get_or_init(Box::default);
        }
        slot
    }

    fn set(&self, locked: Option<Locked>) {
        *self.locked.lock().unwrap_or_else(PoisonError::into_inner) = locked;
    }
}

/// A file as it was when it was locked.
///
/// A fork copies the descriptors first and memory after that. A file that another thread opens and locks in between is in the child's memory, and its
/// descriptor is not among the child's: the number is that of the file which the child opens next. So a file is told by its identity.
#[derive(Debug)]
struct Locked {
    file: Weak<File>,
    identity: Identity,
}

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
        let identity = Identity::of(&file.metadata().map_err(TryLockError::Error)?);
        let slot = LOCKED.get().claim();
        slot.set(Some(Locked { file: Arc::downgrade(&file), identity }));
        Ok(FileLock { file, process: std::process::id(), slot })
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
            self.slot.set(None);
            self.slot.is_taken.store(false, Release);
        }
    }
}

/// Returns the open file of a lock that this process has from one that it was forked from, and which process that was.
fn inherited(path: &Path) -> Option<(u32, Arc<File>)> {
    let there = Identity::of(&fs::metadata(path).ok()?);
    LOCKED.ancestors().find_map(|(process, first)| {
        let slots = std::iter::successors(Some(first), |slot| slot.next.get());
        let mut locked = slots.filter_map(|slot| match slot.locked.try_lock() {
            Ok(locked) => held(locked.as_ref()?, &there),
            Err(Busy::Poisoned(poisoned)) => held(poisoned.into_inner().as_ref()?, &there),
            // Its lock began or ended at the fork: it is held for ever.
            Err(Busy::WouldBlock) => None,
        });
        Some((process, locked.next()?))
    })
}

/// Returns the open file of a lock if it is the one that is looked for, by what is known of it and by its descriptor.
fn held(locked: &Locked, there: &Identity) -> Option<Arc<File>> {
    let file = (locked.identity == *there).then(|| locked.file.upgrade())??;
    (Identity::of(&file.metadata().ok()?) == *there).then_some(file)
}

/// Tells files apart: a number that a deleted file had is given again, so the moment of its creation is a part where the file system keeps it.
#[derive(Debug, PartialEq)]
struct Identity {
    #[cfg(unix)]
    number: (u64, u64),
    created: Option<SystemTime>,
}

impl Identity {
    fn of(file: &Metadata) -> Identity {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;

        Identity {
            #[cfg(unix)]
            number: (file.dev(), file.ino()),
            created: file.created().ok(),
        }
    }
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
