//! An append-only hash table: lookups without a lock, insertions one at a time.
//!
//! Open addressing with linear probing. A place is one word: 32 bits of the hash, and the number of the value, so that most lookups read
//! nothing but the table and the value that is found. Entries are never removed, so a probe that meets an empty place knows the key was
//! not there when the probe began. Growing copies the places into a table twice as large and publishes it; the old ones are
//! kept until the table is dropped, because a reader may still be walking one (together they are no
//! larger than the newest). The values stand in chunks, each twice as long as the one before, one after the other: nothing but the value is
//! kept for each, and its number says where it is.

use crate::sync::{AtomicPtr, AtomicU64, Mutex, Ordering::*, lock};
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

/// Places of the table: 0, or the number of the value, from 1, above 32 bits of its hash.
struct Places {
    all: Box<[AtomicU64]>,
}

/// What is kept of a hash. The place where a search begins is a part of it.
fn tag(hash: u64) -> u32 {
    (hash ^ hash >> 32) as u32
}

impl Places {
    fn new(len: usize) -> Places {
        Places { all: (0..len).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The first number that `is_it` takes, of those that share the tag.
    #[inline]
    fn find<V>(&self, tag: u32, mut is_it: impl FnMut(usize) -> Option<V>) -> Option<V> {
        let mask = self.all.len() - 1;
        let mut index = tag as usize & mask;
        // Some places are always free, so the walk ends.
        loop {
            let place = self.all[index].load(Acquire);
            if place == 0 {
                return None;
            }
            if place as u32 == tag
                && let Some(found) = is_it((place >> 32) as usize - 1)
            {
                return Some(found);
            }
            index = (index + 1) & mask;
        }
    }

    /// Only the holder of the writer lock calls this.
    fn put(&self, place: u64) {
        let mask = self.all.len() - 1;
        let mut index = place as u32 as usize & mask;
        while self.all[index].load(Relaxed) != 0 {
            index = (index + 1) & mask;
        }
        self.all[index].store(place, Release);
    }

    /// Whether one more would leave too few free places for short walks.
    fn is_full(&self, len: usize) -> bool {
        (len + 1) * 16 > self.all.len() * 13
    }
}

/// Where the value of this number stands: which chunk, and where in it.
fn position(number: usize) -> (usize, usize) {
    let at = number + FIRST_LEN;
    let chunk = (at.ilog2() - FIRST_LEN.ilog2()) as usize;
    (chunk, at - (FIRST_LEN << chunk))
}

struct WriterState {
    /// Every allocation of places ever published, the current one last.
    owned: Vec<*mut Places>,
}

/// The table. A value stays where it was put for as long as the table lives, and a `static` one lives for ever.
pub(crate) struct AppendTable<V> {
    current: AtomicPtr<Places>,
    /// The values, in the order of their numbers.
    chunks: [AtomicPtr<V>; CHUNKS],
    /// How many values there are: stored after the value.
    len: AtomicU64,
    writer: Mutex<WriterState>,
}

// SAFETY: the raw pointers in `WriterState` are owned by the table and only touched under its lock or in `Drop`. Values are
// put in from any thread (`V: Send`) and shared with all (`V: Sync`).
unsafe impl<V: Sync + Send> Send for AppendTable<V> {}
// SAFETY: as above.
unsafe impl<V: Sync + Send> Sync for AppendTable<V> {}

impl<V: Sync + Send> AppendTable<V> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> AppendTable<V> {
        AppendTable {
            current: AtomicPtr::new(ptr::null_mut()),
            chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS],
            len: AtomicU64::new(0),
            writer: Mutex::new(WriterState { owned: Vec::new() }),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> AppendTable<V> {
        AppendTable {
            current: AtomicPtr::new(ptr::null_mut()),
            chunks: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            len: AtomicU64::new(0),
            writer: Mutex::new(WriterState { owned: Vec::new() }),
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
        // SAFETY: `current` is null or points to a `Places` that `owned` keeps until the table is dropped.
        let places = unsafe { self.current.load(Acquire).as_ref() }?;
        places.find(tag(hash), |number| {
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
        // SAFETY: as in `get`.
        unsafe { self.current.load(Acquire).as_ref() }.map_or(0, |places| places.all.len())
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

    /// The value, or else the one that `make` gives, inserted. `make` gets its number, and may refuse.
    ///
    /// `make` runs under the table's lock: it must not insert into this table.
    pub(crate) fn get_or_insert(
        &self,
        hash: u64,
        mut is_it: impl FnMut(&V) -> bool,
        make: impl FnOnce(usize) -> Option<V>,
    ) -> Option<&V> {
        if let Some(found) = self.get(hash, &mut is_it) {
            return Some(found);
        }
        let mut writer = lock(&self.writer);
        if let Some(found) = self.get(hash, &mut is_it) {
            return Some(found);
        }
        let number = self.len.load(Relaxed) as usize;
        let value = make(number)?;
        self.push(number, value)?;
        let current = self.current.load(Relaxed);
        // SAFETY: as in `get`.
        let places = match unsafe { current.as_ref() } {
            Some(places) if !places.is_full(number) => places,
            full => {
                let grown = Places::new(full.map_or(FIRST_LEN, |p| p.all.len() * 2));
                let old = full.iter().flat_map(|p| p.all.iter()).map(|place| place.load(Relaxed));
                old.filter(|place| *place != 0).for_each(|place| grown.put(place));
                let grown = Box::into_raw(Box::new(grown));
                writer.owned.push(grown);
                self.current.store(grown, Release);
                // SAFETY: just made from a box that `owned` keeps.
                unsafe { &*grown }
            }
        };
        places.put((number as u64 + 1) << 32 | u64::from(tag(hash)));
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
        for places in lock(&self.writer).owned.drain(..) {
            // SAFETY: each came from `Box::into_raw`, is in the list once, and `&mut self` means no reader is left.
            drop(unsafe { Box::from_raw(places) });
        }
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
