//! A generation as a reader sees it: its records, sorted by name.

use crate::coding::Row;
use crate::record::{Identity, Record};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// The columns of a store: the identity of each, and their order. Columns are added and never taken away.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    identities: Vec<Arc<Identity>>,
    /// The columns in the order of their identities.
    sorted: Vec<u32>,
}

impl Columns {
    pub(crate) fn len(&self) -> usize {
        self.identities.len()
    }

    /// Returns what the values of each column share, by the column's number.
    #[must_use]
    pub fn identities(&self) -> &[Arc<Identity>] {
        &self.identities
    }

    /// Adds columns behind those there are.
    pub(crate) fn extend(&mut self, new: Vec<Arc<Identity>>) {
        let from = self.len();
        self.identities.reserve_exact(new.len());
        self.identities.extend(new);
        let identity = |column: &u32| &self.identities[*column as usize];
        let mut added: Vec<u32> = (from..self.identities.len()).map(|column| column as u32).collect();
        added.sort_unstable_by(|a, b| identity(a).cmp(identity(b)));
        let mut merged = Vec::with_capacity(self.identities.len());
        let mut added = added.into_iter().peekable();
        for old in self.sorted.drain(..) {
            while let Some(new) = added.next_if(|new| identity(new) < identity(&old)) {
                merged.push(new);
            }
            merged.push(old);
        }
        merged.extend(added);
        self.sorted = merged;
    }

    /// Size of one column in the tables, in bytes, without the names.
    pub(crate) const COLUMN_BYTES: usize = size_of::<Arc<Identity>>() + size_of::<u32>();
}

/// Gives columns to identities: to each its own, always the same.
#[derive(Debug, Default)]
pub(crate) struct Table {
    columns: Arc<Columns>,
    /// Those that are not in `columns` yet.
    fresh: Vec<Arc<Identity>>,
    /// The first column of those whose identities share a hash.
    found: HashMap<u32, u32>,
    /// By column: the number of another one whose identity has the same hash, from 1; 0: there is none.
    next: Vec<u32>,
    keys: RandomState,
}

impl Table {
    /// The column of an identity.
    pub(crate) fn column(&mut self, identity: &Arc<Identity>) -> u32 {
        let new = self.next.len() as u32;
        let mut at = *self.found.entry(self.keys.hash_one(identity) as u32).or_insert(new);
        while at != new {
            if self.identity(at) == identity {
                return at;
            }
            at = match self.next[at as usize] {
                0 => {
                    self.next[at as usize] = new + 1;
                    new
                }
                next => next - 1,
            };
        }
        self.fresh.push(Arc::clone(identity));
        self.next.push(0);
        new
    }

    fn identity(&self, column: u32) -> &Arc<Identity> {
        let known = self.columns.identities();
        match known.get(column as usize) {
            Some(identity) => identity,
            None => &self.fresh[column as usize - known.len()],
        }
    }

    /// Makes room for this many more identities.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.found.reserve(more);
        self.next.reserve_exact(more);
        self.fresh.reserve_exact(more);
    }

    /// All columns, the newest included.
    pub(crate) fn columns(&mut self) -> &Arc<Columns> {
        if !self.fresh.is_empty() {
            Arc::make_mut(&mut self.columns).extend(std::mem::take(&mut self.fresh));
        }
        &self.columns
    }
}

/// All records of one time. Immutable.
#[derive(Debug)]
pub struct Generation {
    timestamp: i64,
    columns: Arc<Columns>,
    row: Row,
    len: usize,
}

impl Generation {
    pub(crate) fn new(timestamp: i64, columns: Arc<Columns>, row: Row) -> Generation {
        Generation { timestamp, len: row.count(), columns, row }
    }

    /// Seconds since 1970; strictly greater than that of any earlier generation.
    #[must_use]
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// The records, sorted by metric, then by labels, then by id.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> + Clone {
        Records { generation: self, sorted: self.columns.sorted.iter(), left: self.len }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the values in the order of [`records`](Generation::records), from a place in it: each with its place and the number of its
    /// column in [`columns`](Generation::columns). For a reader who stops in the middle and goes on later.
    pub fn values_from(&self, place: usize) -> impl Iterator<Item = (usize, usize, f64)> {
        let places = self.columns.sorted.iter().enumerate().skip(place);
        places.filter_map(|(place, column)| Some((place, *column as usize, self.row.get(*column as usize)?)))
    }

    /// Returns the columns as of this generation. As long as nothing was added, generations share one.
    #[must_use]
    pub fn columns(&self) -> &Arc<Columns> {
        &self.columns
    }

    pub(crate) fn row(&self) -> &Row {
        &self.row
    }
}

#[derive(Clone)]
struct Records<'g> {
    generation: &'g Generation,
    sorted: std::slice::Iter<'g, u32>,
    left: usize,
}

impl<'g> Iterator for Records<'g> {
    type Item = Record<'g>;

    fn next(&mut self) -> Option<Record<'g>> {
        let generation = self.generation;
        let (column, value) = self.sorted.find_map(|column| Some((column, generation.row.get(*column as usize)?)))?;
        let identity = &generation.columns.identities[*column as usize];
        self.left = self.left.saturating_sub(1);
        Some(Record {
            id: identity.id(),
            metric: identity.metric(),
            timestamp: generation.timestamp,
            kind: identity.kind(),
            value,
            labels: identity.labels(),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Records<'_> {}
