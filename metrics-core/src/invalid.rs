//! How many recordings of each series were refused because they were NaN or infinite. Only what takes floats can be: for others there are no
//! counters.

use crate::cells::{MAX_DISTRIBUTIONS, MAX_SCALARS};
use crate::first;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};

const CHUNK: usize = 128;
const CHUNKS: usize = (MAX_SCALARS + MAX_DISTRIBUTIONS).div_ceil(CHUNK);

type Counters = [AtomicU64; CHUNK];

/// By the series' id.
static ALL: [AtomicPtr<Counters>; CHUNKS] = [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS];

fn counter(id: u32) -> Option<&'static AtomicU64> {
    let chunk = ALL.get(id as usize / CHUNK)?.load(Acquire);
    // SAFETY: null, or published in `prepare`, for ever.
    unsafe { chunk.as_ref() }.map(|chunk| &chunk[id as usize % CHUNK])
}

/// Makes the counter of a series, so that counting needs no memory. It is registered after.
pub(crate) fn prepare(id: u32) {
    if counter(id).is_none()
        && let Some(place) = ALL.get(id as usize / CHUNK)
    {
        first::publish(place, ptr::null_mut(), [const { AtomicU64::new(0) }; CHUNK]);
    }
}

/// One more was refused.
pub(crate) fn count(id: u32) {
    if let Some(counter) = counter(id) {
        counter.fetch_add(1, Relaxed);
    }
}

/// How many were refused.
pub(crate) fn of(id: u32) -> u64 {
    counter(id).map_or(0, |counter| counter.load(Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_floats_has_a_counter_and_nothing_else_is_counted() {
        // The last ids, which no test registers.
        let id = (CHUNKS * CHUNK - 1) as u32;
        count(id);
        assert_eq!((of(id), of(u32::MAX)), (0, 0));
        prepare(id);
        prepare(u32::MAX);
        count(id);
        count(u32::MAX);
        assert_eq!((of(id), of(id - 1), of(u32::MAX)), (1, 0, 0));
    }
}
