//! An append-only hash table: lookups without a lock, insertions one at a time.
//!
//! Open addressing with linear probing. A place is one word: 32 bits of the hash, and the number of the value, so that most lookups read
//! nothing but the table and the value that is found. Entries are never removed, so a probe that meets an empty place knows the key was
//! not there when the probe began. Growing copies the places into a table twice as large and publishes it; the old ones are
//! kept until the table is dropped, because a reader may still be walking one (together they are no
//! larger than the newest). The values' pointers stand in a list that grows by chunks and is never copied.

use crate::sync::{AtomicPtr, AtomicU64, Mutex, Ordering::*, lock};
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

struct Chunk<V> {
    values: Box<[AtomicPtr<V>]>,
}

/// Where the value of this number stands: which chunk, and where in it.
fn position(number: usize) -> (usize, usize) {
    let at = number + FIRST_LEN;
    let chunk = (at.ilog2() - FIRST_LEN.ilog2()) as usize;
    (chunk, at - (FIRST_LEN << chunk))
}

struct WriterState {
    len: usize,
    /// Every allocation of places ever published, the current one last.
    owned: Vec<*mut Places>,
}

/// The table. Values are `'static`: what is registered stays.
pub(crate) struct AppendTable<V: 'static> {
    current: AtomicPtr<Places>,
    chunks: [AtomicPtr<Chunk<V>>; CHUNKS],
    writer: Mutex<WriterState>,
}

// SAFETY: the raw pointers in `WriterState` are owned by the table and only touched under its lock or in `Drop`; the
// values are shared references, so `V: Sync` is what sharing needs, and `V: Send` lets a value be inserted elsewhere.
unsafe impl<V: Sync + Send> Send for AppendTable<V> {}
// SAFETY: as above.
unsafe impl<V: Sync + Send> Sync for AppendTable<V> {}

impl<V: Sync + Send> AppendTable<V> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> AppendTable<V> {
        AppendTable {
            current: AtomicPtr::new(ptr::null_mut()),
            chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS],
            writer: Mutex::new(WriterState { len: 0, owned: Vec::new() }),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> AppendTable<V> {
        AppendTable {
            current: AtomicPtr::new(ptr::null_mut()),
            chunks: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            writer: Mutex::new(WriterState { len: 0, owned: Vec::new() }),
        }
    }

    /// The value of a number that was read from a place.
    #[inline]
    fn value(&self, number: usize) -> Option<&'static V> {
        let (chunk, at) = position(number);
        // SAFETY: a chunk's pointer is null or came from a box in `push`, and is freed only in `Drop`. Chunk and value were
        // stored before the number was, with release order, and the number was read with acquire order.
        let chunk = unsafe { self.chunks.get(chunk)?.load(Acquire).as_ref() }?;
        // SAFETY: null, or made from a `&'static V` in `push`.
        unsafe { chunk.values.get(at)?.load(Acquire).as_ref() }
    }

    /// The value with this hash for which `is_it` holds.
    #[inline]
    pub(crate) fn get(&self, hash: u64, mut is_it: impl FnMut(&V) -> bool) -> Option<&'static V> {
        // SAFETY: `current` is null or points to a `Places` that `owned` keeps until the table is dropped.
        let places = unsafe { self.current.load(Acquire).as_ref() }?;
        places.find(tag(hash), |number| self.value(number).filter(|value| is_it(value)))
    }

    /// The value, or else the one that `make` gives, inserted. `make` gets the number of values there are, and may refuse.
    ///
    /// `make` runs under the table's lock: it must not use this table.
    pub(crate) fn get_or_insert(
        &self,
        hash: u64,
        mut is_it: impl FnMut(&V) -> bool,
        make: impl FnOnce(usize) -> Option<&'static V>,
    ) -> Option<&'static V> {
        if let Some(found) = self.get(hash, &mut is_it) {
            return Some(found);
        }
        let mut writer = lock(&self.writer);
        if let Some(found) = self.get(hash, &mut is_it) {
            return Some(found);
        }
        let value = make(writer.len)?;
        self.push(writer.len, value)?;
        let current = self.current.load(Relaxed);
        // SAFETY: as in `get`.
        let places = match unsafe { current.as_ref() } {
            Some(places) if !places.is_full(writer.len) => places,
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
        writer.len += 1;
        places.put((writer.len as u64) << 32 | u64::from(tag(hash)));
        Some(value)
    }

    /// Puts the value of a number in the list. Only the holder of the writer lock calls this. `None`: there can be no more.
    fn push(&self, number: usize, value: &'static V) -> Option<()> {
        let (chunk, at) = position(number);
        let place = self.chunks.get(chunk)?;
        if place.load(Relaxed).is_null() {
            let empty = || AtomicPtr::new(ptr::null_mut());
            let values = (0..FIRST_LEN << chunk).map(|_| empty()).collect();
            place.store(Box::into_raw(Box::new(Chunk { values })), Release);
        }
        // SAFETY: as in `value`; it is not null any more.
        let chunk = unsafe { place.load(Relaxed).as_ref() }?;
        chunk.values.get(at)?.store(ptr::from_ref(value).cast_mut(), Release);
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
        for chunk in &self.chunks {
            let chunk = chunk.swap(ptr::null_mut(), AcqRel);
            if !chunk.is_null() {
                // SAFETY: as above; the swap took it out.
                drop(unsafe { Box::from_raw(chunk) });
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_put_through_growth_and_collisions() {
        static VALUES: std::sync::LazyLock<Vec<u64>> = std::sync::LazyLock::new(|| (0..1000).collect());
        let table: AppendTable<u64> = AppendTable::new();
        for i in 0..1000u64 {
            let hash = i % 7; // heavy collisions
            let made = table.get_or_insert(
                hash,
                |v| *v == i,
                |len| {
                    assert_eq!(len as u64, i);
                    Some(&VALUES[i as usize])
                },
            );
            assert_eq!(made, Some(&i));
        }
        for i in 0..1000u64 {
            assert_eq!(table.get(i % 7, |v| *v == i), Some(&i));
        }
        assert_eq!(table.get(3, |v| *v == 5000), None);
        assert_eq!((position(0), position(63), position(64), position(191)), ((0, 0), (0, 63), (1, 0), (1, 127)));
        assert_eq!(table.get_or_insert(1, |_| false, |_| None), None);
    }
}
