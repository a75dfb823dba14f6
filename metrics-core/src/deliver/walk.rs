//! A walk over the series that may have news, in the order of registration, past those that have none.
//!
//! Counters and gauges are mostly registered one after the other, and then have slots one after the other too. The rows of such a stretch are
//! set beside the backend's, block by block, and only series whose rows differ are looked at. A block that both share costs one comparison.

use crate::collect::ledger::Amount;
use crate::collect::snapshot::Snapshot;
use crate::deliver::cursor::{Cursor, DoneBlocks};
use crate::deliver::stretches::STRETCH;
use crate::registry::append_table::Values;
use crate::registry::series::Series;
use crate::registry::series_table;
use std::hint::black_box;

/// Number of series that are looked up at once.
const AHEAD: usize = 16;

/// Returns those of a snapshot's series, one after the other, that the cursor does not know to be done.
pub(crate) struct Walk {
    /// The ids that come after this stretch.
    next: usize,
    end: usize,
    /// The id at which this stretch begins, and a bit for each of its series whose row differs and that is not looked up yet.
    from: usize,
    news: u128,
    /// Series that are looked up, the next one last.
    ahead: [Option<&'static Series>; AHEAD],
    left: usize,
    /// `true`: their labels are going to be read.
    reads_labels: bool,
    /// The rest of a stretch that is walked series by series.
    mixed: Values<'static, Series>,
    done: DoneBlocks,
}

impl Walk {
    pub(crate) fn over(snapshot: &Snapshot) -> Walk {
        Walk {
            next: 0,
            end: snapshot.len,
            from: 0,
            news: 0,
            ahead: [None; AHEAD],
            left: 0,
            reads_labels: false,
            mixed: series_table::series_in(0..0),
            done: DoneBlocks::default(),
        }
    }

    /// Returns the walk of a backend that writes names and labels.
    pub(crate) fn reading_labels(self) -> Walk {
        Walk { reads_labels: true, ..self }
    }

    /// Returns the next one. The cursor may have moved meanwhile.
    #[inline]
    pub(crate) fn next(&mut self, cursor: &Cursor, snapshot: &Snapshot) -> Option<&'static Series> {
        loop {
            if let Some(left) = self.left.checked_sub(1) {
                self.left = left;
                return self.ahead[left];
            }
            for series in &mut self.mixed {
                let is_scalar = series.kind().scheme().is_none();
                if !(is_scalar && self.done.has(series, |series| cursor.is_done(series, snapshot))) {
                    return Some(series);
                }
            }
            if self.next >= self.end && self.news == 0 {
                return None;
            }
            self.look_ahead(cursor, snapshot);
        }
    }

    /// Looks the next ones up: those with news, or the series of the next mixed stretch.
    #[inline(never)]
    fn look_ahead(&mut self, cursor: &Cursor, snapshot: &Snapshot) {
        let mut found = 0;
        loop {
            while self.news != 0 && found < AHEAD {
                let at = self.news.trailing_zeros();
                self.news &= self.news - 1;
                self.ahead[found] = series_table::series_of(self.from as u32 + at);
                found += usize::from(self.ahead[found].is_some());
            }
            if found == AHEAD || self.next >= self.end {
                break;
            }
            let to = (self.next + STRETCH).min(self.end);
            match cursor.stretches.slot(self.next, to) {
                Some(slot) => self.news = cursor.differing(slot, snapshot),
                // Those that were found come first.
                None if found > 0 => break,
                None => self.mixed = series_table::series_in(self.next..to),
            }
            (self.from, self.next) = (self.next, to);
            if self.mixed.len() > 0 {
                break;
            }
        }
        let ahead = &mut self.ahead[..found];
        ahead.reverse();
        self.left = found;
        // Each of them stands elsewhere in memory. Touched in one go, they come from there at the same time and not one after the other.
        let touch = |series: &Series| match self.reads_labels {
            true => {
                series.labels().map(|(_, value)| value.as_bytes().first().copied().unwrap_or(0)).fold(0, |a, b| a ^ b)
            }
            false => series.kind() as u8,
        };
        black_box(ahead.iter().flatten().map(|series| touch(series)).fold(0, |a, b| a ^ b));
    }
}

impl Cursor {
    /// Returns the recordings between the cursor and the snapshot.
    pub(crate) fn pending(&self, snapshot: &Snapshot) -> Amount {
        let mut all = Amount::default();
        // Refused recordings are accounted for before a backend sees anything.
        let mut walk = Walk::over(snapshot);
        while let Some(series) = walk.next(self, snapshot) {
            if !series.is_internal() {
                all += snapshot.totals().of(series).amount().minus(self.amount(series, snapshot));
            }
        }
        all
    }
}
