//! How far one backend is with each series: what is its own to account for lies between here and the snapshot.

use crate::collect::distribution::Distribution;
use crate::collect::ledger::Amount;
use crate::collect::scalar_blocks::{Block, Blocks, Row};
use crate::collect::snapshot::Snapshot;
use crate::deliver::stretches::Stretches;
use crate::registry::kind::Kind;
use crate::registry::series::Series;
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
    /// The block that is being changed: put back when another one is, or the delivery ends.
    open: Option<Open>,
    /// By slot among distributions.
    pub(crate) distributions: Vec<Position>,
    /// Where series of one kind were registered one after the other.
    pub(crate) stretches: Stretches,
    /// How many recordings that were NaN or infinite are accounted for, by the id of the few series that have any.
    pub(crate) invalid: Invalid,
    /// Recordings made before the backend was installed, which are not its own.
    pub(crate) base: Amount,
    /// The last snapshot whose exemplars were delivered.
    pub(crate) exemplars: u64,
}

/// A block that is being changed, and its number.
#[derive(Clone, Debug)]
enum Open {
    /// Its rows become the snapshot's, one after the other, as they mostly do: a bit for each that is not yet. Once none is left, the block is the
    /// snapshot's, and nothing was written.
    Passing { number: usize, left: u128 },
    /// A copy, of which some rows became others.
    Copied { number: usize, block: Box<Block> },
}

impl Open {
    fn number(&self) -> usize {
        match self {
            Open::Passing { number, .. } | Open::Copied { number, .. } => *number,
        }
    }
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
            stretches: Stretches::default(),
            invalid: snapshot.invalid.clone(),
            base: snapshot.recorded,
            exemplars: snapshot.sequence,
        }
    }

    /// Has places for all that is in the snapshot.
    pub(crate) fn grow(&mut self, snapshot: &Snapshot) {
        self.scalars.grow(snapshot.scalars.0.len());
        self.stretches.grow(snapshot.len);
        while self.distributions.len() < snapshot.distributions.len() {
            self.distributions.push(Position::default());
        }
    }

    /// How far it is with a counter, gauge or in-flight count. Of the latter two only the recordings count.
    #[inline]
    pub(crate) fn row(&self, series: &Series, snapshot: &Snapshot) -> Row {
        let (open, at) = (series.slot as usize / CHUNK, series.slot as usize % CHUNK);
        match &self.open {
            Some(Open::Passing { number, left }) if *number == open && left >> at & 1 == 0 => {
                snapshot.scalars.get(series.slot)
            }
            Some(Open::Copied { number, block }) if *number == open => block.get(at),
            _ => self.scalars.get(series.slot),
        }
    }

    /// Returns `true` when a counter, gauge or in-flight count is known to be done without comparing values. `false` decides nothing.
    #[inline]
    pub(crate) fn is_done(&self, series: &Series, snapshot: &Snapshot) -> bool {
        self.is_block_done(series.slot as usize / CHUNK, snapshot)
    }

    #[inline]
    fn is_block_done(&self, block: usize, snapshot: &Snapshot) -> bool {
        self.scalars.shares(&snapshot.scalars, block) && self.open.as_ref().is_none_or(|open| open.number() != block)
    }

    /// Returns in which of [`CHUNK`] slots, from one on, the snapshot has another row: a bit for each, the first one lowest.
    pub(crate) fn differing(&self, slot: u32, snapshot: &Snapshot) -> u128 {
        let (block, at) = (slot as usize / CHUNK, slot as usize % CHUNK);
        let first = self.differing_in(block, snapshot) >> at;
        if at == 0 { first } else { first | self.differing_in(block + 1, snapshot) << (CHUNK - at) }
    }

    fn differing_in(&self, block: usize, snapshot: &Snapshot) -> u128 {
        let mine = match &self.open {
            Some(Open::Passing { number, left }) if *number == block => return *left,
            Some(Open::Copied { number, block: copy }) if *number == block => copy,
            _ if self.scalars.shares(&snapshot.scalars, block) => return 0,
            _ => self.scalars.block(block),
        };
        mine.differing(snapshot.scalars.block(block))
    }

    #[inline]
    pub(crate) fn set_row(&mut self, series: &Series, row: Row, snapshot: &Snapshot) {
        let (block, at) = (series.slot as usize / CHUNK, series.slot as usize % CHUNK);
        self.open(block, snapshot);
        match &mut self.open {
            Some(Open::Passing { left, .. }) if row == snapshot.scalars.get(series.slot) => *left &= !(1 << at),
            Some(Open::Passing { left, .. }) => {
                let mut copy = Box::new(self.scalars.half_way(block, *left, &snapshot.scalars));
                copy.set(at, row);
                self.open = Some(Open::Copied { number: block, block: copy });
            }
            Some(Open::Copied { block, .. }) => block.set(at, row),
            None => {}
        }
    }

    /// Accounts for all that is new in [`CHUNK`] slots of counters, from one on, and returns how much that was. `None`, and nothing is done, where rows
    /// among them were given other values than the snapshot's.
    pub(crate) fn pass(&mut self, slot: u32, snapshot: &Snapshot) -> Option<Amount> {
        let (block, at) = (slot as usize / CHUNK, slot as usize % CHUNK);
        let parts = [(block, u128::MAX << at), (block + 1, !(u128::MAX << at))].into_iter().filter(|part| part.1 != 0);
        let is_copied =
            |number: usize| matches!(&self.open, Some(Open::Copied { number: open, .. }) if *open == number);
        if parts.clone().any(|(number, _)| is_copied(number)) {
            return None;
        }
        let mut all = Amount::default();
        for (number, slots) in parts {
            if self.is_block_done(number, snapshot) {
                continue;
            }
            self.open(number, snapshot);
            if let Some(Open::Passing { left, .. }) = &mut self.open {
                all += self.scalars.block(number).amount_until(snapshot.scalars.block(number), *left & slots);
                *left &= !slots;
            }
        }
        Some(all)
    }

    /// Begins to change a block, unless it is being changed.
    fn open(&mut self, block: usize, snapshot: &Snapshot) {
        if self.open.as_ref().is_none_or(|open| open.number() != block) {
            self.share(snapshot);
            self.open = Some(Open::Passing { number: block, left: self.differing_in(block, snapshot) });
        }
    }

    /// Puts back what was being changed: the snapshot's block where it says the same.
    pub(crate) fn share(&mut self, snapshot: &Snapshot) {
        match self.open.take() {
            None => {}
            Some(Open::Passing { number, left: 0 }) => self.scalars.take_over(number, &snapshot.scalars),
            Some(Open::Passing { number, left }) => {
                let block = self.scalars.half_way(number, left, &snapshot.scalars);
                self.scalars.put(number, block, &snapshot.scalars);
            }
            Some(Open::Copied { number, block }) => self.scalars.put(number, *block, &snapshot.scalars),
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
    pub(crate) fn recordings(&self, series: &Series, snapshot: &Snapshot) -> u64 {
        match series.kind() {
            Kind::Timer | Kind::Histogram => self.distributions[series.slot as usize].recordings,
            _ => self.row(series, snapshot).recordings,
        }
    }

    /// How much of a series is accounted for.
    pub(crate) fn amount(&self, series: &Series, snapshot: &Snapshot) -> Amount {
        let mut amount = Amount::new(self.recordings(series, snapshot));
        if series.kind() == Kind::Counter {
            let row = self.row(series, snapshot);
            (amount.increments, amount.decrements) = (row.increments, row.decrements);
        }
        amount += Amount::new(self.invalid.of(series.id));
        amount
    }
}
