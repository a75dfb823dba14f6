//! The places for exemplars: one for each counter that wants them, and some for each distribution, each for a range of its values.
//!
//! Ranges are powers of two, and every sixteenth power of two shares a place: values that are near each other have places of their own, wherever a
//! distribution lies, and the slow calls that people look for are not hidden by the many fast ones.

use crate::storage::bucket::Scheme;
use crate::storage::cell_address::{MAX_DISTRIBUTIONS, MAX_SCALARS};
use crate::storage::chunked::{CHUNK, Chunked};
use crate::storage::exemplar_slot::{ExemplarSlot, Written};
use crate::storage::per_series::PerSeries;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// Places of a distribution.
pub(crate) const RANGES: usize = 16;
/// The largest number of places there can be.
pub(crate) const MAX_SLOTS: usize = 1 << 16;
/// The memory of a place, with its share of what leads there.
#[cfg(not(ferrometer_loom))]
pub(crate) const SLOT_BYTES: usize = size_of::<ExemplarSlot>() + 16;

static SLOTS: Chunked<ExemplarSlot, { MAX_SLOTS / CHUNK }> = Chunked::new();
/// By the number of a cell: that of its first place, and one more; 0: it has none.
static FIRST: PerSeries = PerSeries::new();
/// Number of places that are given away.
static USED: AtomicU32 = AtomicU32::new(0);
/// Number of times that everything was forgotten.
static FORGOTTEN: AtomicU64 = AtomicU64::new(0);

/// A counter's cell, or a distribution's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CellNumber(u32);

impl CellNumber {
    #[inline]
    pub(crate) fn new(scheme: Option<Scheme>, slot: u32) -> CellNumber {
        CellNumber(if scheme.is_some() { slot + MAX_SCALARS as u32 } else { slot })
    }

    fn places(self) -> usize {
        if (self.0 as usize) < MAX_SCALARS { 1 } else { RANGES }
    }
}

const _: () = assert!(MAX_SCALARS + MAX_DISTRIBUTIONS < 1 << 31);
/// In the word of an owner: its values are floats.
const FLOATS: u64 = 1 << 32;

/// Gives a cell its places, unless it has them. Returns `false` where there would be more than `most` places. Under the registry's lock.
pub(crate) fn make(scheme: Option<Scheme>, slot: u32, most: usize) -> bool {
    let cell = CellNumber::new(scheme, slot);
    let Some(first) = FIRST.make(cell.0) else { return false };
    if first.load(Relaxed) > 0 {
        return true;
    }
    let (used, places) = (USED.load(Relaxed), cell.places());
    if used as usize + places > most.min(MAX_SLOTS) {
        return false;
    }
    let floats = if scheme == Some(Scheme::Float) { FLOATS } else { 0 };
    for number in used..used + places as u32 {
        let Some(slot) = SLOTS.make(number) else { return false };
        slot.owner().store(u64::from(cell.0) | floats, Relaxed);
    }
    USED.store(used + places as u32, Release);
    first.store(u64::from(used) + 1, Release);
    true
}

/// Returns the place of a counter.
#[inline]
pub(crate) fn of_counter(slot: u32) -> Option<&'static ExemplarSlot> {
    find(CellNumber::new(None, slot), 0)
}

/// Returns the place for a value of a distribution.
#[inline]
pub(crate) fn of_value(scheme: Scheme, slot: u32, bits: u64) -> Option<&'static ExemplarSlot> {
    find(CellNumber::new(Some(scheme), slot), range(scheme, bits))
}

#[inline]
fn find(cell: CellNumber, range: u32) -> Option<&'static ExemplarSlot> {
    // Fewer than 2^17.
    let first = FIRST.get(cell.0)?.load(Acquire) as u32;
    SLOTS.get(first.checked_sub(1)? + range)
}

/// Returns the number of a value's range.
fn range(scheme: Scheme, bits: u64) -> u32 {
    let power = match scheme {
        Scheme::Nanos => bits.checked_ilog2().unwrap_or(0),
        // The lowest bits of the exponent.
        Scheme::Float => (bits >> 52) as u32,
    };
    power % RANGES as u32
}

/// Takes every exemplar that was written: `each` gets the number of its place, its owner, its value and the rest.
pub(crate) fn take_all(mut each: impl FnMut(u32, CellNumber, f64, Written)) {
    for number in 0..USED.load(Acquire) {
        let Some(slot) = SLOTS.get(number) else { continue };
        if let Some(written) = slot.take() {
            let owner = slot.owner().load(Relaxed);
            let value = if owner & FLOATS != 0 { f64::from_bits(written.bits) } else { written.bits as f64 };
            each(number, CellNumber(owner as u32), value, written);
        }
    }
}

/// Number of places that are given away.
pub(crate) fn used() -> usize {
    USED.load(Relaxed) as usize
}

/// Forgets all that was written, and what was taken before. What a recording writes just now stays. One thread at a time empties places: the caller
/// holds the lock that collections hold.
pub(crate) fn forget() {
    FORGOTTEN.fetch_add(1, Relaxed);
    take_all(|_, _, _, _| {});
}

/// Forgets everything in the child of a fork, where the turn of a thread that is gone would never end.
#[cfg(unix)]
pub(crate) fn in_child() {
    FORGOTTEN.fetch_add(1, Relaxed);
    (0..USED.load(Acquire)).filter_map(|number| SLOTS.get(number)).for_each(ExemplarSlot::reset);
}

/// Number of times that everything was forgotten.
pub(crate) fn forgotten() -> u64 {
    FORGOTTEN.load(Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_values_have_places_of_their_own() {
        let nanos: Vec<u32> = (10..26).map(|power| range(Scheme::Nanos, 1 << power)).collect();
        let floats: Vec<u32> = (-8..8).map(|power| range(Scheme::Float, 2f64.powi(power).to_bits())).collect();
        for mut ranges in [nanos, floats] {
            ranges.sort_unstable();
            assert!(ranges.into_iter().eq(0..RANGES as u32));
        }
        assert_eq!(range(Scheme::Nanos, 1500), range(Scheme::Nanos, 1024));
        assert!(range(Scheme::Nanos, 0) == 0 && range(Scheme::Float, 0) == 0);
    }

    #[test]
    fn cells_of_both_sorts_have_places_of_their_own_and_past_the_limit_none() {
        // Slots that no series of these tests has.
        let (slot, most) = (10_000, used() + 1 + RANGES);
        assert!(of_counter(slot).is_none());
        assert!(make(None, slot, most) && make(Some(Scheme::Float), slot, most));
        assert!(make(None, slot, 0), "it has its place");
        assert!(!make(None, slot + 1, most) && !make(None, slot + 1, 0));
        let place = |bits: f64| of_value(Scheme::Float, slot, bits.to_bits()).unwrap();
        assert!(std::ptr::eq(place(1.0), place(1.5)) && !std::ptr::eq(place(1.0), place(2.5)));
        assert!(!std::ptr::eq(place(1.0), of_counter(slot).unwrap()));
    }
}
