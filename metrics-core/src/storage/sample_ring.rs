//! The sample chunk: a bounded ring of single timer values, written by one recording thread and drained by
//! the collector. It holds values only while some backend wants them one by one.
//!
//! Wait-free on both sides: the writer owns `head`, the collector `tail`. A writer whose ring is half full calls the collector (`bell`). A full
//! ring refuses, and the value goes to the thread's histogram instead. Entries are plain atomics, so no `unsafe` is needed: a value is published
//! by the release store of `head` and its place is given back by the release store of `tail`.

use crate::sync::Ordering::*;
use crate::sync::{AtomicU64, boxed_zeros};

/// A ring of (slot, value) pairs.
pub(crate) struct Ring {
    /// Next place to write; stored by the writer alone.
    head: AtomicU64,
    /// Where the writer looks at `tail` next, so that it reads the collector's line twice a round: at half of the ring, to have it
    /// drained, and at its end. Stored by the writer alone.
    look: AtomicU64,
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
            look: AtomicU64::new(capacity as u64 / 2),
            tail: AtomicU64::new(0),
            entries: boxed_zeros(capacity),
        }
    }

    /// The memory of a ring of this capacity, in bytes.
    #[cfg(not(ferrometer_loom))]
    pub(crate) fn bytes(capacity: usize) -> usize {
        size_of::<Ring>() + capacity * 16
    }

    /// Keeps one value; `false` when there is no place. Only the owning thread calls this.
    #[inline]
    pub(crate) fn push(&self, slot: u32, bits: u64) -> bool {
        let head = self.head.load(Relaxed);
        if head == self.look.load(Relaxed) && !self.look_at_tail(head) {
            return false;
        }
        let index = (head & (self.entries.len() as u64).wrapping_sub(1)) as usize;
        let Some(entry) = self.entries.get(index) else { return false };
        entry.0.store(u64::from(slot), Relaxed);
        entry.1.store(bits, Relaxed);
        self.head.store(head.wrapping_add(1), Release);
        true
    }

    /// Calls the collector from half of the ring on, and says when to look again; `false` when there is no place.
    #[cold]
    fn look_at_tail(&self, head: u64) -> bool {
        let capacity = self.entries.len() as u64;
        let tail = self.tail.load(Acquire);
        let used = head.wrapping_sub(tail);
        // It has been called by then.
        if used >= capacity {
            return false;
        }
        let look = if used < capacity / 2 {
            tail.wrapping_add(capacity / 2)
        } else if call_collector() {
            tail.wrapping_add(capacity)
        } else {
            // Never past the end: the collector may have left any number of free places.
            head.wrapping_add((capacity / 16).clamp(1, capacity - used))
        };
        self.look.store(look, Relaxed);
        true
    }

    /// How many values there are to drain.
    pub(crate) fn len(&self) -> usize {
        self.head.load(Acquire).wrapping_sub(self.tail.load(Relaxed)) as usize
    }

    /// Hands every value pushed so far to `take`, oldest first. Only the collector calls this.
    pub(crate) fn drain(&self, mut take: impl FnMut(u32, u64)) {
        let head = self.head.load(Acquire);
        let tail = self.tail.load(Relaxed);
        let mask = (self.entries.len() as u64).wrapping_sub(1);
        for at in 0..head.wrapping_sub(tail) {
            let Some(entry) = self.entries.get((tail.wrapping_add(at) & mask) as usize) else { break };
            take(entry.0.load(Relaxed) as u32, entry.1.load(Relaxed));
        }
        self.tail.store(head, Release);
    }
}

/// `false` when it could not be called just now.
fn call_collector() -> bool {
    #[cfg(not(ferrometer_loom))]
    return crate::storage::collector_waker::wake();
    #[cfg(ferrometer_loom)]
    true
}

#[cfg(all(test, not(ferrometer_loom)))]
mod tests {
    use super::*;

    /// Nobody answers the bell here, so the writer looks again and again, at any distance from the end: values are pushed while others are
    /// drained.
    #[test]
    fn nothing_is_overwritten_wherever_the_collector_stops() {
        for (before, during, capacity) in
            (1..80u64).flat_map(|b| (0..80).flat_map(move |d| [1, 4, 16, 64].map(|c| (b, d, c))))
        {
            let ring = Ring::new(capacity);
            let (pushed, drained) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
            let push = |most: u64| {
                for _ in 0..most {
                    if !ring.push(0, pushed.get()) {
                        return;
                    }
                    pushed.set(pushed.get() + 1);
                }
            };
            for _ in 0..4 {
                push(before);
                let mut first = true;
                ring.drain(|_, bits| {
                    assert_eq!(bits, drained.get());
                    drained.set(bits + 1);
                    if std::mem::take(&mut first) {
                        push(during);
                    }
                });
                push(u64::MAX);
                assert!(ring.len() <= capacity, "{} of {capacity}", ring.len());
            }
        }
    }

    #[test]
    fn a_full_ring_refuses_and_an_empty_one_gives_nothing() {
        let ring = Ring::new(4);
        ring.drain(|_, _| panic!("empty"));
        for round in 0..5u64 {
            for i in 0..4 {
                assert!(ring.push(i, round * 10 + u64::from(i)));
            }
            assert!(!ring.push(9, 9));
            let mut seen = Vec::new();
            assert_eq!(ring.len(), 4);
            ring.drain(|s, b| seen.push((s, b)));
            assert_eq!(seen, (0..4).map(|i| (i, round * 10 + u64::from(i))).collect::<Vec<_>>());
        }
        assert!(!Ring::new(0).push(1, 1));
    }
}
