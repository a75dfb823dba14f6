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
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
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
/// No generation is longer, written or read.
const MAX_FRAME_BYTES: u64 = 1 << 28;
/// A timestamp and a number. A hole in a file is a row of frames without even these.
const SHORTEST_PAYLOAD: u64 = 9;

/// Something in a cache's files that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Which file.
    pub file: PathBuf,
    /// Where in it, in bytes. Generations before it are whole, from there on none is believed.
    pub offset: u64,
    /// Kind of the damage.
    pub kind: DamageKind,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, byte {}: {}", self.file.display(), self.offset, self.kind)
    }
}

/// Kinds of damage in a file.
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

    /// Gives columns of the store their new numbers: `numbers` has them by the old ones.
    pub(super) fn renumber(&mut self, numbers: &[u32]) {
        let mut columns = Vec::new();
        for (old, column) in self.columns.iter().enumerate().filter(|(_, column)| column.is_some()) {
            let Some(new) = numbers.get(old).map(|new| *new as usize) else { continue };
            if columns.len() <= new {
                columns.resize(new + 1, None);
            }
            columns[new] = *column;
        }
        self.columns = columns;
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
        let length =
            u32::try_from(out.len() - FRAME_BYTES).ok().filter(|length| u64::from(*length) <= MAX_FRAME_BYTES)?;
        let length = length.to_le_bytes();
        let sum = frame_sum(self.sequence, self.offset, &length, &out[FRAME_BYTES..]);
        out[..4].copy_from_slice(&length);
        out[4..8].copy_from_slice(&sum);
        self.offset += out.len() as u64;
        (self.offset <= MAX_BYTES).then_some(out)
    }
}

fn frame_sum(sequence: u64, offset: u64, length: &[u8; 4], payload: &[u8]) -> [u8; 4] {
    let mut hasher = frame_hasher(sequence, offset, length);
    hasher.update(payload);
    hasher.finalize().to_le_bytes()
}

/// The beginning of a frame's checksum, to which the payload is to be added.
fn frame_hasher(sequence: u64, offset: u64, length: &[u8; 4]) -> crc32fast::Hasher {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(length);
    hasher
}

/// Reads the frames of one segment, whatever the bytes are: one at a time, and never more of them than were written.
#[derive(Debug)]
pub(super) struct FrameReader<R> {
    sequence: u64,
    input: R,
    /// Place in the file where reading ends.
    end: u64,
    /// Everything before is whole.
    at: u64,
    payload: Vec<u8>,
    columns: Arc<Columns>,
    /// How many columns are wanted.
    max_columns: usize,
    /// True if there are more.
    has_too_many: bool,
    coder: Coder,
    newest: Option<i64>,
}

impl FrameReader<Cursor<Arc<[u8]>>> {
    /// Reads the bytes before `end`.
    pub(super) fn new(bytes: Arc<[u8]>, end: usize, sequence: u64) -> Result<Self, DamageKind> {
        let end = end.min(bytes.len()) as u64;
        FrameReader::over(Cursor::new(bytes), end, sequence)
    }
}

impl<R: Read + Seek> FrameReader<R> {
    /// `input` stands at its beginning, and is `end` bytes long.
    pub(super) fn over(mut input: R, end: u64, sequence: u64) -> Result<FrameReader<R>, DamageKind> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        input.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut header).map_err(unreadable)?;
        check_header(&header, sequence)?;
        let (columns, coder) = (Arc::default(), Coder::default());
        let at = HEADER_BYTES as u64;
        Ok(FrameReader {
            sequence,
            input,
            end,
            at,
            payload: Vec::new(),
            columns,
            max_columns: usize::MAX,
            has_too_many: false,
            coder,
            newest: None,
        })
    }

    /// Where there are more columns than these it ends, and [`has_too_many`](FrameReader::has_too_many) says so.
    pub(super) fn limit_columns(&mut self, most: usize) {
        self.max_columns = most;
    }

    pub(super) fn has_too_many(&self) -> bool {
        self.has_too_many
    }

    pub(super) fn offset(&self) -> u64 {
        self.at
    }

    pub(super) fn identities(&self) -> &[Arc<Identity>] {
        self.columns.identities()
    }

    /// The generation of the next frame; `None` at the end. After an error it does not go on.
    pub(super) fn next(&mut self) -> Result<Option<Generation>, DamageKind> {
        let Some((length, sum)) = self.frame_header()? else { return Ok(None) };
        self.read_payload(length, sum)?;
        let payload = std::mem::take(&mut self.payload);
        let generation = self.parse(&payload).map_err(|_| DamageKind::Content)?;
        self.at += FRAME_BYTES as u64 + payload.len() as u64;
        self.payload = payload;
        Ok(Some(generation))
    }

    /// The timestamp of the last frame that can be believed, without decoding any: the way to it is by the lengths alone.
    pub(super) fn last_timestamp(mut self) -> Option<i64> {
        // A file may be torn behind its last frames, or damaged somewhere: then the way is by the checksums.
        const LAST: usize = 16;
        let mut frames = VecDeque::with_capacity(LAST);
        while let Ok(Some((length, sum))) = self.frame_header() {
            if frames.len() == LAST {
                frames.pop_front();
            }
            frames.push_back((self.at, length, sum));
            self.at += FRAME_BYTES as u64 + u64::from(length);
            if self.input.seek_relative(i64::from(length)).is_err() {
                break;
            }
        }
        let whole = frames.into_iter().rev().find_map(|frame| self.timestamp_of(frame));
        whole.or_else(|| {
            self.at = HEADER_BYTES as u64;
            let mut last = None;
            loop {
                self.input.seek(SeekFrom::Start(self.at)).ok()?;
                let Ok(Some((length, sum))) = self.frame_header() else { return last };
                let Some(timestamp) = self.timestamp_of((self.at, length, sum)) else { return last };
                last = Some(timestamp);
                self.at += FRAME_BYTES as u64 + u64::from(length);
            }
        })
    }

    fn timestamp_of(&mut self, (at, length, sum): (u64, u32, [u8; 4])) -> Option<i64> {
        self.at = at;
        self.input.seek(SeekFrom::Start(at + FRAME_BYTES as u64)).ok()?;
        self.read_payload(length, sum).ok()?;
        Input(&self.payload).array().ok().map(i64::from_le_bytes)
    }

    /// The length and the checksum of the frame that begins here; `None` at the end.
    fn frame_header(&mut self) -> Result<Option<(u32, [u8; 4])>, DamageKind> {
        let left = self.end.saturating_sub(self.at);
        if left == 0 {
            return Ok(None);
        }
        let mut head = [0; FRAME_BYTES];
        if left < FRAME_BYTES as u64 {
            return Err(DamageKind::Torn);
        }
        self.input.read_exact(&mut head).map_err(unreadable)?;
        let mut head = Input(&head);
        let (Ok(length), Ok(sum)) = (head.array(), head.array()) else { return Err(DamageKind::Torn) };
        let length = u32::from_le_bytes(length);
        if u64::from(length) > left - FRAME_BYTES as u64 {
            return Err(DamageKind::Torn);
        }
        match u64::from(length) {
            0..SHORTEST_PAYLOAD => Err(DamageKind::Checksum),
            SHORTEST_PAYLOAD..=MAX_FRAME_BYTES => Ok(Some((length, sum))),
            _ => Err(DamageKind::Content),
        }
    }

    /// Reads a payload if its checksum is right. No memory is taken for what is long and not what was written: a file's length costs
    /// nobody a byte.
    fn read_payload(&mut self, length: u32, sum: [u8; 4]) -> Result<(), DamageKind> {
        const SHORT: u32 = 1 << 16;
        let bytes = length.to_le_bytes();
        let start = frame_hasher(self.sequence, self.at, &bytes);
        if length > SHORT {
            let (mut hasher, mut left, mut piece) = (start.clone(), length as usize, vec![0; SHORT as usize]);
            while left > 0 {
                let piece = &mut piece[..left.min(SHORT as usize)];
                self.input.read_exact(piece).map_err(unreadable)?;
                hasher.update(piece);
                left -= piece.len();
            }
            if hasher.finalize().to_le_bytes() != sum {
                return Err(DamageKind::Checksum);
            }
            self.input.seek(SeekFrom::Start(self.at + FRAME_BYTES as u64)).map_err(unreadable)?;
        }
        self.payload.clear();
        self.payload.reserve_exact(length as usize);
        self.input.by_ref().take(u64::from(length)).read_to_end(&mut self.payload).map_err(unreadable)?;
        if self.payload.len() < length as usize {
            return Err(DamageKind::Torn);
        }
        let mut hasher = start;
        hasher.update(&self.payload);
        if hasher.finalize().to_le_bytes() == sum { Ok(()) } else { Err(DamageKind::Checksum) }
    }

    fn parse(&mut self, payload: &[u8]) -> Result<Generation, Malformed> {
        let mut input = Input(payload);
        let timestamp = i64::from_le_bytes(input.array()?);
        if self.newest.is_some_and(|newest| timestamp < newest) {
            return Err(Malformed);
        }
        let announced = Input(input.0).number()?;
        self.has_too_many = announced > self.max_columns.saturating_sub(self.columns.len());
        if self.has_too_many {
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

/// A file that became shorter while it was read ends where it ends.
fn unreadable(why: io::Error) -> DamageKind {
    match why.kind() {
        io::ErrorKind::UnexpectedEof => DamageKind::Torn,
        _ => DamageKind::Unreadable(why.to_string()),
    }
}

/// Reads all of a segment, whatever the bytes are, and counts its frames: the whole decoder as one function, for fuzzing.
///
/// # Errors
/// Walks the bytes, and returns the number of whole frames or the damage.
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
