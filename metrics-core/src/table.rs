//! An append-only hash table: lookups without a lock, insertions one at a time.
//!
//! Open addressing with linear probing. Entries are never removed, so a probe that meets an empty place knows the key was not
//! there when the probe began. Growing copies into a table twice as large and publishes it; the old ones are
//! kept until the table is dropped, because a reader may still be walking one (together they are no
//! larger than the newest).

use crate::sync::{AtomicPtr, AtomicU64, Mutex, Ordering::*, lock};
use std::ptr;

#[cfg(loom)]
const FIRST_LEN: usize = 2;
#[cfg(not(loom))]
const FIRST_LEN: usize = 64;

struct Place<V> {
    hash: AtomicU64,
    value: AtomicPtr<V>,
}

struct Places<V> {
    all: Box<[Place<V>]>,
}

impl<V> Places<V> {
    fn new(len: usize) -> Places<V> {
        let empty = || Place { hash: AtomicU64::new(0), value: AtomicPtr::new(ptr::null_mut()) };
        Places { all: (0..len).map(|_| empty()).collect() }
    }

    #[inline]
    fn find(&self, hash: u64, mut is_it: impl FnMut(&V) -> bool) -> Option<&'static V> {
        let mask = self.all.len() - 1;
        let mut index = hash as usize & mask;
        // At most half of the places are taken, so the walk ends.
        loop {
            let place = &self.all[index];
            let value = place.value.load(Acquire);
            if value.is_null() {
                return None;
            }
            if place.hash.load(Relaxed) == hash {
                // SAFETY: a non-null pointer in a place came from a `&'static V` in `put`.
                let value: &'static V = unsafe { &*value };
                if is_it(value) {
                    return Some(value);
                }
            }
            index = (index + 1) & mask;
        }
    }

    /// Only the holder of the writer lock calls this.
    fn put(&self, hash: u64, value: *mut V) {
        let mask = self.all.len() - 1;
        let mut index = hash as usize & mask;
        while !self.all[index].value.load(Relaxed).is_null() {
            index = (index + 1) & mask;
        }
        self.all[index].hash.store(hash, Relaxed);
        self.all[index].value.store(value, Release);
    }
}

struct WriterState<V> {
    len: usize,
    /// Every allocation ever published, the current one last.
    owned: Vec<*mut Places<V>>,
}

/// The table. Values are `'static`: what is registered stays.
pub(crate) struct AppendTable<V: 'static> {
    current: AtomicPtr<Places<V>>,
    writer: Mutex<WriterState<V>>,
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
            writer: Mutex::new(WriterState { len: 0, owned: Vec::new() }),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> AppendTable<V> {
        AppendTable {
            current: AtomicPtr::new(ptr::null_mut()),
            writer: Mutex::new(WriterState { len: 0, owned: Vec::new() }),
        }
    }

    /// The value with this hash for which `is_it` holds.
    #[inline]
    pub(crate) fn get(&self, hash: u64, is_it: impl FnMut(&V) -> bool) -> Option<&'static V> {
        // SAFETY: `current` is null or points to a `Places` that `owned` keeps until the table is dropped.
        unsafe { self.current.load(Acquire).as_ref() }?.find(hash, is_it)
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
        let current = self.current.load(Relaxed);
        // SAFETY: as in `get`.
        let places = match unsafe { current.as_ref() } {
            Some(places) if (writer.len + 1) * 2 <= places.all.len() => places,
            full => {
                let grown = Places::new(full.map_or(FIRST_LEN, |p| p.all.len() * 2));
                for place in full.iter().flat_map(|p| p.all.iter()) {
                    let old = place.value.load(Relaxed);
                    if !old.is_null() {
                        grown.put(place.hash.load(Relaxed), old);
                    }
                }
                let grown = Box::into_raw(Box::new(grown));
                writer.owned.push(grown);
                self.current.store(grown, Release);
                // SAFETY: just made from a box that `owned` keeps.
                unsafe { &*grown }
            }
        };
        places.put(hash, ptr::from_ref(value).cast_mut());
        writer.len += 1;
        Some(value)
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
        assert_eq!(table.get_or_insert(1, |_| false, |_| None), None);
    }
}
