//! A look at pack files that changes nothing.

use super::record::scan;
use super::{Index, Packs, Writer, name, numbers};
use crate::Error;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, RwLock};

/// One pack file.
pub(crate) struct PackFile {
    pub path: PathBuf,
    /// Places where there should be a head and is none.
    pub damaged: u64,
    /// Bytes that an opening cuts off.
    pub cut: Option<u64>,
    /// Whole objects among them.
    pub whole_behind: u64,
}

/// The files of a directory, and the objects that they have.
pub(crate) struct SeenPacks {
    pub files: Vec<PackFile>,
    pub packs: Packs,
}

/// Reads the heads of all files, as an opening does, without cutting anything; a directory that is not there has none.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn look_at_packs(directory: &Path) -> Result<SeenPacks, Error> {
    let numbers = if directory.is_dir() { numbers(directory)? } else { Vec::new() };
    let (mut index, mut files) = (Index::default(), Vec::new());
    for (at, number) in numbers.iter().enumerate() {
        let path = directory.join(name(*number));
        let scanned = scan(&path, *number, at + 1 == numbers.len(), false, &mut index)?;
        let (cut, whole_behind) = (scanned.cut, scanned.whole_behind);
        files.push(PackFile { path, damaged: scanned.damaged, cut, whole_behind });
    }
    let next = numbers.last().map_or(1, |last| last + 1);
    let writer = Mutex::new(Writer { file: next, length: 0, unmarked: false });
    let packs = Packs { directory: directory.into(), index: RwLock::new(index), writer, damaged: 0 };
    Ok(SeenPacks { files, packs })
}

/// Writes the readable objects of files again, and removes the files.
///
/// # Errors
/// [`Error::Io`]; then the files stay.
pub(crate) fn rewrite(directory: &Path, files: &[PathBuf]) -> Result<(), Error> {
    let packs = Packs::open(directory)?;
    for number in numbers(directory)?.into_iter().filter(|number| files.contains(&directory.join(name(*number)))) {
        packs.sweep_file(number)?;
    }
    Ok(())
}
