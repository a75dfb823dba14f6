//! An append-only hash table: lookups without a lock, insertions one at a time.
//!
//! The values stand in chunks, each twice as long as the one before, one after the other: nothing but the value is
//! kept for each, and its number says where it is. The [`HashIndex`] says which number a key has.
//!
//! A table has no lock of its own: a writer shows a [`Permit`], which the registry's lock guards.

use crate::registry::hash_index::{self, FIRST_LEN, HashIndex, Occupied, fingerprint};
use crate::sync::{AtomicPtr, AtomicU64, Ordering::*, const_unless_loom, nulls};
use std::alloc::{self, Layout};
use std::ops::Range;
#[cfg(any(test, ferrometer_loom))]
use std::ptr;

/// Number of chunks of values. There can be `FIRST_LEN << CHUNKS` values, and the index has room for more.
const CHUNKS: usize = hash_index::CHUNKS - 2;

/// A value that can be hashed again: an index keeps some bits of its hash alone, and asks for the others when it grows.
pub(crate) trait Hashed {
    /// Returns the hash that it is looked up by, the same for as long as the program runs.
    fn hash(&self) -> u64;
}

/// Returns the position of the value of a number: which chunk, and where in it.
fn position(number: usize) -> (usize, usize) {
    let at = number + FIRST_LEN;
    let chunk = (at.ilog2() - FIRST_LEN.ilog2()) as usize;
    (chunk, at - (FIRST_LEN << chunk))
}

/// Returns the memory of a chunk of values. `None` where there is no memory of that size.
fn layout<V>(chunk: usize) -> Option<Layout> {
    Layout::array::<V>(FIRST_LEN << chunk).ok()
}

/// The right to put values into tables. A function that borrows it mutably is the only one that does.
pub(crate) struct Permit(());

impl Permit {
    /// # Safety
    /// At most one of all permits is used with a table.
    pub(crate) const unsafe fn new() -> Permit {
        Permit(())
    }
}

/// The table. A value stays where it was put for as long as the table lives, and a `static` one lives for ever.
pub(crate) struct AppendTable<V> {
    index: HashIndex,
    /// The values, in the order of their numbers.
    chunks: [AtomicPtr<V>; CHUNKS],
    /// Number of values: stored after the value.
    len: AtomicU64,
    /// Number of places of the index that are not empty. Read and written by the holder of the permit alone.
    occupied: AtomicU64,
}

// SAFETY: the values are owned by the table. They are put in from any thread (`V: Send`) and shared with all (`V: Sync`).
unsafe impl<V: Sync + Send> Send for AppendTable<V> {}
// SAFETY: as above.
unsafe impl<V: Sync + Send> Sync for AppendTable<V> {}

impl<V: Hashed> AppendTable<V> {
    const_unless_loom! {
        pub(crate) fn new() -> AppendTable<V> {
            const { assert!(size_of::<V>() > 0) };
            AppendTable { index: HashIndex::new(), chunks: nulls(), len: AtomicU64::new(0), occupied: AtomicU64::new(0) }
        }
    }

    /// Returns the value of a number.
    ///
    /// # Safety
    /// The number was read from a place, or is below the length, with acquire order.
    #[inline(always)]
    unsafe fn value(&self, number: usize) -> &V {
        let (chunk, at) = position(number);
        let chunk = self.chunks[chunk].load(Acquire);
        // SAFETY: the chunk was allocated with `FIRST_LEN << chunk` places, of which `at` is one, and the value was written there, before the
        // number was stored with release order. It is freed only in `Drop`, and nobody writes it again.
        unsafe { &*chunk.add(at) }
    }

    /// Returns the value with this hash for which `is_it` holds. Compiled where it is called, for lookups of recordings.
    #[inline]
    pub(crate) fn get(&self, hash: u64, mut is_it: impl FnMut(&V) -> bool) -> Option<&V> {
        self.index.find(fingerprint(hash), |number| {
            // SAFETY: `find` reads numbers from places, with acquire order.
            Some(unsafe { self.value(number) }).filter(|value| is_it(value))
        })
    }

    /// Does the work of [`get`](Self::get), compiled once.
    pub(crate) fn find(&self, hash: u64, is_it: &mut dyn FnMut(&V) -> bool) -> Option<&V> {
        self.get(hash, is_it)
    }

    /// Returns the number of values, which is the number of the next one.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Acquire) as usize
    }

    /// Returns the value of a number, if there is one.
    #[cfg(not(ferrometer_loom))]
    pub(crate) fn at(&self, number: usize) -> Option<&V> {
        // SAFETY: the number is below the length.
        (number < self.len()).then(|| unsafe { self.value(number) })
    }

    /// Returns the number of places of the index.
    #[cfg(ferrometer_loom)]
    pub(crate) fn places(&self) -> usize {
        self.index.len()
    }

    /// Returns the values in the order in which they came.
    pub(crate) fn iter(&self) -> Values<'_, V> {
        self.range(0..usize::MAX)
    }

    /// Returns the values of these numbers, as far as there are any.
    pub(crate) fn range(&self, numbers: Range<usize>) -> Values<'_, V> {
        let end = numbers.end.min(self.len());
        Values { table: self, left: numbers.start.min(end)..end, chunk: &[] }
    }

    /// Puts a value in, which the caller has looked for since it has the permit. `None` where there can be no more.
    pub(crate) fn push(&self, _: &mut Permit, hash: u64, value: V) -> Option<&V> {
        let number = self.len.load(Relaxed) as usize;
        let mut occupied = Occupied(self.occupied.load(Relaxed) as usize);
        debug_assert_eq!(fingerprint(hash), fingerprint(value.hash()));
        // SAFETY: the number is below the length.
        self.index.make_room(&mut occupied, number, &|known| fingerprint(unsafe { self.value(known) }.hash()))?;
        let (chunk, at) = position(number);
        let place = self.chunks.get(chunk)?;
        if place.load(Relaxed).is_null() {
            let layout = layout::<V>(chunk)?;
            // The system gives memory when it is written, so a chunk that is half empty takes half of it.
            // SAFETY: the layout is longer than nothing.
            let values = unsafe { alloc::alloc(layout) };
            if values.is_null() {
                alloc::handle_alloc_error(layout);
            }
            place.store(values.cast(), Release);
        }
        // SAFETY: the chunk has more places than `at`, and nobody reads this one before its number is known.
        let place = unsafe {
            let place = place.load(Relaxed).add(at);
            place.write(value);
            &*place
        };
        self.len.store(number as u64 + 1, Release);
        self.index.put(&mut occupied, fingerprint(hash), number);
        self.occupied.store(occupied.0 as u64, Relaxed);
        Some(place)
    }
}

/// Only tests have a table that ends: those of a program are there for as long as it runs.
#[cfg(any(test, ferrometer_loom))]
impl<V> Drop for AppendTable<V> {
    fn drop(&mut self) {
        for number in 0..self.len.swap(0, AcqRel) as usize {
            let (chunk, at) = position(number);
            // SAFETY: the number was below the length, so the value was written; nobody sees it any more.
            unsafe { self.chunks[chunk].load(Acquire).add(at).drop_in_place() };
        }
        for (number, chunk) in self.chunks.iter().enumerate() {
            let chunk = chunk.swap(ptr::null_mut(), AcqRel);
            if let Some(layout) = layout::<V>(number).filter(|_| !chunk.is_null()) {
                // SAFETY: `push` allocated it with this layout, and the swap took it out.
                unsafe { alloc::dealloc(chunk.cast(), layout) };
            }
        }
    }
}

/// Values in the order in which they came: chunk by chunk, which is the quickest way to all.
pub(crate) struct Values<'t, V> {
    table: &'t AppendTable<V>,
    /// The numbers of those that come after these.
    left: Range<usize>,
    chunk: &'t [V],
}

impl<'t, V: Hashed> Iterator for Values<'t, V> {
    type Item = &'t V;

    fn next(&mut self) -> Option<&'t V> {
        if self.chunk.is_empty() {
            if self.left.is_empty() {
                return None;
            }
            let (chunk, at) = position(self.left.start);
            let len = ((FIRST_LEN << chunk) - at).min(self.left.len());
            // SAFETY: the numbers of these values are below the length, so they were written, one after the other.
            self.chunk = unsafe { std::slice::from_raw_parts(self.table.value(self.left.start), len) };
            self.left.start += len;
        }
        let (first, rest) = self.chunk.split_first()?;
        self.chunk = rest;
        Some(first)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.chunk.len() + self.left.len();
        (len, Some(len))
    }
}

impl<V: Hashed> ExactSizeIterator for Values<'_, V> {}

impl<V> Clone for Values<'_, V> {
    fn clone(&self) -> Self {
        Values { table: self.table, left: self.left.clone(), chunk: self.chunk }
    }
}

#[cfg(all(test, not(ferrometer_loom)))]
mod tests {
    use super::*;
    use crate::registry::hash_index::hash_of;

    fn permit() -> Permit {
        // SAFETY: each test has a table of its own, and puts values in from one thread.
        unsafe { Permit::new() }
    }

    /// A value with the hash that a test has for it.
    struct Given<T>(u64, T);

    impl<T> Hashed for Given<T> {
        fn hash(&self) -> u64 {
            self.0
        }
    }

    impl<T> AppendTable<Given<T>> {
        fn push_given(&self, hash: u64, value: T) -> &T {
            &self.push(&mut permit(), hash, Given(hash, value)).unwrap().1
        }
    }

    #[test]
    fn finds_what_was_put_through_growth_and_collisions() {
        let table: AppendTable<Given<String>> = AppendTable::new();
        for i in 0..1000u64 {
            let hash = i % 7; // heavy collisions
            assert_eq!(table.len() as u64, i);
            assert_eq!(*table.push_given(hash, i.to_string()), i.to_string());
        }
        for i in 0..1000u64 {
            assert!(table.get(i % 7, |v| v.1 == i.to_string()).is_some_and(|v| v.1 == i.to_string()));
        }
        assert!(table.iter().map(|v| v.1.clone()).eq((0..1000).map(|i| i.to_string())));
        assert!(table.len() == 1000 && table.get(3, |v| v.1 == "5000").is_none());
        assert_eq!((position(0), position(63), position(64), position(191)), ((0, 0), (0, 63), (1, 0), (1, 127)));
    }

    #[test]
    fn hashes_of_few_bits_and_of_the_highest_places_survive_growth() {
        // Long walks, walks round the end, and entries that move at each growth or never.
        let tags: [fn(u64) -> u64; 5] = [
            |i| i % 3,
            |i| u64::MAX - i % 5,
            |i| i << 6,
            |i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            |i| (i % 2) << 12 | 63,
        ];
        for fingerprint in tags {
            let hash = |i| hash_of(fingerprint(i) as u32);
            let table: AppendTable<Given<u64>> = AppendTable::new();
            for i in 0..3000u64 {
                table.push_given(hash(i), i);
                if i.is_power_of_two() || i % 1000 == 0 {
                    assert!((0..=i).all(|k| table.get(hash(k), |v| v.1 == k).is_some()), "{i}");
                }
            }
            assert!((0..3000).all(|i| table.get(hash(i), |v| v.1 == i).is_some()));
            assert!((3000..6000).all(|i| table.get(hash(i), |v| v.1 == i).is_none()));
            let taken = table.occupied.load(Relaxed) as usize;
            let places = table.index.len();
            assert!((3000..places).contains(&taken) && places <= 8192, "{taken} of {places}");
        }
    }

    #[test]
    fn readers_find_what_is_there_while_it_grows() {
        let table: std::sync::Arc<AppendTable<Given<u64>>> = std::sync::Arc::new(AppendTable::new());
        let hash = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while table.len() < 20_000 {
                        // The last one may be counted and not yet have its place.
                        let len = (table.len() as u64).saturating_sub(1);
                        for i in (0..len).rev().step_by(97).take(50) {
                            assert!(table.get(hash(i), |v| v.1 == i).is_some(), "{i} of {len}");
                        }
                    }
                });
            }
            for i in 0..20_000 {
                table.push_given(hash(i), i);
            }
        });
    }

    #[test]
    fn what_is_put_is_dropped_with_the_table() {
        let alive = std::sync::Arc::new(());
        let table = AppendTable::new();
        for i in 0..200 {
            table.push_given(i, std::sync::Arc::clone(&alive));
        }
        assert_eq!(std::sync::Arc::strong_count(&alive), 201);
        drop(table);
        assert_eq!(std::sync::Arc::strong_count(&alive), 1);
    }
}
