//! Which slab a thread writes: one of its own, leased from the pool while there is one to be had, or the shared one.
//!
//! The pool hands slabs to threads, and those of threads that ended, with their values, to new ones. Totals are sums over all slabs, so nothing
//! has to be folded when a thread ends. The hand-over releases and acquires, which orders the last write of the old owner before the first of the new
//! one.
//!
//! The thread's own slab is found with one load and no test: a thread that has none points to a slab in which nothing is ever found.

use crate::storage::slab::Slab;
use crate::sync::Ordering::*;
use crate::sync::{AtomicPtr, Mutex, MutexGuard, const_unless_loom, lock, replace};
use std::ptr;

#[cfg(not(ferrometer_loom))]
pub use lease::cell_bytes;
#[cfg(not(ferrometer_loom))]
pub(crate) use lease::*;

/// The slabs, and those that no thread has.
pub(crate) struct Lists {
    all: Vec<&'static Slab>,
    free: Vec<&'static Slab>,
}

/// Every slab that was ever handed to a thread.
pub(crate) struct Slabs {
    lists: Mutex<Lists>,
    /// The slab that a thread left last, and through it those before. A thread that ends waits for no lock: a fork may hold that.
    left: AtomicPtr<Slab>,
}

impl Slabs {
    const_unless_loom! {
        pub(crate) fn new() -> Slabs {
            Slabs { lists: Mutex::new(Lists { all: Vec::new(), free: Vec::new() }), left: AtomicPtr::new(ptr::null_mut()) }
        }
    }

    /// The lists, for [`acquire`](Slabs::acquire) and for `fork`, which locks out hand-overs.
    pub(crate) fn lists(&self) -> &Mutex<Lists> {
        &self.lists
    }

    /// A slab for the calling thread: one that a thread left behind, or a new one while there are fewer than `max`.
    pub(crate) fn acquire(
        &self,
        mut lists: MutexGuard<'_, Lists>,
        max: usize,
        make: impl FnOnce() -> Option<&'static Slab>,
    ) -> Option<&'static Slab> {
        let mut left = self.left.swap(ptr::null_mut(), Acquire);
        // SAFETY: null, or a `&'static Slab` that `release` put here.
        while let Some(slab) = unsafe { left.as_ref() } {
            left = slab.next().load(Relaxed);
            lists.free.push(slab);
        }
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
        loop {
            let last = self.left.load(Relaxed);
            slab.next().store(last, Relaxed);
            if replace(&self.left, last, ptr::from_ref(slab).cast_mut()).is_ok() {
                return;
            }
        }
    }

    /// Every slab, for the collector.
    pub(crate) fn all(&self) -> Vec<&'static Slab> {
        lock(&self.lists).all.clone()
    }
}

/// The lease of this thread. It uses statics and thread-locals, which the model checker cannot track.
#[cfg(not(ferrometer_loom))]
mod lease {
    use super::Slabs;
    use crate::registry::limits;
    use crate::storage::cell_address::FAR;
    use crate::storage::histogram_cell::Dist;
    use crate::storage::slab::Budget;
    use crate::storage::slab::Slab;
    use crate::sync::{boxed_zero, reentrancy};
    use std::cell::Cell;
    use std::ptr;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    static SLABS: Slabs = Slabs::new();
    /// That of the threads that have none of their own.
    static SHARED: Slab = Slab::new();
    /// A slab in which nothing is ever found.
    static SENTINEL_SLAB: Slab = Slab::new();
    static CELL_BYTES: AtomicUsize = AtomicUsize::new(0);

    thread_local! {
        /// This thread's slab; [`SENTINEL_SLAB`]: none yet, none to be had, a capture scope is in force, or the thread is ending. Without a
        /// destructor, so that reading it is one load and works until the last instruction of the thread.
        static SLAB: Cell<&'static Slab> = const { Cell::new(&SENTINEL_SLAB) };
        /// The cached distributions of this thread's slab, so that a recording finds its cell with one load: the first by slot, as soon
        /// as they have been recorded into. Empty without a slab, in a capture scope, and while the thread is ending.
        static NEAR: [Cell<Option<Dist<'static>>>; FAR as usize + 1] = const { [const { Cell::new(None) }; FAR as usize + 1] };
        /// Recordings left before a thread that was refused a slab asks again, and one more; 0: it never asked.
        static REFUSED: Cell<u32> = const { Cell::new(0) };
        /// Gives the slab back when the thread ends.
        static LEASE: Lease = const { Lease(Cell::new(None)) };
    }

    struct Lease(Cell<Option<&'static Slab>>);

    impl Drop for Lease {
        fn drop(&mut self) {
            SLAB.set(&SENTINEL_SLAB);
            nothing_near();
            if let Some(slab) = self.0.take() {
                SLABS.release(slab);
            }
        }
    }

    /// This thread's own slab, or one in which nothing is found.
    #[inline(always)]
    pub(crate) fn slab() -> &'static Slab {
        SLAB.get()
    }

    /// Returns a cached cell of this thread's own slab. There is none at [`FAR`].
    #[inline(always)]
    pub(crate) fn cached_cell(place: u8) -> Option<Dist<'static>> {
        NEAR.with(|near| near[usize::from(place)].get())
    }

    /// Caches a cell of this thread's own slab.
    pub(crate) fn cache_cell(place: u8, cell: Dist<'static>) {
        if place != FAR {
            NEAR.with(|near| near[usize::from(place)].set(Some(cell)));
        }
    }

    fn nothing_near() {
        NEAR.with(|near| near.iter().for_each(|place| place.set(None)));
    }

    /// Puts the thread's slab and its cached cells aside, for a capture scope: the switch says in general that a scope is in force, but not in a
    /// child of the process that entered it. The first recording after it takes the slab back from the lease.
    pub(crate) fn put_slab_aside() {
        SLAB.set(&SENTINEL_SLAB);
        nothing_near();
        REFUSED.set(0);
    }

    /// The memory of cells, against the limit of the configuration.
    pub(crate) struct Cells;

    impl Budget for Cells {
        fn take(&self, bytes: usize) -> bool {
            let max = limits::current().max_cell_bytes;
            let taken = CELL_BYTES.fetch_update(Relaxed, Relaxed, |now| now.checked_add(bytes).filter(|n| *n <= max));
            taken.is_ok()
        }
    }

    /// The shared slab's memory is bounded by the number of series alone.
    pub(crate) struct Unlimited;

    impl Budget for Unlimited {
        fn take(&self, _: usize) -> bool {
            true
        }
    }

    /// Bytes taken by the cells of threads so far, of [`Limits::max_cell_bytes`](crate::Limits::max_cell_bytes).
    #[must_use]
    pub fn cell_bytes() -> usize {
        CELL_BYTES.load(Relaxed)
    }

    /// Every slab a recording can be in.
    pub(crate) fn slabs() -> Vec<&'static Slab> {
        let _busy = reentrancy::section();
        let mut all = SLABS.all();
        all.push(&SHARED);
        all
    }

    /// The slab of threads that have none of their own.
    pub(crate) fn shared() -> &'static Slab {
        &SHARED
    }

    /// This thread's slab, leased if there is one to be had.
    pub(crate) fn own_slab() -> Option<&'static Slab> {
        if !ptr::eq(slab(), &SENTINEL_SLAB) {
            return Some(slab());
        }
        let left = REFUSED.get();
        if left > 1 {
            REFUSED.set(left - 1);
            return None;
        }
        // An error: the thread-local destructors have run, and nobody would give the slab back.
        let leased = LEASE.try_with(|lease| {
            // Put aside while a capture scope was in force.
            if let Some(slab) = lease.0.get() {
                return Some(slab);
            }
            let series = limits::current().max_instruments.saturating_add(limits::RESERVED);
            let make = || Cells.take(Slab::bytes(series)).then(|| &*Box::leak(boxed_zero::<Slab>()));
            // A fork holds the lock for as long as it takes. Only the first recording of a thread waits for it, and not for long.
            let lists = match left {
                0 => reentrancy::lock_in_time(SLABS.lists()),
                _ => SLABS.lists().try_lock().ok(),
            };
            let slab = SLABS.acquire(lists?, limits::current().max_threads, make)?;
            lease.0.set(Some(slab));
            Some(slab)
        });
        match leased {
            Ok(Some(slab)) => {
                SLAB.set(slab);
                Some(slab)
            }
            _ => {
                REFUSED.set(1001);
                None
            }
        }
    }

    /// Locks out hand-overs while the guard lives: for `fork`.
    #[cfg(unix)]
    pub(crate) fn freeze() -> impl Sized {
        crate::sync::lock(SLABS.lists())
    }
}
