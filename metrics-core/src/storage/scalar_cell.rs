//! The cell of a counter, gauge or in-flight count, and how any cell is written: by its owner with plain stores, or by all with atomic additions.

use crate::sync::{AtomicU64, Ordering::*, Zero};

/// One thread's part of a counter, in-flight count or gauge: what is not in its *ones*.
#[repr(align(32))]
pub(crate) struct ScalarCell {
    /// Sum of increments; unused by gauges.
    pub(crate) inc: AtomicU64,
    /// Sum of decrements, as a positive number; unused by gauges.
    pub(crate) dec: AtomicU64,
    /// How many recordings.
    pub(crate) calls: AtomicU64,
    /// How many increments by 1 were not recorded, because the counter is sampled: misses of its own countdown.
    pub(crate) skipped: AtomicU64,
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

/// Adds 1 to a word of unit increments. Released, so that a reader that sees it sees the stores before it.
#[inline(always)]
pub(crate) fn increment_unit(ones: &AtomicU64) {
    ones.store(ones.load(Relaxed).wrapping_add(1), Release);
}

// SAFETY: it is atomics.
unsafe impl Zero for ScalarCell {
    #[cfg(ferrometer_loom)]
    fn zero() -> Self {
        ScalarCell { inc: Zero::zero(), dec: Zero::zero(), calls: Zero::zero(), skipped: Zero::zero() }
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

    /// Counts one more recording: last, and released, so that a reader that sees the count sees the value.
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
