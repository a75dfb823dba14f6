//! How many recordings of each series were refused because they were NaN or infinite. Only what takes floats can be: for others there are no
//! counters.

use crate::storage::per_series::PerSeries;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

static ALL: PerSeries = PerSeries::new();

/// Makes the counter of a series, so that counting needs no memory. It is registered after.
pub(crate) fn prepare(id: u32) {
    ALL.make(id);
}

/// Counts values that were refused.
pub(crate) fn count(id: u32, times: u64) {
    if let Some(counter) = ALL.get(id) {
        counter.fetch_add(times, Relaxed);
    }
}

/// How many were refused.
pub(crate) fn of(id: u32) -> u64 {
    ALL.get(id).map_or(0, |counter| counter.load(Relaxed))
}

/// The refusals up to some moment, for the few series that have any: by id, in order.
#[derive(Clone, Debug, Default, PartialEq)]
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
        // Ids that no test registers.
        let id = 140_000;
        count(id, 1);
        assert_eq!((of(id), of(u32::MAX)), (0, 0));
        prepare(id);
        prepare(u32::MAX);
        count(id, 1);
        count(u32::MAX, 1);
        assert_eq!((of(id), of(id - 1), of(u32::MAX)), (1, 0, 0));
    }
}
