//! The places of a hash table that is read without a lock while it grows: which of many numbered values have a hash.
//!
//! Open addressing with linear probing. A place takes four bytes: a [tag](tag_of), which is some bits of the hash, and the number of the value, so that most
//! lookups read nothing but the places and the value that is found. Entries are never removed, so a probe that meets an empty place knows the key
//! was not there when the probe began.
//!
//! The slots are in chunks, and growing adds one that is as long as all before it. Old chunks stay, because a reader may be walking them,
//! and nothing is kept twice. A place does not hold the bits of the hash that say where an entry goes in a longer index: the table hashes its values
//! again, one after the other as they stand in memory. Growing takes three steps: (1) copy each entry whose slot changes to its new slot, (2) publish the new length, (3)
//! overwrite the old slot with a tombstone. Probes continue past tombstones, so a reader sees every entry at every moment, under the old length or
//! the new: when it finds nothing and the length has changed meanwhile, it looks again.

use crate::sync::Ordering::*;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, boxed_zeros, const_unless_loom, nulls};
#[cfg(any(test, ferrometer_loom))]
use std::ptr;

/// How long the first chunk is.
#[cfg(ferrometer_loom)]
pub(crate) const FIRST_LEN: usize = 2;
#[cfg(not(ferrometer_loom))]
pub(crate) const FIRST_LEN: usize = 64;

/// Chunks: the second is as long as the first, each further one twice as long as the one before.
#[cfg(ferrometer_loom)]
pub(crate) const CHUNKS: usize = 5;
#[cfg(not(ferrometer_loom))]
pub(crate) const CHUNKS: usize = 26;

/// The most entries: their numbers, from 1, have 24 bits.
pub(crate) const MAX_ENTRIES: usize = (1 << (u32::BITS - TAG_BITS)) - 1;

const TAG_BITS: u32 = u8::BITS;

/// A slot whose entry has moved elsewhere.
const TOMBSTONE: u32 = 1;

/// Returns the bits of a fingerprint that are kept in a place: the highest, which do not say where a search begins.
#[inline]
fn tag_of(fingerprint: u32) -> u8 {
    (fingerprint >> (u32::BITS - TAG_BITS)) as u8
}

/// Returns the 32 bits of a hash that an index goes by. Its lowest bits are the slot where a search begins, so each depends on all bits of the hash. Numbers in a
/// row that are multiplied with an unlucky seed would otherwise fall on few places.
pub(crate) fn fingerprint(hash: u64) -> u32 {
    ((hash ^ hash >> 32).wrapping_mul(FACTOR) >> 32) as u32
}

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash that has this fingerprint, so that a test says where searches begin.
#[cfg(test)]
pub(crate) fn hash_of(fingerprint: u32) -> u64 {
    // The factor's inverse: each step doubles the number of bits that are right.
    let inverse = (0..6).fold(1u64, |inverse, _| inverse.wrapping_mul(2u64.wrapping_sub(FACTOR.wrapping_mul(inverse))));
    let folded = (u64::from(fingerprint) << 32).wrapping_mul(inverse);
    folded ^ folded >> 32
}

/// Returns the number in a slot; `None` where there is no entry.
fn number_in(place: u32) -> Option<usize> {
    (place >> TAG_BITS).checked_sub(1).map(|number| number as usize)
}

/// Returns the chunk that a slot is in, where in it, and the length of the chunk.
fn chunk_of_place(at: usize) -> (usize, usize, usize) {
    if at < FIRST_LEN {
        return (0, at, FIRST_LEN);
    }
    let len = 1 << at.ilog2();
    ((at.ilog2() - FIRST_LEN.ilog2()) as usize + 1, at - len, len)
}

/// HashIndex of a table: 0, [`TOMBSTONE`], or the number of the value, from 1, above its tag.
pub(crate) struct HashIndex {
    chunks: [AtomicPtr<AtomicU32>; CHUNKS],
    /// How many there are: 0, or a power of two.
    len: AtomicU64,
}

impl HashIndex {
    const_unless_loom! {
        pub(crate) fn new() -> HashIndex {
            HashIndex { chunks: nulls(), len: AtomicU64::new(0) }
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len.load(Acquire) as usize
    }

    /// The places from this one to the end of its chunk.
    ///
    /// # Safety
    /// `at` is below a length that was read from `len` with acquire order.
    #[inline]
    unsafe fn from(&self, at: usize) -> &[AtomicU32] {
        let (chunk, at, len) = chunk_of_place(at);
        let chunk = self.chunks[chunk].load(Acquire);
        // SAFETY: the chunk was published as a box of `len` places before the length was stored with release order; it is freed only in `Drop`.
        unsafe { std::slice::from_raw_parts(chunk.add(at), len - at) }
    }

    /// The first number that `is_it` takes, of those that share the tag and may stand there.
    #[inline]
    pub(crate) fn find<V>(&self, fingerprint: u32, mut is_it: impl FnMut(usize) -> Option<V>) -> Option<V> {
        let mut len = self.len.load(Acquire) as usize;
        while len > 0 {
            let found = self.walk(len, fingerprint, &mut is_it);
            if found.is_some() {
                return found;
            }
            // Who met a place that was left since meets the length that was published before.
            let now = self.len.load(Acquire) as usize;
            if now == len {
                return None;
            }
            len = now;
        }
        None
    }

    #[inline]
    fn walk<V>(&self, len: usize, fingerprint: u32, mut is_it: impl FnMut(usize) -> Option<V>) -> Option<V> {
        let mut at = fingerprint as usize & (len - 1);
        // Some places are always free; but of those of a length that is no longer the newest, all may have been taken since. Two rounds of
        // chunks are one of places, wherever it begins.
        for _ in 0..2 * CHUNKS {
            // SAFETY: the caller read `len` from `self.len`, and chunks end where lengths do.
            let places = unsafe { self.from(at) };
            for place in places {
                let place = place.load(Acquire);
                if place == 0 {
                    return None;
                }
                if place as u8 == tag_of(fingerprint)
                    && let Some(number) = number_in(place)
                    && let Some(found) = is_it(number)
                {
                    return Some(found);
                }
            }
            at = (at + places.len()) & (len - 1);
        }
        None
    }

    /// Makes room for one more entry, where there are `len`. Only the holder of the writer lock calls this. `fingerprint_of` returns that of the entry with
    /// a number below it. `None`: there can be no more.
    pub(crate) fn make_room(
        &self,
        taken: &mut Occupied,
        len: usize,
        fingerprint_of: &dyn Fn(usize) -> u32,
    ) -> Option<()> {
        if len >= MAX_ENTRIES {
            return None;
        }
        loop {
            let places = self.len.load(Relaxed) as usize;
            // Enough slots are free for short walks; and of the others, few enough are tombstones that some are empty.
            if (len + 1) * 16 <= places * 13 && (taken.0 + 1) * 16 <= places * 15 {
                return Some(());
            }
            // In the order of their numbers, in which the values stand in memory.
            let mut fingerprints = Vec::with_capacity(len);
            for number in 0..len {
                fingerprints.push(fingerprint_of(number));
            }
            taken.0 += self.grow(&fingerprints)?;
        }
    }

    /// Puts an entry where there is room. Only the holder of the writer lock calls this.
    pub(crate) fn put(&self, taken: &mut Occupied, fingerprint: u32, number: usize) {
        taken.0 += usize::from(self.put_among(self.len.load(Relaxed) as usize, fingerprint, number));
    }

    /// Puts an entry in the first slot without one, among `len`. Returns whether the slot was empty, and no tombstone.
    fn put_among(&self, len: usize, fingerprint: u32, number: usize) -> bool {
        let entry = (number as u32 + 1) << TAG_BITS | u32::from(tag_of(fingerprint));
        let mut at = fingerprint as usize & (len - 1);
        loop {
            // SAFETY: as in `walk`; or `grow` has put the chunk there that makes up the length.
            let places = unsafe { self.from(at) };
            for place in places {
                let before = place.load(Relaxed);
                if number_in(before).is_none() {
                    place.store(entry, Release);
                    return before == 0;
                }
            }
            at = (at + places.len()) & (len - 1);
        }
    }

    /// Makes twice as many places; how many more are not empty. `None`: there can be no more.
    fn grow(&self, fingerprints: &[u32]) -> Option<usize> {
        let len = self.len.load(Relaxed) as usize;
        let (chunk, _, added) = chunk_of_place(len);
        let more: Box<[AtomicU32]> = boxed_zeros(added);
        let grown = len + added;
        self.chunks.get(chunk)?.store(Box::into_raw(more).cast(), Release);
        // Which places are to be left, as bits.
        let mut left = vec![0u64; len.div_ceil(64)];
        let mut taken = 0;
        let place = |at: usize| {
            // SAFETY: `at` is below the length.
            unsafe { &self.from(at)[0] }
        };
        let entry = |at: usize| number_in(place(at).load(Relaxed)).map(|number| (fingerprints[number], number));
        for at in 0..len {
            // A walk begins at or before the entry, or else it goes round the end, which is no longer there.
            if entry(at).is_some_and(|(fingerprint, _)| fingerprint as usize & (grown - 1) > at) {
                left[at / 64] |= 1 << (at % 64);
            }
        }
        let left = || (0..len).filter(|at| left[at / 64] >> (at % 64) & 1 == 1);
        // Which ones move is decided before any does: a copy may go round the end into the lower half, and is not to move again.
        for (fingerprint, number) in left().filter_map(entry) {
            taken += usize::from(self.put_among(grown, fingerprint, number));
        }
        self.len.store(grown as u64, Release);
        for at in left() {
            place(at).store(TOMBSTONE, Release);
        }
        Some(taken)
    }
}

/// Only tests have an index that ends: those of a program are there for as long as it runs.
#[cfg(any(test, ferrometer_loom))]
impl Drop for HashIndex {
    fn drop(&mut self) {
        let mut at = 0;
        for chunk in &self.chunks {
            let (_, _, len) = chunk_of_place(at);
            at += len;
            let chunk = chunk.swap(ptr::null_mut(), AcqRel);
            if !chunk.is_null() {
                // SAFETY: it came from `Box::into_raw` of a slice of this length, and the swap took it out.
                drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(chunk, len)) });
            }
        }
    }
}

/// How many places are not empty: known to who puts entries there.
#[derive(Default)]
pub(crate) struct Occupied(pub(crate) usize);

#[cfg(all(test, not(ferrometer_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_hash_of_each_tag_is_known() {
        assert!([0, 1, 63, 0x1234_5678, u32::MAX].into_iter().all(|t| fingerprint(hash_of(t)) == t));
    }

    #[test]
    fn places_stand_in_chunks_without_a_gap() {
        let mut expected = 0;
        for (number, len) in [(0, 64), (1, 64), (2, 128), (3, 256), (4, 512)] {
            for at in 0..len {
                assert_eq!(chunk_of_place(expected), (number, at, len));
                expected += 1;
            }
        }
    }

    #[test]
    fn who_looks_for_what_is_not_there_meets_an_empty_slot_soon() {
        // With the first of these, an entry that goes round the end while the index grows would fill all of the lower half.
        for seed in [0x8924_ee17_6b1c_26f1, 1, 0x1234_5678_1234_5671] {
            let (index, mut taken) = (HashIndex::new(), Occupied::default());
            let of = |number: u64| fingerprint(crate::registry::hash::text(seed, &format!("{number:07}")));
            let mut steps = 0;
            for number in 0..30_000 {
                index.make_room(&mut taken, number as usize, &|known| of(known as u64)).unwrap();
                let len = index.len();
                let mut at = of(number) as usize & (len - 1);
                // SAFETY: `at` is below the length.
                while unsafe { &index.from(at)[0] }.load(Acquire) != 0 {
                    at = (at + 1) & (len - 1);
                    steps += 1;
                }
                index.put(&mut taken, of(number), number as usize);
            }
            assert!(steps < 150 * 30_000, "{steps} steps, seed {seed:x}");
        }
    }

    #[test]
    fn walks_are_short_whatever_the_seed_and_the_numbers() {
        const PLACES: usize = 4096;
        for seed in (0..400u64).map(|n| crate::registry::hash::mix(n, n) | 1) {
            for distance in [1u64, 2, 48, 4096] {
                let mut taken = [false; PLACES];
                let mut steps = 0;
                for number in 0..2000 {
                    let mut at = fingerprint(crate::registry::hash::mix(seed, number * distance)) as usize % PLACES;
                    while std::mem::replace(&mut taken[at], true) {
                        at = (at + 1) % PLACES;
                        steps += 1;
                    }
                }
                // 0.47 for each, if they fall by chance.
                assert!(steps < 2000, "{steps} steps, seed {seed:x}, numbers {distance} apart");
            }
        }
    }
}
