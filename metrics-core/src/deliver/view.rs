//! The view of a backend: one snapshot, seen through a cursor of its own.
//!
//! The snapshot is shared and immutable; the cursor says, for each series, how much this backend has accounted for. A [`Delta`] is
//! the distance between the two. A backend turns deltas into lines, and for each piece it hands in the [`Receipt`](crate::Receipt) again: as
//! sent, or as dropped with a cause. A piece whose receipt is never handed in is pending, and part of the next delta.

use crate::collect::distribution::Distribution;
use crate::collect::exemplars::Exemplar;
use crate::collect::ledger::{Amount, Cause, Dropped};
use crate::collect::snapshot::Snapshot;
use crate::deliver::cursor::{Cursor, Position};
use crate::deliver::delta::{Change, Delta};
use crate::deliver::samples::{AckBitmap, GroupedSamples};
use crate::deliver::walk::Walk;
use crate::naming::prefix::Naming;
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use crate::registry::series_table;
use std::cell::{Cell, RefCell};
use std::ops::Range;

/// One snapshot as one backend sees it.
///
/// The snapshot is shared and immutable; the view knows how much of each series this backend has accounted for. A [`Delta`] is the distance
/// between the two. A backend turns deltas into lines, and for each piece it hands in the [`Receipt`](crate::Receipt): as [`sent`](Self::sent), or as
/// [`dropped`](Self::dropped) with a cause. A piece whose receipt is never handed in is pending, and part of the next delta.
pub struct SnapshotView<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) naming: &'a Naming,
    is_last: bool,
    /// The last snapshot whose exemplars were delivered.
    exemplars: u64,
    pub(super) cursor: RefCell<&'a mut Cursor>,
    pub(super) singles: GroupedSamples,
    pub(super) marks: RefCell<AckBitmap>,
    pub(super) sent: Cell<Amount>,
    pub(super) merged: Cell<u64>,
    pub(super) superseded: Cell<Amount>,
    pub(super) dropped: RefCell<Dropped>,
}

impl<'a> SnapshotView<'a> {
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        naming: &'a Naming,
        cursor: &'a mut Cursor,
        singles: GroupedSamples,
        is_last: bool,
    ) -> SnapshotView<'a> {
        cursor.grow(snapshot);
        let view = SnapshotView {
            snapshot,
            naming,
            is_last,
            exemplars: cursor.exemplars,
            cursor: RefCell::new(cursor),
            marks: RefCell::new(singles.marks()),
            singles,
            sent: Cell::default(),
            merged: Cell::default(),
            superseded: Cell::default(),
            dropped: RefCell::default(),
        };
        view.drop_invalid();
        view
    }

    /// Drops the recordings that were NaN or infinite, before the backend sees anything.
    fn drop_invalid(&self) {
        let mut cursor = self.cursor.borrow_mut();
        for (id, refused) in self.snapshot.invalid.iter() {
            let new = refused.wrapping_sub(cursor.invalid.of(id));
            let is_internal = series_table::series_of(id).is_some_and(Series::is_internal);
            if new > 0 && !is_internal {
                self.dropped.borrow_mut()[Cause::Invalid] += Amount::new(new);
            }
        }
        cursor.invalid = self.snapshot.invalid.clone();
    }

    /// The shared snapshot: cumulative totals.
    #[must_use]
    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// How full names begin.
    #[must_use]
    pub fn naming(&self) -> &'a Naming {
        self.naming
    }

    /// Returns `true` in the last delivery before the backend is removed or the program ends: after it the backend is not called again.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// Returns the exemplars of a series that came since the last delivery after which nothing was pending: for a server that keeps those it was sent. One that is
    /// shown the totals gets all, [`Totals::exemplars`](crate::Totals::exemplars).
    pub fn new_exemplars(&self, series: &Series) -> impl Iterator<Item = &'a Exemplar> + use<'a> {
        let delivered = self.exemplars;
        self.snapshot.totals().exemplars(series).iter().filter(move |exemplar| exemplar.sequence > delivered)
    }

    /// Returns the recordings of each series that are not accounted for, in the order of registration. Series without news are left out.
    pub fn deltas(&self) -> impl Iterator<Item = Delta<'_>> + '_ {
        Deltas { view: self, walk: Walk::over(self.snapshot).reading_labels() }
    }

    /// Returns the work of [`deltas`](Self::deltas) for a caller that reads no labels.
    pub(super) fn amounts(&self) -> impl Iterator<Item = Delta<'_>> + '_ {
        Deltas { view: self, walk: Walk::over(self.snapshot) }
    }

    /// Returns the news of a counter, gauge or in-flight count.
    #[inline]
    fn scalar(&self, series: &'static Series) -> Option<Delta<'_>> {
        let (now, before) = (self.snapshot.scalars.get(series.slot), self.cursor.borrow().row(series, self.snapshot));
        let recordings = now.recordings.wrapping_sub(before.recordings);
        let change = match series.kind() {
            Kind::Counter => {
                let increments = now.increments.wrapping_sub(before.increments);
                let decrements = now.decrements.wrapping_sub(before.decrements);
                // The value of a recording in progress may come a snapshot before or after its count.
                if (recordings, increments, decrements) == (0, 0, 0) {
                    return None;
                }
                Change::Counter { increments, decrements }
            }
            _ if recordings == 0 => return None,
            Kind::Gauge => Change::Gauge(f64::from_bits(now.increments)),
            _ => Change::InFlight(now.increments.wrapping_sub(now.decrements) as i64),
        };
        Some(Delta { series, recordings, change, first: 0 })
    }

    /// Returns the news of a timer or histogram.
    pub(super) fn distribution(&self, series: &'static Series) -> Option<Delta<'_>> {
        let d = self.snapshot.distributions.get(series.slot as usize)?;
        let mut cursor = self.cursor.borrow_mut();
        let position = cursor.distributions.get_mut(series.slot as usize)?;
        let recordings = d.count.wrapping_sub(position.recordings);
        if recordings == 0 {
            return None;
        }
        let (singles, merged) = self.values(series, d, position);
        let first = singles.start;
        let change = Change::Values { singles: &self.singles.values()[singles], merged, scheme: d.scheme(), total: d };
        Some(Delta { series, recordings, change, first })
    }

    /// Returns the rest of a distribution: which single values, and how many others in each bucket.
    fn values(&self, series: &Series, d: &Distribution, position: &mut Position) -> (Range<usize>, Vec<(usize, u64)>) {
        let scheme = d.scheme();
        let mut rest = 0..0;
        if let Some(group) = self.singles.group(series.slot) {
            let mut marks = self.marks.borrow_mut();
            let all;
            (rest, all) = marks.rest(group);
            // All that is left is held singly: no bucket has anything else.
            if all && rest.len() as u64 == d.count.wrapping_sub(position.recordings) {
                return (rest, Vec::new());
            }
            marks.fold_into_buckets(group, self.singles.values(), scheme, position.buckets_mut(scheme));
        }
        let mut merged = left_over(d, position);
        for value in &self.singles.values()[rest.clone()] {
            let at = merged.binary_search_by_key(&scheme.index(*value), |(index, _)| *index);
            match at.ok().and_then(|at| merged[at].1.checked_sub(1).map(|left| (at, left))) {
                Some((at, left)) => merged[at].1 = left,
                // Somebody handed in more of a bucket than was left beside its single values: which of these is meant, nobody knows.
                None => return (0..0, left_over(d, position)),
            }
        }
        let mut kept = 0;
        for at in 0..merged.len() {
            if merged[at].1 > 0 {
                merged[kept] = merged[at];
                kept += 1;
            }
        }
        merged.truncate(kept);
        (rest, merged)
    }
}

/// The news, series by series. Compiled once, and not in each backend.
struct Deltas<'v, 'a> {
    view: &'v SnapshotView<'a>,
    walk: Walk,
}

impl<'v> Iterator for Deltas<'v, '_> {
    type Item = Delta<'v>;

    fn next(&mut self) -> Option<Delta<'v>> {
        let view = self.view;
        loop {
            let series = self.walk.next(&view.cursor.borrow(), view.snapshot)?;
            let new = match series.kind().scheme() {
                None => view.scalar(series),
                Some(_) => view.distribution(series),
            };
            if new.is_some() {
                return new;
            }
        }
    }
}

/// How many of which bucket are not accounted for.
fn left_over(d: &Distribution, position: &Position) -> Vec<(usize, u64)> {
    let mut left = Vec::new();
    for (index, count) in d.buckets() {
        let count = count.saturating_sub(position.buckets().get(index).copied().unwrap_or(0));
        if count > 0 {
            left.push((index, count));
        }
    }
    left
}

impl std::fmt::Debug for SnapshotView<'_> {
    #[inline]
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotView").field("sequence", &self.snapshot.sequence).finish_non_exhaustive()
    }
}
