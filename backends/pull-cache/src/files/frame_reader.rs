//! Reads the frames of a [segment](super::segment), whatever the bytes are.

use super::bytes::{Input, Malformed};
use super::damage::DamageKind;
use super::names;
use super::segment::{FRAME_BYTES, HEADER_BYTES, MAX_FRAME_BYTES, SHORTEST_PAYLOAD, check_header, frame_hasher};
use crate::coding::Coder;
use crate::generation::{Columns, Generation};
use crate::record::Identity;
use std::collections::VecDeque;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;

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

    /// Passes the next frame without decoding its values: the checksum is right, and it is no older than the one before. Returns its timestamp, and how
    /// many new names it says that it has; `None` at the end. After an error it does not go on, and nothing can be decoded afterwards.
    pub(super) fn pass(&mut self) -> Result<Option<(i64, usize)>, DamageKind> {
        let Some((length, sum)) = self.frame_header()? else { return Ok(None) };
        self.read_payload(length, sum)?;
        let mut input = Input(&self.payload);
        let (Ok(timestamp), Ok(names)) = (input.array().map(i64::from_le_bytes), input.number()) else {
            return Err(DamageKind::Content);
        };
        if self.newest.is_some_and(|newest| timestamp < newest) {
            return Err(DamageKind::Content);
        }
        self.newest = Some(timestamp);
        self.at += FRAME_BYTES as u64 + self.payload.len() as u64;
        Ok(Some((timestamp, names)))
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
        if !row.is_finite() {
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
/// The damage behind the last whole frame.
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
