//! Stretches of series that were registered one after the other and have slots one after the other too: a walk compares their rows block by block.

use crate::registry::append_table::Values;
use crate::registry::series::Series;
use crate::registry::series_table;
use crate::storage::cell_address::CHUNK;

/// Number of series of a stretch.
pub(super) const STRETCH: usize = CHUNK;
/// Stands for the first slot of a stretch that is walked series by series.
const MIXED: u32 = u32::MAX;

/// The first slot of each whole stretch of series that have slots one after the other. Four bytes for a stretch.
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
        (to - from == STRETCH).then_some(slot)
    }
}

fn first_slot(mut stretch: Values<'_, Series>) -> u32 {
    let Some(first) = stretch.clone().next() else { return MIXED };
    let mut next = first.slot;
    let follows = |series: &Series| {
        let follows = series.kind().scheme().is_none() && series.slot == next;
        next = next.wrapping_add(1);
        follows
    };
    if stretch.len() == STRETCH && stretch.all(follows) { first.slot } else { MIXED }
}
