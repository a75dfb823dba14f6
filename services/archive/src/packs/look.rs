//! A look at pack files that changes nothing.

use super::index::{Index, Spills};
use super::scan::Scanned;
use super::summary::Summary;
use super::{Packs, Writer, name, numbers};
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

/// Places that the pack files tell, and those that the summary and the runs tell, each in a directory.
const TOLD: &str = "told";
const SUMMED: &str = "summed";
/// The number of the first run aside: behind those of any archive, which may be read beside it.
const FIRST_RUN: u32 = u32::MAX / 2;

/// A directory for the places of objects that memory has no room for, taken away in the end.
struct Aside(PathBuf);

impl Aside {
    /// Makes one, in the place of what an end of the machine left of another. On a full disk there is none: the places stay in memory.
    fn make(path: &Path) -> Aside {
        let aside = Aside(path.into());
        aside.remove();
        for name in [TOLD, SUMMED] {
            let _ = std::fs::create_dir_all(aside.0.join(name));
        }
        aside
    }

    fn remove(&self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The files of a directory, and the objects that they have.
pub(crate) struct SeenPacks {
    pub files: Vec<PackFile>,
    pub packs: Packs,
    /// The fault of the places on disk, in words.
    pub places: Option<String>,
    /// Outlives the objects, whose places may be in it.
    _aside: Option<Aside>,
}

/// Reads the heads of all files, as an opening does, without cutting anything; a directory that is not there has none. The places on disk are
/// compared with them. About `memory` bytes are for the places of objects; those that have no room there are in the directory `aside` meanwhile.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn look_at_packs(directory: &Path, memory: usize, aside: &Path) -> Result<SeenPacks, Error> {
    let (mut index, mut files, mut places) = (Index::default(), Vec::new(), None);
    let mut made = None;
    if directory.is_dir() {
        made = Some(Aside::make(aside));
        let spills = |name| Spills::of(&aside.join(name), memory, FIRST_RUN);
        let (all, scanned) = Index::look(directory, false, spills(TOLD))?.unwrap_or_default();
        index = all;
        let file = |(path, scanned): (PathBuf, Scanned)| {
            let (cut, whole_behind) = (scanned.cut, scanned.whole_behind);
            PackFile { path, damaged: scanned.damaged, cut, whole_behind }
        };
        files.extend(scanned.into_iter().map(file));
        // Beside damaged files there is no saying which of the two is right: the places may know objects whose heads are not readable.
        if files.iter().all(|file| file.damaged == 0) {
            places = fault(directory, &index, spills(SUMMED))?;
        }
    }
    let writer = Mutex::new(Writer::behind(index.last_file));
    let packs = Packs { directory: directory.into(), index: RwLock::new(index), writer, damaged: 0 };
    Ok(SeenPacks { files, packs, places, _aside: made })
}

/// Returns what is wrong with the places on disk, when the pack files tell these.
fn fault(directory: &Path, told: &Index, spills: Spills) -> Result<Option<String>, Error> {
    let index = match Index::look(directory, true, spills) {
        Ok(Some((index, _))) => index,
        // There are none.
        Ok(None) => return Ok(None),
        Err(error) => return Ok(Some(error.to_string())),
    };
    let mut wrong = 0;
    let mut compare = || {
        index.places.each(|key, place| wrong += u64::from(!told.places.get(&key).is_ok_and(|told| told == Some(place))))
    };
    if let Err(error) = compare() {
        return Ok(Some(error.to_string()));
    }
    let missing = told.places.objects().abs_diff(index.places.objects());
    let live = |index: &Index| {
        index.fills.iter().map(|(file, fill)| (*file, fill.live)).filter(|(_, live)| *live > 0).collect()
    };
    let (ours, theirs): (Vec<_>, Vec<_>) = (live(&index), live(told));
    let is_right = wrong == 0 && missing == 0 && ours == theirs;
    Ok((!is_right)
        .then(|| format!("the places of {} objects are not where the pack files have them", wrong.max(missing))))
}

/// Forgets the places on disk: the next opening makes them again from the pack files.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn forget_places(directory: &Path) -> Result<(), Error> {
    Summary::remove(directory)
}

/// Writes the readable objects of files again, and removes the files.
///
/// # Errors
/// [`Error::Io`]; then the files stay.
pub(crate) fn rewrite(directory: &Path, files: &[PathBuf], memory: usize) -> Result<(), Error> {
    let packs = Packs::open(directory, memory)?;
    let numbers = numbers(directory, ".pack")?;
    for number in numbers.into_iter().filter(|number| files.contains(&directory.join(name(*number)))) {
        packs.sweep_file(number)?;
    }
    Ok(())
}
