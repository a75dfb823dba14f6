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
//! The index of the objects is in memory, about 80 bytes for each.

pub(crate) mod look;
mod record;
mod sweep;

use crate::storage::{Key, Storage, Usage};
use crate::{Error, Nanos};
use record::{encode, scan};
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
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

#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    file: u32,
    offset: u64,
    length: u32,
}

#[derive(Clone, Copy, Default)]
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

#[derive(Default)]
struct Index {
    places: BTreeMap<Key, Place>,
    files: HashMap<u32, Arc<File>>,
    fills: BTreeMap<u32, Fill>,
}

struct Writer {
    file: u32,
    length: u64,
    /// Something was appended since the last mark.
    unmarked: bool,
}

impl Packs {
    /// Opens the packs of a directory, which is made when it is not there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(directory: &Path) -> Result<Packs, Error> {
        std::fs::create_dir_all(directory)?;
        let numbers = numbers(directory)?;
        let mut index = Index::default();
        let mut damaged = 0;
        for (at, number) in numbers.iter().enumerate() {
            damaged +=
                scan(&directory.join(name(*number)), *number, at + 1 == numbers.len(), true, &mut index)?.damaged;
        }
        let next = numbers.last().map_or(1, |last| last + 1);
        let packs = Packs {
            directory: directory.into(),
            index: RwLock::new(index),
            writer: Mutex::new(Writer { file: next, length: 0, unmarked: false }),
            damaged,
        };
        Ok(packs)
    }

    /// Returns how many objects were unreadable when the directory was opened.
    pub fn damaged(&self) -> u64 {
        self.damaged
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
    fn append(&self, writer: &mut Writer, bytes: &[u8]) -> Result<(u32, u64), Error> {
        if writer.length >= FILE {
            self.mark(writer)?;
            writer.file += 1;
            writer.length = 0;
        }
        let file = match self.with_index(|index| index.files.get(&writer.file).cloned()) {
            Some(file) => file,
            None => {
                let path = self.directory.join(name(writer.file));
                let file = Arc::new(OpenOptions::new().create_new(true).read(true).append(true).open(path)?);
                File::open(&self.directory)?.sync_all()?;
                self.change_index(|index| index.files.insert(writer.file, Arc::clone(&file)));
                file
            }
        };
        if let Err(error) = (&*file).write_all(bytes) {
            // Half a record: where it cannot be cut off, nothing follows it in this file.
            if file.set_len(writer.length).is_err() {
                writer.file += 1;
                writer.length = 0;
            }
            return Err(error.into());
        }
        let at = writer.length;
        writer.length += bytes.len() as u64;
        writer.unmarked = true;
        Ok((writer.file, at))
    }

    fn mark(&self, writer: &mut Writer) -> Result<(), Error> {
        if !writer.unmarked {
            return Ok(());
        }
        let Some(file) = self.with_index(|index| index.files.get(&writer.file).cloned()) else { return Ok(()) };
        file.sync_data()?;
        let mut mark = MARK.to_le_bytes().to_vec();
        mark.extend_from_slice(&crc32fast::hash(&MARK.to_le_bytes()).to_le_bytes());
        // Without the mark nothing is lost: the next opening reads more to be sure.
        if (&*file).write_all(&mark).is_ok() {
            writer.length += mark.len() as u64;
        } else if file.set_len(writer.length).is_err() {
            writer.file += 1;
            writer.length = 0;
        }
        writer.unmarked = false;
        Ok(())
    }
}

impl Storage for Packs {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let found = self.with_index(|index| {
            let place = index.places.get(key)?;
            Some((*place, index.files.get(&place.file).cloned()))
        });
        let Some((place, Some(file))) = found else { return Ok(None) };
        let mut record = vec![0; HEAD + place.length as usize];
        read_at(&file, &mut record, place.offset - HEAD as u64)?;
        let crc = u32::from_le_bytes(std::array::from_fn(|i| record[44 + i]));
        let object = record.split_off(HEAD);
        if crc32fast::hash(&object) != crc {
            return Err(Error::Damaged(format!(
                "object {} of metric {} has a wrong checksum",
                key.stretch, key.metric
            )));
        }
        Ok(Some(object))
    }

    fn stretches(&self, metric: Uuid, granularity: Nanos, range: RangeInclusive<i64>) -> Result<Vec<i64>, Error> {
        let key = |stretch| Key { metric, granularity, stretch };
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let keys = key(*range.start())..=key(*range.end());
        Ok(self.with_index(|index| index.places.range(keys).map(|(key, _)| key.stretch).collect()))
    }

    fn keys(&self, each: &mut dyn FnMut(Key)) -> Result<(), Error> {
        self.with_index(|index| index.places.keys().for_each(|key| each(*key)));
        Ok(())
    }

    fn put(&self, changes: &[(Key, Option<Vec<u8>>)]) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut places = Vec::with_capacity(changes.len());
        for (key, object) in changes {
            let begin = bytes.len() as u64;
            bytes.extend_from_slice(&encode(key, object.as_deref()));
            places.push((*key, begin, object.as_ref().map(|object| object.len() as u32)));
        }
        let mut writer = self.writer();
        let (file, at) = self.append(&mut writer, &bytes)?;
        self.change_index(|index| {
            for (key, begin, length) in places {
                index.set(key, length.map(|length| Place { file, offset: at + begin + HEAD as u64, length }));
                if length.is_none() {
                    index.fills.entry(file).or_default().total += HEAD as u64;
                }
            }
        });
        Ok(())
    }

    fn forget(&self, metric: Uuid) -> Result<(), Error> {
        let first = Key { metric, granularity: i64::MIN, stretch: i64::MIN };
        let last = Key { metric, granularity: i64::MAX, stretch: i64::MAX };
        let keys: Vec<Key> = self.with_index(|index| index.places.range(first..=last).map(|(key, _)| *key).collect());
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
        Ok(self.with_index(|index| Usage {
            objects: index.places.len() as u64,
            live: index.fills.values().map(|fill| fill.live).sum(),
            disk: index.fills.values().map(|fill| fill.total).sum(),
            files: index.fills.len() as u64,
        }))
    }
}

impl Index {
    /// Makes a key stand at a place, or nowhere, and keeps the account of the files.
    fn set(&mut self, key: Key, place: Option<Place>) {
        let size = |place: &Place| u64::from(place.length) + HEAD as u64;
        let old = match place {
            Some(place) => {
                let fill = self.fills.entry(place.file).or_default();
                fill.live += size(&place);
                fill.total += size(&place);
                self.places.insert(key, place)
            }
            None => self.places.remove(&key),
        };
        if let Some(old) = old
            && let Some(fill) = self.fills.get_mut(&old.file)
        {
            fill.live -= size(&old);
        }
    }
}

/// Returns the numbers of the pack files of a directory, ascending.
fn numbers(directory: &Path) -> Result<Vec<u32>, Error> {
    let mut numbers: Vec<u32> = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".pack"));
        numbers.extend(stem.and_then(|stem| stem.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
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
