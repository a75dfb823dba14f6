//! Reading a cache's directory: from any process, without a lock, and believing nothing.

use super::damage::{Damage, DamageKind};
use super::frame_reader::FrameReader;
use super::survey;
use crate::generation::Generation;
use ferrometer_export::open_regular;
use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a cache cannot be read. One that holds no generations is read without an error.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// There is nothing there, or it may not be read.
    Io {
        /// Path that was to be read.
        path: PathBuf,
        /// Why it was not.
        cause: io::Error,
    },
    /// It is no directory, or one without the files of a pull cache.
    NotACache {
        /// Path that was to be read.
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

/// One segment of which the whole part was read.
#[derive(Clone, Debug)]
struct Segment {
    sequence: u64,
    bytes: Arc<[u8]>,
}

/// The generations of a cache on disk, oldest first: an iterator, each decoded when it is asked for.
///
/// It is what was there when it was read, up to the last whole generation; what happens to the files later does not matter. It
/// holds their bytes, which are a few for each value.
#[derive(Debug)]
pub struct PersistedHistory {
    segments: VecDeque<Segment>,
    damage: Vec<Damage>,
    window: Option<(i64, i64)>,
    reader: Option<FrameReader<Cursor<Arc<[u8]>>>>,
    order: InOrder,
}

impl PersistedHistory {
    /// Returns the parts of the files that were not as they were written, and were left out. A torn end of the newest file is no more than the mark
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

    fn next_frame(&mut self) -> Option<Generation> {
        loop {
            if let Some(Ok(Some(generation))) = self.reader.as_mut().map(FrameReader::next) {
                return Some(generation);
            }
            let segment = self.segments.pop_front()?;
            let length = segment.bytes.len();
            self.reader = FrameReader::new(segment.bytes, length, segment.sequence).ok();
        }
    }
}

impl Iterator for PersistedHistory {
    type Item = Arc<Generation>;

    fn next(&mut self) -> Option<Arc<Generation>> {
        loop {
            let Some(next) = self.next_frame() else { return self.order.end() };
            if let Some(known) = self.order.push(next) {
                return Some(known);
            }
        }
    }
}

/// Generations in the order of their frames become generations in the order of their timestamps, each of which comes once.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    /// The generation to be handed out, unless the next takes its place.
    held: Option<Generation>,
}

impl InOrder {
    /// Takes the next frame's generation; returns the one before it when nothing can take its place any more.
    pub(super) fn push(&mut self, next: Generation) -> Option<Arc<Generation>> {
        match self.held.as_ref().map(Generation::timestamp) {
            // Only segments that were not written one after the other go back.
            Some(held) if next.timestamp() < held => None,
            Some(held) if next.timestamp() > held => self.held.replace(next).map(Arc::new),
            _ => {
                self.held = Some(next);
                None
            }
        }
    }

    /// The last one.
    pub(super) fn end(&mut self) -> Option<Arc<Generation>> {
        self.held.take().map(Arc::new)
    }
}

/// Reads the generations that a program with [`Settings::path`](crate::Settings::path) keeps in a directory, or kept there until it
/// ended, however it did. No lock is taken: the program may be running, and is not held up.
///
/// ```
/// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_pull_cache as pull_cache; }
/// use ferrometer::pull_cache::{PullCacheBackend, Settings, read};
/// use std::time::SystemTime;
///
/// let directory = std::env::temp_dir().join(format!("ferrometer-read-{}", std::process::id()));
/// let mut backend = PullCacheBackend::open(Settings::default().path(&directory))?;
/// backend.make(SystemTime::now(), ferrometer::snapshot().totals(), &Default::default());
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

/// How often a directory is read again after every file in it was deleted meanwhile.
const AGAIN: usize = 8;

/// Maximum bytes of files held: of the newest.
const MAX_HELD_BYTES: u64 = if usize::BITS < 64 { 1 << 28 } else { 1 << 30 };

fn read_directory(directory: &Path) -> Result<PersistedHistory, ReadError> {
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
    let files = survey::segments(directory).map_err(io)?;
    if files.is_empty() {
        return Err(ReadError::NotACache { path: directory.to_owned() });
    }
    let (mut segments, mut damage) = (VecDeque::new(), Vec::new());
    let (mut window, mut held) = (None, 0);
    // The newest are what is wanted most.
    for (sequence, path) in files.into_iter().rev() {
        let unreadable = |why: String| Damage { file: path.clone(), offset: 0, kind: DamageKind::Unreadable(why) };
        let checked = match survey::check(sequence, &path, usize::MAX, &mut |_| true) {
            Ok(Some(checked)) => checked,
            // The writer has deleted it since: the oldest go.
            Ok(None) => continue,
            Err(found) => {
                damage.push(found);
                continue;
            }
        };
        held += checked.whole;
        if held > MAX_HELD_BYTES {
            damage.push(unreadable(format!("left out, newer files take {} MiB", MAX_HELD_BYTES >> 20)));
            continue;
        }
        match read_whole(&path, checked.whole) {
            Ok(bytes) => segments.push_front(Segment { sequence, bytes }),
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => continue,
            Err(why) => {
                damage.push(unreadable(why.to_string()));
                continue;
            }
        }
        if let Some((from, to)) = checked.window {
            window = Some(window.map_or((from, to), |(_, newest): (i64, i64)| (from, newest.max(to))));
        }
        damage.extend(checked.damage);
    }
    damage.reverse();
    if segments.is_empty() && !damage.is_empty() {
        return Err(ReadError::Damaged { damage });
    }
    Ok(PersistedHistory { segments, damage, window, reader: None, order: InOrder::default() })
}

/// The bytes of a file that are whole, now that it is known how many.
fn read_whole(path: &Path, whole: u64) -> io::Result<Arc<[u8]>> {
    let mut bytes = Vec::with_capacity(whole as usize);
    open_regular(path)?.take(whole).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}
