//! Handles that a thread has made before, by key: the macros of `metrics` ask for their handle at each call.
//!
//! Each thread has a table of its own, so that no lock and no shared reference count is touched. A table that is full is emptied: its keys are looked up
//! in the core again, which is slower and has no other effect.

use metrics::Key;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::thread::LocalKey;

/// Greatest number of keys of one kind that a thread remembers.
pub(crate) const MAX_KEYS: usize = 4096;

/// Takes the hash that a key carries already. It is used for nothing but keys of `metrics`, which hash as one word.
#[derive(Default)]
pub(crate) struct CarriedHash(u64);

impl Hasher for CarriedHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

/// Table of one kind of handles: those of bridge number `bridge`.
pub(crate) struct Near<T> {
    bridge: usize,
    handles: HashMap<Key, Arc<T>, BuildHasherDefault<CarriedHash>>,
}

impl<T> Near<T> {
    pub(crate) const fn new() -> Near<T> {
        Near { bridge: usize::MAX, handles: HashMap::with_hasher(BuildHasherDefault::new()) }
    }
}

/// Returns the handle of `key` of a bridge, which `make` makes at the first call on a thread.
#[inline]
pub(crate) fn handle<T>(
    table: &'static LocalKey<RefCell<Near<T>>>,
    bridge: usize,
    key: &Key,
    make: impl Fn() -> T,
) -> Arc<T> {
    let found = table.try_with(|near| {
        // A recorder that is asked by an allocator, in the middle of an insertion below, makes a handle for once.
        let Ok(mut near) = near.try_borrow_mut() else { return Arc::new(make()) };
        if near.bridge == bridge
            && let Some(handle) = near.handles.get(key)
        {
            return Arc::clone(handle);
        }
        let handle = Arc::new(make());
        if near.bridge != bridge || near.handles.len() >= MAX_KEYS {
            near.handles.clear();
            near.bridge = bridge;
        }
        near.handles.insert(key.to_retained(), Arc::clone(&handle));
        handle
    });
    // A thread whose locals are gone already makes a handle for each call.
    found.unwrap_or_else(|_| Arc::new(make()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        static TABLE: RefCell<Near<usize>> = const { RefCell::new(Near::new()) };
    }

    #[test]
    fn a_key_is_made_once_and_a_full_table_begins_again() {
        let made = Cell::new(0);
        let get = |bridge, key: &Key| {
            *handle(&TABLE, bridge, key, || {
                made.set(made.get() + 1);
                made.get()
            })
        };
        let key = |n: usize| Key::from_parts("k", vec![metrics::Label::new("n", n.to_string())]);
        assert_eq!((get(0, &key(1)), get(0, &key(1)), get(0, &key(2))), (1, 1, 2));
        // Another bridge has other handles.
        assert_eq!((get(1, &key(1)), get(1, &key(1))), (3, 3));
        (0..10 * MAX_KEYS).for_each(|n| {
            get(1, &key(n));
        });
        assert!(TABLE.with_borrow(|near| near.handles.len()) <= MAX_KEYS);
    }
}
