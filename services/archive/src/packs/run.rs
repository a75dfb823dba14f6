//! A run: a file of keys and their places, sorted, that is written once and never changed.
//!
//! It has pages of 4,096 bytes, each with a checksum:
//!
//! ```text
//! crc32 of the rest u32 | entries u32 | entries | zeros
//! entry: metric 16 bytes | granularity i64 | stretch i64 | file u32 | offset u64 | length u32
//! ```
//!
//! A length of `u32::MAX` says that the key has no object any more. In memory are the first key of each page, and a few pages that were
//! read last.

use super::{DELETED, Place, read_at};
use crate::Error;
use crate::storage::Key;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

pub(super) const PAGE: usize = 4096;
const PAGE_HEAD: usize = 8;
const ENTRY: usize = 48;
const ENTRIES: usize = (PAGE - PAGE_HEAD) / ENTRY;
/// Most pages that are kept. The objects of a metric are beside each other, and a storing asks for each of them several times, for those of
/// some hundred metrics at once.
pub(super) const MOST_KEPT: usize = 256;

/// A key, and its place or none where it was deleted.
pub(super) type Entry = (Key, Option<Place>);

type Kept = Option<(usize, Arc<Page>)>;

/// Bytes of a page whose checksum was right.
struct Page(Box<[u8; PAGE]>);

impl Page {
    /// Returns a page when its checksum is right.
    fn check(bytes: Vec<u8>) -> Option<Page> {
        let page = Page(bytes.into_boxed_slice().try_into().ok()?);
        let is_right =
            crc32fast::hash(&page.0[4..]).to_le_bytes() == page.array(0) && (1..=ENTRIES).contains(&page.len());
        is_right.then_some(page)
    }

    /// Returns true when its entries ascend, from behind a key on.
    fn ascends(&self, behind: Option<Key>) -> bool {
        behind.is_none_or(|behind| behind < self.key(0)) && (1..self.len()).all(|at| self.key(at - 1) < self.key(at))
    }

    fn len(&self) -> usize {
        u32::from_le_bytes(self.array(4)) as usize
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        // All of them are within a page.
        self.0[at..].first_chunk().copied().unwrap_or([0; N])
    }

    fn key(&self, number: usize) -> Key {
        let at = PAGE_HEAD + number * ENTRY;
        let long = |at| i64::from_le_bytes(self.array(at));
        Key { metric: Uuid::from_bytes(self.array(at)), granularity: long(at + 16), stretch: long(at + 24) }
    }

    fn entry(&self, number: usize) -> Entry {
        let at = PAGE_HEAD + number * ENTRY + 32;
        let word = |at| u32::from_le_bytes(self.array(at));
        let (offset, length) = (u64::from_le_bytes(self.array(at + 4)), word(at + 12));
        let place = NonZeroU32::new(word(at)).filter(|_| length != DELETED);
        (self.key(number), place.map(|file| Place { file, offset, length }))
    }

    /// Returns the number of the first entry whose key is not below.
    fn lower_bound(&self, key: &Key) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.key(middle) < *key { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// A run that is open.
pub(super) struct Run {
    pub number: u32,
    pub entries: u64,
    path: PathBuf,
    file: File,
    /// The first key of each page.
    first: Vec<Key>,
    /// The last key of all.
    last: Key,
    /// Pages with their numbers.
    kept: Mutex<Vec<Kept>>,
    /// The page that was asked for last.
    hint: AtomicUsize,
}

/// Returns the path of a run.
pub(super) fn path(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("{number:08}.places"))
}

fn fill(page: &mut Vec<u8>, (key, place): &Entry) {
    page.extend_from_slice(key.metric.as_bytes());
    page.extend_from_slice(&key.granularity.to_le_bytes());
    page.extend_from_slice(&key.stretch.to_le_bytes());
    page.extend_from_slice(&place.map_or(0, |place| place.file.get()).to_le_bytes());
    page.extend_from_slice(&place.map_or(0, |place| place.offset).to_le_bytes());
    page.extend_from_slice(&place.map_or(DELETED, |place| place.length).to_le_bytes());
}

fn write_page(to: &mut impl Write, page: &mut Vec<u8>, entries: usize) -> io::Result<()> {
    page.resize(PAGE, 0);
    page[4..8].copy_from_slice(&(entries as u32).to_le_bytes());
    let crc = crc32fast::hash(&page[4..]);
    page[..4].copy_from_slice(&crc.to_le_bytes());
    to.write_all(page)?;
    page.clear();
    Ok(())
}

impl Run {
    /// Writes a run of ascending entries, which is on disk when it returns; none where there are no entries. Up to `kept` of its pages
    /// stay in memory when they were read. A run that cannot be written whole leaves no file: a full disk needs the room.
    pub fn write(
        directory: &Path,
        number: u32,
        kept: usize,
        entries: impl Iterator<Item = Result<Entry, Error>>,
    ) -> Result<Option<Run>, Error> {
        let path = path(directory, number);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        let run = Run::write_to(file, path.clone(), number, kept, entries);
        if !matches!(run, Ok(Some(_))) {
            let _ = std::fs::remove_file(&path);
        }
        run
    }

    fn write_to(
        file: File,
        path: PathBuf,
        number: u32,
        kept: usize,
        entries: impl Iterator<Item = Result<Entry, Error>>,
    ) -> Result<Option<Run>, Error> {
        let mut writer = BufWriter::with_capacity(16 * PAGE, &file);
        let (mut first, mut page, mut on_page, mut all) = (Vec::new(), Vec::with_capacity(PAGE), 0, 0);
        let mut last = Key::FIRST;
        for entry in entries {
            let entry = entry?;
            last = entry.0;
            if on_page == 0 {
                first.push(entry.0);
                page.resize(PAGE_HEAD, 0);
            }
            fill(&mut page, &entry);
            (on_page, all) = (on_page + 1, all + 1);
            if on_page == ENTRIES {
                write_page(&mut writer, &mut page, on_page)?;
                on_page = 0;
            }
        }
        if on_page > 0 {
            write_page(&mut writer, &mut page, on_page)?;
        }
        writer.flush()?;
        drop(writer);
        if all == 0 {
            return Ok(None);
        }
        file.sync_all()?;
        first.shrink_to_fit();
        Ok(Some(Run {
            number,
            entries: all,
            path,
            file,
            first,
            last,
            kept: Mutex::new(vec![None; kept]),
            hint: AtomicUsize::new(0),
        }))
    }

    /// Opens a run, and reads all of it: what is damaged is known before anything is asked for.
    pub fn open(directory: &Path, number: u32, kept: usize) -> Result<Run, Error> {
        let path = path(directory, number);
        let file = File::open(&path)?;
        let mut run = Run {
            number,
            entries: 0,
            path,
            file,
            first: Vec::new(),
            last: Key::FIRST,
            kept: Mutex::new(vec![None; kept]),
            hint: AtomicUsize::new(0),
        };
        let mut reader = BufReader::with_capacity(64 * PAGE, &run.file);
        let mut last = None;
        loop {
            let mut bytes = Vec::with_capacity(PAGE);
            (&mut reader).take(PAGE as u64).read_to_end(&mut bytes)?;
            if bytes.is_empty() {
                drop(reader);
                run.first.shrink_to_fit();
                run.last = last.unwrap_or(Key::FIRST);
                return Ok(run);
            }
            let page = Page::check(bytes).filter(|page| page.ascends(last));
            let page = page.ok_or_else(|| run.damaged(run.first.len()))?;
            last = Some(page.key(page.len() - 1));
            run.first.push(page.key(0));
            run.entries += page.len() as u64;
        }
    }

    fn damaged(&self, page: usize) -> Error {
        let text = format!("page {page} of {} has a wrong checksum", self.path.display());
        Error::Io(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    /// Returns damage: a disk that cannot read a sector says so before any checksum does.
    fn unreadable(&self, page: usize, error: &io::Error) -> Error {
        let text = format!("page {page} of {} cannot be read: {error}", self.path.display());
        Error::Io(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    /// Returns the bytes of the file.
    pub fn bytes(&self) -> u64 {
        (self.first.len() * PAGE) as u64
    }

    fn page(&self, number: usize) -> Result<Arc<Page>, Error> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = |slots: &Vec<Kept>| number % slots.len().max(1);
        let is_it = |kept: &&(usize, Arc<Page>)| kept.0 == number;
        let slots = kept();
        if let Some((_, page)) = slots.get(slot(&slots)).and_then(|kept| kept.as_ref().filter(is_it)) {
            return Ok(Arc::clone(page));
        }
        drop(slots);
        let mut bytes = vec![0; PAGE];
        read_at(&self.file, &mut bytes, (number * PAGE) as u64).map_err(|error| self.unreadable(number, &error))?;
        let page = Arc::new(Page::check(bytes).ok_or_else(|| self.damaged(number))?);
        let mut slots = kept();
        let slot = slot(&slots);
        if let Some(kept) = slots.get_mut(slot) {
            *kept = Some((number, Arc::clone(&page)));
        }
        drop(slots);
        Ok(page)
    }

    /// Returns false where no key of a range can be in it.
    pub fn may_have(&self, range: &RangeInclusive<Key>) -> bool {
        *range.start() <= self.last && self.first.first().is_some_and(|first| first <= range.end())
    }

    /// Returns the entry of a key.
    pub fn get(&self, key: &Key) -> Result<Option<Entry>, Error> {
        if !self.may_have(&(*key..=*key)) {
            return Ok(None);
        }
        let mut found = self.entries_from(*key);
        found.next().transpose().map(|entry| entry.filter(|(found, _)| found == key))
    }

    /// Returns the entries from a key on, ascending.
    pub fn entries_from(&self, key: Key) -> EntriesFrom<'_> {
        // Most keys are beside the one before.
        let hint = self.hint.load(Relaxed);
        let begins = self.first.get(hint).is_some_and(|first| *first <= key);
        let page = if begins && self.first.get(hint + 1).is_none_or(|next| key < *next) {
            hint
        } else {
            self.first.partition_point(|first| *first <= key).saturating_sub(1)
        };
        self.hint.store(page, Relaxed);
        EntriesFrom { run: self, key, number: page, page: None, at: 0 }
    }
}

/// Entries of a run, ascending.
pub(super) struct EntriesFrom<'r> {
    run: &'r Run,
    key: Key,
    number: usize,
    page: Option<Arc<Page>>,
    at: usize,
}

impl Iterator for EntriesFrom<'_> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Result<Entry, Error>> {
        loop {
            let page = match &self.page {
                Some(page) => page,
                None if self.number >= self.run.first.len() => return None,
                None => match self.run.page(self.number) {
                    Ok(page) => {
                        self.at = page.lower_bound(&self.key);
                        self.page.insert(page)
                    }
                    Err(error) => {
                        self.number = self.run.first.len();
                        return Some(Err(error));
                    }
                },
            };
            if self.at < page.len() {
                self.at += 1;
                return Some(Ok(page.entry(self.at - 1)));
            }
            (self.page, self.number) = (None, self.number + 1);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::packs::index::is_damage;

    #[test]
    fn a_page_that_the_disk_does_not_give_is_damage() {
        let directory = std::env::temp_dir().join(format!("ferrometer-run-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let entries = [Ok((Key::FIRST, None))].into_iter();
        let mut run = Run::write(&directory, 1, 1, entries).unwrap().unwrap();
        assert_eq!(run.get(&Key::FIRST).unwrap(), Some((Key::FIRST, None)));
        // Another thing that can be opened and not be read.
        run.file = File::open(&directory).unwrap();
        run.kept = Mutex::new(vec![None]);
        let error = run.get(&Key::FIRST).unwrap_err();
        assert!(is_damage(&error), "{error}");
        assert!(error.to_string().contains("page 0 of "), "{error}");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
