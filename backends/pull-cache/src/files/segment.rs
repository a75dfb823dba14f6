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

use super::bytes::Input;
use super::damage::DamageKind;
use super::version::{OLDEST_VERSION, VERSION};

const MAGIC: [u8; 8] = *b"FERROGEN";
pub(super) const HEADER_BYTES: usize = 32;
pub(super) const FRAME_BYTES: usize = 8;
/// No segment is longer; one that is was not written here.
pub(super) const MAX_BYTES: u64 = 1 << 30;
/// No generation is longer, written or read.
pub(super) const MAX_FRAME_BYTES: u64 = 1 << 28;
/// A timestamp and a number. A hole in a file is a row of frames without even these.
pub(super) const SHORTEST_PAYLOAD: u64 = 9;

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

pub(super) fn check_header(bytes: &[u8], sequence: u64) -> Result<(), DamageKind> {
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

pub(super) fn frame_sum(sequence: u64, offset: u64, length: &[u8; 4], payload: &[u8]) -> [u8; 4] {
    let mut hasher = frame_hasher(sequence, offset, length);
    hasher.update(payload);
    hasher.finalize().to_le_bytes()
}

/// The beginning of a frame's checksum, to which the payload is to be added.
pub(super) fn frame_hasher(sequence: u64, offset: u64, length: &[u8; 4]) -> crc32fast::Hasher {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(length);
    hasher
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
