//! How far one backend is with each series: what is its own to account for lies between here and the snapshot.

use crate::collect::distribution::Distribution;
use crate::collect::ledger::Amount;
use crate::collect::scalar_blocks::{Block, Blocks, Row};
use crate::collect::snapshot::Snapshot;
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use crate::registry::series_table;
use crate::storage::bucket::Scheme;
use crate::storage::cell_address::CHUNK;
use crate::storage::non_finite::Invalid;
use std::cell::Cell;

/// How far a backend is with a timer or histogram.
#[derive(Clone, Debug, Default)]
pub(crate) struct Position {
    pub(crate) recordings: u64,
    /// Accounted values by bucket; empty until the first.
    buckets: Box<[u64]>,
}

/// How far a backend is with every series. Lives as long as the backend is installed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    /// Accounted totals of counters, gauges and in-flight counts, by slot. A block that is done is the snapshot's own.
    scalars: Blocks,
    /// The block that is being changed, and its number: put back when another one is, or the delivery ends.
    open: Option<(usize, Block)>,
    /// By slot among distributions.
    pub(crate) distributions: Vec<Position>,
    /// How many recordings that were NaN or infinite are accounted for, by the id of the few series that have any.
    pub(crate) invalid: Invalid,
    /// Recordings made before the backend was installed, which are not its own.
    pub(crate) base: Amount,
}

/// Remembers whether the block of the last series was done: series come mostly in the order of their slots, and a block that is done stays so.
#[derive(Default)]
pub(crate) struct DoneBlocks(Cell<Option<(u32, bool)>>);

impl DoneBlocks {
    #[inline]
    pub(crate) fn has(&self, series: &Series, is_done: impl FnOnce(&Series) -> bool) -> bool {
        let block = series.slot / CHUNK as u32;
        match self.0.get() {
            Some((known, done)) if known == block => done,
            _ => {
                let done = is_done(series);
                self.0.set(Some((block, done)));
                done
            }
        }
    }
}

impl Position {
    fn at(distribution: &Distribution) -> Position {
        let mut position = Position { recordings: distribution.count, ..Position::default() };
        if distribution.count > 0 {
            position.set(distribution);
        }
        position
    }

    /// Accounted values by bucket; empty until the first.
    pub(crate) fn buckets(&self) -> &[u64] {
        &self.buckets
    }

    /// The buckets, made at the first use.
    pub(crate) fn buckets_mut(&mut self, scheme: Scheme) -> &mut [u64] {
        if self.buckets.is_empty() {
            self.buckets = vec![0; scheme.len()].into();
        }
        &mut self.buckets
    }

    /// All that the distribution has is accounted for.
    pub(crate) fn set(&mut self, distribution: &Distribution) {
        let buckets = self.buckets_mut(distribution.scheme);
        for (index, count) in distribution.buckets() {
            buckets[index] = count;
        }
    }
}

impl Cursor {
    /// Returns a cursor that begins at the snapshot.
    pub(crate) fn at(snapshot: &Snapshot) -> Cursor {
        let mut distributions = Vec::with_capacity(snapshot.distributions.len());
        for distribution in snapshot.distributions.iter() {
            distributions.push(Position::at(distribution));
        }
        Cursor {
            scalars: snapshot.scalars.clone(),
            open: None,
            distributions,
            invalid: snapshot.invalid.clone(),
            base: snapshot.recorded,
        }
    }

    /// Has places for all that is in the snapshot.
    pub(crate) fn grow(&mut self, snapshot: &Snapshot) {
        self.scalars.grow(snapshot.scalars.0.len());
        while self.distributions.len() < snapshot.distributions.len() {
            self.distributions.push(Position::default());
        }
    }

    /// How far it is with a counter, gauge or in-flight count. Of the latter two only the recordings count.
    #[inline]
    pub(crate) fn row(&self, series: &Series) -> Row {
        match &self.open {
            Some((number, block)) if *number == series.slot as usize / CHUNK => block.get(series.slot as usize % CHUNK),
            _ => self.scalars.get(series.slot),
        }
    }

    /// Returns `true` when a counter, gauge or in-flight count is known to be done without comparing values. `false` decides nothing.
    #[inline]
    pub(crate) fn is_done(&self, series: &Series, snapshot: &Snapshot) -> bool {
        let block = series.slot as usize / CHUNK;
        self.scalars.shares(&snapshot.scalars, block) && self.open.as_ref().is_none_or(|(open, _)| *open != block)
    }

    #[inline]
    pub(crate) fn set_row(&mut self, series: &Series, row: Row, snapshot: &Snapshot) {
        let number = series.slot as usize / CHUNK;
        match &mut self.open {
            Some((open, block)) if *open == number => block.set(series.slot as usize % CHUNK, row),
            _ => self.open(number, snapshot).set(series.slot as usize % CHUNK, row),
        }
    }

    #[inline(never)]
    fn open(&mut self, number: usize, snapshot: &Snapshot) -> &mut Block {
        self.share(snapshot);
        let block = self.scalars.0.get(number).map_or(Block::ZERO, |block| Block::clone(block));
        &mut self.open.insert((number, block)).1
    }

    /// Puts back what was being changed: the snapshot's block where it says the same.
    pub(crate) fn share(&mut self, snapshot: &Snapshot) {
        if let Some((number, block)) = self.open.take() {
            self.scalars.put(number, block, &snapshot.scalars);
        }
    }

    /// All that is in the snapshot is accounted for.
    pub(crate) fn finish(&mut self, snapshot: &Snapshot) {
        self.open = None;
        self.scalars.clone_from(&snapshot.scalars);
        for (slot, distribution) in snapshot.distributions.iter().enumerate() {
            if let Some(position) = self.distributions.get_mut(slot) {
                position.recordings = distribution.count;
            }
        }
        self.invalid = snapshot.invalid.clone();
    }

    /// How many recordings are accounted for, refused ones left out.
    pub(crate) fn recordings(&self, series: &Series) -> u64 {
        match series.kind() {
            Kind::Timer | Kind::Histogram => self.distributions[series.slot as usize].recordings,
            _ => self.row(series).recordings,
        }
    }

    /// How much of a series is accounted for.
    pub(crate) fn amount(&self, series: &Series) -> Amount {
        let mut amount = Amount::new(self.recordings(series));
        if series.kind() == Kind::Counter {
            let row = self.row(series);
            (amount.increments, amount.decrements) = (row.increments, row.decrements);
        }
        amount += Amount::new(self.invalid.of(series.id));
        amount
    }

    /// Returns the recordings between the cursor and the snapshot.
    pub(crate) fn pending(&self, snapshot: &Snapshot) -> Amount {
        let mut all = Amount::default();
        // Refused recordings are accounted for before a backend sees anything.
        let done = DoneBlocks::default();
        for series in series_table::series_in(0..snapshot.len) {
            let is_done = series.kind().scheme().is_none() && done.has(series, |series| self.is_done(series, snapshot));
            if !is_done && !series.is_internal() {
                all += snapshot.totals().of(series).amount().minus(self.amount(series));
            }
        }
        all
    }
}
