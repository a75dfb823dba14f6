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

/// `None` when the thread is there already.
pub(crate) fn enter() -> Option<Busy> {
    DEPTH.with(|busy| {
        if busy.replace(true) {
            TURNED_AWAY.fetch_add(1, Relaxed);
            return None;
        }
        Some(Busy(()))
    })
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

/// How many calls were turned away.
pub(crate) fn turned_away() -> u64 {
    TURNED_AWAY.load(Relaxed)
}
