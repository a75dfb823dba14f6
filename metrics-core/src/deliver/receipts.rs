//! Receipts: what a backend hands in moves its cursor, and is entered in its account.

use crate::collect::ledger::{Amount, Cause, Ledger};
use crate::collect::scalar_blocks::Row;
use crate::collect::snapshot::{Total, Value};
use crate::deliver::cursor::{Cursor, Position};
use crate::deliver::delta::{Delta, Piece, Receipt};
use crate::deliver::stretches::STRETCH;
use crate::deliver::view::SnapshotView;
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use crate::registry::series_table;
use std::ops::Range;

impl SnapshotView<'_> {
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
    ///
    /// ```
    /// # mod ferrometer { pub mod backend { pub use ferrometer_core::*; } pub use ferrometer_core::*; }
    /// # use ferrometer::backend::{SnapshotView};
    /// use ferrometer::Cause;
    ///
    /// /// Counts what has a name that this format cannot hold as dropped; it is not tried again.
    /// fn without_dots(view: &SnapshotView<'_>) {
    ///     for delta in view.deltas().filter(|delta| delta.series.metric_name().contains('.')) {
    ///         delta.receipts().for_each(|receipt| view.dropped(&receipt, Cause::Name));
    ///     }
    /// }
    /// ```
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

    /// Hands in what became of everything that is new, series by series: `fate` is asked for each series with news, and says `Ok` where all of it was
    /// accepted, the cause where all of it will never be delivered, and `None` where it stays pending.
    ///
    /// It does what [`delta_sent`](Self::delta_sent) and [`delta_dropped`](Self::delta_dropped) do for each of the [`deltas`](Self::deltas), in less time.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # use ferrometer::{Cause, SnapshotView};
    /// /// Names that begin with `test` are given up, and everything else was sent.
    /// fn hand_in(view: &SnapshotView<'_>) {
    ///     view.settle(|series| match series.metric_name().starts_with("test") {
    ///         true => Some(Err(Cause::Name)),
    ///         false => Some(Ok(())),
    ///     });
    /// }
    /// ```
    // Inline as `delta_sent` is.
    #[inline]
    pub fn settle(&self, fate: impl FnMut(&'static Series) -> Option<Result<(), Cause>>) {
        self.settle_runs(|_| false, fate);
    }

    /// Hands in what became of everything that is new, as [`settle`](Self::settle) does, in less time where much was accepted that was registered one after
    /// the other: `is_sent` is asked about runs of [ids](Series::id), and says `true` where all of these series were accepted. Of such a run `fate` is not
    /// asked. It is for every other series.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # use ferrometer::{Cause, SnapshotView};
    /// /// The server refused one series of all that it was sent.
    /// fn hand_in(view: &SnapshotView<'_>, refused: usize) {
    ///     let fate = |id| if id == refused { Err(Cause::Refused) } else { Ok(()) };
    ///     view.settle_runs(|ids| !ids.contains(&refused), |series| Some(fate(series.id())));
    /// }
    /// ```
    #[inline]
    pub fn settle_runs(
        &self,
        mut is_sent: impl FnMut(Range<usize>) -> bool,
        fate: impl FnMut(&'static Series) -> Option<Result<(), Cause>>,
    ) {
        self.pass_counters(&mut is_sent);
        self.settle_each(fate);
    }

    /// Hands in whole stretches of counters that were accepted.
    fn pass_counters(&self, is_sent: &mut dyn FnMut(Range<usize>) -> bool) {
        // The cursor changes meanwhile, and the view may be used within; the stretches stay what they are.
        let stretches = std::mem::take(&mut self.cursor.borrow_mut().stretches);
        for (from, slot) in stretches.of_counters() {
            let ids = from..from + STRETCH;
            if ids.end <= self.snapshot.len && is_sent(ids) {
                let mut sent = self.sent.get();
                sent += self.cursor.borrow_mut().pass(slot, self.snapshot).unwrap_or_default();
                self.sent.set(sent);
            }
        }
        self.cursor.borrow_mut().stretches = stretches;
    }

    #[inline]
    fn settle_each(&self, mut fate: impl FnMut(&'static Series) -> Option<Result<(), Cause>>) {
        for delta in self.amounts() {
            let series = delta.series;
            if series.kind().scheme().is_some() {
                match fate(series) {
                    None => {}
                    Some(Ok(())) => self.delta_sent(&delta),
                    Some(Err(cause)) => self.delta_dropped(&delta, cause),
                }
                continue;
            }
            let now = self.snapshot.scalars.get(series.slot);
            let new = now.amount().minus(self.cursor.borrow().row(series, self.snapshot).amount());
            let is_counter = series.kind() == Kind::Counter;
            let Some(fate) = fate(series) else { continue };
            self.cursor.borrow_mut().set_row(series, now, self.snapshot);
            if series.is_internal() {
                continue;
            }
            let amount = if is_counter { new } else { Amount::new(1) };
            if !is_counter {
                // One value of a gauge is taken; those it replaced are superseded.
                let mut superseded = self.superseded.get();
                superseded += Amount::new(new.recordings - 1);
                self.superseded.set(superseded);
            }
            match fate {
                Ok(()) => {
                    let mut sent = self.sent.get();
                    sent += amount;
                    self.sent.set(sent);
                }
                Err(cause) => self.dropped.borrow_mut()[cause] += amount,
            }
        }
    }

    /// Everything in the snapshot was accepted: for a store, which keeps totals.
    #[inline]
    pub fn all_sent(&self) {
        self.settle_runs(|_| true, |_| Some(Ok(())));
    }

    /// Nothing is pending afterwards, whatever was handed in before.
    pub(crate) fn all_dropped(&self, cause: Cause) {
        for delta in self.amounts() {
            self.delta_dropped(&delta, cause);
        }
        // Where receipts of other views were handed in, the buckets that are left may hold fewer recordings than the series has left.
        let mut cursor = self.cursor.borrow_mut();
        let mut left = Amount::default();
        for series in series_table::series_in(0..self.snapshot.len) {
            if !series.is_internal() {
                left += self.snapshot.totals().of(series).amount().minus(cursor.amount(series, self.snapshot));
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
            let (now, mut row) = (snapshot.scalars.get(series.slot), cursor.row(series, snapshot));
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
        let left = total.recordings.wrapping_sub(cursor.recordings(series, snapshot));
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
                        let before = cursor.row(series, snapshot);
                        Row { recordings: before.recordings.wrapping_add(recordings), ..before }
                    }
                };
                cursor.set_row(series, row, self.snapshot);
                if !series.is_internal() {
                    let mut superseded = self.superseded.get();
                    superseded += Amount::new(recordings - 1);
                    self.superseded.set(superseded);
                }
                Amount::new(1)
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
                Amount::new(count)
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
        Amount::new(new)
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
