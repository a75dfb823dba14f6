//! Looking a directory's segments through, a frame at a time: what is whole of each, and what is not.

use super::damage::{Damage, DamageKind};
use super::frame_reader::FrameReader;
use super::paths::sequence_of;
use super::segment::MAX_BYTES;
use crate::record::Identity;
use ferrometer_export::open_regular;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that are read of a file at a time.
const PIECE: usize = 1 << 16;

/// One segment that was looked through.
#[derive(Debug)]
pub(super) struct Checked {
    /// How many bytes are whole.
    pub(super) whole: u64,
    pub(super) generations: usize,
    /// The timestamps of the oldest and the newest generation.
    pub(super) window: Option<(i64, i64)>,
    /// Damage behind the whole part.
    pub(super) damage: Option<Damage>,
    /// How many names its generations say that they have.
    pub(super) names: usize,
    /// True if it was left at more columns than were wanted.
    pub(super) has_too_many: bool,
}

/// The segments of a directory by their names, whatever they are; the oldest first.
pub(super) fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        files.extend(name.to_str().and_then(sequence_of).map(|sequence| (sequence, directory.join(&name))));
    }
    files.sort();
    Ok(files)
}

/// A segment to be read from its beginning.
pub(super) fn open(sequence: u64, path: &Path) -> Result<Frames, Damage> {
    let damaged = |kind| Damage { file: path.to_owned(), offset: 0, kind };
    let unreadable = |why: io::Error| damaged(DamageKind::Unreadable(why.to_string()));
    let file = open_regular(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length > MAX_BYTES {
        return Err(damaged(DamageKind::Unreadable("longer than any file of a pull cache".into())));
    }
    FrameReader::over(BufReader::with_capacity(PIECE, file), length, sequence).map_err(damaged)
}

/// Reads all of a segment once, and keeps nothing of it. `seen` is shown the names so far after each generation; when it says `false`,
/// or when there are more than `max_columns`, nothing more is read. `None`: it was deleted meanwhile.
pub(super) fn check(
    sequence: u64,
    path: &Path,
    max_columns: usize,
    seen: &mut dyn FnMut(&[Arc<Identity>]) -> bool,
) -> Result<Option<Checked>, Damage> {
    let next = |reader: &mut Frames| {
        reader.limit_columns(max_columns);
        let Some(generation) = reader.next()? else { return Ok(None) };
        Ok(Some((generation.timestamp(), seen(reader.identities()))))
    };
    look_through(sequence, path, next)
}

/// Does the work of [`check`] without decoding: checksums and timestamps are right, and whether the content makes sense is not known yet. When
/// `goes_on` says `false`, nothing more is read.
pub(super) fn glance(sequence: u64, path: &Path, goes_on: &dyn Fn() -> bool) -> Result<Option<Checked>, Damage> {
    let mut names = 0usize;
    let next = |reader: &mut Frames| {
        let Some((timestamp, new)) = reader.pass()? else { return Ok(None) };
        names = names.saturating_add(new);
        Ok(Some((timestamp, goes_on())))
    };
    let checked = look_through(sequence, path, next)?;
    Ok(checked.map(|checked| Checked { names, ..checked }))
}

/// A segment that is read from a file.
pub(super) type Frames = FrameReader<BufReader<File>>;

/// Looks a segment through; `next` returns the timestamp of the next generation, and whether to go on.
fn look_through(
    sequence: u64,
    path: &Path,
    mut next: impl FnMut(&mut Frames) -> Result<Option<(i64, bool)>, DamageKind>,
) -> Result<Option<Checked>, Damage> {
    let mut reader = match open(sequence, path) {
        Ok(reader) => reader,
        Err(_) if is_gone(path) => return Ok(None),
        Err(damage) => return Err(damage),
    };
    let (mut generations, mut window): (usize, Option<(i64, i64)>) = (0, None);
    let damage = loop {
        match next(&mut reader) {
            Ok(Some((timestamp, goes_on))) => {
                // A generation that is replaced counts once.
                generations += usize::from(window.is_none_or(|(_, newest)| newest != timestamp));
                window = Some((window.map_or(timestamp, |(oldest, _)| oldest), timestamp));
                if !goes_on {
                    break None;
                }
            }
            Ok(None) => break None,
            Err(_) if reader.has_too_many() => break None,
            Err(kind) => break Some(Damage { file: path.to_owned(), offset: reader.offset(), kind }),
        }
    };
    let (has_too_many, names) = (reader.has_too_many(), reader.identities().len());
    Ok(Some(Checked { whole: reader.offset(), generations, window, damage, names, has_too_many }))
}

fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|why| why.kind() == io::ErrorKind::NotFound)
}

/// The timestamp of the newest generation of a directory, found without decoding any: what the last of the newest files say.
pub(super) fn newest(directory: &Path) -> io::Result<Option<i64>> {
    const FILES: usize = 4;
    let files = segments(directory)?;
    let last = files.iter().rev().filter_map(|(sequence, path)| open(*sequence, path).ok()?.last_timestamp());
    Ok(last.take(FILES).max())
}
