//! Re-entrance: a global allocator that records metrics calls us while we allocate, holding our locks. The inner call finds
//! the thread busy and is turned away, counted, instead of waiting for itself for ever.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
        TURNED_AWAY.fetch_add(1, Relaxed);
    }
    entered
}

/// Enters without counting a refusal: for calls that are no recording, or are recorded all the same.
pub(crate) fn try_enter() -> Option<Busy> {
    // Made only where it was not there: dropped, it says that the thread has left.
    DEPTH.with(|busy| (!busy.replace(true)).then(|| Busy(())))
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

/// How many recordings were turned away.
pub(crate) fn turned_away() -> u64 {
    TURNED_AWAY.load(Relaxed)
}
