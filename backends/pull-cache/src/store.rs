//! The generation store: the newest generation, and old ones, coded, in the order of their timestamps, bounded in number and age.
//!
//! Timestamps are whole seconds and strictly increase, so that a reader who asks for what is newer than the last one it saw
//! gets every later generation:
//!
//! - A generation made in the same second of the system's clock as the newest (a flush, a short interval) takes its place and its
//!   timestamp. Totals are cumulative: anyone who saw the first gets the difference with the next generation.
//! - When the clock stands at or before the newest timestamp (it was set back), the timestamp is one more than the newest, until
//!   the clock has caught up.
//!
//! The old generations are a chain: each is coded as its difference to the one before. The chain begins at a base, the state of
//! every column before the oldest; when the oldest falls out, the base moves over it. So nothing is ever kept twice, and a walk
//! along the chain needs one state.

use crate::coding::{Coder, Row};
use crate::generation::{Columns, Generation, Table};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// Where the next generation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Behind the newest.
    New,
    /// In the place of the newest.
    Replace,
}

/// An old generation.
#[derive(Clone, Debug)]
struct Block {
    timestamp: i64,
    /// How many columns there were.
    columns: u32,
    coded: Arc<[u8]>,
}

/// State that readers see. Clones share everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    columns: Arc<Columns>,
    /// The state before the oldest block.
    base: Arc<Coder>,
    /// Oldest first.
    blocks: VecDeque<Block>,
    newest: Option<Arc<Generation>>,
}

/// The step from one view to the next.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    columns: Arc<Columns>,
    base: Arc<Coder>,
    old: usize,
    new: Option<Block>,
    newest: Arc<Generation>,
}

impl Change {
    pub(crate) fn newest(&self) -> &Arc<Generation> {
        &self.newest
    }
}

impl View {
    /// Takes a step. What is no longer needed is handed back, to be freed without a lock.
    pub(crate) fn apply(&mut self, change: Change) -> impl Sized + use<> {
        self.blocks.extend(change.new);
        let old: Vec<Block> = self.blocks.drain(..change.old.min(self.blocks.len())).collect();
        let columns = std::mem::replace(&mut self.columns, change.columns);
        let base = std::mem::replace(&mut self.base, change.base);
        (old, columns, base, self.newest.replace(change.newest))
    }

    pub(crate) fn newest(&self) -> Option<&Arc<Generation>> {
        self.newest.as_ref()
    }

    /// Those strictly newer than `after`, oldest first.
    pub(crate) fn history(&self, after: Option<i64>) -> History {
        let wanted = |timestamp: i64| after.is_none_or(|after| timestamp > after);
        // A chain is walked from its beginning, but not when nothing of it is wanted.
        let some = self.blocks.back().is_some_and(|block| wanted(block.timestamp));
        History {
            columns: Arc::clone(&self.columns),
            chain: some.then(|| Chain { base: Arc::clone(&self.base), state: None }),
            blocks: if some { self.blocks.clone() } else { VecDeque::new() },
            newest: self.newest.clone().filter(|newest| wanted(newest.timestamp())),
            after,
            window: self.window(),
        }
    }

    /// The timestamps of the oldest and the newest.
    pub(crate) fn window(&self) -> Option<(i64, i64)> {
        let newest = self.newest.as_ref()?.timestamp();
        Some((self.blocks.front().map_or(newest, |block| block.timestamp), newest))
    }

    /// Returns the size of the old generations, in bytes.
    #[cfg(test)]
    pub(crate) fn coded_bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.coded.len()).sum()
    }

    /// Returns the size of the generations, in bytes, with the state that is needed to read them, and without names.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let columns = self.columns.len() * (Columns::COLUMN_BYTES + Coder::COLUMN_BYTES);
        let blocks = self.blocks.capacity() * size_of::<Block>() + self.coded_bytes();
        let newest = self.newest.as_ref().map_or(0, |newest| newest.row().bytes() + size_of::<Generation>());
        columns + Coder::FIXED_BYTES + blocks + newest
    }
}

/// Generations, oldest first, as they stood when it was made: see [`PullCacheHandle::history`](crate::PullCacheHandle::history).
#[derive(Debug)]
pub struct History {
    columns: Arc<Columns>,
    chain: Option<Chain>,
    blocks: VecDeque<Block>,
    newest: Option<Arc<Generation>>,
    after: Option<i64>,
    window: Option<(i64, i64)>,
}

/// A walk along the coded generations.
#[derive(Debug)]
struct Chain {
    base: Arc<Coder>,
    /// Where the walk stands; `None` at the base.
    state: Option<Coder>,
}

impl History {
    /// The timestamps of the oldest and the newest generation that the cache held when this was made, whatever was asked for;
    /// `None` when it held none.
    #[must_use]
    pub fn window(&self) -> Option<(i64, i64)> {
        self.window
    }

    /// Returns `true` while there are generations to pass on the way to the first that is wanted. To pass one costs as much as to decode it;
    /// [`next`](Iterator::next) passes all of them.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let passed = |block: &Block| self.after.is_some_and(|after| block.timestamp <= after);
        self.chain.is_some() && self.blocks.front().is_some_and(passed)
    }

    /// Passes one generation on the way to the first that is wanted, if there is one.
    ///
    /// ```
    /// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_pull_cache as pull_cache; }
    /// use ferrometer::pull_cache::{PullCacheBackend, Settings};
    ///
    /// let mut history = PullCacheBackend::new(Settings::default()).handle().history(None);
    /// while history.is_behind() {
    ///     // Between two generations there is time for something else.
    ///     history.pass();
    /// }
    /// assert!(history.next().is_none());
    /// ```
    pub fn pass(&mut self) {
        if !self.is_behind() {
            return;
        }
        let (Some(block), Some(chain)) = (self.blocks.pop_front(), self.chain.as_mut()) else { return };
        let base = &chain.base;
        let state = chain.state.get_or_insert_with(|| Coder::clone(base));
        if state.skip(&self.columns.identities()[..block.columns as usize], &block.coded).is_err() {
            // As in `next`.
            self.blocks.clear();
        }
    }
}

impl Iterator for History {
    type Item = Arc<Generation>;

    fn next(&mut self) -> Option<Arc<Generation>> {
        while self.is_behind() {
            self.pass();
        }
        while let (Some(block), Some(chain)) = (self.blocks.pop_front(), self.chain.as_mut()) {
            let base = &chain.base;
            let state = chain.state.get_or_insert_with(|| Coder::clone(base));
            let identities = &self.columns.identities()[..block.columns as usize];
            if let Ok(row) = state.decode(identities, &block.coded) {
                return Some(Arc::new(Generation::new(block.timestamp, Arc::clone(&self.columns), row)));
            }
            // This process coded it, so it can be decoded; if it could not, nothing wrong may be shown.
            self.blocks.clear();
        }
        self.chain = None;
        self.newest.take()
    }
}

/// The writing half.
#[derive(Debug)]
pub(crate) struct Store {
    /// How many besides the newest.
    keep: usize,
    /// How much older than the newest, in seconds.
    window: i64,
    table: Table,
    view: View,
    /// The state before the newest.
    tail: Coder,
    /// The second of the system's clock in which the newest was made; `None` when it came from elsewhere.
    second: Option<i64>,
    /// The columns here of those that the last generation from elsewhere had.
    restored: Option<(Weak<Columns>, Vec<u32>)>,
    /// Time of the newest generation elsewhere: generations made here are newer.
    after: Option<i64>,
}

impl Store {
    pub(crate) fn new(keep: usize, window: i64) -> Store {
        Store {
            keep,
            window,
            table: Table::default(),
            view: View::default(),
            tail: Coder::default(),
            second: None,
            restored: None,
            after: None,
        }
    }

    /// Is as it was made.
    pub(crate) fn forget(&mut self) {
        *self = Store::new(self.keep, self.window);
    }

    /// Makes all generations from now on newer than this one, which has been kept elsewhere until now.
    pub(crate) fn follow(&mut self, newest: Option<i64>) {
        self.after = self.after.max(newest);
    }

    /// Takes the place of a store that went on meanwhile: takes over what was made there since the time that it
    /// [follows](Store::follow). Returns the numbers that its columns have here.
    pub(crate) fn catch_up(&mut self, went_on: &mut Store) -> Vec<u32> {
        let mut made = went_on.view.history(went_on.after).peekable();
        if let Some(first) = made.peek().map(|first| first.timestamp())
            && self.view.newest.as_ref().is_some_and(|newest| newest.timestamp() >= first)
        {
            // Somebody changed the files: what readers saw already has its time.
            let before = self.view.history(None).take_while(|generation| generation.timestamp() < first);
            let mut all = Store::new(self.keep, self.window);
            before.for_each(|generation| drop(all.restore(&generation)));
            *self = all;
        }
        made.for_each(|generation| drop(self.restore(&generation)));
        (self.second, self.after) = (went_on.second, went_on.after);
        went_on.table.columns().identities().iter().map(|identity| self.table.column(identity)).collect()
    }

    /// Which column belongs to which record.
    pub(crate) fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    /// Returns the present state.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// Where a generation made in this second of the system's clock goes.
    pub(crate) fn place(&self, second: i64) -> Place {
        if self.view.newest.is_none() || Some(second) != self.second { Place::New } else { Place::Replace }
    }

    /// The timestamp of a generation made in this second.
    pub(crate) fn timestamp(&self, second: i64) -> i64 {
        let newest = self.view.newest.as_ref().map(|newest| newest.timestamp());
        match (self.place(second), newest) {
            (Place::Replace, Some(newest)) => newest,
            (_, newest) => newest.max(self.after).map_or(second, |before| second.max(before.saturating_add(1))),
        }
    }

    /// Puts a generation in its [`place`](Store::place), and says what readers see from now on.
    pub(crate) fn push(&mut self, second: i64, row: Row) -> Change {
        let (place, timestamp) = (self.place(second), self.timestamp(second));
        self.second = Some(second);
        self.restored = None;
        self.put(place, timestamp, row)
    }

    /// Takes over a generation of an earlier process. It must be newer than the newest.
    pub(crate) fn restore(&mut self, old: &Generation) -> Change {
        let columns = match self.restored.take() {
            // As long as the weak reference is there, no others can stand at the same address.
            Some((same, columns)) if Weak::ptr_eq(&same, &Arc::downgrade(old.columns())) => columns,
            _ => old.columns().identities().iter().map(|identity| self.table.column(identity)).collect::<Vec<_>>(),
        };
        // Most come from a store that had the same columns.
        let row = if columns.iter().enumerate().all(|(column, to)| *to as usize == column) {
            old.row().clone()
        } else {
            let mut row = Row::with_columns(columns.iter().max().map_or(0, |most| *most as usize + 1));
            for (column, to) in columns.iter().enumerate() {
                if let Some(value) = old.row().get(column) {
                    row.set(*to as usize, value);
                }
            }
            row
        };
        self.restored = Some((Arc::downgrade(old.columns()), columns));
        self.second = None;
        self.put(Place::New, old.timestamp(), row)
    }

    fn put(&mut self, place: Place, timestamp: i64, mut row: Row) -> Change {
        row.shrink();
        let old = self.view.newest.take().filter(|_| place == Place::New);
        let new = old.map(|old| {
            let columns = old.row().columns();
            let coded = self.tail.encode(&old.columns().identities()[..columns], old.row()).into();
            Block { timestamp: old.timestamp(), columns: columns as u32, coded }
        });
        let columns = Arc::clone(self.table.columns());
        let newest = Arc::new(Generation::new(timestamp, Arc::clone(&columns), row));
        let (old, base) = self.fall_out(new.as_ref(), timestamp);
        let change = Change { columns, base, old, new, newest };
        drop(self.view.apply(change.clone()));
        change
    }

    /// How many blocks fall out, and the base without them. With nothing to keep, the newest of the old ones falls out at once,
    /// after it is in its place.
    fn fall_out(&self, new: Option<&Block>, newest: i64) -> (usize, Arc<Coder>) {
        let blocks = self.view.blocks.len() + usize::from(new.is_some());
        let surplus = blocks.saturating_sub(self.keep);
        let horizon = newest.saturating_sub(self.window);
        let all = self.view.blocks.iter().chain(new);
        let old = all.enumerate().take_while(|(at, b)| *at < surplus || b.timestamp < horizon);
        let mut base: Option<Coder> = None;
        let mut count = 0;
        for (_, block) in old {
            let state = base.get_or_insert_with(|| Coder::clone(&self.view.base));
            let identities = &self.view.columns.identities()[..block.columns as usize];
            // This process coded it, so it can be decoded.
            let _ = state.skip(identities, &block.coded);
            count += 1;
        }
        (count, base.map_or_else(|| Arc::clone(&self.view.base), Arc::new))
    }
}

#[cfg(test)]
mod compactness;
#[cfg(test)]
pub(crate) mod tests;
