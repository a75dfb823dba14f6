//! The bytes of a segment: a header, and a frame for each generation.
//!
//! ```text
//! header   "FERROGEN"  version u32  checksum u32  sequence u64  made i64 (seconds since 1970)
//! frame    length u32  checksum u32  payload
//! payload  timestamp i64  names of new columns  coded values
//! ```
//!
//! Numbers are little endian. A checksum (CRC-32) covers the rest of its header, or the sequence of the segment, where the frame
//! stands, its length and its payload; so nothing is taken for a frame at a place where it was not written. A frame with the
//! timestamp of the one before it takes its place.

use super::bytes::{Input, Malformed, push_number};
use super::names;
use crate::coding::{Coder, Row};
use crate::generation::{Columns, Generation};
use crate::record::Identity;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"FERROGEN";
/// Version 2 has ids of objects; what version 1 wrote reads the same, and is still read.
const VERSION: u32 = 2;
const OLDEST_VERSION: u32 = 1;
pub(super) const HEADER_BYTES: usize = 32;
const FRAME_BYTES: usize = 8;
/// No segment is longer; one that is was not written here.
pub(super) const MAX_BYTES: u64 = 1 << 30;

/// Something in a cache's files that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Which file.
    pub file: PathBuf,
    /// Where in it, in bytes. Generations before it are whole, from there on none is believed.
    pub offset: u64,
    /// What it is.
    pub kind: DamageKind,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, byte {}: {}", self.file.display(), self.offset, self.kind)
    }
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// The file ends within a generation: whoever wrote it was ended, or is writing just now.
    Torn,
    /// A checksum is wrong.
    Checksum,
    /// It is no file of a pull cache.
    Foreign,
    /// It was written by another version of this library.
    Version(u32),
    /// Its checksums are right and its content makes no sense.
    Content,
    /// It cannot be read at all: why.
    Unreadable(String),
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DamageKind::Torn => f.write_str("the file ends within a generation"),
            DamageKind::Checksum => f.write_str("a checksum is wrong"),
            DamageKind::Foreign => f.write_str("this is no file of a pull cache"),
            DamageKind::Version(version) => {
                write!(f, "format version {version}, this program reads {OLDEST_VERSION} to {VERSION}")
            }
            DamageKind::Content => f.write_str("the content makes no sense"),
            DamageKind::Unreadable(why) => write!(f, "cannot be read: {why}"),
        }
    }
}

fn checksum(parts: &[&[u8]]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().to_le_bytes()
}

/// The header of a segment.
pub(super) fn header(sequence: u64, made: i64) -> [u8; HEADER_BYTES] {
    versioned_header(VERSION, sequence, made)
}

fn versioned_header(version: u32, sequence: u64, made: i64) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&version.to_le_bytes());
    out[16..24].copy_from_slice(&sequence.to_le_bytes());
    out[24..].copy_from_slice(&made.to_le_bytes());
    let sum = checksum(&[&out[..12], &out[16..]]);
    out[12..16].copy_from_slice(&sum);
    out
}

fn check_header(bytes: &[u8], sequence: u64) -> Result<(), DamageKind> {
    let start = &bytes[..bytes.len().min(8)];
    if !MAGIC.starts_with(start) || start.is_empty() {
        return Err(DamageKind::Foreign);
    }
    let Some(header) = bytes.get(..HEADER_BYTES) else { return Err(DamageKind::Torn) };
    if header[12..16] != checksum(&[&header[..12], &header[16..]]) {
        return Err(DamageKind::Checksum);
    }
    let mut rest = Input(&header[8..]);
    let version = rest.array().map_or(0, u32::from_le_bytes);
    if !(OLDEST_VERSION..=VERSION).contains(&version) {
        return Err(DamageKind::Version(version));
    }
    // A file under another's name.
    if header[16..24] != sequence.to_le_bytes() { Err(DamageKind::Foreign) } else { Ok(()) }
}

/// Makes the frames of one segment.
#[derive(Debug)]
pub(super) struct FrameWriter {
    sequence: u64,
    /// Where the next frame stands.
    offset: u64,
    coder: Coder,
    identities: Vec<Arc<Identity>>,
    /// The column here of each column of the store.
    columns: Vec<Option<u32>>,
}

impl FrameWriter {
    pub(super) fn new(sequence: u64) -> FrameWriter {
        FrameWriter {
            sequence,
            offset: HEADER_BYTES as u64,
            coder: Coder::default(),
            identities: Vec::new(),
            columns: Vec::new(),
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes of the next frame. `None` when it would be too long for a segment.
    pub(super) fn frame(&mut self, generation: &Generation) -> Option<Vec<u8>> {
        let all = generation.columns().identities();
        let known = self.identities.len();
        self.columns.resize(all.len().max(self.columns.len()), None);
        let mut row = Row::with_columns(known);
        for (at, identity) in all.iter().enumerate() {
            let Some(value) = generation.row().get(at) else { continue };
            let column = *self.columns[at].get_or_insert_with(|| {
                self.identities.push(Arc::clone(identity));
                (self.identities.len() - 1) as u32
            });
            row.set(column as usize, value);
        }
        let mut out = vec![0; FRAME_BYTES];
        out.extend_from_slice(&generation.timestamp().to_le_bytes());
        push_number(&mut out, self.identities.len() - known);
        for at in known..self.identities.len() {
            let before = at.checked_sub(1).map(|before| &*self.identities[before]);
            names::push(&mut out, &self.identities[at], before);
        }
        out.extend(self.coder.encode(&self.identities, &row));
        let length = u32::try_from(out.len() - FRAME_BYTES).ok()?.to_le_bytes();
        let sum = frame_sum(self.sequence, self.offset, &length, &out[FRAME_BYTES..]);
        out[..4].copy_from_slice(&length);
        out[4..8].copy_from_slice(&sum);
        self.offset += out.len() as u64;
        (self.offset <= MAX_BYTES).then_some(out)
    }
}

fn frame_sum(sequence: u64, offset: u64, length: &[u8], payload: &[u8]) -> [u8; 4] {
    checksum(&[&sequence.to_le_bytes(), &offset.to_le_bytes(), length, payload])
}

/// Reads the frames of one segment, whatever the bytes are.
#[derive(Debug)]
pub(super) struct FrameReader {
    sequence: u64,
    bytes: Arc<[u8]>,
    /// What is read of them.
    end: usize,
    /// Everything before is whole.
    at: usize,
    columns: Arc<Columns>,
    coder: Coder,
    newest: Option<i64>,
}

impl FrameReader {
    /// Of the bytes those before `end` are read.
    pub(super) fn new(bytes: Arc<[u8]>, end: usize, sequence: u64) -> Result<FrameReader, DamageKind> {
        check_header(&bytes, sequence)?;
        let (columns, coder) = (Arc::default(), Coder::default());
        let end = end.min(bytes.len());
        Ok(FrameReader { sequence, bytes, end, at: HEADER_BYTES, columns, coder, newest: None })
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn columns(&self) -> usize {
        self.columns.len()
    }

    /// The generation of the next frame; `None` at the end. After an error it does not go on.
    pub(super) fn next(&mut self) -> Result<Option<Generation>, DamageKind> {
        let bytes = Arc::clone(&self.bytes);
        let rest = bytes.get(self.at..self.end).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let mut input = Input(rest);
        let (length, sum): ([u8; 4], [u8; 4]) = match (input.array(), input.array()) {
            (Ok(length), Ok(sum)) => (length, sum),
            _ => return Err(DamageKind::Torn),
        };
        let payload = input.take(u32::from_le_bytes(length) as usize).map_err(|_| DamageKind::Torn)?;
        if frame_sum(self.sequence, self.at as u64, &length, payload) != sum {
            return Err(DamageKind::Checksum);
        }
        let generation = self.payload(payload).map_err(|_| DamageKind::Content)?;
        self.at += FRAME_BYTES + payload.len();
        Ok(Some(generation))
    }

    fn payload(&mut self, payload: &[u8]) -> Result<Generation, Malformed> {
        let mut input = Input(payload);
        let timestamp = i64::from_le_bytes(input.array()?);
        if self.newest.is_some_and(|newest| timestamp < newest) {
            return Err(Malformed);
        }
        let new = names::read(&mut input, self.columns.len(), self.columns.identities().last().cloned())?;
        if !new.is_empty() {
            Arc::make_mut(&mut self.columns).extend(new);
        }
        let row = self.coder.decode(self.columns.identities(), input.0).map_err(|_| Malformed)?;
        let finite = |column: usize| row.get(column).is_none_or(f64::is_finite);
        if !(0..row.columns()).all(finite) {
            return Err(Malformed);
        }
        self.newest = Some(timestamp);
        Ok(Generation::new(timestamp, Arc::clone(&self.columns), row))
    }
}

/// Reads all of a segment, whatever the bytes are, and counts its frames: the whole decoder as one function, for fuzzing.
///
/// # Errors
/// What is wrong with the bytes.
#[doc(hidden)]
pub fn walk(bytes: &[u8]) -> Result<usize, DamageKind> {
    let sequence = Input(bytes.get(16..).unwrap_or_default()).array().map_or(0, u64::from_le_bytes);
    let mut reader = FrameReader::new(bytes.into(), bytes.len(), sequence)?;
    let mut frames = 0;
    while reader.next()?.is_some() {
        frames += 1;
    }
    Ok(frames)
}

/// A frame around any payload, for tests.
#[cfg(test)]
pub(super) fn frame_of(sequence: u64, offset: u64, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [&length[..], &frame_sum(sequence, offset, &length, payload), payload].concat()
}

/// A header as another version may write it, for tests.
#[cfg(test)]
pub(super) fn header_of_version(version: u32, sequence: u64) -> [u8; HEADER_BYTES] {
    versioned_header(version, sequence, 0)
}
