//! The view of a backend: one snapshot, seen through a cursor of its own.
//!
//! The snapshot is shared and immutable; the cursor says, for each series, how much this backend has accounted for. A [`Delta`] is
//! the distance between the two. A backend turns deltas into lines, and for each piece it hands in the [`Receipt`] again: as
//! sent, or as dropped with a cause. A piece whose receipt is never handed in is pending, and part of the next delta.

use crate::collect::distribution::Distribution;
use crate::collect::ledger::{Amount, Cause, Dropped, Ledger};
use crate::collect::scalar_blocks::Row;
use crate::collect::snapshot::{Snapshot, Total, Value};
use crate::deliver::cursor::{Cursor, DoneBlocks, Position};
use crate::deliver::delta::{Change, Delta, Piece, Receipt};
use crate::deliver::samples::{AckBitmap, GroupedSamples};
use crate::naming::name::Naming;
use crate::registry::append_table::Values;
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use crate::registry::series_table;
use std::cell::{Cell, RefCell};
use std::ops::Range;

/// One snapshot as one backend sees it.
///
/// The snapshot is shared and immutable; the view knows how much of each series this backend has accounted for. A [`Delta`] is the distance
/// between the two. A backend turns deltas into lines, and for each piece it hands in the [`Receipt`]: as [`sent`](Self::sent), or as
/// [`dropped`](Self::dropped) with a cause. A piece whose receipt is never handed in is pending, and part of the next delta.
pub struct SnapshotView<'a> {
    snapshot: &'a Snapshot,
    naming: &'a Naming,
    cursor: RefCell<&'a mut Cursor>,
    singles: GroupedSamples,
    marks: RefCell<AckBitmap>,
    sent: Cell<Amount>,
    merged: Cell<u64>,
    superseded: Cell<Amount>,
    dropped: RefCell<Dropped>,
}

impl<'a> SnapshotView<'a> {
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        naming: &'a Naming,
        cursor: &'a mut Cursor,
        singles: GroupedSamples,
    ) -> SnapshotView<'a> {
        cursor.grow(snapshot);
        let view = SnapshotView {
            snapshot,
            naming,
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
                self.dropped.borrow_mut()[Cause::Invalid] += Amount::of(new);
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

    /// Returns the recordings of each series that are not accounted for, in the order of registration. Series without news are left out.
    pub fn deltas(&self) -> impl Iterator<Item = Delta<'_>> + '_ {
        Deltas { view: self, series: series_table::series_in(0..self.snapshot.len), done: DoneBlocks::default() }
    }

    /// Returns the news of a counter, gauge or in-flight count.
    #[inline]
    fn scalar(&self, series: &'static Series) -> Option<Delta<'_>> {
        let (now, before) = (self.snapshot.scalars.get(series.slot), self.cursor.borrow().row(series));
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
    fn distribution(&self, series: &'static Series) -> Option<Delta<'_>> {
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

    /// This piece was accepted by the kernel or the store.
    pub fn sent(&self, receipt: &Receipt) {
        let amount = self.advance(receipt);
        if receipt.series.is_internal() {
            return;
        }
        if let Piece::Bucket { merged: true, .. } = receipt.piece {
            self.merged.set(self.merged.get() + amount.recordings);
        }
        let mut sent = self.sent.get();
        sent += amount;
        self.sent.set(sent);
    }

    /// This piece will never be delivered, and why.
    pub fn dropped(&self, receipt: &Receipt, cause: Cause) {
        let amount = self.advance(receipt);
        if !receipt.series.is_internal() && !amount.is_zero() {
            self.dropped.borrow_mut()[cause] += amount;
        }
    }

    /// All of a delta, the whole distribution of a timer too, was accepted as it is: for a store, which keeps totals.
    // Inline, and what calls it too: no program but one with a store has it compiled.
    #[inline]
    pub fn delta_sent(&self, delta: &Delta<'_>) {
        for mut receipt in delta.receipts() {
            // A store takes buckets for what they are; nothing was made less of.
            if let Piece::Bucket { merged, .. } = &mut receipt.piece {
                *merged = false;
            }
            self.sent(&receipt);
        }
    }

    /// All of a delta, every value of a timer too, will never be delivered, and why.
    pub fn delta_dropped(&self, delta: &Delta<'_>, cause: Cause) {
        for receipt in delta.receipts() {
            self.dropped(&receipt, cause);
        }
    }

    /// Everything in the snapshot was accepted: for a store, which keeps totals.
    #[inline]
    pub fn all_sent(&self) {
        for delta in self.deltas() {
            self.delta_sent(&delta);
        }
    }

    /// Nothing is pending afterwards, whatever was handed in before.
    pub(crate) fn all_dropped(&self, cause: Cause) {
        for delta in self.deltas() {
            self.delta_dropped(&delta, cause);
        }
        // Where receipts of other views were handed in, the buckets that are left may hold fewer recordings than the series has left.
        let mut cursor = self.cursor.borrow_mut();
        let mut left = Amount::default();
        for series in series_table::series_in(0..self.snapshot.len) {
            if !series.is_internal() {
                left += self.snapshot.totals().of(series).amount().minus(cursor.amount(series));
            }
        }
        cursor.finish(self.snapshot);
        if !left.is_zero() {
            self.dropped.borrow_mut()[cause] += left;
        }
    }

    /// Moves the cursor past a piece and says how much it was. Never past the snapshot, so that a receipt handed in twice counts
    /// once. Of a gauge one value is taken; those it replaced are superseded here.
    fn advance(&self, receipt: &Receipt) -> Amount {
        let (series, snapshot) = (receipt.series, self.snapshot);
        let mut cursor = self.cursor.borrow_mut();
        if series.id() >= snapshot.len {
            return Amount::default();
        }
        if let Piece::Counter { recordings, increments, decrements } = receipt.piece {
            let (now, mut row) = (snapshot.scalars.get(series.slot), cursor.row(series));
            let left = now.amount().minus(row.amount());
            if recordings > left.recordings || increments > left.increments || decrements > left.decrements {
                return Amount::default();
            }
            row.recordings = row.recordings.wrapping_add(recordings);
            row.increments = row.increments.wrapping_add(increments);
            row.decrements = row.decrements.wrapping_add(decrements);
            cursor.set_row(series, row, snapshot);
            return Amount { recordings, increments, decrements };
        }
        let total = snapshot.totals().of(series);
        let left = total.recordings.wrapping_sub(cursor.recordings(series));
        match receipt.piece {
            Piece::Counter { .. } => Amount::default(),
            Piece::Replaced { recordings } => {
                if recordings == 0 || recordings > left {
                    return Amount::default();
                }
                let row = match recordings == left {
                    // All of it: the rest of the row is the snapshot's too, so that the block can be.
                    true => self.snapshot.scalars.get(series.slot),
                    false => {
                        let before = cursor.row(series);
                        Row { recordings: before.recordings.wrapping_add(recordings), ..before }
                    }
                };
                cursor.set_row(series, row, self.snapshot);
                if !series.is_internal() {
                    let mut superseded = self.superseded.get();
                    superseded += Amount::of(recordings - 1);
                    self.superseded.set(superseded);
                }
                Amount::of(1)
            }
            Piece::Run { first, len } => {
                let first = first as usize;
                let Some(position) = cursor.distributions.get_mut(series.slot as usize) else {
                    return Amount::default();
                };
                self.mark(&total, position, first..first + len as usize)
            }
            Piece::Bucket { index, count, merged } => {
                let Value::Distribution(d) = total.value else { return Amount::default() };
                let Some(position) = cursor.distributions.get_mut(series.slot as usize) else {
                    return Amount::default();
                };
                let scheme = d.scheme();
                if let Some(group) = self.singles.group(total.series.slot) {
                    let mut marks = self.marks.borrow_mut();
                    if !merged
                        && let Some(at) = marks.first_of(group, usize::from(index), self.singles.values(), scheme)
                    {
                        drop(marks);
                        return self.mark(&total, position, at..at + 1);
                    }
                    marks.fold_into_buckets(group, self.singles.values(), scheme, position.buckets_mut(scheme));
                }
                let Some(done) = position.buckets_mut(scheme).get_mut(usize::from(index)) else {
                    return Amount::default();
                };
                let there = d.buckets.binary_search_by_key(&index, |(i, _)| *i).map_or(0, |at| d.buckets[at].1);
                let count = count.min(there.saturating_sub(*done)).min(left);
                *done += count;
                position.recordings = position.recordings.wrapping_add(count);
                Amount::of(count)
            }
        }
    }

    /// Moves the cursor past single values.
    fn mark(&self, total: &Total<'_>, position: &mut Position, run: Range<usize>) -> Amount {
        let Value::Distribution(d) = &total.value else { return Amount::default() };
        let Some(group) = self.singles.group(total.series.slot) else { return Amount::default() };
        let left = total.recordings.wrapping_sub(position.recordings);
        let (values, scheme) = (self.singles.values(), d.scheme());
        let new = self.marks.borrow_mut().mark(group, run, values, scheme, position.buckets_mut(scheme)).min(left);
        position.recordings = position.recordings.wrapping_add(new);
        Amount::of(new)
    }

    /// Tells the cursor's buckets of the single values that are accounted for.
    fn fold_into_buckets(&self, cursor: &mut Cursor) {
        let mut marks = self.marks.borrow_mut();
        for (group, slot) in self.singles.slots() {
            let Some(d) = self.snapshot.distributions.get(slot).filter(|_| marks.is_unfolded(group)) else { continue };
            let position = &mut cursor.distributions[slot];
            if position.recordings == d.count {
                position.set(d);
            } else {
                marks.fold_into_buckets(group, self.singles.values(), d.scheme(), position.buckets_mut(d.scheme()));
            }
        }
    }

    /// Writes what happened into the account. Returns the memory of the single values.
    pub(crate) fn close(self, ledger: &mut Ledger) -> Vec<f64> {
        self.fold_into_buckets(&mut self.cursor.borrow_mut());
        self.cursor.borrow_mut().share(self.snapshot);
        let cursor = self.cursor.into_inner();
        ledger.sent += self.sent.get();
        ledger.merged += self.merged.get();
        ledger.superseded += self.superseded.get();
        for (cause, amount) in self.dropped.into_inner().iter() {
            ledger.dropped[cause] += amount;
        }
        ledger.recorded = self.snapshot.recorded.minus(cursor.base);
        ledger.pending = cursor.pending(self.snapshot);
        self.singles.into_memory()
    }
}

/// The news, series by series. Compiled once, and not in each backend.
struct Deltas<'v, 'a> {
    view: &'v SnapshotView<'a>,
    series: Values<'static, Series>,
    done: DoneBlocks,
}

impl<'v> Iterator for Deltas<'v, '_> {
    type Item = Delta<'v>;

    fn next(&mut self) -> Option<Delta<'v>> {
        let view = self.view;
        for series in &mut self.series {
            let new = match series.kind().scheme() {
                None if self.done.has(series, |series| view.cursor.borrow().is_done(series, view.snapshot)) => None,
                None => view.scalar(series),
                Some(_) => view.distribution(series),
            };
            if new.is_some() {
                return new;
            }
        }
        None
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
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotView").field("sequence", &self.snapshot.sequence).finish_non_exhaustive()
    }
}
