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

/// A function that makes something of atomics: `const`, unless each of them is made for the model checker.
macro_rules! const_unless_loom {
    ($(#[$doc:meta])* $visible:vis fn $name:ident() -> $made:ty $body:block) => {
        $(#[$doc])*
        #[cfg(not(loom))]
        $visible const fn $name() -> $made $body
        $(#[$doc])*
        #[cfg(loom)]
        $visible fn $name() -> $made $body
    };
}
pub(crate) use const_unless_loom;

/// As many zeros.
#[cfg(not(loom))]
pub(crate) const fn zeros<const N: usize>() -> [AtomicU64; N] {
    [const { AtomicU64::new(0) }; N]
}
#[cfg(loom)]
pub(crate) fn zeros<const N: usize>() -> [AtomicU64; N] {
    std::array::from_fn(|_| AtomicU64::new(0))
}

/// As many pointers to nothing.
#[cfg(not(loom))]
pub(crate) const fn nulls<const N: usize, T>() -> [AtomicPtr<T>; N] {
    [const { AtomicPtr::new(std::ptr::null_mut()) }; N]
}
#[cfg(loom)]
pub(crate) fn nulls<const N: usize, T>() -> [AtomicPtr<T>; N] {
    std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut()))
}

/// Locks, whatever happened to an earlier holder: every structure behind our locks is valid at each
/// step of its update, so a panic while one was held leaves nothing half-done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
