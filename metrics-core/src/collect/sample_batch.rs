//! Batches of single values: what one collection drained from the rings, shared by every backend that wants values one by one.
//!
//! There are many values, and the work for each is small: a batch is kept as runs of one series, and its memory is used again when nobody
//! holds it any more.

use std::sync::Arc;

/// Single values drained at one collection.
#[derive(Debug, Default)]
pub(crate) struct SampleBatch {
    /// The first snapshot they are in.
    pub(crate) sequence: u64,
    /// Timers in nanoseconds.
    values: Vec<f64>,
    /// Whose they are: a slot among distributions, and how many of its values follow each other. The values of one series often stand together.
    runs: Vec<(u32, u32)>,
}

impl SampleBatch {
    /// Forgets the values and keeps the memory.
    pub(crate) fn begin(&mut self, sequence: u64, expected: usize) {
        self.sequence = sequence;
        self.values.clear();
        self.runs.clear();
        self.values.reserve(expected);
    }

    #[inline]
    pub(crate) fn push(&mut self, slot: u32, value: f64) {
        self.values.push(value);
        match self.runs.last_mut() {
            Some((last, len)) if *last == slot && *len < u32::MAX => *len += 1,
            _ => self.runs.push((slot, 1)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The runs in the order of draining: a slot among distributions, and its values.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u32, &[f64])> {
        let mut rest = self.values.as_slice();
        self.runs.iter().map(move |(slot, len)| {
            let (run, behind) = rest.split_at(*len as usize);
            rest = behind;
            (*slot, run)
        })
    }
}

/// Segments that were handed out, to be used again when nobody holds them any more.
#[derive(Default)]
pub(crate) struct BatchPool {
    segments: Vec<Arc<SampleBatch>>,
}

impl BatchPool {
    /// How many are kept at most, and of how many values each.
    const SEGMENTS: usize = 32;
    const VALUES: usize = 4096;
    /// The most memory they take.
    pub(crate) const BYTES: usize = Self::SEGMENTS * (Self::VALUES * 16 + size_of::<SampleBatch>());

    /// An empty segment.
    pub(crate) fn take(&mut self) -> Arc<SampleBatch> {
        for at in 0..self.segments.len() {
            if Arc::get_mut(&mut self.segments[at]).is_some() {
                return self.segments.swap_remove(at);
            }
        }
        Arc::default()
    }

    /// Remembers a segment that is handed out.
    pub(crate) fn put(&mut self, segment: &Arc<SampleBatch>) {
        let is_small = segment.values.capacity() <= Self::VALUES && segment.runs.capacity() <= Self::VALUES;
        if is_small && self.segments.len() < Self::SEGMENTS {
            self.segments.push(Arc::clone(segment));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_gives_out_what_nobody_holds() {
        let mut pool = BatchPool::default();
        let mut first = pool.take();
        Arc::get_mut(&mut first).unwrap().push(1, 1.0);
        pool.put(&first);
        assert!(!Arc::ptr_eq(&pool.take(), &first));
        let held = Arc::as_ptr(&first);
        drop(first);
        let again = pool.take();
        assert_eq!(Arc::as_ptr(&again), held);
        let mut large = SampleBatch::default();
        large.begin(1, BatchPool::VALUES + 1);
        pool.put(&Arc::new(large));
        assert!(pool.segments.is_empty());
    }
}
