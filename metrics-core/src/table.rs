//! An append-only hash table: lookups without a lock, insertions one at a time.
//!
//! The values stand in chunks, each twice as long as the one before, one after the other: nothing but the value is
//! kept for each, and its number says where it is. Which number a key has is told by the [`Places`].

use crate::places::{self, FIRST_LEN, Places, Taken, tag};
use crate::sync::{AtomicPtr, AtomicU64, Mutex, Ordering::*, const_unless_loom, lock, nulls};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;

/// Chunks of values, each twice as long as the one before: there can be `FIRST_LEN << CHUNKS`, and places for more.
const CHUNKS: usize = places::CHUNKS - 2;

/// Where the value of this number stands: which chunk, and where in it.
fn position(number: usize) -> (usize, usize) {
    let at = number + FIRST_LEN;
    let chunk = (at.ilog2() - FIRST_LEN.ilog2()) as usize;
    (chunk, at - (FIRST_LEN << chunk))
}

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
        self.places.len()
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
    use crate::places::hash_of;

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
    fn hashes_of_few_bits_and_of_the_highest_places_survive_growth() {
        // Long walks, walks round the end, and entries that move at each growth or never.
        let tags: [fn(u64) -> u64; 5] = [
            |i| i % 3,
            |i| u64::MAX - i % 5,
            |i| i << 6,
            |i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            |i| (i % 2) << 12 | 63,
        ];
        for tag in tags {
            let hash = |i| hash_of(tag(i) as u32);
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
            let places = table.places.len();
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
