//! Whose slab is whose: hands slabs to threads, and those of threads that ended, with their values, to new ones.
//!
//! Totals are sums over all slabs, so nothing has to be folded when a thread ends. The hand-over goes through
//! the list's lock, which orders the last write of the old owner before the first of the new one.

use crate::cells::Slab;
use crate::sync::{Mutex, const_unless_loom, lock};

struct Lists {
    all: Vec<&'static Slab>,
    free: Vec<&'static Slab>,
}

/// Every slab that was ever handed to a thread.
pub(crate) struct Slabs {
    lists: Mutex<Lists>,
}

impl Slabs {
    const_unless_loom! {
        pub(crate) fn new() -> Slabs {
            Slabs { lists: Mutex::new(Lists { all: Vec::new(), free: Vec::new() }) }
        }
    }

    /// A slab for the calling thread: one that a thread left behind, or a new one while there are fewer than `max`.
    pub(crate) fn acquire(&self, max: usize, make: impl FnOnce() -> Option<&'static Slab>) -> Option<&'static Slab> {
        let mut lists = lock(&self.lists);
        if let Some(slab) = lists.free.pop() {
            return Some(slab);
        }
        if lists.all.len() >= max {
            return None;
        }
        let slab = make()?;
        lists.all.push(slab);
        Some(slab)
    }

    /// Takes back the slab of a thread that ends.
    pub(crate) fn release(&self, slab: &'static Slab) {
        lock(&self.lists).free.push(slab);
    }

    /// Every slab, for the collector.
    pub(crate) fn all(&self) -> Vec<&'static Slab> {
        lock(&self.lists).all.clone()
    }

    /// Locks out hand-overs while the guard lives.
    #[cfg(not(loom))]
    pub(crate) fn freeze(&self) -> impl Sized + '_ {
        lock(&self.lists)
    }
}
