//! An append-only hash table: lookups without a lock, insertions one at a time.
//!
//! Open addressing with linear probing. A place is one word: 32 bits of the hash, and the number of the value, so that most lookups read
//! nothing but the table and the value that is found. Entries are never removed, so a probe that meets an empty place knows the key was
//! not there when the probe began. The values stand in chunks, each twice as long as the one before, one after the other: nothing but the value is
//! kept for each, and its number says where it is.
//!
//! The places stand in chunks too, and growing adds one that is as long as all before it: what stands there stays, because a reader may be walking it,
//! and nothing is kept twice. Entries that belong elsewhere among twice as many places are first put there; then the new length is
//! published; then the places they left are marked as left, which ends no walk. So a reader finds each entry at every moment by the old length or by the new
//! one: when it finds nothing and the length has changed meanwhile, it looks again.

use crate::sync::{AtomicPtr, AtomicU64, Mutex, Ordering::*, const_unless_loom, lock, nulls};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;

#[cfg(loom)]
const FIRST_LEN: usize = 2;
#[cfg(not(loom))]
const FIRST_LEN: usize = 64;

/// Chunks of the list, each twice as long as the one before: there can be `FIRST_LEN << CHUNKS` values.
#[cfg(loom)]
const CHUNKS: usize = 3;
#[cfg(not(loom))]
const CHUNKS: usize = 24;

/// Chunks of places: the second is as long as the first, each further one twice as long as the one before.
const PLACE_CHUNKS: usize = CHUNKS + 2;

/// A place that an entry has left.
const LEFT: u64 = 1;

/// What is kept of a hash. The place where a search begins is a part of it: its lowest bits, so each depends on all bits of the hash. Numbers in a
/// row that are multiplied with an unlucky seed would otherwise fall on few places.
pub(crate) fn tag(hash: u64) -> u32 {
    ((hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// The number in a place; `None` where no entry stands.
fn number_in(place: u64) -> Option<usize> {
    (place >> 32).checked_sub(1).map(|number| number as usize)
}

/// In which chunk the place of this number stands, where in it, and how long the chunk is.
fn chunk_of_place(at: usize) -> (usize, usize, usize) {
    if at < FIRST_LEN {
        return (0, at, FIRST_LEN);
    }
    let len = 1 << at.ilog2();
    ((at.ilog2() - FIRST_LEN.ilog2()) as usize + 1, at - len, len)
}

/// Places of a table: 0, [`LEFT`], or the number of the value, from 1, above 32 bits of its hash.
pub(crate) struct Places {
    chunks: [AtomicPtr<AtomicU64>; PLACE_CHUNKS],
    /// How many there are: 0, or a power of two.
    len: AtomicU64,
}

impl Places {
    const_unless_loom! {
        pub(crate) fn new() -> Places {
            Places { chunks: nulls(), len: AtomicU64::new(0) }
        }
    }

    /// The places from this one to the end of its chunk.
    ///
    /// # Safety
    /// `at` is below a length that was read from `len` with acquire order.
    #[inline]
    unsafe fn from(&self, at: usize) -> &[AtomicU64] {
        let (chunk, at, len) = chunk_of_place(at);
        let chunk = self.chunks[chunk].load(Acquire);
        // SAFETY: the chunk was published as a box of `len` places before the length was stored with release order; it is freed only in `Drop`.
        unsafe { std::slice::from_raw_parts(chunk.add(at), len - at) }
    }

    /// The first number that `is_it` takes, of those that share the tag.
    #[inline]
    pub(crate) fn find<V>(&self, tag: u32, mut is_it: impl FnMut(usize) -> Option<V>) -> Option<V> {
        let mut len = self.len.load(Acquire) as usize;
        while len > 0 {
            let found = self.walk(len, tag, &mut is_it);
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
    fn walk<V>(&self, len: usize, tag: u32, mut is_it: impl FnMut(usize) -> Option<V>) -> Option<V> {
        let mut at = tag as usize & (len - 1);
        // Some places are always free; but of those of a length that is no longer the newest, all may have been taken since. Two rounds of
        // chunks are one of places, wherever it begins.
        for _ in 0..2 * PLACE_CHUNKS {
            // SAFETY: the caller read `len` from `self.len`, and chunks end where lengths do.
            let places = unsafe { self.from(at) };
            for place in places {
                let place = place.load(Acquire);
                if place == 0 {
                    return None;
                }
                if place as u32 == tag
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

    /// Makes room for one more entry, where there are `len`. Only the holder of the writer lock calls this. `None`: there can be no more.
    pub(crate) fn make_room(&self, taken: &mut Taken, len: usize) -> Option<()> {
        loop {
            let places = self.len.load(Relaxed) as usize;
            // So many are free that walks are short; and of those that are not, not so many were left that none is empty.
            if (len + 1) * 16 <= places * 13 && (taken.0 + 1) * 16 <= places * 15 {
                return Some(());
            }
            taken.0 += self.grow()?;
        }
    }

    /// Puts an entry where there is room. Only the holder of the writer lock calls this.
    pub(crate) fn put(&self, taken: &mut Taken, tag: u32, number: usize) {
        let was_empty = self.put_among(self.len.load(Relaxed) as usize, (number as u64 + 1) << 32 | u64::from(tag));
        taken.0 += usize::from(was_empty);
    }

    /// Puts an entry in the first place that nothing stands in, among `len`; whether it was empty.
    fn put_among(&self, len: usize, entry: u64) -> bool {
        let mut at = entry as u32 as usize & (len - 1);
        loop {
            // SAFETY: as in `walk`; or `grow` has put the chunk there that makes them so many.
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
    fn grow(&self) -> Option<usize> {
        let len = self.len.load(Relaxed) as usize;
        let (chunk, _, added) = chunk_of_place(len);
        let more: Box<[AtomicU64]> = (0..added).map(|_| AtomicU64::new(0)).collect();
        let grown = len + added;
        self.chunks.get(chunk)?.store(Box::into_raw(more).cast(), Release);
        // Which places are to be left, as bits.
        let mut left = vec![0u64; len.div_ceil(64)];
        let mut taken = 0;
        let place = |at: usize| {
            // SAFETY: `at` is below the length.
            unsafe { &self.from(at)[0] }
        };
        for at in 0..len {
            let entry = place(at).load(Relaxed);
            // A walk begins at or before the entry, or else it goes round the end, which is no longer there.
            if number_in(entry).is_some() && entry as u32 as usize & (grown - 1) > at {
                taken += usize::from(self.put_among(grown, entry));
                left[at / 64] |= 1 << (at % 64);
            }
        }
        self.len.store(grown as u64, Release);
        for at in (0..len).filter(|at| left[at / 64] >> (at % 64) & 1 == 1) {
            place(at).store(LEFT, Release);
        }
        Some(taken)
    }
}

impl Drop for Places {
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

/// Where the value of this number stands: which chunk, and where in it.
fn position(number: usize) -> (usize, usize) {
    let at = number + FIRST_LEN;
    let chunk = (at.ilog2() - FIRST_LEN.ilog2()) as usize;
    (chunk, at - (FIRST_LEN << chunk))
}

/// How many places are not empty: known to who puts entries there.
#[derive(Default)]
pub(crate) struct Taken(usize);

/// The table. A value stays where it was put for as long as the table lives, and a `static` one lives for ever.
pub(crate) struct AppendTable<V> {
    places: Places,
    /// The values, in the order of their numbers.
    chunks: [AtomicPtr<V>; CHUNKS],
    /// How many values there are: stored after the value.
    len: AtomicU64,
    writer: Mutex<Taken>,
}

// SAFETY: the chunks are owned by the table. Values are put in from any thread (`V: Send`) and shared with all (`V: Sync`).
unsafe impl<V: Sync + Send> Send for AppendTable<V> {}
// SAFETY: as above.
unsafe impl<V: Sync + Send> Sync for AppendTable<V> {}

impl<V: Sync + Send> AppendTable<V> {
    const_unless_loom! {
        pub(crate) fn new() -> AppendTable<V> {
            AppendTable { places: Places::new(), chunks: nulls(), len: AtomicU64::new(0), writer: Mutex::new(Taken(0)) }
        }
    }

    /// The value of a number.
    ///
    /// # Safety
    /// The number was read from a place, or is below the length, with acquire order.
    #[inline]
    unsafe fn value(&self, number: usize) -> &V {
        let (chunk, at) = position(number);
        let chunk = self.chunks[chunk].load(Acquire);
        // SAFETY: the chunk was allocated with `FIRST_LEN << chunk` places, of which `at` is one, and the value was written there; both
        // happened before the number was stored with release order. It is freed only in `Drop`, and nobody writes it again.
        unsafe { &*chunk.add(at) }
    }

    /// The value with this hash for which `is_it` holds.
    #[inline]
    pub(crate) fn get(&self, hash: u64, mut is_it: impl FnMut(&V) -> bool) -> Option<&V> {
        self.places.find(tag(hash), |number| {
            // SAFETY: `find` reads numbers from places, with acquire order.
            Some(unsafe { self.value(number) }).filter(|value| is_it(value))
        })
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Acquire) as usize
    }

    /// The value of a number.
    #[cfg(not(loom))]
    pub(crate) fn at(&self, number: usize) -> Option<&V> {
        // SAFETY: the number is below the length.
        (number < self.len()).then(|| unsafe { self.value(number) })
    }

    /// How many places there are.
    #[cfg(loom)]
    pub(crate) fn places(&self) -> usize {
        self.places.len.load(Acquire) as usize
    }

    /// The values there are, in the order in which they came.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &V> + Clone {
        self.range(0..usize::MAX)
    }

    /// Those of these numbers that there are.
    pub(crate) fn range(&self, numbers: Range<usize>) -> impl ExactSizeIterator<Item = &V> + Clone {
        let end = numbers.end.min(self.len());
        // SAFETY: each number is below the length.
        (numbers.start.min(end)..end).map(|number| unsafe { self.value(number) })
    }

    /// The first of the values, as many as there are of so many, in the order in which they came: chunk by chunk, which is the quickest way to all.
    #[cfg(not(loom))]
    pub(crate) fn first(&self, len: usize) -> impl Iterator<Item = &V> {
        let mut left = len.min(self.len());
        let chunks = self.chunks.iter().enumerate().map_while(move |(number, chunk)| {
            let len = left.min(FIRST_LEN << number);
            left -= len;
            // SAFETY: the numbers of these values are below the length, so they were written, and the chunk was published before that.
            (len > 0).then(|| unsafe { std::slice::from_raw_parts(chunk.load(Acquire), len) })
        });
        chunks.flatten()
    }

    /// The value, or else the one that `make` gives, inserted. `make` gets its number, and may refuse.
    ///
    /// `make` runs under the table's lock: it must not insert into this table.
    pub(crate) fn get_or_insert(
        &self,
        hash: u64,
        mut is_it: impl FnMut(&V) -> bool,
        make: impl FnOnce(usize) -> Option<V>,
    ) -> Option<&V> {
        match self.get(hash, &mut is_it) {
            Some(found) => Some(found),
            None => self.insert(hash, is_it, make),
        }
    }

    /// The same where it was looked for already: it may have come since, and is looked for once more under the lock.
    pub(crate) fn insert(
        &self,
        hash: u64,
        mut is_it: impl FnMut(&V) -> bool,
        make: impl FnOnce(usize) -> Option<V>,
    ) -> Option<&V> {
        let mut make = Some(make);
        self.insert_of(hash, &mut is_it, &mut |number| make.take().and_then(|make| make(number)))
    }

    // Compiled once for each type of value, and not for each place where one is inserted.
    fn insert_of(
        &self,
        hash: u64,
        is_it: &mut dyn FnMut(&V) -> bool,
        make: &mut dyn FnMut(usize) -> Option<V>,
    ) -> Option<&V> {
        let mut writer = lock(&self.writer);
        if let Some(found) = self.get(hash, is_it) {
            return Some(found);
        }
        let number = self.len.load(Relaxed) as usize;
        let value = make(number)?;
        self.places.make_room(&mut writer, number)?;
        self.push(number, value)?;
        self.places.put(&mut writer, tag(hash), number);
        // SAFETY: it was just pushed.
        Some(unsafe { self.value(number) })
    }

    /// Puts a value at the end. Only the holder of the writer lock calls this. `None`: there can be no more.
    fn push(&self, number: usize, value: V) -> Option<()> {
        let (chunk, at) = position(number);
        let place = self.chunks.get(chunk)?;
        if place.load(Relaxed).is_null() {
            // Memory that is not written is not there, so a chunk that is half empty takes half of it.
            let values: Box<[MaybeUninit<V>]> = Box::new_uninit_slice(FIRST_LEN << chunk);
            place.store(Box::into_raw(values).cast(), Release);
        }
        // SAFETY: the chunk is as long as in `value`, and nobody reads a place before its number is known.
        unsafe { place.load(Relaxed).add(at).write(value) };
        self.len.store(number as u64 + 1, Release);
        Some(())
    }

    /// Locks out insertions while the guard lives.
    #[cfg(not(loom))]
    pub(crate) fn freeze(&self) -> impl Sized + '_ {
        lock(&self.writer)
    }
}

impl<V> Drop for AppendTable<V> {
    fn drop(&mut self) {
        let mut left = self.len.load(Acquire) as usize;
        for (number, chunk) in self.chunks.iter().enumerate() {
            let chunk = chunk.swap(ptr::null_mut(), AcqRel);
            if chunk.is_null() {
                return;
            }
            let len = FIRST_LEN << number;
            let values = ptr::slice_from_raw_parts_mut(chunk.cast::<MaybeUninit<V>>(), len);
            // SAFETY: it came from `Box::into_raw` of a slice of this length, and the swap took it out.
            let mut values = unsafe { Box::from_raw(values) };
            for value in values.iter_mut().take(left) {
                // SAFETY: as many as the length says were written.
                unsafe { value.assume_init_drop() };
            }
            left = left.saturating_sub(len);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_put_through_growth_and_collisions() {
        let table: AppendTable<String> = AppendTable::new();
        for i in 0..1000u64 {
            let hash = i % 7; // heavy collisions
            let made = table.get_or_insert(
                hash,
                |v| *v == i.to_string(),
                |number| {
                    assert_eq!(number as u64, i);
                    Some(i.to_string())
                },
            );
            assert_eq!(made, Some(&i.to_string()));
        }
        for i in 0..1000u64 {
            assert_eq!(table.get(i % 7, |v| *v == i.to_string()), Some(&i.to_string()));
        }
        assert!(table.iter().cloned().eq((0..1000).map(|i| i.to_string())));
        assert_eq!((table.len(), table.get(3, |v| v == "5000")), (1000, None));
        assert_eq!((position(0), position(63), position(64), position(191)), ((0, 0), (0, 63), (1, 0), (1, 127)));
        assert_eq!(table.get_or_insert(1, |_| false, |_| None), None);
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
    fn hashes_of_few_bits_and_of_the_highest_places_survive_growth() {
        // Long walks, walks round the end, and entries that move at each growth or never.
        let hashes: [fn(u64) -> u64; 5] = [
            |i| i % 3,
            |i| u64::MAX - i % 5,
            |i| i << 6,
            |i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            |i| (i % 2) << 12 | 63,
        ];
        for hash in hashes {
            let table: AppendTable<u64> = AppendTable::new();
            for i in 0..3000u64 {
                table.get_or_insert(hash(i), |v| *v == i, |_| Some(i));
                if i.is_power_of_two() || i % 1000 == 0 {
                    assert!((0..=i).all(|k| table.get(hash(k), |v| *v == k) == Some(&k)), "{i}");
                }
            }
            assert!((0..3000).all(|i| table.get(hash(i), |v| *v == i) == Some(&i)));
            assert!((3000..6000).all(|i| table.get(hash(i), |v| *v == i).is_none()));
            let taken = lock(&table.writer).0;
            let places = table.places.len.load(Relaxed) as usize;
            assert!((3000..places).contains(&taken) && places <= 8192, "{taken} of {places}");
        }
    }

    #[test]
    fn readers_find_what_is_there_while_it_grows() {
        let table: std::sync::Arc<AppendTable<u64>> = std::sync::Arc::new(AppendTable::new());
        let hash = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while table.len() < 20_000 {
                        // The last one may be counted and not yet have its place.
                        let len = (table.len() as u64).saturating_sub(1);
                        for i in (0..len).rev().step_by(97).take(50) {
                            assert_eq!(table.get(hash(i), |v| *v == i), Some(&i), "{i} of {len}");
                        }
                    }
                });
            }
            for i in 0..20_000 {
                table.get_or_insert(hash(i), |v| *v == i, |_| Some(i));
            }
        });
    }

    #[test]
    fn walks_are_short_whatever_the_seed_and_the_numbers() {
        const PLACES: usize = 4096;
        for seed in (0..400u64).map(|n| crate::hash::mix(n, n) | 1) {
            for distance in [1u64, 2, 48, 4096] {
                let mut taken = [false; PLACES];
                let mut steps = 0;
                for number in 0..2000 {
                    let mut at = tag(crate::hash::mix(seed, number * distance)) as usize % PLACES;
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

    #[test]
    fn what_is_put_is_dropped_with_the_table() {
        let alive = std::sync::Arc::new(());
        let table = AppendTable::new();
        for i in 0..200 {
            table.get_or_insert(i, |_| false, |_| Some(std::sync::Arc::clone(&alive)));
        }
        assert_eq!(std::sync::Arc::strong_count(&alive), 201);
        drop(table);
        assert_eq!(std::sync::Arc::strong_count(&alive), 1);
    }
}
