//! Stretches of series that were registered one after the other and have slots one after the other too: a walk compares their rows block by block.

use crate::registry::append_table::Values;
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use crate::registry::series_table;
use crate::storage::cell_address::{CHUNK, MAX_SCALARS};

/// Number of series of a stretch.
pub(super) const STRETCH: usize = CHUNK;
/// Stands for the first slot of a stretch that is walked series by series.
const MIXED: u32 = u32::MAX;
/// Stands beside the first slot of a stretch of nothing but counters of the program.
const COUNTERS: u32 = 1 << 31;
const _: () = assert!(MAX_SCALARS < COUNTERS as usize);

/// The first slot of each whole stretch of series that have slots one after the other, and whether all of them are counters of the program. Four bytes for a
/// stretch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stretches(Vec<u32>);

impl Stretches {
    /// Takes in the stretches that these series fill.
    pub(crate) fn grow(&mut self, series: usize) {
        while (self.0.len() + 1) * STRETCH <= series {
            let from = self.0.len() * STRETCH;
            self.0.push(first_slot(series_table::series_in(from..from + STRETCH)));
        }
    }

    /// Returns the first slot of the stretch that begins at an id and ends before another one.
    pub(super) fn slot(&self, from: usize, to: usize) -> Option<u32> {
        let slot = *self.0.get(from / STRETCH).filter(|slot| **slot != MIXED)?;
        (to - from == STRETCH).then_some(slot & !COUNTERS)
    }

    /// Returns those of nothing but counters of the program: the first id of each, and the first slot.
    pub(super) fn of_counters(&self) -> impl Iterator<Item = (usize, u32)> {
        let all = self.0.iter().enumerate().filter(|(_, slot)| **slot != MIXED && **slot & COUNTERS != 0);
        all.map(|(number, slot)| (number * STRETCH, slot & !COUNTERS))
    }
}

fn first_slot(mut stretch: Values<'_, Series>) -> u32 {
    let Some(first) = stretch.clone().next() else { return MIXED };
    let (mut next, mut counters) = (first.slot, COUNTERS);
    let follows = |series: &Series| {
        let follows = series.kind().scheme().is_none() && series.slot == next;
        if series.kind() != Kind::Counter || series.is_internal() {
            counters = 0;
        }
        next = next.wrapping_add(1);
        follows
    };
    if stretch.len() == STRETCH && stretch.all(follows) { first.slot | counters } else { MIXED }
}
