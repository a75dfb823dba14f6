//! The memory recordings are written to: a slab of cells for each thread.
//!
//! A slab is a table of chunks, a chunk an array of cells; a series' slot says which cell of each slab is its own. What most
//! recordings are, one more of something, is one word of its own (*ones*): a recording is then a single addition.
//! One thread writes a slab (load, add, store: no locked instruction, no shared cache line), the collector reads all.
//! Chunks are allocated at the first recording and live as long as the slab, so a reference into one stays
//! valid while the slab does. The *shared* slab serves threads that have none of their own, with atomic additions.
//!
//! All cells of counters and timers only grow, and start at zero.

use crate::bucket::Scheme;
use crate::first;
use crate::ring::Ring;
use crate::sync::{AtomicPtr, AtomicU64, Ordering::*, Zero, boxed_zero, const_unless_loom, nulls, replace};
use std::ptr::{self, NonNull};

mod dist;
pub(crate) use dist::{Dist, DistCell, OwnDist};

// Under the model checker every atomic is tracked, so the tables are tiny there.
#[cfg(loom)]
mod size {
    pub(crate) const CHUNK: usize = 2;
    pub(crate) const SCALAR_CHUNKS: usize = 2;
    pub(crate) const DIST_CHUNKS: usize = 2;
}
#[cfg(not(loom))]
mod size {
    pub(crate) const CHUNK: usize = 128;
    pub(crate) const SCALAR_CHUNKS: usize = 1024;
    pub(crate) const DIST_CHUNKS: usize = 128;
}
pub(crate) use size::CHUNK;
use size::{DIST_CHUNKS, SCALAR_CHUNKS};

/// The most counters, gauges and in-flight counts there can be, rates and label sets counted. The last chunk of a table is
/// never made: see [`Place::NONE`].
pub(crate) const MAX_SCALARS: usize = CHUNK * (SCALAR_CHUNKS - 1);
/// The most timers and histograms there can be, rates and label sets counted.
pub(crate) const MAX_DISTRIBUTIONS: usize = CHUNK * (DIST_CHUNKS - 1);

/// No near place; so is that of [`Place::NONE`].
pub(crate) const FAR: u8 = u8::MAX;
/// Where the near place stands: above the cell's number, and below the chunk's.
const NEAR: u32 = 8;
const _: () = assert!(CHUNK <= 1 << NEAR && bits(SCALAR_CHUNKS) <= u32::BITS - 2 * NEAR);

/// Where a cell is: the number of its chunk in the upper bits and of the cell in the chunk in the lower, so that a recording
/// gets both with a shift and a mask, and no check of bounds. Between them, in a byte of its own, stands which of the [near] ones it is.
///
/// [near]: Place::near
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place(pub(crate) u32);

impl Place {
    /// In the chunk that is never made: whatever is looked up there is not found, and the cold path finds out why.
    pub(crate) const NONE: Place = Place(u32::MAX);

    /// No place either, with a byte where another has the number of its cell.
    pub(crate) const fn none_with(byte: u8) -> Place {
        Place(Place::NONE.0 << NEAR | byte as u32)
    }

    const fn of(slot: u32, chunks: usize) -> Place {
        let (chunk, cell) = (slot as usize / CHUNK, slot as usize % CHUNK);
        if chunk + 1 >= chunks {
            return Place::NONE;
        }
        let near = if slot < FAR as u32 { slot } else { FAR as u32 };
        Place((chunk as u32) << (u32::BITS - bits(chunks)) | near << NEAR | cell as u32)
    }

    /// Of a counter, gauge or in-flight count.
    pub(crate) const fn scalar(slot: u32) -> Place {
        Place::of(slot, SCALAR_CHUNKS)
    }

    /// Of a timer or histogram.
    pub(crate) const fn dist(slot: u32) -> Place {
        Place::of(slot, DIST_CHUNKS)
    }

    /// The slot, if it is one of the first; else [`FAR`].
    #[inline(always)]
    pub(crate) fn near(self) -> u8 {
        (self.0 >> NEAR) as u8
    }

    #[inline(always)]
    fn chunk(self, chunks: usize) -> usize {
        // The numbers of chunks are powers of two, so the remainder is no operation; it says so to the compiler.
        (self.0 >> (u32::BITS - bits(chunks))) as usize % chunks
    }

    #[inline(always)]
    fn cell(self) -> usize {
        self.0 as usize % CHUNK
    }
}

/// The bits that a number below `n` takes. Inline, so that it is a number in a build too that inlines nothing of itself between crates, as an
/// incremental one does.
#[inline(always)]
const fn bits(n: usize) -> u32 {
    n.next_power_of_two().trailing_zeros()
}

/// One thread's part of a counter, in-flight count or gauge: what is not in its *ones*.
#[repr(align(32))]
pub(crate) struct ScalarCell {
    /// Sum of increments; unused by gauges.
    pub(crate) inc: AtomicU64,
    /// Sum of decrements, as a positive number; unused by gauges.
    pub(crate) dec: AtomicU64,
    /// How many recordings.
    pub(crate) calls: AtomicU64,
}

/// How a cell is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Writer {
    /// By its owner alone: plain loads and stores.
    Single,
    /// By any thread: atomic read-modify-write.
    Shared,
}

#[inline(always)]
pub(crate) fn add(cell: &AtomicU64, n: u64, writer: Writer) {
    match writer {
        // Sums wrap by design: 2^63 is the promised range, and an overflow check has no place here.
        Writer::Single => cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed),
        Writer::Shared => {
            cell.fetch_add(n, Relaxed);
        }
    }
}

/// One more in a word of *ones*: released, so that whoever sees it sees what was stored before.
#[inline(always)]
pub(crate) fn one_more(ones: &AtomicU64) {
    ones.store(ones.load(Relaxed).wrapping_add(1), Release);
}

// SAFETY: it is atomics, and bytes that nobody reads.
unsafe impl Zero for ScalarCell {
    #[cfg(loom)]
    fn zero() -> Self {
        ScalarCell { inc: Zero::zero(), dec: Zero::zero(), calls: Zero::zero() }
    }
}

impl ScalarCell {
    /// Adds to a counter or an in-flight count.
    #[inline(always)]
    pub(crate) fn count(&self, value: i64, writer: Writer) {
        if value >= 0 {
            add(&self.inc, value as u64, writer);
        } else {
            add(&self.dec, value.unsigned_abs(), writer);
        }
        self.called(writer);
    }

    /// One more recording: last, and released, so that whoever sees the count sees the value.
    #[inline(always)]
    pub(crate) fn called(&self, writer: Writer) {
        match writer {
            Writer::Single => self.calls.store(self.calls.load(Relaxed).wrapping_add(1), Release),
            Writer::Shared => {
                self.calls.fetch_add(1, Release);
            }
        }
    }
}

/// Compare-and-swap on a float kept as bits; `next` gives the new value, or `None` to leave it.
pub(crate) fn float_update(cell: &AtomicU64, mut next: impl FnMut(f64) -> Option<f64>) {
    let mut now = cell.load(Relaxed);
    while let Some(new) = next(f64::from_bits(now)) {
        match cell.compare_exchange_weak(now, new.to_bits(), Relaxed, Relaxed) {
            Ok(_) => return,
            Err(seen) => now = seen,
        }
    }
}

/// One thread's recordings of 1 into a counter, or settings of a gauge. Unsampled ones alone.
type OnesChunk = [AtomicU64; CHUNK];
type ScalarChunk = [ScalarCell; CHUNK];
type DistChunk = [AtomicPtr<DistCell>; CHUNK];

/// Who allows the memory of cells. Asked on the cold path alone.
pub(crate) trait Budget {
    /// Whether `bytes` more may be allocated; if so they are taken.
    fn take(&self, bytes: usize) -> bool;
}

/// The cells of one thread (or the shared ones).
pub(crate) struct Slab {
    ring: AtomicPtr<Ring>,
    ones: [AtomicPtr<OnesChunk>; SCALAR_CHUNKS],
    dists: [AtomicPtr<DistChunk>; DIST_CHUNKS],
    scalars: [AtomicPtr<ScalarChunk>; SCALAR_CHUNKS],
}

impl Slab {
    const_unless_loom! {
        pub(crate) fn new() -> Slab {
            Slab { ring: AtomicPtr::new(ptr::null_mut()), ones: nulls(), dists: nulls(), scalars: nulls() }
        }
    }

    /// The memory of an empty slab, in bytes.
    #[cfg(not(loom))]
    pub(crate) fn bytes() -> usize {
        size_of::<Slab>()
    }

    /// The ones of a scalar series, if their chunk is there.
    #[inline(always)]
    pub(crate) fn ones(&self, place: Place) -> Option<&AtomicU64> {
        let chunk = self.ones[place.chunk(SCALAR_CHUNKS)].load(Acquire);
        // SAFETY: a chunk pointer is null or was published by `publish` from a `Box`, with release order, and
        // is freed only by `Drop` of this slab, which `&self` outlives.
        let chunk = unsafe { chunk.as_ref() }?;
        Some(&chunk[place.cell()])
    }

    /// The cell of a scalar series, if its chunk is there.
    #[inline(always)]
    pub(crate) fn scalar(&self, slot: u32) -> Option<&ScalarCell> {
        let slot = slot as usize;
        debug_assert!(slot < MAX_SCALARS);
        let chunk = self.scalars[slot / CHUNK % SCALAR_CHUNKS].load(Acquire);
        // SAFETY: as in `ones`.
        let chunk = unsafe { chunk.as_ref() }?;
        Some(&chunk[slot % CHUNK])
    }

    /// The ones of all series of a chunk, if it is there.
    #[cfg(not(loom))]
    pub(crate) fn ones_of_chunk(&self, chunk: usize) -> Option<&[AtomicU64; CHUNK]> {
        let chunk = self.ones.get(chunk)?.load(Acquire);
        // SAFETY: as in `ones`.
        unsafe { chunk.as_ref() }
    }

    /// The cells of all scalar series of a chunk, if it is there.
    #[cfg(not(loom))]
    pub(crate) fn scalars_of_chunk(&self, chunk: usize) -> Option<&[ScalarCell; CHUNK]> {
        let chunk = self.scalars.get(chunk)?.load(Acquire);
        // SAFETY: as in `ones`.
        unsafe { chunk.as_ref() }
    }

    /// The cell of a distribution, if it is there.
    #[inline(always)]
    pub(crate) fn dist(&self, place: Place) -> Option<Dist<'_>> {
        self.dist_in(place.chunk(DIST_CHUNKS), place.cell())
    }

    /// The same, by its slot.
    #[inline(always)]
    pub(crate) fn dist_of(&self, slot: u32) -> Option<Dist<'_>> {
        debug_assert!((slot as usize) < MAX_DISTRIBUTIONS);
        self.dist_in(slot as usize / CHUNK % DIST_CHUNKS, slot as usize % CHUNK)
    }

    #[inline(always)]
    fn dist_in(&self, chunk: usize, cell: usize) -> Option<Dist<'_>> {
        let chunk = self.dists[chunk].load(Acquire);
        // SAFETY: as in `ones`.
        let chunk = unsafe { chunk.as_ref() }?;
        let cell = NonNull::new(chunk[cell].load(Acquire))?;
        // SAFETY: as in `ones`; the pointer was published from an `OwnDist`.
        Some(unsafe { Dist::from_raw(cell) })
    }

    /// The ring of single values, if this thread has one.
    #[inline(always)]
    pub(crate) fn ring(&self) -> Option<&Ring> {
        // SAFETY: as in `ones`.
        unsafe { self.ring.load(Acquire).as_ref() }
    }

    /// The ones of a scalar series, allocated if need be; `None` when the budget refuses.
    pub(crate) fn ensure_ones(&self, slot: u32, budget: &impl Budget) -> Option<&AtomicU64> {
        if slot as usize >= MAX_SCALARS {
            return None;
        }
        if self.ones(Place::scalar(slot)).is_none() {
            let place = self.ones.get(slot as usize / CHUNK)?;
            if !budget.take(size_of::<OnesChunk>()) {
                return None;
            }
            publish(place, boxed_zero::<OnesChunk>());
        }
        self.ones(Place::scalar(slot))
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
            #[cfg(not(loom))]
            if !budget.take(OwnDist::bytes(scheme)) {
                return None;
            }
            // SAFETY: as in `ones`; `publish` left the place set.
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
    first::publish_boxed(place, ptr::null_mut(), value);
}

/// Takes the box back out of a place.
fn reclaim<T>(place: &AtomicPtr<T>) -> Option<Box<T>> {
    let old = place.swap(ptr::null_mut(), AcqRel);
    // SAFETY: a non-null pointer came from `Box::into_raw` in `first::publish`; the swap made us its only owner, and the caller
    // has exclusive access to the slab, so no reference into it is alive.
    (!old.is_null()).then(|| unsafe { Box::from_raw(old) })
}

impl Drop for Slab {
    fn drop(&mut self) {
        for place in &self.ones {
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

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
