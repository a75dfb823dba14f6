//! Writing a cache's directory: one segment at a time is written, and the oldest are deleted.

use super::create::{unfinished, write_new};
use super::frame_writer::FrameWriter;
use super::lock;
use super::past::{Kept, Past};
use super::paths::{any_sequence_of, segment_path};
use super::segment::{HEADER_BYTES, header};
use super::survey;
use crate::generation::Generation;
use ferrometer_export::must_be_regular;
use ferrometer_fork::{FileLock, TryLockError, is_at};
use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A new segment is begun at this length.
const LONG: u64 = 1 << 28;
/// Number of segments in one window.
const SEGMENTS: usize = 4;
/// A generation is replaced on disk this often; further ones in the same second are left to the next generation.
const REPLACEMENTS: usize = 4;

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
        /// That process, if this one was forked from it: it still runs, or it is not known whether it does.
        parent: Option<u32>,
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
            OpenError::InUse { path, parent: None } => {
                write!(f, "{} is written by another process; each needs a directory of its own", path.display())
            }
            OpenError::InUse { path, parent: Some(parent) } => write!(
                f,
                "{} is written by process {parent}, which this one was forked from: end that one first, drop its guard before the fork, \
                 or give each a directory of its own",
                path.display()
            ),
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

fn make_directory(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o750);
    // Some file systems, such as that of /proc, call a directory missing that they do not let anybody make.
    let is_above = path.parent().is_none_or(|above| above.as_os_str().is_empty() || above.is_dir());
    builder.create(path).map_err(|why| match why.kind() {
        io::ErrorKind::NotFound if is_above => {
            io::Error::new(why.kind(), format!("no directory can be made there: {why}"))
        }
        io::ErrorKind::NotFound => {
            io::Error::new(why.kind(), "the directory above it is missing too; that one is not made")
        }
        _ => why,
    })
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
    lock: Arc<FileLock>,
}

impl Writer {
    /// Takes a directory, makes it if it is missing, and begins to write. What is there is left to be read beside.
    pub(super) fn open(directory: &Path, bounds: Bounds) -> Result<(Writer, Past), OpenError> {
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
        let lock = lock::wait_for(directory).map_err(|refused| match refused {
            TryLockError::WouldBlock => {
                OpenError::InUse { path: directory.to_owned(), parent: FileLock::ancestor(&lock::path(directory)) }
            }
            TryLockError::Error(cause) => at(&lock::path(directory))(cause),
        })?;
        // A program that changes its own directory later goes on writing this one.
        let directory = &directory.canonicalize().map_err(at(directory))?;
        let next = next_sequence(directory).map_err(at(directory))?;
        let newest = survey::newest(directory).map_err(at(directory))?;
        let lock = Arc::new(lock);
        let mut writer =
            Writer { directory: directory.to_owned(), bounds, segments: VecDeque::new(), current: None, next, lock };
        // So that an empty cache is one. A disk that is full has room another time, and the program does not wait for it.
        match writer.begin() {
            Err(full) if is_full(&full) => {}
            begun => begun.map_err(at(directory))?,
        }
        let past = writer.past(next, newest);
        Ok((writer, past))
    }

    /// Returns the segments before a given one, to be tidied and read.
    fn past(&self, before: u64, newest: Option<i64>) -> Past {
        Past {
            directory: self.directory.clone(),
            before,
            keep: self.bounds.keep,
            newest,
            lock: Some(Arc::clone(&self.lock)),
        }
    }

    /// Takes in which segments there are besides those begun since.
    pub(super) fn adopt(&mut self, before: u64, kept: Vec<Kept>) {
        self.segments.retain(|segment| segment.sequence >= before);
        for segment in kept.into_iter().rev() {
            self.segments.push_front(segment);
        }
    }

    /// Columns of the store have other numbers from now on.
    pub(super) fn renumber(&mut self, numbers: &[u32]) {
        if let Some(current) = &mut self.current {
            current.frames.renumber(numbers);
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Another backend goes on: its columns are others. It is told what was written before.
    pub(super) fn hand_over(&mut self, bounds: Bounds) -> (Past, io::Result<()>) {
        self.bounds = bounds;
        let placed = self.keep_place();
        let before = self.next;
        let newest = survey::newest(&self.directory).unwrap_or(None);
        let begun = placed.and_then(|()| self.begin());
        (self.past(before, newest), begun)
    }

    /// Begins a segment. Its header is there before it has its name.
    fn begin(&mut self) -> io::Result<()> {
        self.segments.extend(self.current.take().map(|current| current.kept));
        let made = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let path = segment_path(&self.directory, self.next);
        // Somebody may have put something at the place where a segment is prepared.
        if must_be_regular(unfinished(&path)).is_err_and(|why| why.kind() != io::ErrorKind::NotFound) {
            self.next = self.next.saturating_add(1);
        }
        let sequence = self.next;
        let path = segment_path(&self.directory, sequence);
        let file = write_new(&path, &mut &header(sequence, made)[..])?;
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
        // Old segments go even if nothing newer exists: they may be what fills the disk.
        let deleted = self.delete_old(generation.timestamp());
        written.and(deleted)
    }

    /// Sees to it that what is written can be found. Somebody may have removed the directory, which is made and taken again then, or the
    /// segment that is written; what goes on in an open file that has no name any more, no reader would see.
    fn keep_place(&mut self) -> io::Result<()> {
        if !self.lock.is_at(&lock::path(&self.directory))? {
            make_directory(&self.directory).or_else(|why| match why.kind() {
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => Err(why),
            })?;
            let lock = lock::take(&self.directory)
                .map_err(|_| io::Error::other("it was removed, and is written by another process now"))?;
            self.lock = Arc::new(lock);
            // Another process that had it meanwhile may have left segments.
            self.next = self.next.max(next_sequence(&self.directory)?);
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
            // A partly written frame would hide those behind it. The next generation begins a segment.
            let Some(given_up) = self.current.take().map(Current::give_up) else { return written };
            if given_up.generations == 0 && self.delete(given_up.sequence).is_ok() {
                return written;
            }
            self.segments.push_back(given_up);
        }
        written
    }

    /// One that is not there any more (set aside, or deleted by somebody else) is as good as deleted, and so is one in whose place
    /// somebody put something that is no file.
    fn delete(&self, sequence: u64) -> io::Result<()> {
        let path = segment_path(&self.directory, sequence);
        match fs::remove_file(&path) {
            Err(failed) if failed.kind() != io::ErrorKind::NotFound && must_be_regular(&path).is_ok() => Err(failed),
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

/// A number that no file has, whatever became of it; so no number comes twice.
fn next_sequence(directory: &Path) -> io::Result<u64> {
    let mut last = 0;
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        last = last.max(name.to_str().and_then(any_sequence_of).unwrap_or(0));
    }
    Ok(last.saturating_add(1))
}
