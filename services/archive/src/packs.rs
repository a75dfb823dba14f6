//! The embedded [`Storage`]: objects in a few files that are only appended to, so that many metrics share them and one sync serves all.
//!
//! A record is
//!
//! ```text
//! magic u32 | crc32 of the rest of the head u32 | metric 16 bytes | granularity i64 | stretch i64 | length u32 | crc32 of the object u32 | object
//! ```
//!
//! The newest record of a key counts; one of length `u32::MAX` deletes it. After each sync a mark is appended, so that an opening
//! knows damage of the disk (behind it marks follow: the object is lost, and no other) from a write that the end of the machine cut
//! short (no mark follows: everything from there on goes, and the incoming log still has it). A file that is mostly replaced objects is
//! swept: what lives is appended again, synced, and the file deleted.
//!
//! | file | idea |
//! |---|---|
//! | `record`, `scan` | the bytes of records, and how the files are read for them when they are opened |
//! | `open` | how the index is read from what is there |
//! | `index`, `places` | where each object is: in memory up to a bound, about 80 bytes for each, and behind that on disk |
//! | `run`, `summary` | the form of that on disk: sorted files, and which of them count |
//! | `sweep`, `look` | the sweep, and a look that changes nothing |

mod index;
pub(crate) mod look;
mod open;
mod places;
mod record;
mod run;
mod scan;
mod summary;
mod sweep;

use crate::storage::{Key, Storage, Usage};
use crate::{Error, Nanos};
use index::Index;
use record::{is_record_of, mark};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use uuid::Uuid;

const MAGIC: u32 = 0x6b63_6170;
const MARK: u32 = 0x6b72_616d;
const HEAD: usize = 48;
const DELETED: u32 = u32::MAX;
/// A file of this size is followed by a new one.
const FILE: u64 = 128 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    file: NonZeroU32,
    offset: u64,
    length: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Fill {
    live: u64,
    total: u64,
}

/// The pack files of a directory.
pub struct Packs {
    directory: PathBuf,
    index: RwLock<Index>,
    writer: Mutex<Writer>,
    /// Objects that were unreadable when the directory was opened.
    damaged: u64,
}

impl std::fmt::Debug for Packs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packs").field("directory", &self.directory).finish_non_exhaustive()
    }
}

struct Writer {
    file: NonZeroU32,
    length: u64,
    /// Something was appended since the last mark.
    unmarked: bool,
    /// Files that were left with something appended since their last mark: they are synced with the next one.
    left: Vec<u32>,
}

impl Writer {
    /// Returns one that begins a file behind those that there are or were.
    fn behind(last: u32) -> Writer {
        Writer { file: NonZeroU32::MIN.saturating_add(last), length: 0, unmarked: false, left: Vec::new() }
    }

    /// Leaves the file as it is, and begins another one with the next record.
    fn next_file(&mut self) {
        let mut left = std::mem::take(&mut self.left);
        if self.unmarked {
            left.push(self.file.get());
        }
        *self = Writer { left, ..Writer::behind(self.file.get()) };
    }
}

impl Packs {
    /// Opens the packs of a directory, which is made when it is not there. About `memory` bytes are for the places of objects: one that has no
    /// room there is on disk, and so costs a read to ask for.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(directory: &Path, memory: usize) -> Result<Packs, Error> {
        std::fs::create_dir_all(directory)?;
        let (index, files) = Index::open(directory, memory)?;
        let damaged = files.iter().map(|(_, scanned)| scanned.damaged).sum();
        Ok(Packs {
            directory: directory.into(),
            writer: Mutex::new(Writer::behind(index.last_file)),
            index: RwLock::new(index),
            damaged,
        })
    }

    /// Returns how many objects were unreadable when the directory was opened.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Returns the granularities that a metric has objects of, 0 for its window.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn granularities(&self, metric: Uuid) -> Result<BTreeSet<Nanos>, Error> {
        let keys = self.ask(|index| index.places.keys(first_of(metric)..=last_of(metric)))?;
        Ok(keys.into_iter().map(|key| key.granularity).collect())
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_index<T>(&self, read: impl FnOnce(&Index) -> T) -> T {
        read(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change_index<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Appends bytes to the file in use, and returns its number and where they begin.
    fn append(&self, writer: &mut Writer, bytes: &[u8]) -> Result<(NonZeroU32, u64), Error> {
        if writer.length >= FILE {
            self.mark(writer)?;
            writer.next_file();
        }
        let file = match self.with_index(|index| index.files.get(&writer.file.get()).cloned()) {
            Some(file) => file,
            None => {
                let path = self.directory.join(name(writer.file.get()));
                let file = Arc::new(OpenOptions::new().create_new(true).read(true).append(true).open(path)?);
                File::open(&self.directory)?.sync_all()?;
                self.change_index(|index| index.files.insert(writer.file.get(), Arc::clone(&file)));
                file
            }
        };
        if let Err(error) = (&*file).write_all(bytes) {
            // Half a record: where it cannot be cut off, nothing follows it in this file.
            if file.set_len(writer.length).is_err() {
                writer.next_file();
            }
            return Err(error.into());
        }
        let at = writer.length;
        writer.length += bytes.len() as u64;
        writer.unmarked = true;
        Ok((writer.file, at))
    }

    fn mark(&self, writer: &mut Writer) -> Result<(), Error> {
        while let Some(number) = writer.left.last() {
            // One that is gone has been swept.
            if let Some(file) = self.with_index(|index| index.files.get(number).cloned()) {
                file.sync_data()?;
            }
            writer.left.pop();
        }
        if !writer.unmarked {
            return Ok(());
        }
        let file = self.with_index(|index| index.files.get(&writer.file.get()).cloned());
        let Some(file) = file else { return Ok(()) };
        file.sync_data()?;
        // Without the mark nothing is lost: the next opening reads more to be sure.
        if (&*file).write_all(&mark()).is_ok() {
            writer.length += mark().len() as u64;
        } else if file.set_len(writer.length).is_err() {
            writer.next_file();
        }
        writer.unmarked = false;
        Ok(())
    }

    /// Asks the index, which is made again where it is damaged on disk.
    fn ask<T>(&self, question: impl Fn(&Index) -> Result<T, Error>) -> Result<T, Error> {
        match self.with_index(&question) {
            Err(error) if index::is_damage(&error) => self.ask_with(&mut self.writer(), question),
            answer => answer,
        }
    }

    /// As [`ask`](Packs::ask), for who appends.
    fn ask_with<T>(&self, writer: &mut Writer, question: impl Fn(&Index) -> Result<T, Error>) -> Result<T, Error> {
        self.with_index(&question).or_else(|error| {
            self.heal(writer, error)?;
            self.with_index(question)
        })
    }

    /// Makes the index again from the pack files after damage of what it has on disk; any other error is returned.
    fn heal(&self, writer: &mut Writer, error: Error) -> Result<(), Error> {
        if !index::is_damage(&error) {
            return Err(error);
        }
        tracing::warn!(%error, "the index of stored objects is made again from the objects");
        self.mark(writer)?;
        self.change_index(Index::make_again)
    }

    /// Spills places that memory has no room for. Queries go on meanwhile, with the runs that there were. Runs that turn out to be damaged are
    /// made again: merging them would fail for ever, and memory would grow.
    fn spill(&self, writer: &mut Writer) {
        if !self.with_index(Index::is_full) {
            return;
        }
        let merge = self.mark(writer).and_then(|()| {
            let through = (writer.file.get(), writer.length);
            self.with_index(|index| index.merge(through))
        });
        let healed = merge.or_else(|error| self.heal(writer, error).map(|()| None));
        self.change_index(|index| match healed {
            Ok(merge) => merge.into_iter().for_each(|merge| index.take(merge)),
            Err(error) => index.put_off(&error),
        });
    }
}

impl Storage for Packs {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let found = self.ask(|index| {
            let place = index.places.get(key)?;
            Ok::<_, Error>(place.map(|place| (place, index.files.get(&place.file.get()).cloned())))
        })?;
        let Some((place, Some(file))) = found else { return Ok(None) };
        let mut record = vec![0; HEAD + place.length as usize];
        read_at(&file, &mut record, place.offset - HEAD as u64)?;
        let crc = u32::from_le_bytes(std::array::from_fn(|i| record[44 + i]));
        if !is_record_of(&record, key) || crc32fast::hash(&record[HEAD..]) != crc {
            return Err(Error::Damaged(format!(
                "object {} of metric {} has a wrong checksum",
                key.stretch, key.metric
            )));
        }
        record.drain(..HEAD);
        Ok(Some(record))
    }

    fn stretches(&self, metric: Uuid, granularity: Nanos, range: RangeInclusive<i64>) -> Result<Vec<i64>, Error> {
        let key = |stretch| Key { metric, granularity, stretch };
        let keys = self.ask(|index| index.places.keys(key(*range.start())..=key(*range.end())))?;
        Ok(keys.into_iter().map(|key| key.stretch).collect())
    }

    fn keys(&self, each: &mut dyn FnMut(Key)) -> Result<(), Error> {
        self.with_index(|index| index.places.each(|key, _| each(key)))
    }

    fn put(&self, changes: &[(Key, Option<Vec<u8>>)]) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let objects = changes.iter().filter_map(|(_, object)| Some(object.as_ref()?.len())).sum::<usize>();
        let mut bytes = Vec::with_capacity(objects + changes.len() * HEAD);
        let mut places = Vec::with_capacity(changes.len());
        for (key, object) in changes {
            let begin = bytes.len() as u64;
            record::write(&mut bytes, key, object.as_deref());
            places.push((*key, begin, object.as_ref().map(|object| object.len() as u32)));
        }
        let mut writer = self.writer();
        let (file, at) = self.append(&mut writer, &bytes)?;
        let set = self.change_index(|index| {
            places.into_iter().try_for_each(|(key, begin, length)| {
                index.set(key, file, length.map(|length| Place { file, offset: at + begin + HEAD as u64, length }))
            })
        });
        // Made again, it has them.
        set.or_else(|error| self.heal(&mut writer, error))?;
        self.spill(&mut writer);
        Ok(())
    }

    fn forget(&self, metric: Uuid) -> Result<(), Error> {
        let keys = self.ask(|index| index.places.keys(first_of(metric)..=last_of(metric)))?;
        self.put(&keys.into_iter().map(|key| (key, None)).collect::<Vec<_>>())
    }

    fn sync(&self) -> Result<(), Error> {
        self.mark(&mut self.writer())?;
        self.sweep()
    }

    fn copy_to(&self, directory: &Path) -> Result<(), Error> {
        let mut numbers: Vec<u32> = self.with_index(|index| index.files.keys().copied().collect());
        numbers.sort_unstable();
        for number in numbers {
            crate::files::copy_file(&self.directory.join(name(number)), &directory.join(name(number)))?;
        }
        Ok(())
    }

    fn usage(&self) -> Result<Usage, Error> {
        Ok(self.with_index(|index| {
            let (runs, bytes) = index.places.on_disk();
            Usage {
                objects: index.places.objects(),
                live: index.fills.values().map(|fill| fill.live).sum(),
                disk: index.fills.values().map(|fill| fill.total).sum::<u64>() + bytes,
                files: index.fills.len() as u64 + runs,
            }
        }))
    }
}

/// Returns the numbers of the files of a directory whose names are ours and have an end, ascending. What is no file is left alone.
fn numbers(directory: &Path, end: &str) -> Result<Vec<u32>, Error> {
    let mut numbers = taken(directory, end)?;
    numbers
        .retain(|number| std::fs::metadata(directory.join(format!("{number:08}{end}"))).is_ok_and(|it| it.is_file()));
    Ok(numbers)
}

/// Returns the numbers of names that are ours and have an end, ascending, whatever has them.
fn taken(directory: &Path, end: &str) -> Result<Vec<u32>, Error> {
    let mut numbers: Vec<u32> = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(end));
        let number = stem.and_then(|stem| stem.parse().ok().filter(|number: &u32| format!("{number:08}") == stem));
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The least key that an object of a metric can have.
fn first_of(metric: Uuid) -> Key {
    Key { metric, granularity: i64::MIN, stretch: i64::MIN }
}

/// The greatest one.
fn last_of(metric: Uuid) -> Key {
    Key { metric, granularity: i64::MAX, stretch: i64::MAX }
}

fn name(number: u32) -> String {
    format!("{number:08}.pack")
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    let mut read = 0;
    while read < bytes.len() {
        match std::os::windows::fs::FileExt::seek_read(file, &mut bytes[read..], offset + read as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => read += more,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
