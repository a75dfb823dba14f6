//! Sampled counters whose every increment by 1 is known: one that has a countdown of its own knows how many calls it let pass.

use std::sync::Arc;

/// The increments by 1 of one sampled counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Units {
    /// Hits. They are in the counter's increments too.
    pub(crate) recorded: u64,
    /// Misses, as far as threads have told them.
    pub(crate) skipped: u64,
}

/// Those of all such counters up to some moment: by id, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exact(Arc<Vec<(u32, Units)>>);

impl Exact {
    /// Takes series in the order of their ids.
    pub(crate) fn new(units: Vec<(u32, Units)>) -> Exact {
        debug_assert!(units.is_sorted_by_key(|(id, _)| *id));
        Exact(Arc::new(units))
    }

    /// Returns those of a series; none for one that has no countdown of its own.
    pub(crate) fn of(&self, id: u32) -> Units {
        self.0.binary_search_by_key(&id, |(id, _)| *id).map_or(Units::default(), |at| self.0[at].1)
    }
}
