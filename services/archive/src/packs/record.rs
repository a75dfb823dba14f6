//! Records of pack files: their bytes, and a walk over them.

use super::{DELETED, HEAD, MAGIC, MARK};
use crate::Error;
use crate::storage::Key;
use std::fs::File;
use std::io::{self, BufReader, Read};
use uuid::Uuid;

/// Returns the bytes that marks what is before them as synced.
pub(super) fn mark() -> [u8; 8] {
    let mut mark = [0; 8];
    mark[..4].copy_from_slice(&MARK.to_le_bytes());
    mark[4..].copy_from_slice(&crc32fast::hash(&MARK.to_le_bytes()).to_le_bytes());
    mark
}

/// Appends the bytes of an object, or of its deletion.
pub(super) fn write(out: &mut Vec<u8>, key: &Key, object: Option<&[u8]>) {
    let mut head = [0; HEAD];
    let length = object.map_or(DELETED, |object| object.len() as u32);
    head[..4].copy_from_slice(&MAGIC.to_le_bytes());
    head[8..24].copy_from_slice(key.metric.as_bytes());
    head[24..32].copy_from_slice(&key.granularity.to_le_bytes());
    head[32..40].copy_from_slice(&key.stretch.to_le_bytes());
    head[40..44].copy_from_slice(&length.to_le_bytes());
    head[44..].copy_from_slice(&object.map_or(0, crc32fast::hash).to_le_bytes());
    let crc = crc32fast::hash(&head[8..]);
    head[4..8].copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(object.unwrap_or_default());
}

/// Returns true for bytes that begin with the head of a record of this key.
pub(super) fn is_record_of(record: &[u8], key: &Key) -> bool {
    matches!(read_head(&mut &*record), Ok(Some(Head::Object { key: found, .. })) if found == *key)
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

    /// Returns how far was read.
    #[cfg(test)]
    pub fn at(&self) -> u64 {
        self.at
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

/// Bytes that are searched together.
const WINDOW: u64 = 64 << 10;

/// Returns where the next head is, from an offset on. It holds a window of the file at a time, however long the damage is.
pub(super) fn next_head(reader: &mut Walk, from: u64, length: u64) -> Result<Option<u64>, Error> {
    reader.go(from)?;
    let (mut begins, mut window) = (from, Vec::new());
    loop {
        let left = length.saturating_sub(begins + window.len() as u64);
        let is_end = reader.by_ref().take(left.min(WINDOW)).read_to_end(&mut window)? == 0;
        // A head that may go on behind the window is looked at with the next one.
        let searched = if is_end { window.len() } else { window.len().saturating_sub(HEAD - 1) };
        for at in 0..searched {
            let starts =
                window[at..].starts_with(&MAGIC.to_le_bytes()) || window[at..].starts_with(&MARK.to_le_bytes());
            if starts && read_head(&mut &window[at..])?.is_some() {
                return Ok(Some(begins + at as u64));
            }
        }
        if is_end {
            return Ok(None);
        }
        window.drain(..searched);
        begins += searched as u64;
    }
}
