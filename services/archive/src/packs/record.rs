//! Records of pack files: their bytes, and the scan of a file for them.

use super::{DELETED, Fill, HEAD, Index, MAGIC, MARK, Place};
use crate::Error;
use crate::storage::Key;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn encode(key: &Key, object: Option<&[u8]>) -> Vec<u8> {
    let mut rest = Vec::with_capacity(HEAD - 8);
    rest.extend_from_slice(key.metric.as_bytes());
    rest.extend_from_slice(&key.granularity.to_le_bytes());
    rest.extend_from_slice(&key.stretch.to_le_bytes());
    rest.extend_from_slice(&object.map_or(DELETED, |object| object.len() as u32).to_le_bytes());
    rest.extend_from_slice(&object.map_or(0, crc32fast::hash).to_le_bytes());
    let mut record = MAGIC.to_le_bytes().to_vec();
    record.extend_from_slice(&crc32fast::hash(&rest).to_le_bytes());
    record.extend_from_slice(&rest);
    record.extend_from_slice(object.unwrap_or_default());
    record
}

/// A file that is read from one place on to the next, where what is at hand is not read again.
pub(super) struct Walk {
    reader: BufReader<File>,
    at: u64,
}

impl Walk {
    pub fn new(file: File) -> Walk {
        Walk { reader: BufReader::with_capacity(64 << 10, file), at: 0 }
    }

    pub fn go(&mut self, to: u64) -> io::Result<()> {
        self.reader.seek_relative(to.wrapping_sub(self.at) as i64)?;
        self.at = to;
        Ok(())
    }
}

impl Read for Walk {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(bytes)?;
        self.at += read as u64;
        Ok(read)
    }
}

pub(super) enum Head {
    Mark,
    Object { key: Key, length: u32, crc: u32 },
}

/// Reads a head, or none where the bytes are no head or end.
pub(super) fn read_head(from: &mut impl Read) -> Result<Option<Head>, Error> {
    let mut bytes = [0; HEAD];
    let mut have = 0;
    while have < HEAD {
        match from.read(&mut bytes[have..])? {
            0 => break,
            more => have += more,
        }
    }
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    let long = |at: usize| i64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    if have >= 8 && word(0) == MARK && word(4) == crc32fast::hash(&bytes[..4]) {
        return Ok(Some(Head::Mark));
    }
    if have < HEAD || word(0) != MAGIC || word(4) != crc32fast::hash(&bytes[8..]) {
        return Ok(None);
    }
    let metric = Uuid::from_bytes(std::array::from_fn(|i| bytes[8 + i]));
    let key = Key { metric, granularity: long(24), stretch: long(32) };
    Ok(Some(Head::Object { key, length: word(40), crc: word(44) }))
}

/// Returns where the next head is, from an offset on.
pub(super) fn next_head(reader: &mut Walk, from: u64, length: u64) -> Result<Option<u64>, Error> {
    reader.go(from)?;
    let mut window = Vec::new();
    reader.by_ref().take(length - from.min(length)).read_to_end(&mut window)?;
    for at in 0..window.len() {
        let starts = window[at..].starts_with(&MAGIC.to_le_bytes()) || window[at..].starts_with(&MARK.to_le_bytes());
        if starts && read_head(&mut &window[at..])?.is_some() {
            return Ok(Some(from + at as u64));
        }
    }
    Ok(None)
}

/// Reads the object of a record.
fn object_at(reader: &mut Walk, record: u64, size: u32) -> Result<Vec<u8>, Error> {
    let mut object = vec![0; size as usize];
    reader.go(record + HEAD as u64)?;
    reader.read_exact(&mut object)?;
    Ok(object)
}

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

/// Reads the heads of a file into the index. The end of the last file that no sync has confirmed is cut at the first record that is not
/// whole; without `cuts` it is only left out.
pub(super) fn scan(path: &Path, number: u32, is_last: bool, cuts: bool, index: &mut Index) -> Result<Scanned, Error> {
    let file = OpenOptions::new().read(true).write(is_last && cuts).open(path)?;
    let mut length = file.metadata()?.len();
    let mut reader = Walk::new(file.try_clone()?);
    let mut scanned = Scanned::default();
    let mut at = 0;
    let mut records: Vec<(u64, Key, u32, u32)> = Vec::new();
    let mut marked = 0;
    let mut first_gap = None;
    while at < length {
        reader.go(at)?;
        match read_head(&mut reader)? {
            Some(Head::Mark) => {
                at += 8;
                marked = at;
                scanned.damaged += u64::from(first_gap.take().is_some());
            }
            Some(Head::Object { key, length: size, crc }) => {
                let size_on_disk = if size == DELETED { 0 } else { u64::from(size) };
                if at + HEAD as u64 + size_on_disk > length {
                    first_gap.get_or_insert(at);
                    at = next_head(&mut reader, at + 1, length)?.unwrap_or(length);
                    continue;
                }
                records.push((at, key, size, crc));
                at += HEAD as u64 + size_on_disk;
            }
            None => {
                first_gap.get_or_insert(at);
                at = next_head(&mut reader, at + 1, length)?.unwrap_or(length);
            }
        }
    }
    if is_last {
        // Records behind the last mark may be the leftover of a write: whole up to the first that is not.
        for (at, _, size, crc) in records.iter().filter(|record| record.0 >= marked && record.2 != DELETED) {
            if crc32fast::hash(&object_at(&mut reader, *at, *size)?) != *crc {
                first_gap = Some(first_gap.map_or(*at, |gap: u64| gap.min(*at)));
                break;
            }
        }
        if let Some(gap) = first_gap {
            scanned.cut = Some(length - gap);
            for (at, _, size, crc) in records.iter().filter(|record| record.0 > gap && record.2 != DELETED) {
                scanned.whole_behind +=
                    u64::from(object_at(&mut reader, *at, *size).is_ok_and(|object| crc32fast::hash(&object) == *crc));
            }
            if cuts {
                file.set_len(gap)?;
            }
            length = gap;
        }
    } else {
        scanned.damaged += u64::from(first_gap.is_some());
    }
    let fill = index.fills.entry(number).or_default();
    *fill = Fill::default();
    let mut extra = 0;
    for (at, key, size, _) in records.into_iter().filter(|record| record.0 < length) {
        let place = (size != DELETED).then_some(Place { file: number, offset: at + HEAD as u64, length: size });
        extra += if place.is_none() { HEAD as u64 } else { 0 };
        index.set(key, place);
    }
    if let Some(fill) = index.fills.get_mut(&number) {
        fill.total += extra;
    }
    index.files.insert(number, Arc::new(file));
    Ok(scanned)
}
