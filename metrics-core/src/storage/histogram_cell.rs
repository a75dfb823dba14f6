//! One thread's part of a timer or histogram: a sum, a maximum, and behind them the buckets, all in one allocation, so that a recording
//! needs no further pointer. A timer has fewer buckets than a histogram; every cell has those of a timer at least.
//!
//! A quarter of the file are its tests; hence the length.

use crate::storage::bucket::{
    Scheme, SubSecond, float_index, is_huge, nanos_index, normal_float_index, unbounded_nanos_index,
};
use crate::storage::scalar_cell::{Writer, add, float_update};
use crate::sync::Ordering::*;
#[cfg(ferrometer_loom)]
use crate::sync::zeros;
use crate::sync::{AtomicU64, Zero, boxed_zero};
use std::marker::PhantomData;
use std::mem;
use std::ptr::NonNull;
use std::slice;

// Under the model checker every atomic is tracked, so there are few.
const NANOS: usize = if cfg!(ferrometer_loom) { 2 } else { Scheme::Nanos.len() };
const FLOATS: usize = if cfg!(ferrometer_loom) { 2 } else { Scheme::Float.len() };

/// The number of a bucket; of one of the few that there are under the model checker.
#[inline(always)]
const fn few(index: usize) -> usize {
    if cfg!(ferrometer_loom) { index % NANOS } else { index }
}

/// The target of a pointer to a cell. It may be the beginning of a [`Wide`] one, so only [`OwnDist`] and [`Dist`] handle it.
#[repr(C)]
pub(crate) struct DistCell {
    /// Whole nanoseconds. A histogram's stand in [`Wide`].
    sum: AtomicU64,
    /// Largest value; of a histogram, the bits of a float, and not valid before the first value.
    max: AtomicU64,
    scheme: Scheme,
    buckets: [AtomicU64; NANOS],
}

/// The cell of a histogram: its buckets go on where those of the cell end.
#[repr(C)]
struct Wide {
    cell: DistCell,
    more: [AtomicU64; FLOATS - NANOS],
    /// The bits of floats, which together are the sum: an addition of floats that waits for the one before takes longer than all else. The
    /// values of a bucket go to each in turn; see [`part`].
    sums: [AtomicU64; SUMS],
}

const SUMS: usize = 4;

const _: () = assert!(Scheme::Nanos as u8 == 0);

// SAFETY: it is made of atomics, and of a scheme of one byte, of which 0 is one.
unsafe impl Zero for DistCell {
    #[cfg(ferrometer_loom)]
    fn zero() -> DistCell {
        DistCell { sum: AtomicU64::new(0), max: AtomicU64::new(0), scheme: Scheme::Nanos, buckets: zeros() }
    }
}
// SAFETY: as above, and more atomics.
unsafe impl Zero for Wide {
    #[cfg(ferrometer_loom)]
    fn zero() -> Wide {
        Wide { cell: DistCell::zero(), more: zeros(), sums: zeros() }
    }
}

/// Returns the part of the sum for a value whose bucket had `count` before: each in turn. All huge ones go to the first, since parts that
/// cancel each other out may be past what a float holds, or hide all else, where the whole is neither.
fn part(value: f64, count: u64) -> usize {
    if is_huge(value) { 0 } else { count as usize % SUMS }
}

/// A cell's allocation.
pub(crate) struct OwnDist(NonNull<DistCell>);

// SAFETY: it owns its allocation, and what is in it is atomic or never changes.
unsafe impl Send for OwnDist {}
// SAFETY: as above.
unsafe impl Sync for OwnDist {}

impl OwnDist {
    pub(crate) fn new(scheme: Scheme) -> OwnDist {
        let max = if scheme == Scheme::Float { f64::NEG_INFINITY.to_bits() } else { 0 };
        // Made where it stays: it is larger than a small stack has room for.
        let raw: *mut DistCell = match scheme {
            Scheme::Nanos => Box::into_raw(boxed_zero::<DistCell>()),
            Scheme::Float => Box::into_raw(boxed_zero::<Wide>()).cast(),
        };
        // SAFETY: a box's pointer is not null, and nobody else has seen it. A wide cell begins with a cell.
        unsafe {
            (*raw).max = AtomicU64::new(max);
            (*raw).scheme = scheme;
            OwnDist(NonNull::new_unchecked(raw))
        }
    }

    #[cfg(not(ferrometer_loom))]
    pub(crate) fn bytes(scheme: Scheme) -> usize {
        match scheme {
            Scheme::Nanos => size_of::<DistCell>(),
            Scheme::Float => size_of::<Wide>(),
        }
    }

    pub(crate) fn get(&self) -> Dist<'_> {
        Dist(self.0, PhantomData)
    }

    pub(crate) fn into_raw(self) -> *mut DistCell {
        mem::ManuallyDrop::new(self).0.as_ptr()
    }

    /// # Safety
    ///
    /// The pointer came from [`into_raw`](Self::into_raw), and is nobody's else.
    pub(crate) unsafe fn from_raw(raw: NonNull<DistCell>) -> OwnDist {
        OwnDist(raw)
    }
}

impl Drop for OwnDist {
    fn drop(&mut self) {
        let raw = self.0.as_ptr();
        // SAFETY: made in `new`, from a box of the type that belongs to the scheme; no `Dist` outlives it.
        unsafe {
            match self.get().scheme() {
                Scheme::Nanos => drop(Box::from_raw(raw)),
                Scheme::Float => drop(Box::from_raw(raw.cast::<Wide>())),
            }
        }
    }
}

/// A cell that is there.
#[derive(Clone, Copy)]
pub(crate) struct Dist<'s>(NonNull<DistCell>, PhantomData<&'s DistCell>);

impl<'s> Dist<'s> {
    /// # Safety
    ///
    /// The pointer came from [`OwnDist::into_raw`], and the cell stays for as long as `'s`.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(raw: NonNull<DistCell>) -> Dist<'s> {
        Dist(raw, PhantomData)
    }

    #[inline(always)]
    fn cell(self) -> &'s DistCell {
        // SAFETY: a cell of either kind begins with this one, and lives for `'s`; what changes in it is atomic.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    pub(crate) fn scheme(self) -> Scheme {
        self.cell().scheme
    }

    /// The sum: whole nanoseconds, or the bits of a float.
    pub(crate) fn sum(self) -> u64 {
        match self.sums() {
            Some(sums) => sums.iter().map(|sum| f64::from_bits(sum.load(Relaxed))).sum::<f64>().to_bits(),
            None => self.cell().sum.load(Relaxed),
        }
    }

    /// The sums of a histogram.
    #[inline(always)]
    fn sums(self) -> Option<&'s [AtomicU64; SUMS]> {
        // SAFETY: a cell of this scheme was allocated as a `Wide`, and lives for `'s`.
        (self.scheme() == Scheme::Float).then(|| unsafe { &self.0.cast::<Wide>().as_ref().sums })
    }

    pub(crate) fn max(self) -> u64 {
        self.cell().max.load(Relaxed)
    }

    #[inline(always)]
    pub(crate) fn buckets(self) -> &'s [AtomicU64] {
        let len = match self.scheme() {
            Scheme::Nanos => NANOS,
            Scheme::Float => FLOATS,
        };
        // SAFETY: a cell of this scheme was allocated with `len` buckets in a row (`Wide`'s first are in its cell, which ends with
        // them and has their alignment), and lives for `'s`. The pointer is the allocation's own, not that of a reference to its beginning.
        unsafe { slice::from_raw_parts((&raw const (*self.0.as_ptr()).buckets).cast(), len) }
    }

    /// Records nanoseconds as the cell's owner, if it is a timer's: what nearly every recording of a timer is.
    #[inline(always)]
    pub(crate) fn record_sub_second(self, nanos: SubSecond) {
        let cell = self.cell();
        let index = few(nanos.index());
        // SAFETY: the index of what is brief is below the number of a timer's buckets, which every cell has.
        let bucket = unsafe { cell.buckets.get_unchecked(index) };
        add(bucket, 1, Writer::Single);
        self.add_nanos(nanos.get());
    }

    /// Records whole nanoseconds as the cell's owner, if they are not past the last bucket. Else nothing happens. That is a branch which is
    /// hardly ever taken, and no bound that the bucket waits for, as the next reading of the clock waits for the bucket.
    #[inline(always)]
    pub(crate) fn record_measured(self, nanos: u64) -> bool {
        let Some(bucket) = self.cell().buckets.get(unbounded_nanos_index(nanos)) else { return false };
        add(bucket, 1, Writer::Single);
        self.add_nanos(nanos);
        true
    }

    #[inline(always)]
    fn add_nanos(self, nanos: u64) {
        let cell = self.cell();
        add(&cell.sum, nanos, Writer::Single);
        if nanos > cell.max.load(Relaxed) {
            cell.max.store(nanos, Relaxed);
        }
    }

    /// Records whole nanoseconds.
    pub(crate) fn record_nanos(self, nanos: u64, writer: Writer) {
        let cell = self.cell();
        if let Some(bucket) = cell.buckets.get(nanos_index(nanos)) {
            add(bucket, 1, writer);
        }
        add(&cell.sum, nanos, writer);
        if nanos > cell.max.load(Relaxed) {
            match writer {
                Writer::Single => cell.max.store(nanos, Relaxed),
                Writer::Shared => {
                    cell.max.fetch_max(nanos, Relaxed);
                }
            }
        }
    }

    /// Records a float as the cell's owner, if it is one of those that nearly all are: positive, and neither tiny nor huge. Else nothing happens.
    #[inline(always)]
    pub(crate) fn record_normal(self, value: f64) -> bool {
        match normal_float_index(value) {
            Some(index) => self.record_float_at(index, value, |count| count as usize % SUMS),
            None => false,
        }
    }

    #[inline(always)]
    fn record_float_at(self, index: usize, value: f64, part: impl FnOnce(u64) -> usize) -> bool {
        let Some(sums) = self.sums() else { return false };
        let Some(bucket) = self.buckets().get(few(index)) else { return false };
        let count = bucket.load(Relaxed);
        bucket.store(count.wrapping_add(1), Relaxed);
        let (sum, max) = (&sums[part(count)], &self.cell().max);
        sum.store((f64::from_bits(sum.load(Relaxed)) + value).to_bits(), Relaxed);
        if value > f64::from_bits(max.load(Relaxed)) {
            max.store(value.to_bits(), Relaxed);
        }
        true
    }

    /// Records a finite float.
    pub(crate) fn record_float(self, value: f64, writer: Writer) {
        let index = float_index(value);
        match writer {
            Writer::Single => {
                self.record_float_at(index, value, |count| part(value, count));
            }
            Writer::Shared => {
                let Some((sums, bucket)) = self.sums().zip(self.buckets().get(few(index))) else { return };
                let count = bucket.fetch_add(1, Relaxed);
                float_update(&sums[part(value, count)], |sum| Some(sum + value));
                float_update(&self.cell().max, |max| (value > max).then_some(value));
            }
        }
    }

    /// Records a value `count` times, in the form it has in a [`Ring`](crate::storage::sample_ring::Ring).
    pub(crate) fn record_many(self, bits: u64, count: u64, writer: Writer) {
        let cell = self.cell();
        match self.scheme() {
            Scheme::Nanos => {
                if let Some(bucket) = cell.buckets.get(nanos_index(bits)) {
                    add(bucket, count, writer);
                }
                add(&cell.sum, bits.wrapping_mul(count), writer);
                cell.max.fetch_max(bits, Relaxed);
            }
            Scheme::Float => {
                let value = f64::from_bits(bits);
                let Some((sums, bucket)) = self.sums().zip(self.buckets().get(few(float_index(value)))) else { return };
                let before = bucket.load(Relaxed);
                add(bucket, count, writer);
                let all = value * count as f64;
                float_update(&sums[part(all, before)], |sum| Some(sum + all));
                float_update(&cell.max, |max| (value > max).then_some(value));
            }
        }
    }

    /// Records a value in the form it has in a [`Ring`](crate::storage::sample_ring::Ring).
    pub(crate) fn record_bits(self, bits: u64, writer: Writer) {
        match self.scheme() {
            Scheme::Nanos => self.record_nanos(bits, writer),
            Scheme::Float => self.record_float(f64::from_bits(bits), writer),
        }
    }
}

#[cfg(all(test, not(ferrometer_loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn distributions_keep_count_sum_and_maximum() {
        for writer in [Writer::Single, Writer::Shared] {
            let timer = OwnDist::new(Scheme::Nanos);
            timer.get().record_nanos(10, writer);
            timer.get().record_nanos(u64::MAX / 4, writer);
            assert_eq!(timer.get().sum(), 10 + u64::MAX / 4);
            assert_eq!(timer.get().max(), u64::MAX / 4);
            let histogram = OwnDist::new(Scheme::Float);
            for v in [-2.5, -1.0, 0.0] {
                histogram.get().record_float(v, writer);
            }
            assert_eq!(f64::from_bits(histogram.get().sum()), -3.5);
            assert_eq!(f64::from_bits(histogram.get().max()), 0.0);
            assert_eq!(histogram.get().buckets().iter().map(|b| b.load(Relaxed)).sum::<u64>(), 3);
        }
    }

    #[test]
    fn huge_values_that_cancel_out_leave_the_sum_that_one_after_the_other_gives() {
        for writer in [Writer::Single, Writer::Shared] {
            for huge in [f64::MAX, 1e300, 1e17, 2f64.powi(44)] {
                // More on one side than on the other, and others between them.
                for others in
                    [&[][..], &[0.0], &[-2f64.powi(50), 2f64.powi(50)], &[2f64.powi(50); 3], &[-2f64.powi(46); 2]]
                {
                    let cell = OwnDist::new(Scheme::Float);
                    let mut serial = 0.0;
                    let mut record = |value: f64| {
                        cell.get().record_float(value, writer);
                        serial += value;
                        assert_eq!(f64::from_bits(cell.get().sum()), serial, "{huge} {others:?}");
                    };
                    for _ in 0..20 {
                        [others, &[huge, -huge]].concat().into_iter().for_each(&mut record);
                    }
                    for value in [2f64.powi(45), -huge, huge, -2f64.powi(45)].repeat(20) {
                        record(value);
                    }
                }
                let cell = OwnDist::new(Scheme::Float);
                for value in [-huge, huge, huge, -huge].into_iter().chain([1.0; 1000]) {
                    cell.get().record_float(value, writer);
                }
                assert_eq!(f64::from_bits(cell.get().sum()), 1000.0, "{huge}");
            }
        }
    }

    #[test]
    fn the_short_ways_record_what_the_long_ones_do() {
        let counts = |cell: &OwnDist| -> Vec<u64> { cell.get().buckets().iter().map(|b| b.load(Relaxed)).collect() };
        let [short, measured, long] = [(); 3].map(|()| OwnDist::new(Scheme::Nanos));
        let ends = (0..64).flat_map(|b| [(1u64 << b) - 1, 1 << b, (1 << b) + 1]).chain([999_999_999, 1_000_000_000]);
        for nanos in ends.clone() {
            match SubSecond::duration(Duration::from_nanos(nanos)) {
                Some(brief) => short.get().record_sub_second(brief),
                None => short.get().record_nanos(nanos, Writer::Single),
            }
            if !measured.get().record_measured(nanos) {
                assert!(nanos >> 59 != 0, "{nanos}");
                measured.get().record_nanos(nanos, Writer::Single);
            }
            long.get().record_nanos(nanos, Writer::Shared);
        }
        for cell in [&short, &measured] {
            assert_eq!(
                (counts(cell), cell.get().sum(), cell.get().max()),
                (counts(&long), long.get().sum(), long.get().max())
            );
        }
        assert_eq!(counts(&short).iter().sum::<u64>(), ends.count() as u64);

        let (short, long) = (OwnDist::new(Scheme::Float), OwnDist::new(Scheme::Float));
        let mut usual = 0;
        for exponent in -60..80 {
            for value in [1.0, 1.1, 1.9999, -1.5].map(|m: f64| m * 2f64.powi(exponent)) {
                match short.get().record_normal(value) {
                    true => usual += 1,
                    false => short.get().record_float(value, Writer::Single),
                }
                long.get().record_float(value, Writer::Shared);
            }
        }
        assert_eq!(
            (counts(&short), short.get().sum(), short.get().max()),
            (counts(&long), long.get().sum(), long.get().max())
        );
        assert_eq!(usual, 3 * 84);
        // No float but a usual one is taken: a cell of a timer has too few buckets, and takes none.
        for value in [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, f64::MAX, -1.0] {
            assert!(!short.get().record_normal(value), "{value}");
        }
        assert!(!OwnDist::new(Scheme::Nanos).get().record_normal(1.0));
    }
}
