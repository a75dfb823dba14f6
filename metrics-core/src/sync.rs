//! The synchronisation primitives of the modules that are model-checked: the standard library's,
//! or loom's when compiled with `--cfg loom`. Locks never stay poisoned: recording must not panic.

#[cfg(loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicPtr, AtomicU64, Ordering},
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicPtr, AtomicU64, Ordering},
};

/// Locks, whatever happened to an earlier holder: every structure behind our locks is valid at each
/// step of its update, so a panic while one was held leaves nothing half-done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
