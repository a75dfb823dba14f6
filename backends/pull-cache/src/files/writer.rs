//! Writing a cache's directory: one segment at a time is written, the oldest are deleted, damaged ones are set aside.

use super::paths::{segment_path, sequence_of};
use super::read::{PersistedHistory, ReadError, read_directory};
use super::segment::{FrameWriter, HEADER_BYTES, header};
use crate::generation::Generation;
use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A new segment is begun at this length.
const LONG: u64 = 1 << 28;
/// So many segments are one window.
const SEGMENTS: usize = 4;
/// A generation is replaced on disk this often; further ones in the same second are left to the next generation.
const REPLACEMENTS: usize = 4;
/// Damaged segments that are kept for whoever wants to look at them.
const SET_ASIDE: usize = 4;
/// Names of earlier processes that are read in, at most.
const RESTORED_COLUMNS: usize = 1 << 20;

/// What is locked by who writes the directory.
const LOCK: &str = "lock";

/// How long the end of another writer is waited for.
const ENDING: Duration = Duration::from_millis(500);

/// Why a directory cannot be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// There is something else at its place.
    NotADirectory {
        /// [`Settings::path`](crate::Settings::path).
        path: PathBuf,
    },
    /// Another process writes it.
    InUse {
        /// [`Settings::path`](crate::Settings::path).
        path: PathBuf,
    },
    /// The system refuses.
    Io {
        /// The directory, or a file in it.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::NotADirectory { path } => {
                write!(f, "{} is a file; what is wanted is a directory, made if it is missing", path.display())
            }
            OpenError::InUse { path } => {
                write!(f, "{} is written by another process; each needs a directory of its own", path.display())
            }
            OpenError::Io { path, cause } => write!(f, "{}: {cause}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Io { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// Takes a lock. One that is held by a program, or a backend, that is just ending is waited for.
fn take(lock: &File) -> Result<(), fs4::TryLockError> {
    let begun = Instant::now();
    loop {
        match fs4::FileExt::try_lock(lock) {
            Err(fs4::TryLockError::WouldBlock) if begun.elapsed() < ENDING => std::thread::sleep(ENDING / 50),
            other => return other,
        }
    }
}

/// Opens for writing what nobody but the owner writes and nobody but the owner's group reads.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options
}

fn open_lock(path: &Path) -> io::Result<File> {
    private().create(true).truncate(false).open(path)
}

/// Whether a file that is open is still at its path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((open.dev(), open.ino()) == (there.dev(), there.ino())),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(why) => Err(why),
    }
}

/// An open file cannot be deleted.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o750);
    builder.create(path).map_err(|why| match why.kind() {
        io::ErrorKind::NotFound => {
            io::Error::new(why.kind(), "the directory above it is missing too; that one is not made")
        }
        _ => why,
    })
}

/// What is kept of a segment that is on disk.
#[derive(Debug)]
struct Kept {
    sequence: u64,
    generations: usize,
    newest: Option<i64>,
}

/// The segment that is written.
#[derive(Debug)]
struct Current {
    file: File,
    frames: FrameWriter,
    kept: Kept,
    first: Option<i64>,
    /// How often the newest was replaced.
    replaced: usize,
    written: usize,
}

/// How much is kept, as for the memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) keep: usize,
    pub(super) window: i64,
}

/// The one who writes a directory.
#[derive(Debug)]
pub(super) struct Writer {
    directory: PathBuf,
    bounds: Bounds,
    /// Oldest first, without the one that is written.
    segments: VecDeque<Kept>,
    current: Option<Current>,
    next: u64,
    /// Held as long as this lives.
    lock: File,
    process: u32,
}

impl Drop for Writer {
    /// Closing the file would not do while a child made by `fork` has it too. The child itself has nothing to unlock.
    fn drop(&mut self) {
        if self.process == std::process::id() {
            let _ = fs4::FileExt::unlock(&self.lock);
        }
    }
}

impl Writer {
    /// Takes a directory, makes it if it is missing, and reads what is there.
    pub(super) fn open(directory: &Path, bounds: Bounds) -> Result<(Writer, PersistedHistory), OpenError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |cause| OpenError::Io { path, cause }
        };
        match fs::metadata(directory) {
            Ok(there) if !there.is_dir() => return Err(OpenError::NotADirectory { path: directory.to_owned() }),
            Ok(_) => {}
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                make_directory(directory).map_err(at(directory))?;
            }
            Err(cause) => return Err(at(directory)(cause)),
        }
        let lock_path = directory.join(LOCK);
        let lock = open_lock(&lock_path).map_err(at(&lock_path))?;
        take(&lock).map_err(|refused| match refused {
            fs4::TryLockError::WouldBlock => OpenError::InUse { path: directory.to_owned() },
            fs4::TryLockError::Error(cause) => at(&lock_path)(cause),
        })?;
        // A program that changes its own directory later goes on writing this one.
        let directory = &directory.canonicalize().map_err(at(directory))?;
        finish_repairs(directory).map_err(at(directory))?;
        let mut history = match read_directory(directory) {
            Ok(history) => history,
            Err(ReadError::NotACache { .. }) => PersistedHistory::empty(Vec::new()),
            Err(ReadError::Damaged { damage }) => PersistedHistory::empty(damage),
            Err(ReadError::Io { path, cause }) => return Err(OpenError::Io { path, cause }),
        };
        for damage in history.damage() {
            let whole = history.segments.iter().find(|s| s.path == damage.file).map(|s| s.whole_bytes());
            set_aside(&damage.file, whole).map_err(at(&damage.file))?;
        }
        forget_set_aside(directory).map_err(at(directory))?;
        let next = sequences(directory).map_err(at(directory))?.last().map_or(1, |last| last.saturating_add(1));
        let kept =
            |s: &super::read::Segment| Kept { sequence: s.sequence, generations: s.generations, newest: s.newest };
        let segments = history.segments.iter().map(kept).collect();
        let process = std::process::id();
        let mut writer =
            Writer { directory: directory.to_owned(), bounds, segments, current: None, next, lock, process };
        // So that an empty cache is one. A disk that is full has room another time, and the program shall not wait for it.
        match writer.begin() {
            Err(full) if is_full(&full) => {}
            begun => begun.map_err(at(directory))?,
        }
        // A program that ends again and again before its first generation leaves nothing.
        for empty in writer.segments.iter().filter(|s| s.generations == 0) {
            writer.delete(empty.sequence).map_err(at(directory))?;
        }
        writer.segments.retain(|s| s.generations > 0);
        history.bound_columns(RESTORED_COLUMNS);
        Ok((writer, history))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Another backend goes on: its columns are others.
    pub(super) fn hand_over(&mut self, bounds: Bounds) -> io::Result<()> {
        self.bounds = bounds;
        self.keep_place()?;
        self.begin()
    }

    /// Begins a segment. Its header is there before it has its name.
    fn begin(&mut self) -> io::Result<()> {
        self.segments.extend(self.current.take().map(|current| current.kept));
        let sequence = self.next;
        let made = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let path = segment_path(&self.directory, sequence);
        let file = write_new(&path, &header(sequence, made))?;
        self.next = sequence.saturating_add(1);
        self.current = Some(Current {
            file,
            frames: FrameWriter::new(sequence),
            kept: Kept { sequence, generations: 0, newest: None },
            first: None,
            replaced: 0,
            written: 0,
        });
        Ok(())
    }

    /// Writes a generation that is newer than all before, or (with `replaces`) takes the place of the newest.
    pub(super) fn write(&mut self, generation: &Generation, replaces: bool) -> io::Result<()> {
        let written = self.append(generation, replaces);
        // What is too old goes, whether there is something newer or not: that may be what the disk is full of.
        let deleted = self.delete_old(generation.timestamp());
        written.and(deleted)
    }

    /// Sees to it that what is written can be found. Somebody may have removed the directory, which is made and taken again then, or the
    /// segment that is written; what goes on in an open file that has no name any more, no reader would see.
    fn keep_place(&mut self) -> io::Result<()> {
        let path = self.directory.join(LOCK);
        if !is_at(&self.lock, &path)? {
            make_directory(&self.directory).or_else(|why| match why.kind() {
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => Err(why),
            })?;
            let lock = open_lock(&path)?;
            fs4::FileExt::try_lock(&lock)
                .map_err(|_| io::Error::other("it was removed, and is written by another process now"))?;
            self.lock = lock;
            // Whoever had it meanwhile may have left segments.
            let last = sequences(&self.directory)?.last().map_or(0, |last| last.saturating_add(1));
            self.next = self.next.max(last);
        }
        if let Some(current) = &self.current
            && !is_at(&current.file, &segment_path(&self.directory, current.kept.sequence))?
        {
            self.current = None;
        }
        Ok(())
    }

    fn append(&mut self, generation: &Generation, replaces: bool) -> io::Result<()> {
        self.keep_place()?;
        if self.current.as_ref().is_none_or(|current| current.is_full(self.bounds, generation.timestamp(), replaces)) {
            self.begin()?;
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        let written = current.write(generation, replaces);
        if written.is_err() {
            // What was written of the frame would hide those behind it. The next generation begins a segment.
            let Some(given_up) = self.current.take().map(Current::give_up) else { return written };
            if given_up.generations == 0 && self.delete(given_up.sequence).is_ok() {
                return written;
            }
            self.segments.push_back(given_up);
        }
        written
    }

    /// One that is not there any more (set aside, or deleted by somebody else) is as good as deleted.
    fn delete(&self, sequence: u64) -> io::Result<()> {
        match fs::remove_file(segment_path(&self.directory, sequence)) {
            Err(failed) if failed.kind() != io::ErrorKind::NotFound => Err(failed),
            _ => Ok(()),
        }
    }

    /// Deletes segments of which nothing is needed.
    fn delete_old(&mut self, newest: i64) -> io::Result<()> {
        let horizon = newest.saturating_sub(self.bounds.window);
        let written = self.current.as_ref().map_or(0, |current| current.kept.generations);
        loop {
            let newer = self.segments.iter().skip(1).map(|s| s.generations).sum::<usize>() + written;
            let Some(oldest) = self.segments.front() else { return Ok(()) };
            let is_old = oldest.newest.is_none_or(|newest| newest < horizon);
            if newer <= self.bounds.keep && !is_old {
                return Ok(());
            }
            self.delete(oldest.sequence)?;
            self.segments.pop_front();
        }
    }
}

impl Current {
    fn is_full(&self, bounds: Bounds, timestamp: i64, replaces: bool) -> bool {
        let many = (bounds.keep / SEGMENTS).max(8);
        let long = (bounds.window / SEGMENTS as i64).max(8);
        let age = self.first.map_or(0, |first| timestamp.saturating_sub(first));
        !replaces && (self.kept.generations >= many || self.kept.generations >= 8 && age >= long)
            || self.frames.offset() >= LONG
    }

    fn write(&mut self, generation: &Generation, replaces: bool) -> io::Result<()> {
        let in_place = replaces && self.kept.newest == Some(generation.timestamp());
        if in_place && self.replaced >= REPLACEMENTS {
            return Ok(());
        }
        let too_long = || io::Error::other("a generation is too long for a file");
        let frame = self.frames.frame(generation).ok_or_else(too_long)?;
        self.file.write_all(&frame)?;
        self.written = self.frames.offset() as usize;
        self.replaced = if in_place { self.replaced + 1 } else { 0 };
        self.kept.generations += usize::from(!in_place);
        self.kept.newest = Some(generation.timestamp());
        self.first.get_or_insert(generation.timestamp());
        Ok(())
    }

    /// Takes away what was written of a frame, if that is possible.
    fn give_up(self) -> Kept {
        let _ = self.file.set_len(self.written.max(HEADER_BYTES) as u64);
        self.kept
    }
}

fn is_full(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// A file that has its content when it gets its name.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let unfinished = path.with_extension("new");
    // One that was left behind; nobody else writes here.
    let _ = fs::remove_file(&unfinished);
    let mut options = private();
    let written = options.create_new(true).open(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        fs::rename(&unfinished, path)?;
        Ok(file)
    });
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
    let mut names: Vec<String> = names.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect();
    names.sort();
    Ok(names)
}

/// The numbers of all segments, in order; of those set aside too, so that no number comes twice.
fn sequences(directory: &Path) -> io::Result<Vec<u64>> {
    let all = names(directory)?;
    Ok(all.iter().filter_map(|name| sequence_of(name.strip_suffix(".damaged").unwrap_or(name))).collect())
}

/// Gives a damaged segment another name, and puts what is whole of it in its place.
fn set_aside(path: &Path, whole: Option<&[u8]>) -> io::Result<()> {
    let whole = whole.filter(|whole| whole.len() > HEADER_BYTES);
    let repaired = path.with_extension("repaired");
    if let Some(whole) = whole {
        write_new(&repaired, whole)?;
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    fs::rename(path, aside)?;
    if whole.is_some() {
        fs::rename(&repaired, path)?;
    }
    Ok(())
}

/// Finishes what [`set_aside`] was kept from.
fn finish_repairs(directory: &Path) -> io::Result<()> {
    for name in names(directory)? {
        let path = directory.join(&name);
        if name.ends_with(".repaired") {
            let target = path.with_extension("ferro");
            if target.exists() { fs::remove_file(&path)? } else { fs::rename(&path, &target)? }
        } else if name.ends_with(".new") && sequence_of(&name.replace(".new", ".ferro")).is_some() {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn forget_set_aside(directory: &Path) -> io::Result<()> {
    let aside: Vec<String> = names(directory)?.into_iter().filter(|name| name.ends_with(".ferro.damaged")).collect();
    let many = aside.len().saturating_sub(SET_ASIDE);
    aside.iter().take(many).try_for_each(|name| fs::remove_file(directory.join(name)))
}
