//! How the index of a directory is read when it is opened, looked at, or made again.

use super::index::{End, Index, Spills};
use super::places::{Places, kept_pages};
use super::run::Run;
use super::scan::{Scanned, scan};
use super::summary::{Summary, remove_other_runs};
use super::{name, numbers, taken};
use crate::Error;
use std::fs::File;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files that were scanned.
pub(super) type ScannedFiles = Vec<(PathBuf, Scanned)>;

impl Index {
    /// Reads the index of a directory, of which at most `memory` bytes of places stay in memory. The rest of a write that was cut short is
    /// cut off.
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
        let next_run = taken(directory, ".places")?.last().map_or(1, |last| last.saturating_add(1));
        index.spills = Some(Spills::of(directory, memory, next_run));
        let files = index.scan_from(directory, through, true)?;
        Ok((index, files))
    }

    /// Reads the index of a directory as an opening does, and changes nothing of it: places that memory has no room for are written to another
    /// directory. Without `summary` it reads the pack files alone; with it, none is returned where there is none.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Damaged`] of a summary.
    pub fn look(directory: &Path, summary: bool, spills: Spills) -> Result<Option<(Index, ScannedFiles)>, Error> {
        let found = if summary { Index::of_summary(directory, 1)? } else { Some(Default::default()) };
        let Some((mut index, through)) = found else { return Ok(None) };
        index.spills = Some(spills);
        let files = index.scan_from(directory, through, false)?;
        // Places that were spilled are not made again from the directory that they are in.
        index.spills = None;
        Ok(Some((index, files)))
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
        let scanned = index.scan_from(&directory, (0, 0), false);
        if let (Err(_), Some(ours), Some(theirs)) = (&scanned, &mut self.spills, &index.spills) {
            // A summary may name the runs that were written until then.
            ours.clone_from(theirs);
        }
        scanned?;
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
        self.last_file = self.last_file.max(taken(directory, ".pack")?.last().copied().unwrap_or(0));
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
}
