//! Recordings that would wait for ever are turned away instead, and counted.
//!
//! A global allocator that records metrics calls us while we allocate, holding our locks: the inner call finds the thread busy. And a fork holds our
//! locks while a handler of the program waits for a lock of the program's, which a thread may have while it records for the first time.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::Duration;

thread_local! {
    static DEPTH: Cell<bool> = const { Cell::new(false) };
}

static TURNED_AWAY: AtomicU64 = AtomicU64::new(0);

/// While it lives, this thread is in the registry or in the allocation of a cell.
pub(crate) struct Busy(());

/// `None` when the thread is there already: then a recording is lost, and counted.
pub(crate) fn enter() -> Option<Busy> {
    let entered = try_enter();
    if entered.is_none() {
        turn_away();
    }
    entered
}

/// Enters without counting a refusal: for calls that are no recording, or are recorded all the same.
pub(crate) fn try_enter() -> Option<Busy> {
    // Made only where it was not there: dropped, it says that the thread has left.
    DEPTH.with(|busy| (!busy.replace(true)).then(|| Busy(())))
}

/// Returns whether the thread is in the registry, or in an allocation of ours.
pub(crate) fn is_busy() -> bool {
    DEPTH.get()
}

/// Our own code that allocates while it holds a lock that recordings take: whatever records meanwhile is turned away. Nests.
pub(crate) struct Section {
    was: bool,
}

pub(crate) fn section() -> Section {
    Section { was: DEPTH.replace(true) }
}

impl Drop for Section {
    fn drop(&mut self) {
        DEPTH.set(self.was);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        DEPTH.with(|busy| busy.set(false));
    }
}

/// Counts a recording that is turned away.
pub(crate) fn turn_away() {
    TURNED_AWAY.fetch_add(1, Relaxed);
}

/// How many recordings were turned away.
pub(crate) fn turned_away() -> u64 {
    TURNED_AWAY.load(Relaxed)
}

/// A fork holds our locks.
static FORKING: AtomicBool = AtomicBool::new(false);
/// How long a recording waits for a fork, in milliseconds. Most take less.
const PATIENCE: u32 = 100;

/// Says whether a fork begins, or has ended.
#[cfg(unix)]
pub(crate) fn fork_is_on(is_on: bool) {
    FORKING.store(is_on, Release);
}

/// Locks a mutex that a fork holds for as long as it takes, for a recording. `None`: the fork waits for something, perhaps for this thread.
pub(crate) fn lock_in_time<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    let (mut tries, mut waited) = (0, 0);
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if waited == PATIENCE => return None,
            Err(TryLockError::WouldBlock) => {}
        }
        // Others hold it for some microseconds.
        tries += 1;
        if tries < 100 {
            thread::yield_now();
            continue;
        }
        thread::sleep(Duration::from_millis(1));
        if FORKING.load(Acquire) {
            waited += 1;
        }
    }
}
