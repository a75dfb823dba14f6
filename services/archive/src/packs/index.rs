//! The index of a directory's objects: their places, the files that are open, and the account of each file.
//!
//! Places that memory has no room for are spilled: they go to a [run](super::run), and a [summary](super::summary) tells up to where in the
//! pack files the runs know all. Both can be derived from the pack files, and are when they do not fit.

use super::places::{Merge, Places, kept_pages, most_entries};
use super::summary::{Summary, remove_other_runs};
use super::{Fill, HEAD, Place};
use crate::Error;
use crate::storage::Key;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The end of something in the pack files: the number of a file, and an offset in it.
pub(super) type End = (u32, u64);

#[derive(Default)]
pub(super) struct Index {
    pub places: Places,
    pub files: HashMap<u32, Arc<File>>,
    pub fills: BTreeMap<u32, Fill>,
    /// None for one that stays in memory.
    pub spills: Option<Spills>,
    /// The largest number of a file that there is, or was.
    pub last_file: u32,
}

/// How places go to the disk.
#[derive(Clone)]
pub(super) struct Spills {
    pub directory: PathBuf,
    /// Most entries in memory.
    most: usize,
    /// Pages of each run that are kept in memory.
    kept: usize,
    /// Entries at which they are written; more than `most` after a write has failed.
    at: usize,
    next_run: u32,
}

impl Spills {
    /// Returns those of a directory, with room for `memory` bytes of places.
    pub fn of(directory: &Path, memory: usize, next_run: u32) -> Spills {
        let most = most_entries(memory);
        Spills { directory: directory.into(), most, kept: kept_pages(memory), at: most, next_run }
    }
}

/// Returns true for an error of a run that is not as it was written.
pub(super) fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Io(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof))
}

impl Index {
    /// Makes a key stand at a place, or nowhere, as a record of a file says, and keeps the account of the files.
    ///
    /// # Errors
    /// [`Error::Io`] of a run; then nothing changed.
    pub fn set(&mut self, key: Key, file: NonZeroU32, place: Option<Place>) -> Result<(), Error> {
        let size = |place: &Place| u64::from(place.length) + HEAD as u64;
        let old = self.places.set(key, place)?;
        let fill = self.fills.entry(file.get()).or_default();
        fill.live += place.as_ref().map_or(0, size);
        fill.total += place.as_ref().map_or(HEAD as u64, size);
        if let Some(old) = old
            && let Some(fill) = self.fills.get_mut(&old.file.get())
        {
            fill.live = fill.live.saturating_sub(size(&old));
        }
        Ok(())
    }

    /// Returns true when more is in memory than may be.
    pub fn is_full(&self) -> bool {
        self.spills.as_ref().is_some_and(|spills| self.places.recent() > spills.at)
    }

    /// Writes the places that are in memory to the disk, if they are more than may be. All of the pack files up to an end is in them, and
    /// synced. Where that fails they stay in memory, and it is tried again later.
    pub fn spill(&mut self, through: End) {
        match self.merge(through) {
            Ok(Some(merge)) => self.take(merge),
            Ok(None) => {}
            Err(error) => self.put_off(&error),
        }
    }

    /// Does the part of [`spill`](Index::spill) that takes long: [`take`](Index::take) is the rest.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn merge(&self, through: End) -> Result<Option<Merge>, Error> {
        let Some(spills) = self.spills.as_ref().filter(|_| self.is_full()) else { return Ok(None) };
        let merge = self.places.merge(&spills.directory, spills.next_run, spills.kept)?;
        let runs = merge.numbers(&self.places);
        let summary = Summary { through, objects: self.places.objects(), runs, fills: self.fills.clone() };
        summary.write(&spills.directory)?;
        Ok(Some(merge))
    }

    /// Goes on with the runs of a merge.
    pub fn take(&mut self, merge: Merge) {
        self.places.take(merge);
        let Some(spills) = &mut self.spills else { return };
        (spills.at, spills.next_run) = (spills.most, spills.next_run + 1);
        // A file that cannot be removed now is removed by the next one.
        let _ = remove_other_runs(&spills.directory, &self.places.runs());
    }

    /// Waits for twice as many places in memory before they are written, which failed.
    pub fn put_off(&mut self, error: &Error) {
        tracing::warn!(%error, "places of stored objects stay in memory");
        if let Some(spills) = &mut self.spills {
            spills.at = self.places.recent().saturating_mul(2);
            // A summary may name the run already: it is not written over. What no summary names only takes room.
            spills.next_run += 1;
            let mut counting = self.places.runs();
            counting.extend(Summary::read(&spills.directory).ok().flatten().map_or_else(Vec::new, |found| found.runs));
            let _ = remove_other_runs(&spills.directory, &counting);
        }
    }
}
