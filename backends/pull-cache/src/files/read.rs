//! Reading a cache's directory: from any process, without a lock, and believing nothing.

use super::paths::sequence_of;
use super::segment::{Damage, DamageKind, FrameReader, MAX_BYTES};
use crate::generation::Generation;
use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a cache cannot be read. One that holds no generations is read without an error.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// There is nothing there, or it may not be read.
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Why it was not.
        cause: io::Error,
    },
    /// It is no directory, or one without the files of a pull cache.
    NotACache {
        /// What was to be read.
        path: PathBuf,
    },
    /// There are files, and not one of them can be believed from its beginning.
    Damaged {
        /// All of what was found.
        damage: Vec<Damage>,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io { path, cause } => write!(f, "{}: {cause}", path.display()),
            ReadError::NotACache { path } => write!(
                f,
                "{}: there is no pull cache here; one is a directory with files named generations-….ferro",
                path.display()
            ),
            ReadError::Damaged { damage } => {
                f.write_str("the pull cache is damaged")?;
                damage.iter().try_for_each(|one| write!(f, "; {one}"))
            }
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Io { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// One segment that was read and checked.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) sequence: u64,
    pub(super) path: PathBuf,
    bytes: Arc<[u8]>,
    /// How many bytes are whole.
    pub(super) whole: usize,
    pub(super) generations: usize,
    pub(super) columns: usize,
    pub(super) newest: Option<i64>,
}

impl Segment {
    /// The bytes that are whole.
    pub(super) fn whole_bytes(&self) -> &[u8] {
        &self.bytes[..self.whole]
    }
}

/// The generations of a cache on disk, oldest first: an iterator, each decoded when it is asked for.
///
/// It is what was there when it was read, up to the last whole generation; what happens to the files later does not matter. It
/// holds their bytes, which are a few for each value.
#[derive(Debug)]
pub struct PersistedHistory {
    pub(super) segments: VecDeque<Segment>,
    damage: Vec<Damage>,
    window: Option<(i64, i64)>,
    reader: Option<FrameReader>,
    /// The generation to be handed out, unless the next takes its place.
    held: Option<Generation>,
}

impl PersistedHistory {
    /// One without generations.
    pub(super) fn empty(damage: Vec<Damage>) -> PersistedHistory {
        PersistedHistory { segments: VecDeque::new(), damage, window: None, reader: None, held: None }
    }

    /// What in the files was not as it was written, and was left out. A torn end of the newest file is no more than the mark
    /// of a process that was ended while it wrote, or is writing now.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// The timestamps of the oldest and the newest generation; `None` when there is none.
    #[must_use]
    pub fn window(&self) -> Option<(i64, i64)> {
        self.window
    }

    /// Leaves out the oldest segments, until the names in all are no more than this.
    pub(super) fn bound_columns(&mut self, most: usize) {
        let mut columns = 0;
        let fits = |segment: &&Segment| {
            columns += segment.columns;
            columns <= most
        };
        let fitting = self.segments.iter().rev().take_while(fits).count();
        self.segments.drain(..self.segments.len() - fitting);
    }

    fn next_frame(&mut self) -> Option<Generation> {
        loop {
            if let Some(Ok(Some(generation))) = self.reader.as_mut().map(FrameReader::next) {
                return Some(generation);
            }
            let segment = self.segments.pop_front()?;
            self.reader = FrameReader::new(segment.bytes, segment.whole, segment.sequence).ok();
        }
    }
}

impl Iterator for PersistedHistory {
    type Item = Arc<Generation>;

    fn next(&mut self) -> Option<Arc<Generation>> {
        loop {
            let Some(next) = self.next_frame() else { return self.held.take().map(Arc::new) };
            match self.held.as_ref().map(Generation::timestamp) {
                // Only segments that were not written one after the other go back.
                Some(held) if next.timestamp() < held => {}
                Some(held) if next.timestamp() > held => return self.held.replace(next).map(Arc::new),
                _ => self.held = Some(next),
            }
        }
    }
}

/// Reads the generations that a program with [`Settings::path`](crate::Settings::path) keeps in a directory, or kept there until it
/// ended, however it did. No lock is taken: the program may be running, and is not held up.
///
/// ```
/// use ferrometer_pull_cache::{PullCacheBackend, Settings, read};
/// use std::time::SystemTime;
///
/// let directory = std::env::temp_dir().join(format!("ferrometer-read-{}", std::process::id()));
/// let mut backend = PullCacheBackend::open(Settings::default().path(&directory))?;
/// backend.make(SystemTime::now(), ferrometer_core::snapshot().totals(), &Default::default());
///
/// // Here, or in another process, then or later:
/// let history = read(&directory)?;
/// assert!(history.damage().is_empty());
/// for generation in history {
///     println!("{}: {} records", generation.timestamp(), generation.len());
/// }
/// # drop(backend);
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ReadError`] when there is no cache, or nothing of it can be believed. An empty cache is no error.
pub fn read(path: impl AsRef<Path>) -> Result<PersistedHistory, ReadError> {
    read_directory(path.as_ref())
}

/// How often a directory is read anew of which every file was deleted meanwhile.
const AGAIN: usize = 8;

pub(super) fn read_directory(directory: &Path) -> Result<PersistedHistory, ReadError> {
    for _ in 0..AGAIN {
        let history = read_once(directory)?;
        if !history.segments.is_empty() {
            return Ok(history);
        }
    }
    read_once(directory)
}

fn read_once(directory: &Path) -> Result<PersistedHistory, ReadError> {
    let io = |cause| ReadError::Io { path: directory.to_owned(), cause };
    if !fs::metadata(directory).map_err(io)?.is_dir() {
        return Err(ReadError::NotACache { path: directory.to_owned() });
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        files.extend(name.to_str().and_then(sequence_of).map(|sequence| (sequence, directory.join(&name))));
    }
    files.sort();
    if files.is_empty() {
        return Err(ReadError::NotACache { path: directory.to_owned() });
    }
    let (mut segments, mut damage) = (VecDeque::new(), Vec::new());
    let mut window: Option<(i64, i64)> = None;
    for (sequence, path) in files {
        let bytes = match read_file(&path) {
            Ok(bytes) => bytes,
            // The writer has deleted it since: the oldest go.
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => continue,
            Err(why) => {
                damage.push(Damage { file: path, offset: 0, kind: DamageKind::Unreadable(why.to_string()) });
                continue;
            }
        };
        match check(sequence, &path, bytes, &mut window) {
            Ok((segment, found)) => {
                segments.push_back(segment);
                damage.extend(found);
            }
            Err(found) => damage.push(found),
        }
    }
    if segments.is_empty() && !damage.is_empty() {
        return Err(ReadError::Damaged { damage });
    }
    Ok(PersistedHistory { segments, damage, window, reader: None, held: None })
}

fn read_file(path: &Path) -> io::Result<Arc<[u8]>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(io::Error::other("longer than any file of a pull cache"));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// Reads all of a segment once.
fn check(
    sequence: u64,
    path: &Path,
    bytes: Arc<[u8]>,
    window: &mut Option<(i64, i64)>,
) -> Result<(Segment, Option<Damage>), Damage> {
    let damaged = |offset: usize, kind| Damage { file: path.to_owned(), offset: offset as u64, kind };
    let mut reader = FrameReader::new(Arc::clone(&bytes), bytes.len(), sequence).map_err(|kind| damaged(0, kind))?;
    let (mut generations, mut newest) = (0, None);
    let found = loop {
        match reader.next() {
            Ok(Some(generation)) => {
                let timestamp = generation.timestamp();
                // A generation that is replaced counts once.
                generations += usize::from(newest != Some(timestamp));
                newest = Some(timestamp);
                *window = Some(window.map_or((timestamp, timestamp), |w| (w.0, w.1.max(timestamp))));
            }
            Ok(None) => break None,
            Err(kind) => break Some(damaged(reader.offset(), kind)),
        }
    };
    let (whole, columns) = (reader.offset(), reader.columns());
    Ok((Segment { sequence, path: path.to_owned(), bytes, whole, generations, columns, newest }, found))
}
