//! The index of a directory's objects: their places, the files that are open, and the account of each file.
//!
//! Places that memory has no room for are spilled: they go to a [run](super::run), and a [summary](super::summary) tells up to where in the
//! pack files the runs know all. Both can be derived from the pack files, and are when they do not fit.

use super::places::{Merge, Places, kept_pages, most_entries};
use super::run::Run;
use super::scan::{Scanned, scan};
use super::summary::{Summary, remove_other_runs};
use super::{Fill, HEAD, Place, name, numbers};
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
    spills: Option<Spills>,
    /// The largest number of a file that there is or was.
    last_file: u32,
}

/// How places go to the disk.
#[derive(Clone)]
struct Spills {
    directory: PathBuf,
    /// Most entries in memory.
    most: usize,
    /// Pages of each run that are kept in memory.
    kept: usize,
    /// Entries at which they are written; more than `most` after a write has failed.
    at: usize,
    next_run: u32,
}

/// Returns true for an error of a run that is not as it was written.
pub(super) fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Io(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof))
}

/// Files that were scanned.
pub(super) type ScannedFiles = Vec<(PathBuf, Scanned)>;

impl Index {
    /// Reads the index of a directory, of which at most so many bytes of places stay in memory. What only a cut-off write can have left
    /// is cut off.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(directory: &Path, memory: usize) -> Result<(Index, ScannedFiles), Error> {
        let (mut index, through) = match Index::of_summary(directory, kept_pages(memory)) {
            Ok(found) => found.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "the index of stored objects is made again from the objects");
                Summary::remove(directory)?;
                Default::default()
            }
        };
        remove_other_runs(directory, &index.places.runs())?;
        let most = most_entries(memory);
        let next_run = index.places.runs().into_iter().max().map_or(1, |last| last + 1);
        index.spills = Some(Spills { directory: directory.into(), most, kept: kept_pages(memory), at: most, next_run });
        let files = index.scan_from(directory, through, true)?;
        Ok((index, files))
    }

    /// Reads the index of a directory as an opening does, and changes nothing; without `summary` the pack files alone.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Damaged`] of a summary.
    pub fn look(directory: &Path, summary: bool) -> Result<(Index, ScannedFiles), Error> {
        let found = if summary { Index::of_summary(directory, 1)? } else { None };
        let (mut index, through) = found.unwrap_or_default();
        let files = index.scan_from(directory, through, false)?;
        Ok((index, files))
    }

    /// Becomes what the pack files tell, all of which are marked.
    ///
    /// # Errors
    /// [`Error::Io`]; then it stays as it is.
    pub fn make_again(&mut self) -> Result<(), Error> {
        let Some(spills) = self.spills.clone() else { return Ok(()) };
        let directory = spills.directory.clone();
        Summary::remove(&directory)?;
        let last_file = self.last_file;
        let mut index = Index { spills: Some(spills), last_file, ..Index::default() };
        index.scan_from(&directory, (0, 0), false)?;
        remove_other_runs(&directory, &index.places.runs())?;
        // The file in use is open for appending.
        for (number, file) in &self.files {
            index.files.entry(*number).and_modify(|opened| *opened = Arc::clone(file));
        }
        *self = index;
        Ok(())
    }

    /// Returns what the summary of a directory and its runs tell, and up to where; none where there is none.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Io`] where they do not tell it.
    fn of_summary(directory: &Path, kept: usize) -> Result<Option<(Index, End)>, Error> {
        let Some(summary) = Summary::read(directory)? else { return Ok(None) };
        let numbers = numbers(directory, ".pack")?;
        // A file that is there and that they do not know would be taken for one without objects.
        for number in numbers.iter().filter(|number| **number <= summary.through.0) {
            let length = std::fs::metadata(directory.join(name(*number)))?.len();
            let known = if *number == summary.through.0 { summary.through.1 } else { 0 };
            if length < known || !summary.fills.contains_key(number) && length > known {
                return Err(Error::Damaged(format!("it does not know of {}", name(*number))));
            }
        }
        let runs = summary.runs.iter().map(|number| Run::open(directory, *number, kept)).collect::<Result<_, _>>()?;
        let mut fills = summary.fills;
        fills.retain(|number, _| numbers.contains(number));
        let places = Places::of(runs, summary.objects);
        let last_file = summary.through.0;
        Ok(Some((Index { places, fills, last_file, ..Index::default() }, summary.through)))
    }

    /// Reads what the files of a directory have behind an end.
    fn scan_from(&mut self, directory: &Path, (file, offset): End, cuts: bool) -> Result<ScannedFiles, Error> {
        let numbers = numbers(directory, ".pack")?;
        self.last_file = self.last_file.max(numbers.last().copied().unwrap_or(0));
        let mut files = Vec::new();
        for (at, number) in numbers.iter().enumerate() {
            let path = directory.join(name(*number));
            let Some(number) = NonZeroU32::new(*number).filter(|number| number.get() >= file) else {
                self.files.insert(*number, Arc::new(File::open(path)?));
                continue;
            };
            let from = if number.get() == file { offset } else { 0 };
            let scanned = scan(&path, number, from, at + 1 == numbers.len(), cuts, self)?;
            files.push((path, scanned));
        }
        Ok(files)
    }

    /// Returns the largest number of a file that there is, or was.
    pub fn last_file(&self) -> u32 {
        self.last_file
    }

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
            fill.live -= size(&old);
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
        // What is left now is removed by the next one.
        let _ = remove_other_runs(&spills.directory, &self.places.runs());
    }

    /// Waits for twice as many places in memory before they are written, which failed.
    pub fn put_off(&mut self, error: &Error) {
        tracing::warn!(%error, "places of stored objects stay in memory");
        if let Some(spills) = &mut self.spills {
            spills.at = self.places.recent().saturating_mul(2);
            // A summary may name the run already: it is not written over.
            spills.next_run += 1;
        }
    }
}
