//! The places of all objects: those that changed last in a table in memory, the rest in [runs](super::run) on disk.
//!
//! ```text
//!  set ─► recent (memory, bounded) ─► run ─► run ─► the oldest run        get, range: the newest that knows the key counts
//! ```
//!
//! When the table has as many entries as it may, they are written to a new run. With it are merged the runs before it that are not much
//! longer, so that there are few, and an entry is written again a few times only. Before the table was ever full there is no run.

use super::Place;
use super::run::{Entry, MOST_KEPT, PAGE, Run};
use crate::Error;
use crate::storage::Key;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

/// Bytes of an entry of the table, with the room that it leaves free.
const ENTRY: usize = 80;
/// A run stays as it is when it has this many times the entries of those that are merged behind it.
const TIMES: u64 = 4;

/// Places of objects by key.
#[derive(Default)]
pub(super) struct Places {
    /// Changes since the last run was written. A key without a place is deleted, and a run may have it.
    recent: BTreeMap<Key, Option<Place>>,
    /// The oldest first.
    runs: Vec<Arc<Run>>,
    objects: u64,
}

/// Runs that are to take the place of those that a table has, and of its recent changes.
pub(super) struct Merge {
    /// As many of the oldest runs stay.
    stay: usize,
    run: Option<Arc<Run>>,
}

impl Merge {
    /// Returns the numbers of the runs that there will be.
    pub fn numbers(&self, places: &Places) -> Vec<u32> {
        places.runs[..self.stay].iter().chain(&self.run).map(|run| run.number).collect()
    }
}

type Source<'a> = Box<dyn Iterator<Item = Result<Entry, Error>> + 'a>;

/// Entries of several sources, each ascending; of a key that several have, the one of the first source.
struct Merged<'a> {
    sources: Vec<Peekable<Source<'a>>>,
}

impl Iterator for Merged<'_> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Result<Entry, Error>> {
        let mut least: Option<(usize, Key)> = None;
        for (at, source) in self.sources.iter_mut().enumerate() {
            match source.peek() {
                Some(Ok((key, _))) if least.is_none_or(|(_, least)| *key < least) => least = Some((at, *key)),
                Some(Err(_)) => return source.next(),
                _ => {}
            }
        }
        let (first, key) = least?;
        let is_of_key = |entry: &Result<Entry, Error>| matches!(entry, Ok((other, _)) if *other == key);
        for source in &mut self.sources[first + 1..] {
            source.next_if(is_of_key);
        }
        self.sources[first].next()
    }
}

/// Returns how many pages of each run are kept beside a table of this many bytes: a sixteenth of them.
pub(super) fn kept_pages(bytes: usize) -> usize {
    (bytes / 16 / PAGE).clamp(1, MOST_KEPT)
}

/// Returns how many entries a table may have in this many bytes.
pub(super) fn most_entries(bytes: usize) -> usize {
    (bytes / ENTRY).max(1)
}

impl Places {
    /// Returns the places that runs tell, the oldest first, with this many objects.
    pub fn of(runs: Vec<Run>, objects: u64) -> Places {
        Places { recent: BTreeMap::new(), runs: runs.into_iter().map(Arc::new).collect(), objects }
    }

    /// Returns how many keys have a place.
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// Returns how many entries are in memory.
    pub fn recent(&self) -> usize {
        self.recent.len()
    }

    /// Returns the number and the bytes of the runs.
    pub fn on_disk(&self) -> (u64, u64) {
        (self.runs.len() as u64, self.runs.iter().map(|run| run.bytes()).sum())
    }

    /// Returns the numbers of the runs, the oldest first.
    pub fn runs(&self) -> Vec<u32> {
        self.runs.iter().map(|run| run.number).collect()
    }

    /// Returns the place of a key.
    ///
    /// # Errors
    /// [`Error::Io`] of a run.
    pub fn get(&self, key: &Key) -> Result<Option<Place>, Error> {
        if let Some(place) = self.recent.get(key) {
            return Ok(*place);
        }
        for run in self.runs.iter().rev() {
            if let Some((_, place)) = run.get(key)? {
                return Ok(place);
            }
        }
        Ok(None)
    }

    /// Returns true for a key that was deleted, where a run may still have it.
    pub fn is_deleted(&self, key: &Key) -> bool {
        self.recent.get(key) == Some(&None)
    }

    /// Makes a key stand at a place, or nowhere, and returns where it stood.
    ///
    /// # Errors
    /// Those of [`get`](Places::get); then nothing changed.
    pub fn set(&mut self, key: Key, place: Option<Place>) -> Result<Option<Place>, Error> {
        let old = if self.runs.is_empty() { self.recent.get(&key).copied().flatten() } else { self.get(&key)? };
        if place.is_some() || !self.runs.is_empty() {
            self.recent.insert(key, place);
        } else {
            self.recent.remove(&key);
        }
        self.objects = (self.objects + u64::from(place.is_some())).saturating_sub(u64::from(old.is_some()));
        Ok(old)
    }

    /// Returns the keys of a range that have a place, ascending.
    ///
    /// # Errors
    /// [`Error::Io`] of a run.
    pub fn keys(&self, range: RangeInclusive<Key>) -> Result<Vec<Key>, Error> {
        let mut keys = Vec::new();
        if range.is_empty() {
            return Ok(keys);
        }
        if !self.runs.iter().any(|run| run.may_have(&range)) {
            keys.extend(self.recent.range(range).filter(|(_, place)| place.is_some()).map(|(key, _)| *key));
            return Ok(keys);
        }
        for entry in self.merged(0, *range.start()) {
            let (key, place) = entry?;
            if key > *range.end() {
                break;
            }
            keys.extend(place.map(|_| key));
        }
        Ok(keys)
    }

    /// Hands every key that has a place to `each`, ascending.
    ///
    /// # Errors
    /// [`Error::Io`] of a run.
    pub fn each(&self, mut each: impl FnMut(Key, Place)) -> Result<(), Error> {
        for entry in self.merged(0, Key::FIRST) {
            if let (key, Some(place)) = entry? {
                each(key, place);
            }
        }
        Ok(())
    }

    /// Returns the entries of the table and of the runs from a number on, the key that is given and those behind it.
    fn merged(&self, run: usize, from: Key) -> Merged<'_> {
        let recent = self.recent.range(from..).map(|(key, place)| Ok((*key, *place)));
        let recent: Source<'_> = Box::new(recent);
        let runs = self.runs[run..].iter().rev().map(|run| Box::new(run.entries_from(from)) as Source<'_>);
        Merged { sources: std::iter::once(recent).chain(runs).map(Iterator::peekable).collect() }
    }

    /// Writes the table to a run, with the runs before it that are not much longer.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn merge(&self, directory: &Path, number: u32, kept: usize) -> Result<Merge, Error> {
        let (mut stay, mut entries) = (self.runs.len(), self.recent.len() as u64);
        while let Some(before) = stay.checked_sub(1).filter(|before| self.runs[*before].entries < TIMES * entries) {
            (stay, entries) = (before, entries + self.runs[before].entries);
        }
        // Behind the oldest run there is nothing that a deletion could hide.
        let counts = |entry: &Result<Entry, Error>| stay > 0 || !matches!(entry, Ok((_, None)));
        let run = Run::write(directory, number, kept, self.merged(stay, Key::FIRST).filter(counts))?;
        Ok(Merge { stay, run: run.map(Arc::new) })
    }

    /// Takes the runs of a merge in place of those that are in it. Nothing was set meanwhile.
    pub fn take(&mut self, merge: Merge) {
        self.runs.truncate(merge.stay);
        self.runs.extend(merge.run);
        self.recent.clear();
    }
}
