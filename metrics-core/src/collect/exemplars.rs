//! Exemplars of a snapshot: the last one of each place.
//!
//! Exemplars are taken before the cells are read, so that the recording of each is in the snapshot that shows it.

use crate::record::trace_context::TraceContext;
use crate::registry::series::Series;
use crate::storage::exemplar_slots::{self, CellNumber};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One recording, and the trace that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Exemplar {
    /// The recorded value: what a counter was raised by, nanoseconds of a timer, a histogram's value.
    pub value: f64,
    /// When it was recorded, by the system's clock.
    pub time: SystemTime,
    /// The span that it was recorded in.
    pub context: TraceContext,
    /// The number of the first snapshot that has it.
    pub sequence: u64,
    /// The place it was taken from.
    place: u32,
}

impl Exemplar {
    /// Returns an exemplar of any value and time: for tests of backends, with the feature `test-support`.
    #[cfg(feature = "test-support")]
    #[must_use]
    pub fn new(value: f64, time: SystemTime, context: TraceContext) -> Exemplar {
        Exemplar { value, time, context, sequence: 0, place: u32::MAX }
    }
}

/// By cell, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exemplars(Arc<Vec<(CellNumber, Arc<[Exemplar]>)>>);

impl Exemplars {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns those of a series.
    pub(crate) fn of(&self, series: &Series) -> &[Exemplar] {
        if self.is_empty() {
            return &[];
        }
        let cell = CellNumber::new(series.kind().scheme(), series.slot);
        self.0.binary_search_by_key(&cell, |(cell, _)| *cell).map_or(&[], |at| &*self.0[at].1)
    }

    /// Puts one in the place of the one before it.
    fn put(&mut self, cell: CellNumber, new: Exemplar) {
        let all = Arc::make_mut(&mut self.0);
        match all.binary_search_by_key(&cell, |(cell, _)| *cell) {
            Err(at) => all.insert(at, (cell, Arc::new([new]))),
            Ok(at) => {
                let kept = all[at].1.iter().copied().filter(|old| old.place != new.place);
                all[at].1 = kept.chain([new]).collect();
            }
        }
    }
}

/// Exemplars that the collector keeps between collections.
#[derive(Default)]
pub(crate) struct LastExemplars {
    last: Exemplars,
    forgotten: u64,
}

impl LastExemplars {
    /// Takes what was written since, for the snapshot of this number. Returns whether there was any.
    pub(crate) fn take(&mut self, sequence: u64) -> bool {
        let forgotten = exemplar_slots::forgotten();
        if std::mem::replace(&mut self.forgotten, forgotten) != forgotten {
            self.last = Exemplars::default();
        }
        let mut is_new = false;
        exemplar_slots::take_all(|place, cell, value, written| {
            let Some(context) = TraceContext::new(written.trace, written.span) else { return };
            let time = UNIX_EPOCH + Duration::from_nanos(written.time);
            self.last.put(cell, Exemplar { value, time, context, sequence, place });
            is_new = true;
        });
        is_new
    }

    pub(crate) fn all(&self) -> Exemplars {
        self.last.clone()
    }
}
