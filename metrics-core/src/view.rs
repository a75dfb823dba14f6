//! What a backend is handed: one snapshot, seen through a cursor of its own.
//!
//! The snapshot is shared and immutable; the cursor says, for each series, how much this backend has accounted for. A [`Delta`] is
//! the distance between the two. A backend turns deltas into lines, and for each piece it hands in the [`Receipt`] again: as
//! sent, or as dropped with a cause. A piece whose receipt is never handed in is pending, and part of the next delta.

use crate::bucket::Scheme;
use crate::ledger::{Amount, Cause, Ledger};
use crate::name::Naming;
use crate::series::Series;
use crate::snapshot::{Distribution, Snapshot, Total, Value};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// Single values drained at one collection: (slot among distributions, value as the cell keeps it).
#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// The first snapshot they are in.
    pub(crate) sequence: u64,
    pub(crate) values: Vec<(u32, u64)>,
}

/// How far a backend is with one series.
#[derive(Clone, Debug, Default)]
struct Position {
    recordings: u64,
    invalid: u64,
    increments: u64,
    decrements: u64,
    /// Accounted values by bucket; empty for other kinds, and until the first.
    buckets: Vec<u64>,
}

/// How far a backend is with every series. Lives as long as the backend is installed.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    positions: Vec<Position>,
    /// What was recorded before it was installed is not this backend's.
    base: Amount,
}

impl Position {
    fn at(total: &Total) -> Position {
        let mut position =
            Position { recordings: total.recordings, invalid: total.invalid, ..Position::default() };
        match &total.value {
            Value::Counter { increments, decrements } => {
                position.increments = *increments;
                position.decrements = *decrements;
            }
            Value::Distribution(d) => {
                position.buckets = vec![0; d.scheme().len()];
                d.buckets().for_each(|(index, count)| position.buckets[index] = count);
            }
            Value::Gauge(_) | Value::InFlight(_) => {}
        }
        position
    }

    fn amount(&self) -> Amount {
        Amount {
            recordings: self.recordings.wrapping_add(self.invalid),
            increments: self.increments,
            decrements: self.decrements,
        }
    }
}

fn amount_of(total: &Total) -> Amount {
    let mut amount = Amount::of(total.recordings.wrapping_add(total.invalid));
    if let Value::Counter { increments, decrements } = total.value {
        (amount.increments, amount.decrements) = (increments, decrements);
    }
    amount
}

/// Everything recorded since the program started, ferrometer's own metrics left out.
pub(crate) fn recorded(snapshot: &Snapshot) -> Amount {
    let mut all = Amount::default();
    snapshot.totals.iter().filter(|t| !t.series.internal).for_each(|total| all += amount_of(total));
    all
}

pub(crate) fn minus(a: Amount, b: Amount) -> Amount {
    Amount {
        recordings: a.recordings.wrapping_sub(b.recordings),
        increments: a.increments.wrapping_sub(b.increments),
        decrements: a.decrements.wrapping_sub(b.decrements),
    }
}

impl Cursor {
    /// A cursor that begins where the snapshot stands.
    pub(crate) fn at(snapshot: &Snapshot) -> Cursor {
        Cursor { positions: snapshot.totals.iter().map(Position::at).collect(), base: recorded(snapshot) }
    }

    fn grow(&mut self, len: usize) {
        if self.positions.len() < len {
            self.positions.resize(len, Position::default());
        }
    }

    /// What lies between the cursor and the snapshot.
    fn pending(&self, snapshot: &Snapshot) -> Amount {
        let mut all = Amount::default();
        for total in snapshot.totals.iter().filter(|t| !t.series.internal) {
            let position = self.positions.get(total.series.id()).map_or(Amount::default(), Position::amount);
            all += minus(amount_of(total), position);
        }
        all
    }
}

/// What a series recorded that this backend has not accounted for.
#[derive(Debug)]
pub struct Delta<'a> {
    /// Which one.
    pub series: &'static Series,
    /// How many recordings.
    pub recordings: u64,
    /// What was recorded.
    pub change: Change<'a>,
}

/// The change of a series, by its kind.
#[derive(Debug)]
#[non_exhaustive]
pub enum Change<'a> {
    /// A counter's increments and decrements since. Their difference may be 0.
    Counter {
        /// The sum of positive values.
        increments: u64,
        /// The sum of negative values, as a positive number.
        decrements: u64,
    },
    /// The gauge's value now; it was set `recordings` times.
    Gauge(f64),
    /// How many are in progress now.
    InFlight(i64),
    /// New values of a timer or histogram.
    Values {
        /// Those that are still held one by one, in the order of recording on each thread.
        singles: Vec<f64>,
        /// The others: (bucket, how many). [`Scheme::middle`] gives the value that stands for a bucket.
        merged: Vec<(usize, u64)>,
        /// What the buckets mean. Timers are in nanoseconds.
        scheme: Scheme,
        /// The whole distribution since the program started.
        total: &'a Distribution,
    },
}

/// A piece of a delta, to be handed in when it is sent or dropped.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    series: &'static Series,
    piece: Piece,
}

#[derive(Clone, Copy, Debug)]
enum Piece {
    Counter { recordings: u64, increments: u64, decrements: u64 },
    Replaced { recordings: u64 },
    Bucket { index: u16, count: u64, merged: bool },
}

impl Delta<'_> {
    /// The receipt of the whole delta of a counter, gauge or in-flight count. For a timer or histogram it stands for nothing:
    /// its values have receipts of their own.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        let recordings = self.recordings;
        let piece = match &self.change {
            Change::Counter { increments, decrements } => {
                Piece::Counter { recordings, increments: *increments, decrements: *decrements }
            }
            Change::Gauge(_) | Change::InFlight(_) => Piece::Replaced { recordings },
            Change::Values { .. } => Piece::Bucket { index: 0, count: 0, merged: false },
        };
        Receipt { series: self.series, piece }
    }

    /// The receipt of one single value.
    #[must_use]
    pub fn value_receipt(&self, value: f64) -> Receipt {
        let index = self.series.kind().scheme().map_or(0, |s| s.index(value)) as u16;
        Receipt { series: self.series, piece: Piece::Bucket { index, count: 1, merged: false } }
    }

    /// The receipts of everything in it.
    pub fn receipts(&self) -> impl Iterator<Item = Receipt> + '_ {
        let (singles, merged) = match &self.change {
            Change::Values { singles, merged, .. } => (singles.as_slice(), merged.as_slice()),
            _ => (&[][..], &[][..]),
        };
        let values = singles.iter().map(|value| self.value_receipt(*value));
        let weighted = merged.iter().map(|(bucket, count)| self.merged_receipt(*bucket, *count));
        let whole = (!matches!(self.change, Change::Values { .. })).then(|| self.receipt());
        whole.into_iter().chain(values).chain(weighted)
    }

    /// The receipt of `count` merged values of a bucket.
    #[must_use]
    pub fn merged_receipt(&self, bucket: usize, count: u64) -> Receipt {
        Receipt { series: self.series, piece: Piece::Bucket { index: bucket as u16, count, merged: true } }
    }
}

/// One snapshot as one backend sees it.
///
/// The snapshot is shared and immutable; the view knows how much of each series this backend has accounted for. A [`Delta`] is the distance
/// between the two. A backend turns deltas into lines, and for each piece it hands in the [`Receipt`]: as [`sent`](Self::sent), or as
/// [`dropped`](Self::dropped) with a cause. A piece whose receipt is never handed in is pending, and part of the next delta.
pub struct SnapshotView<'a> {
    snapshot: &'a Snapshot,
    naming: &'a Naming,
    cursor: RefCell<&'a mut Cursor>,
    /// Single values, sorted by series (stably: in order of recording), and where each series' begin.
    singles: Vec<(u32, u64)>,
    sent: Cell<Amount>,
    merged: Cell<u64>,
    superseded: Cell<Amount>,
    dropped: RefCell<Vec<(Cause, Amount)>>,
    /// Where distributions that were accounted for in this view stood at its beginning: so many of a bucket's single values are done.
    begun: RefCell<HashMap<usize, Vec<u64>>>,
    last_begun: Cell<Option<usize>>,
}

impl<'a> SnapshotView<'a> {
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        naming: &'a Naming,
        cursor: &'a mut Cursor,
        mut singles: Vec<(u32, u64)>,
    ) -> SnapshotView<'a> {
        cursor.grow(snapshot.totals.len());
        singles.sort_by_key(|(slot, _)| *slot);
        let view = SnapshotView {
            snapshot,
            naming,
            cursor: RefCell::new(cursor),
            singles,
            sent: Cell::default(),
            merged: Cell::default(),
            superseded: Cell::default(),
            dropped: RefCell::default(),
            begun: RefCell::default(),
            last_begun: Cell::default(),
        };
        view.drop_invalid();
        view
    }

    /// What NaN and infinities were refused is dropped before the backend sees anything.
    fn drop_invalid(&self) {
        let mut cursor = self.cursor.borrow_mut();
        for total in self.snapshot.totals.iter().filter(|t| t.invalid > 0) {
            let position = &mut cursor.positions[total.series.id()];
            let new = total.invalid.wrapping_sub(position.invalid);
            if new > 0 {
                position.invalid = total.invalid;
                if !total.series.internal {
                    self.dropped.borrow_mut().push((Cause::Invalid, Amount::of(new)));
                }
            }
        }
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

    /// What each series recorded that is not accounted for, in the order of registration; series without news are left out.
    pub fn deltas(&self) -> impl Iterator<Item = Delta<'a>> + '_ {
        self.snapshot.totals.iter().filter_map(|total| self.delta(total))
    }

    fn delta(&self, total: &'a Total) -> Option<Delta<'a>> {
        let cursor = self.cursor.borrow();
        let position = &cursor.positions[total.series.id()];
        let recordings = total.recordings.wrapping_sub(position.recordings);
        let change = match &total.value {
            // The value of a recording in progress may come a snapshot before or after its count.
            Value::Counter { increments, decrements }
                if (*increments, *decrements) != (position.increments, position.decrements) || recordings > 0 =>
            {
                Change::Counter {
                    increments: increments.wrapping_sub(position.increments),
                    decrements: decrements.wrapping_sub(position.decrements),
                }
            }
            _ if recordings == 0 => return None,
            Value::Counter { .. } => return None,
            Value::Gauge(value) => Change::Gauge(*value),
            Value::InFlight(value) => Change::InFlight(*value),
            Value::Distribution(d) => {
                let mut merged: Vec<(usize, u64)> = d
                    .buckets()
                    .map(|(index, count)| (index, count - position.buckets.get(index).copied().unwrap_or(0)))
                    .filter(|(_, count)| *count > 0)
                    .collect();
                let to_float = |bits: u64| match d.scheme() {
                    Scheme::Nanos => bits as f64,
                    Scheme::Float => f64::from_bits(bits),
                };
                let begun = self.begun.borrow();
                let begun = begun.get(&total.series.id());
                let mut done: Vec<u64> = begun.map_or_else(Vec::new, |begun| {
                    position.buckets.iter().zip(begun).map(|(now, then)| now - then).collect()
                });
                let mut singles: Vec<f64> = Vec::new();
                for value in self.singles_of(total.series).iter().map(|(_, bits)| to_float(*bits)) {
                    // A value that is accounted for already, or merged in an earlier delivery, is not sent twice.
                    let index = d.scheme().index(value);
                    if let Some(done) = done.get_mut(index).filter(|done| **done > 0) {
                        *done -= 1;
                        continue;
                    }
                    if let Ok(at) = merged.binary_search_by_key(&index, |(i, _)| *i)
                        && merged[at].1 > 0 {
                            merged[at].1 -= 1;
                            singles.push(value);
                        }
                }
                merged.retain(|(_, count)| *count > 0);
                Change::Values { singles, merged, scheme: d.scheme(), total: d }
            }
        };
        Some(Delta { series: total.series, recordings, change })
    }

    fn singles_of(&self, series: &Series) -> &[(u32, u64)] {
        let from = self.singles.partition_point(|(slot, _)| *slot < series.slot);
        let len = self.singles[from..].partition_point(|(slot, _)| *slot == series.slot);
        &self.singles[from..from + len]
    }

    /// This piece was accepted by the kernel or the store.
    pub fn sent(&self, receipt: &Receipt) {
        let amount = self.advance(receipt);
        if receipt.series.internal {
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
        if !receipt.series.internal && !amount.is_zero() {
            self.dropped.borrow_mut().push((cause, amount));
        }
    }

    /// All of a delta, the whole distribution of a timer too, was accepted as it is: for a store, which keeps totals.
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
        delta.receipts().for_each(|receipt| self.dropped(&receipt, cause));
    }

    /// Everything in the snapshot was accepted: for a store, which keeps totals.
    pub fn all_sent(&self) {
        self.deltas().for_each(|delta| self.delta_sent(&delta));
    }

    pub(crate) fn all_dropped(&self, cause: Cause) {
        self.deltas().for_each(|delta| self.delta_dropped(&delta, cause));
    }

    /// Moves the cursor past a piece and says how much it was. Never past the snapshot, so that a receipt handed in twice counts
    /// once. Of a gauge one value is taken; those it replaced are superseded here.
    fn advance(&self, receipt: &Receipt) -> Amount {
        let id = receipt.series.id();
        let mut cursor = self.cursor.borrow_mut();
        let Some(total) = self.snapshot.totals.get(id) else { return Amount::default() };
        let position = &mut cursor.positions[id];
        let left = total.recordings.wrapping_sub(position.recordings);
        match receipt.piece {
            Piece::Counter { recordings, increments, decrements } => {
                let left = minus(amount_of(total), position.amount());
                if recordings > left.recordings || increments > left.increments || decrements > left.decrements {
                    return Amount::default();
                }
                position.recordings = position.recordings.wrapping_add(recordings);
                position.increments = position.increments.wrapping_add(increments);
                position.decrements = position.decrements.wrapping_add(decrements);
                Amount { recordings, increments, decrements }
            }
            Piece::Replaced { recordings } => {
                if recordings == 0 || recordings > left {
                    return Amount::default();
                }
                position.recordings = position.recordings.wrapping_add(recordings);
                if !receipt.series.internal {
                    let mut superseded = self.superseded.get();
                    superseded += Amount::of(recordings - 1);
                    self.superseded.set(superseded);
                }
                Amount::of(1)
            }
            Piece::Bucket { index, count, .. } => {
                let Value::Distribution(d) = &total.value else { return Amount::default() };
                if position.buckets.is_empty() {
                    position.buckets = vec![0; d.scheme().len()];
                }
                if self.last_begun.replace(Some(id)) != Some(id) {
                    self.begun.borrow_mut().entry(id).or_insert_with(|| position.buckets.clone());
                }
                let Some(done) = position.buckets.get_mut(usize::from(index)) else { return Amount::default() };
                let there = d.buckets.binary_search_by_key(&index, |(i, _)| *i).map_or(0, |at| d.buckets[at].1);
                let count = count.min(there.saturating_sub(*done));
                *done += count;
                position.recordings = position.recordings.wrapping_add(count);
                Amount::of(count)
            }
        }
    }

    /// Writes what happened into the account.
    pub(crate) fn close(self, ledger: &mut Ledger) {
        let cursor = self.cursor.into_inner();
        ledger.sent += self.sent.get();
        ledger.merged += self.merged.get();
        ledger.superseded += self.superseded.get();
        for (cause, amount) in self.dropped.into_inner() {
            *ledger.dropped.entry(cause).or_default() += amount;
        }
        ledger.recorded = minus(recorded(self.snapshot), cursor.base);
        ledger.pending = cursor.pending(self.snapshot);
    }
}

impl std::fmt::Debug for SnapshotView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotView").field("sequence", &self.snapshot.sequence).finish_non_exhaustive()
    }
}
