//! How many recordings of each series were refused because they were NaN or infinite. Only what takes floats can be: for others there are no
//! counters.

use crate::storage::cell_address::{MAX_DISTRIBUTIONS, MAX_SCALARS};
use crate::sync::boxed_zero;
use crate::sync::publish_once;
use std::ptr;
use std::sync::Arc;
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
        publish_once::publish_boxed(place, ptr::null_mut(), boxed_zero());
    }
}

/// Counts one that was refused.
pub(crate) fn count(id: u32) {
    if let Some(counter) = counter(id) {
        counter.fetch_add(1, Relaxed);
    }
}

/// How many were refused.
pub(crate) fn of(id: u32) -> u64 {
    counter(id).map_or(0, |counter| counter.load(Relaxed))
}

/// The refusals up to some moment, for the few series that have any: by id, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invalid(Arc<Vec<(u32, u64)>>);

impl Invalid {
    /// Takes series in the order of their ids, with the number of refusals of each.
    pub(crate) fn new(refused: Vec<(u32, u64)>) -> Invalid {
        debug_assert!(refused.is_sorted_by_key(|(id, _)| *id));
        Invalid(Arc::new(refused))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        self.0.iter().copied()
    }

    /// Returns the number of refusals of a series.
    pub(crate) fn of(&self, id: u32) -> u64 {
        self.0.binary_search_by_key(&id, |(id, _)| *id).map_or(0, |at| self.0[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_found_by_id() {
        let all = Invalid::new(vec![(3, 2), (7, 5)]);
        assert_eq!((all.of(2), all.of(3), all.of(4), all.of(7), all.of(8)), (0, 2, 0, 5, 0));
        assert!(all.iter().eq([(3, 2), (7, 5)]));
    }

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
