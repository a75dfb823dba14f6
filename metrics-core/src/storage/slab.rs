//! The memory recordings are written to: a slab of cells for each thread.
//!
//! A slab is a table of chunks, a chunk an array of cells; a series' slot says which cell of each slab is its own. Most recordings are increments
//! by one. They have their own array (`unit_counts`), so that one is a single addition.
//! One thread writes a slab (load, add, store: no locked instruction, no shared cache line), the collector reads all.
//! Chunks are allocated at the first recording and live as long as the slab, so a reference into one stays
//! valid while the slab does. The *shared* slab serves threads that have none of their own, with atomic additions.
//!
//! All cells of counters and timers only grow, and start at zero.

use crate::storage::bucket::Scheme;
use crate::storage::cell_address::{CHUNK, CellAddress, DIST_CHUNKS, MAX_DISTRIBUTIONS, MAX_SCALARS, SCALAR_CHUNKS};
use crate::storage::histogram_cell::{Dist, DistCell, OwnDist};
use crate::storage::sample_ring::Ring;
use crate::storage::scalar_cell::ScalarCell;
use crate::sync::Ordering::*;
use crate::sync::publish_once;
use crate::sync::{AtomicPtr, AtomicU64, Zero, boxed_zero, const_unless_loom, nulls, replace};
use std::ptr::{self, NonNull};

/// One thread's recordings of 1 into a counter, or settings of a gauge. Unsampled ones alone.
type UnitCountsChunk = [AtomicU64; CHUNK];
type ScalarChunk = [ScalarCell; CHUNK];
type DistChunk = [AtomicPtr<DistCell>; CHUNK];

/// Who allows the memory of cells. Asked on the cold path alone.
pub(crate) trait Budget {
    /// Takes `bytes` more. Returns `false` when they may not be allocated.
    fn take(&self, bytes: usize) -> bool;
}

/// The cells of one thread (or the shared ones).
pub(crate) struct Slab {
    ring: AtomicPtr<Ring>,
    unit_counts: [AtomicPtr<UnitCountsChunk>; SCALAR_CHUNKS],
    dists: [AtomicPtr<DistChunk>; DIST_CHUNKS],
    scalars: [AtomicPtr<ScalarChunk>; SCALAR_CHUNKS],
    /// The slab that another thread left before this one was left.
    next: AtomicPtr<Slab>,
}

// SAFETY: it is made of null pointers alone, whose bytes are 0.
unsafe impl Zero for Slab {
    #[cfg(ferrometer_loom)]
    fn zero() -> Slab {
        Slab::new()
    }
}

impl Slab {
    const_unless_loom! {
        pub(crate) fn new() -> Slab {
            Slab { ring: AtomicPtr::new(ptr::null_mut()), unit_counts: nulls(), dists: nulls(), scalars: nulls(), next: AtomicPtr::new(ptr::null_mut()) }
        }
    }

    /// The slab that was left before this one was.
    pub(crate) fn next(&self) -> &AtomicPtr<Slab> {
        &self.next
    }

    /// Returns the most memory that a slab without cells takes while there are `series` series, in bytes: the system gives the pages of a table when they
    /// are first written.
    #[cfg(not(ferrometer_loom))]
    pub(crate) fn bytes(series: usize) -> usize {
        const PAGE: usize = 4096;
        const TABLE: usize = SCALAR_CHUNKS * size_of::<AtomicPtr<ScalarChunk>>();
        let used = (series.div_ceil(CHUNK) * size_of::<AtomicPtr<ScalarChunk>>()).next_multiple_of(PAGE) + PAGE;
        size_of::<Slab>() - 2 * TABLE + 2 * used.min(TABLE)
    }

    /// The ones of a scalar series, if their chunk is there.
    #[inline(always)]
    pub(crate) fn unit_count(&self, place: CellAddress) -> Option<&AtomicU64> {
        self.unit_count_in(place.chunk(SCALAR_CHUNKS), place.cell())
    }

    /// Returns the ones of a scalar series by its slot, if their chunk is there.
    #[inline(always)]
    pub(crate) fn unit_count_of(&self, slot: u32) -> Option<&AtomicU64> {
        debug_assert!((slot as usize) < MAX_SCALARS);
        self.unit_count_in(slot as usize / CHUNK % SCALAR_CHUNKS, slot as usize % CHUNK)
    }

    #[inline(always)]
    fn unit_count_in(&self, chunk: usize, cell: usize) -> Option<&AtomicU64> {
        let chunk = self.unit_counts[chunk].load(Acquire);
        // SAFETY: a chunk pointer is null or was published by `publish` from a `Box`, with release order, and
        // is freed only by `Drop` of this slab, which `&self` outlives.
        let chunk = unsafe { chunk.as_ref() }?;
        Some(&chunk[cell])
    }

    /// The cell of a scalar series, if its chunk is there.
    #[inline(always)]
    pub(crate) fn scalar(&self, slot: u32) -> Option<&ScalarCell> {
        let slot = slot as usize;
        debug_assert!(slot < MAX_SCALARS);
        let chunk = self.scalars[slot / CHUNK % SCALAR_CHUNKS].load(Acquire);
        // SAFETY: as in `unit_count`.
        let chunk = unsafe { chunk.as_ref() }?;
        Some(&chunk[slot % CHUNK])
    }

    /// The ones of all series of a chunk, if it is there.
    #[cfg(not(ferrometer_loom))]
    pub(crate) fn unit_counts_of_chunk(&self, chunk: usize) -> Option<&[AtomicU64; CHUNK]> {
        let chunk = self.unit_counts.get(chunk)?.load(Acquire);
        // SAFETY: as in `unit_count`.
        unsafe { chunk.as_ref() }
    }

    /// The cells of all scalar series of a chunk, if it is there.
    #[cfg(not(ferrometer_loom))]
    pub(crate) fn scalars_of_chunk(&self, chunk: usize) -> Option<&[ScalarCell; CHUNK]> {
        let chunk = self.scalars.get(chunk)?.load(Acquire);
        // SAFETY: as in `unit_count`.
        unsafe { chunk.as_ref() }
    }

    /// The cell of a distribution, if it is there.
    #[inline(always)]
    pub(crate) fn dist(&self, place: CellAddress) -> Option<Dist<'_>> {
        self.dist_in(place.chunk(DIST_CHUNKS), place.cell())
    }

    /// Returns the cell of a distribution by its slot, if it is there.
    #[inline(always)]
    pub(crate) fn dist_of(&self, slot: u32) -> Option<Dist<'_>> {
        debug_assert!((slot as usize) < MAX_DISTRIBUTIONS);
        self.dist_in(slot as usize / CHUNK % DIST_CHUNKS, slot as usize % CHUNK)
    }

    #[inline(always)]
    fn dist_in(&self, chunk: usize, cell: usize) -> Option<Dist<'_>> {
        let chunk = self.dists[chunk].load(Acquire);
        // SAFETY: as in `unit_count`.
        let chunk = unsafe { chunk.as_ref() }?;
        let cell = NonNull::new(chunk[cell].load(Acquire))?;
        // SAFETY: as in `unit_count`; the pointer was published from an `OwnDist`.
        Some(unsafe { Dist::from_raw(cell) })
    }

    /// The ring of single values, if this thread has one.
    #[inline(always)]
    pub(crate) fn ring(&self) -> Option<&Ring> {
        // SAFETY: as in `unit_count`.
        unsafe { self.ring.load(Acquire).as_ref() }
    }

    /// The ones of a scalar series, allocated if need be; `None` when the budget refuses.
    pub(crate) fn ensure_unit_count(&self, slot: u32, budget: &impl Budget) -> Option<&AtomicU64> {
        if slot as usize >= MAX_SCALARS {
            return None;
        }
        if self.unit_count(CellAddress::scalar(slot)).is_none() {
            self.make_unit_counts(slot, budget)?;
        }
        self.unit_count(CellAddress::scalar(slot))
    }

    /// Makes the chunk of a slot's ones: apart, so that the many who find it there save no registers for the one who does not.
    #[cold]
    #[inline(never)]
    fn make_unit_counts(&self, slot: u32, budget: &impl Budget) -> Option<()> {
        let place = self.unit_counts.get(slot as usize / CHUNK)?;
        if !budget.take(size_of::<UnitCountsChunk>()) {
            return None;
        }
        publish(place, boxed_zero::<UnitCountsChunk>());
        Some(())
    }

    /// The cell of a scalar series, allocated if need be; `None` when the budget refuses.
    pub(crate) fn ensure_scalar(&self, slot: u32, budget: &impl Budget) -> Option<&ScalarCell> {
        if slot as usize >= MAX_SCALARS {
            return None;
        }
        if self.scalar(slot).is_none() {
            let place = self.scalars.get(slot as usize / CHUNK)?;
            if !budget.take(size_of::<ScalarChunk>()) {
                return None;
            }
            publish(place, boxed_zero::<ScalarChunk>());
        }
        self.scalar(slot)
    }

    /// The cell of a distribution, allocated if need be; `None` when the budget refuses.
    pub(crate) fn ensure_dist(&self, slot: u32, scheme: Scheme, budget: &impl Budget) -> Option<Dist<'_>> {
        if slot as usize >= MAX_DISTRIBUTIONS {
            return None;
        }
        if self.dist_of(slot).is_none() {
            let place = self.dists.get(slot as usize / CHUNK)?;
            if place.load(Acquire).is_null() {
                if !budget.take(size_of::<DistChunk>()) {
                    return None;
                }
                publish(place, boxed_zero::<DistChunk>());
            }
            #[cfg(not(ferrometer_loom))]
            if !budget.take(OwnDist::bytes(scheme)) {
                return None;
            }
            // SAFETY: as in `unit_count`; `publish` left the place set.
            let chunk = unsafe { place.load(Acquire).as_ref() }?;
            let (place, new) = (&chunk[slot as usize % CHUNK], OwnDist::new(scheme).into_raw());
            if replace(place, ptr::null_mut(), new).is_err() {
                // SAFETY: it came from `into_raw`, is not null, and nobody else has seen it.
                drop(unsafe { OwnDist::from_raw(NonNull::new_unchecked(new)) });
            }
        }
        self.dist_of(slot)
    }

    /// Gives the slab its ring, unless it has one.
    pub(crate) fn ensure_ring(&self, make: impl FnOnce() -> Ring) -> &Ring {
        if self.ring().is_none() {
            publish(&self.ring, Box::new(make()));
        }
        self.ring().expect("publish left a ring")
    }
}

/// Puts a new value in a place that was empty when looked at. When another thread was faster (only the shared slab has
/// several), its value stays and ours is freed.
fn publish<T>(place: &AtomicPtr<T>, value: Box<T>) {
    publish_once::publish_boxed(place, ptr::null_mut(), value);
}

/// Takes the box back out of a place.
#[cfg(any(test, ferrometer_loom))]
fn reclaim<T>(place: &AtomicPtr<T>) -> Option<Box<T>> {
    let old = place.swap(ptr::null_mut(), AcqRel);
    // SAFETY: a non-null pointer came from `Box::into_raw` in `publish_once::publish`; the swap made us its only owner, and the caller
    // has exclusive access to the slab, so no reference into it is alive.
    (!old.is_null()).then(|| unsafe { Box::from_raw(old) })
}

/// Only tests have a slab that ends: those of a program are there for as long as it runs.
#[cfg(any(test, ferrometer_loom))]
impl Drop for Slab {
    fn drop(&mut self) {
        for place in &self.unit_counts {
            drop(reclaim(place));
        }
        for place in &self.scalars {
            drop(reclaim(place));
        }
        for place in &self.dists {
            let Some(chunk) = reclaim(place) else { continue };
            for place in chunk.iter() {
                if let Some(cell) = NonNull::new(place.swap(ptr::null_mut(), AcqRel)) {
                    // SAFETY: published in `ensure_dist` from `into_raw`; as in `reclaim`, the swap made us its only owner.
                    drop(unsafe { OwnDist::from_raw(cell) });
                }
            }
        }
        drop(reclaim(&self.ring));
    }
}

#[cfg(all(test, not(ferrometer_loom)))]
mod tests {
    use super::*;
    use crate::storage::scalar_cell::Writer;

    struct Bytes(std::cell::Cell<usize>);
    impl Budget for Bytes {
        fn take(&self, bytes: usize) -> bool {
            let ok = self.0.get() >= bytes;
            if ok {
                self.0.set(self.0.get() - bytes);
            }
            ok
        }
    }

    #[test]
    fn cells_keep_their_sums_and_refuse_past_the_budget() {
        let slab = Slab::new();
        let budget = Bytes(std::cell::Cell::new(size_of::<ScalarChunk>()));
        let cell = slab.ensure_scalar(5, &budget).unwrap();
        cell.count(7, Writer::Single);
        cell.count(-3, Writer::Shared);
        let cell = slab.scalar(5).unwrap();
        assert_eq!((cell.inc.load(Relaxed), cell.dec.load(Relaxed), cell.calls.load(Relaxed)), (7, 3, 2));
        assert!(slab.ensure_scalar(CHUNK as u32, &budget).is_none());
        assert!(slab.ensure_scalar(u32::MAX, &budget).is_none());
        assert!(slab.ensure_dist(0, Scheme::Nanos, &budget).is_none());
    }
}
