//! The sample chunk: a bounded ring of single timer values, written by one recording thread and drained by
//! the collector. It holds values only while some backend wants them one by one.
//!
//! Wait-free on both sides: the writer owns `head`, the collector `tail`. A full ring refuses, and the value goes to
//! the thread's histogram instead. Entries are plain atomics, so no `unsafe` is needed: a value is published
//! by the release store of `head` and its place is given back by the release store of `tail`.

use crate::sync::{AtomicU64, Ordering::*};

/// A ring of (slot, value) pairs.
pub(crate) struct Ring {
    /// Next place to write; stored by the writer alone.
    head: AtomicU64,
    /// The writer's memory of `tail`, so that it reads the collector's line only when the ring looks full.
    tail_seen: AtomicU64,
    /// Next place to read; stored by the collector alone.
    tail: AtomicU64,
    entries: Box<[(AtomicU64, AtomicU64)]>,
}

impl Ring {
    /// A ring of `capacity` entries, a power of two, or 0: one that refuses everything.
    pub(crate) fn new(capacity: usize) -> Ring {
        assert!(capacity == 0 || capacity.is_power_of_two());
        Ring {
            head: AtomicU64::new(0),
            tail_seen: AtomicU64::new(0),
            tail: AtomicU64::new(0),
            entries: (0..capacity).map(|_| (AtomicU64::new(0), AtomicU64::new(0))).collect(),
        }
    }

    /// The memory of a ring of this capacity, in bytes.
    #[cfg(not(loom))]
    pub(crate) fn bytes(capacity: usize) -> usize {
        size_of::<Ring>() + capacity * 16
    }

    /// Keeps one value; `false` when there is no place. Only the owning thread calls this.
    #[inline]
    pub(crate) fn push(&self, slot: u32, bits: u64) -> bool {
        let capacity = self.entries.len() as u64;
        let head = self.head.load(Relaxed);
        if head.wrapping_sub(self.tail_seen.load(Relaxed)) >= capacity {
            let tail = self.tail.load(Acquire);
            self.tail_seen.store(tail, Relaxed);
            if head.wrapping_sub(tail) >= capacity {
                return false;
            }
        }
        let index = (head & (capacity - 1)) as usize;
        let Some(entry) = self.entries.get(index) else { return false };
        entry.0.store(u64::from(slot), Relaxed);
        entry.1.store(bits, Relaxed);
        self.head.store(head.wrapping_add(1), Release);
        true
    }

    /// Hands every value pushed so far to `take`, oldest first, and returns how many. Only the collector calls this.
    pub(crate) fn drain(&self, mut take: impl FnMut(u32, u64)) -> usize {
        let head = self.head.load(Acquire);
        let mut tail = self.tail.load(Relaxed);
        let count = head.wrapping_sub(tail);
        while tail != head {
            let entry = &self.entries[(tail & (self.entries.len() as u64 - 1)) as usize];
            take(entry.0.load(Relaxed) as u32, entry.1.load(Relaxed));
            tail = tail.wrapping_add(1);
        }
        self.tail.store(tail, Release);
        count as usize
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_refuses_and_an_empty_one_gives_nothing() {
        let ring = Ring::new(4);
        assert_eq!(ring.drain(|_, _| panic!("empty")), 0);
        for round in 0..5u64 {
            for i in 0..4 {
                assert!(ring.push(i, round * 10 + u64::from(i)));
            }
            assert!(!ring.push(9, 9));
            let mut seen = Vec::new();
            assert_eq!(ring.drain(|s, b| seen.push((s, b))), 4);
            assert_eq!(seen, (0..4).map(|i| (i, round * 10 + u64::from(i))).collect::<Vec<_>>());
        }
        assert!(!Ring::new(0).push(1, 1));
    }
}
