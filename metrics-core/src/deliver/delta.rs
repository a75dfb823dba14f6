//! News of one series, and the receipts that are handed in for it.

use crate::collect::distribution::Distribution;
use crate::registry::series::Series;
use crate::storage::bucket::Scheme;
use std::ops::Range;

/// The recordings of a series that this backend has not accounted for.
#[derive(Debug)]
#[non_exhaustive]
pub struct Delta<'a> {
    /// Which one.
    pub series: &'static Series,
    /// How many recordings.
    pub recordings: u64,
    /// The recorded change.
    pub change: Change<'a>,
    /// Which of the view's single values is the first of this delta's.
    pub(crate) first: usize,
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
        singles: &'a [f64],
        /// The others: (bucket, how many). [`Scheme::middle`] gives the value that represents a bucket.
        merged: Vec<(usize, u64)>,
        /// The meaning of the buckets. Timers are in nanoseconds.
        scheme: Scheme,
        /// The whole distribution since the program started.
        total: &'a Distribution,
    },
}

/// A piece of a delta, to be handed in when it is sent or dropped.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    pub(crate) series: &'static Series,
    pub(crate) piece: Piece,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece {
    Counter {
        recordings: u64,
        increments: u64,
        decrements: u64,
    },
    Replaced {
        recordings: u64,
    },
    /// Single values, by their place among those of the view.
    Run {
        first: u32,
        len: u32,
    },
    Bucket {
        index: u16,
        count: u64,
        merged: bool,
    },
}

impl Receipt {
    /// Returns the receipt of a part of the single values of this one: those from `range.start` up to, and without, `range.end`, counted from its
    /// first. Anything else has no parts, and is returned as it is.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Receipt {
        let Piece::Run { first, len } = self.piece else { return *self };
        let (from, to) = (range.start.min(len as usize), range.end.min(len as usize));
        Receipt { piece: Piece::Run { first: first + from as u32, len: to.saturating_sub(from) as u32 }, ..*self }
    }
}

impl Delta<'_> {
    /// Returns the receipt of the whole delta of a counter, gauge or in-flight count. For a timer or histogram it is empty:
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

    /// The receipt of single values that stand together: those from `range.start` up to, and without, `range.end`. It costs next to
    /// nothing for each value, so hand in whole datagrams rather than values. What lies beyond the end of `singles` does not count.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # use ferrometer::{Change, SnapshotView};
    /// # fn publish(view: &SnapshotView<'_>) {
    /// for delta in view.deltas() {
    ///     if let Change::Values { singles, .. } = &delta.change {
    ///         for (at, chunk) in singles.chunks(100).enumerate() {
    ///             // … send them, and if that went well:
    ///             view.sent(&delta.singles_receipt(at * 100..at * 100 + chunk.len()));
    ///         }
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn singles_receipt(&self, range: Range<usize>) -> Receipt {
        let len = self.singles().len();
        let (from, to) = (range.start.min(len), range.end.min(len));
        // There are fewer than 2^32: a backend is held no more.
        let piece = Piece::Run { first: (self.first + from) as u32, len: to.saturating_sub(from) as u32 };
        Receipt { series: self.series, piece }
    }

    /// The receipt of one single value, whichever it is of those that are in its bucket.
    /// [`singles_receipt`](Self::singles_receipt) is exact, and faster.
    #[must_use]
    pub fn value_receipt(&self, value: f64) -> Receipt {
        let index = self.series.kind().scheme().map_or(0, |s| s.index(value)) as u16;
        Receipt { series: self.series, piece: Piece::Bucket { index, count: 1, merged: false } }
    }

    fn singles(&self) -> &[f64] {
        match &self.change {
            Change::Values { singles, .. } => singles,
            _ => &[],
        }
    }

    /// The receipts of everything in it.
    pub fn receipts(&self) -> impl Iterator<Item = Receipt> + '_ {
        let merged = match &self.change {
            Change::Values { merged, .. } => merged.as_slice(),
            _ => &[][..],
        };
        let weighted = merged.iter().map(|(bucket, count)| self.merged_receipt(*bucket, *count));
        self.first_receipt().into_iter().chain(weighted)
    }

    /// Returns the receipt of all but the merged values.
    fn first_receipt(&self) -> Option<Receipt> {
        match &self.change {
            Change::Values { singles: [], .. } => None,
            Change::Values { singles, .. } => Some(self.singles_receipt(0..singles.len())),
            _ => Some(self.receipt()),
        }
    }

    /// The receipt of `count` merged values of a bucket.
    #[must_use]
    pub fn merged_receipt(&self, bucket: usize, count: u64) -> Receipt {
        Receipt { series: self.series, piece: Piece::Bucket { index: bucket as u16, count, merged: true } }
    }
}
