//! A number for each of the series that need one, by the series' id: in chunks that are published once, so that it is found without a lock.

use crate::storage::cell_address::{MAX_DISTRIBUTIONS, MAX_SCALARS};
use crate::sync::boxed_zero;
use crate::sync::publish_once;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};

const CHUNK: usize = 128;
const CHUNKS: usize = (MAX_SCALARS + MAX_DISTRIBUTIONS).div_ceil(CHUNK);

type Chunk = [AtomicU64; CHUNK];

/// Numbers by the ids of series. All begin at 0.
pub(crate) struct PerSeries([AtomicPtr<Chunk>; CHUNKS]);

impl PerSeries {
    pub(crate) const fn new() -> PerSeries {
        PerSeries([const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS])
    }

    /// Returns the number of a series, if it was made.
    pub(crate) fn get(&'static self, id: u32) -> Option<&'static AtomicU64> {
        let chunk = self.0.get(id as usize / CHUNK)?.load(Acquire);
        // SAFETY: null, or published in `make`, for ever.
        unsafe { chunk.as_ref() }.map(|chunk| &chunk[id as usize % CHUNK])
    }

    /// Returns the number of a series, made if need be. `None` for an id that no series has. It may allocate.
    pub(crate) fn make(&'static self, id: u32) -> Option<&'static AtomicU64> {
        if let Some(made) = self.get(id) {
            return Some(made);
        }
        publish_once::publish_boxed(self.0.get(id as usize / CHUNK)?, ptr::null_mut(), boxed_zero());
        self.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_has_a_number_of_its_own() {
        static NUMBERS: PerSeries = PerSeries::new();
        let last = (CHUNKS * CHUNK - 1) as u32;
        assert!(NUMBERS.get(last).is_none());
        NUMBERS.make(last).unwrap().store(7, Relaxed);
        assert_eq!(NUMBERS.make(last).unwrap().load(Relaxed), 7);
        assert_eq!(NUMBERS.get(last - 1).unwrap().load(Relaxed), 0);
        assert!(NUMBERS.make(last + 1).is_none() && NUMBERS.make(u32::MAX).is_none());
    }
}
