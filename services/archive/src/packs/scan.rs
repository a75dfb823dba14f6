//! The scan of a pack file for its records, which puts them into the index.

use super::index::Index;
use super::record::{Head, Walk, mark, next_head, read_head};
use super::{DELETED, HEAD, Place};
use crate::Error;
use crate::storage::Key;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

/// Account of the heads of a file.
#[derive(Default)]
pub(super) struct Scanned {
    /// Places that were unreadable.
    pub damaged: u64,
    /// Bytes at the end that are cut off.
    pub cut: Option<u64>,
    /// Whole objects among them.
    pub whole_behind: u64,
}

/// A record of which the head was read: where it begins, and the size and checksum of its object.
struct Record {
    at: u64,
    key: Key,
    size: u32,
    crc: u32,
}

impl Record {
    fn has_object(&self) -> bool {
        self.size != DELETED
    }

    fn end(&self) -> u64 {
        self.at + HEAD as u64 + if self.has_object() { u64::from(self.size) } else { 0 }
    }

    /// Returns true when its object has its checksum.
    fn is_whole(&self, reader: &mut Walk) -> io::Result<bool> {
        reader.go(self.at + HEAD as u64)?;
        let (mut hasher, mut piece, mut left) = (crc32fast::Hasher::new(), [0; 8 << 10], self.size as usize);
        while left > 0 {
            let read = left.min(piece.len());
            reader.read_exact(&mut piece[..read])?;
            hasher.update(&piece[..read]);
            left -= read;
        }
        Ok(hasher.finalize() == self.crc)
    }
}

/// Reads the heads of a file from an offset on into the index. The end of the last file that no sync has confirmed is cut at the first
/// record that is not whole, and the rest synced; without `cuts` it is only left out.
pub(super) fn scan(
    path: &Path,
    number: NonZeroU32,
    from: u64,
    is_last: bool,
    cuts: bool,
    index: &mut Index,
) -> Result<Scanned, Error> {
    let file = OpenOptions::new().read(true).write(is_last && cuts).open(path)?;
    let mut length = file.metadata()?.len();
    let mut reader = Walk::new(file.try_clone()?);
    let mut scanned = Scanned::default();
    let (mut at, mut marked, mut first_gap) = (from, from, None);
    let mut records: Vec<Record> = Vec::new();
    index.fills.entry(number.get()).or_default();
    index.files.insert(number.get(), Arc::new(file.try_clone()?));
    while at < length {
        reader.go(at)?;
        match read_head(&mut reader)? {
            Some(Head::Mark) => {
                at += 8;
                marked = at;
                scanned.damaged += u64::from(first_gap.take().is_some());
                take(number, &mut records, index)?;
                index.spill((number.get(), marked));
                continue;
            }
            Some(Head::Object { key, length: size, crc }) => {
                let record = Record { at, key, size, crc };
                if record.end() <= length {
                    at = record.end();
                    records.push(record);
                    continue;
                }
            }
            None => {}
        }
        first_gap.get_or_insert(at);
        at = next_head(&mut reader, at + 1, length)?.unwrap_or(length);
    }
    if is_last {
        // Records behind the last mark may be the leftover of a write: whole up to the first that is not.
        for record in records.iter().filter(|record| record.has_object()) {
            if !record.is_whole(&mut reader)? {
                first_gap = Some(first_gap.map_or(record.at, |gap: u64| gap.min(record.at)));
                break;
            }
        }
        if let Some(gap) = first_gap {
            scanned.cut = Some(length - gap);
            for record in records.iter().filter(|record| record.at > gap && record.has_object()) {
                scanned.whole_behind += u64::from(record.is_whole(&mut reader).unwrap_or(false));
            }
            if cuts {
                file.set_len(gap)?;
            }
            length = gap;
        }
        if cuts && length > marked {
            length = confirm(&file)?;
        }
    } else {
        scanned.damaged += u64::from(first_gap.is_some());
    }
    records.retain(|record| record.at < length);
    take(number, &mut records, index)?;
    if is_last && cuts {
        // All of it is confirmed now.
        index.spill((number.get(), length));
    }
    Ok(scanned)
}

/// Syncs a file whose end no sync has confirmed: the log may be shortened when later files are synced. Returns its length.
fn confirm(mut file: &File) -> Result<u64, Error> {
    file.sync_data()?;
    // Without the mark nothing is lost.
    let length = file.seek(SeekFrom::End(0))?;
    if file.write_all(&mark()).is_err() {
        file.set_len(length)?;
        return Ok(length);
    }
    Ok(length + mark().len() as u64)
}

/// Puts records into the index.
fn take(file: NonZeroU32, records: &mut Vec<Record>, index: &mut Index) -> Result<(), Error> {
    for record in records.drain(..) {
        let place = Place { file, offset: record.at + HEAD as u64, length: record.size };
        index.set(record.key, file, record.has_object().then_some(place))?;
    }
    Ok(())
}
