//! How a recording thread calls the collector: when its ring of single values is half full, so that it is drained before it is full.
//!
//! Nothing here waits or allocates. Where two threads call at once, one may find the bell taken: it is told so, and tries again some values later.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::Thread;

/// The collector's thread, while it runs.
static COLLECTOR: Mutex<Option<Thread>> = Mutex::new(None);

/// Wakes the collector if it sleeps; if not, it will not sleep before it has looked again. `false`: try again soon.
pub(crate) fn wake() -> bool {
    let thread = match COLLECTOR.try_lock() {
        Ok(thread) => thread,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return false,
    };
    thread.as_ref().is_some_and(|thread| {
        thread.unpark();
        true
    })
}

/// Whom to call from now on.
pub(crate) fn set_collector(thread: Option<Thread>) {
    *freeze() = thread;
}

/// Holds the bell while the guard lives: for `fork`.
pub(crate) fn freeze() -> MutexGuard<'static, Option<Thread>> {
    COLLECTOR.lock().unwrap_or_else(PoisonError::into_inner)
}
