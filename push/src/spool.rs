//! Bodies that a dead server missed, kept on disk and delivered in order when it is back, by this process or a later one.
//!
//! Each is a file, written beside its place and moved there whole, so that a process that is killed leaves a body or none. Its name has its checksum: what
//! a disk changed is given up, not sent. What does not fit within the bound pushes the oldest out. Names of another form than ours are left alone, and
//! those of another format of body are told. While another process has the directory, nothing is kept or delivered from it.

use crate::directory_lock::DirectoryLock;
use crate::invalid::Invalid;
use ferrometer_core::warn;
use ferrometer_export::open_regular;
use flate2::Crc;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The most bodies, whatever the bound is: each is a file, which takes a place in the file system and here.
const MOST_BODIES: usize = 100_000;
/// The most bytes of a body. None that is packed is longer, but by what compressing adds to a body that cannot be compressed.
const LONGEST: u64 = (1 << 30) + (1 << 24);

/// A directory of bodies.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    kind: &'static str,
    max_bytes: u64,
    /// The oldest first.
    entries: VecDeque<Entry>,
    bytes: u64,
    next: u64,
    /// `None` while another process has the directory.
    lock: Option<DirectoryLock>,
}

#[derive(Clone, Debug)]
struct Entry {
    number: u64,
    points: usize,
    is_compressed: bool,
    checksum: u32,
    bytes: u64,
}

/// A body off the disk.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) points: usize,
    pub(crate) is_compressed: bool,
}

impl Spool {
    /// Opens a directory, and makes it where it is missing (not those above it). `kind` tells bodies of one format from those of another:
    /// `otlp-json`, say. At most `max_bytes` are kept.
    ///
    /// # Errors
    /// When it is no directory, or cannot be read or written.
    pub fn open(directory: &Path, kind: &'static str, max_bytes: u64) -> Result<Spool, Invalid> {
        let bad = |why: io::Error| {
            Invalid::new(
                "spool",
                format!("{} ({why})", directory.display()),
                "a directory that can be read and written",
            )
        };
        if max_bytes == 0 {
            return Err(Invalid::new("spool_max_bytes", "0", "at least 1 byte"));
        }
        make_private(directory).map_err(bad)?;
        // A program may change into another directory later.
        let directory = fs::canonicalize(directory).map_err(bad)?;
        let entries = VecDeque::new();
        let mut spool = Spool { directory, kind, max_bytes, entries, bytes: 0, next: 1, lock: None };
        spool.take().map_err(bad)?;
        Ok(spool)
    }

    /// Takes the directory, and reads what is in it. `false`: another process has it.
    fn take(&mut self) -> io::Result<bool> {
        let Some(lock) = DirectoryLock::take(&self.directory)? else {
            let directory = self.directory.display();
            warn(
                "spool held",
                &format!("another process has the spool {directory}: nothing is kept there until it ends"),
            );
            return Ok(false);
        };
        let (mut entries, mut others) = (Vec::new(), 0usize);
        for file in fs::read_dir(&self.directory)? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            // A file that is gone meanwhile is none.
            let Ok(metadata) = file.metadata() else { continue };
            if !metadata.is_file() || name == self.temporary() {
                continue;
            }
            match self.read_name(&name) {
                Some(entry) => entries.push(Entry { bytes: metadata.len(), ..entry }),
                None => others += usize::from(is_of_a_spool(&name)),
            }
        }
        if others > 0 {
            let (directory, kind) = (self.directory.display(), self.kind);
            let text =
                format!("{others} bodies in the spool {directory} are not {kind} of this version: they stay there");
            warn("spool of others", &text);
        }
        entries.sort_by_key(|entry| entry.number);
        self.next = entries.last().map_or(1, |entry| entry.number + 1);
        // One that is too long would push out all that are older.
        let most = self.max_bytes.min(LONGEST);
        for entry in entries.extract_if(.., |entry| entry.bytes > most) {
            self.give_up(&entry, "longer than any body");
        }
        self.bytes = entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.bytes));
        self.entries = entries.into();
        // A first file shows now that others can be written later.
        let probe = self.directory.join(self.temporary());
        create(&probe).and_then(|_| fs::remove_file(&probe))?;
        self.lock = Some(lock);
        self.make_room(0);
        Ok(true)
    }

    /// Returns `true` when the directory is this process' own, perhaps from now on.
    fn is_ours(&mut self) -> bool {
        self.lock.is_some()
            || self.take().unwrap_or_else(|error| {
                warn("spool", &format!("cannot use the spool {}: {error}", self.directory.display()));
                false
            })
    }

    fn temporary(&self) -> String {
        format!("writing.{}", self.kind)
    }

    fn name(&self, entry: &Entry) -> PathBuf {
        let Entry { number, points, is_compressed, checksum, .. } = entry;
        let form = if *is_compressed { 'z' } else { 'p' };
        self.directory.join(format!("{number:020}-{points}{form}-{checksum:08x}.{}", self.kind))
    }

    fn read_name(&self, name: &str) -> Option<Entry> {
        let stem = name.strip_suffix(self.kind)?.strip_suffix('.')?;
        let (number, rest) = stem.split_once('-')?;
        let (points, checksum) = rest.split_once('-')?;
        let is_compressed = points.ends_with('z');
        let points = points.strip_suffix(['z', 'p'])?.parse().ok()?;
        let checksum = u32::from_str_radix(checksum, 16).ok()?;
        let entry = Entry { number: number.parse().ok()?, points, is_compressed, checksum, bytes: 0 };
        // Written as we write it, and with numbers left behind it.
        let is_ours = self.name(&entry).file_name()?.to_str()? == name && entry.number < u64::MAX / 2;
        is_ours.then_some(entry)
    }

    /// Returns `true` when nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes are kept.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes the oldest until this many more bytes fit.
    fn make_room(&mut self, more: u64) {
        let is_over = |spool: &Spool| {
            spool.bytes.saturating_add(more) > spool.max_bytes
                || spool.entries.len() + usize::from(more > 0) > MOST_BODIES
        };
        while is_over(self) && !self.entries.is_empty() {
            warn("spool full", &format!("the spool {} is full: its oldest is given up", self.directory.display()));
            self.remove_oldest();
        }
    }

    /// Keeps a body. What goes wrong is reported once a minute: the server gets the totals of then anyway.
    pub(crate) fn keep(&mut self, bytes: &[u8], points: usize, is_compressed: bool) {
        if !self.is_ours() {
            return;
        }
        let size = bytes.len() as u64;
        if size > self.max_bytes {
            return warn("spool small", &format!("a body of {size} bytes is more than the spool may hold"));
        }
        self.make_room(size);
        let checksum = checksum(bytes);
        let mut entry = Entry { number: self.next, points, is_compressed, checksum, bytes: size };
        let temporary = self.directory.join(self.temporary());
        let mut written = self.write(&temporary, &entry, bytes);
        if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            // Somebody removed the directory, and what was in it.
            self.lock = None;
            if let Err(error) = make_private(&self.directory) {
                written = Err(error);
            } else if self.is_ours() {
                entry.number = self.next;
                written = self.write(&temporary, &entry, bytes);
            } else {
                return;
            }
        }
        // Others may have filled the disk: the oldest go then, too.
        while let Err(error) = &written
            && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            && !self.entries.is_empty()
        {
            let _ = fs::remove_file(&temporary);
            self.remove_oldest();
            written = self.write(&temporary, &entry, bytes);
        }
        match written {
            Ok(()) => {
                (self.next, self.bytes) = (self.next.saturating_add(1), self.bytes + size);
                self.entries.push_back(entry);
            }
            Err(error) => {
                // The part of it that was written would take room that is lacking.
                let _ = fs::remove_file(&temporary);
                warn("spool", &format!("cannot write to the spool {}: {error}", self.directory.display()));
            }
        }
    }

    /// Writes a body beside its place, and moves it there whole.
    fn write(&self, temporary: &Path, entry: &Entry, bytes: &[u8]) -> io::Result<()> {
        let mut file = create(temporary)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(temporary, self.name(entry))
    }

    /// The oldest body, or why it cannot be had now. One that is gone or damaged is given up.
    pub(crate) fn oldest(&mut self) -> Result<Option<Body>, String> {
        if !self.is_ours() {
            return Ok(None);
        }
        while let Some(entry) = self.entries.front() {
            let file = match open_regular(self.name(entry)) {
                Ok(file) => file,
                Err(error) if is_lost(&error) => {
                    self.give_up_oldest(&error.to_string());
                    continue;
                }
                // A process has no more files that it may open, say.
                Err(error) => {
                    return Err(format!("cannot read from the spool {}: {error}", self.directory.display()));
                }
            };
            // A file that grew is longer than it may be.
            let mut bytes = Vec::new();
            match file.take(entry.bytes.saturating_add(1)).read_to_end(&mut bytes) {
                Err(error) => self.give_up_oldest(&error.to_string()),
                Ok(_) if checksum(&bytes) != entry.checksum => self.give_up_oldest("its checksum is wrong"),
                Ok(_) => return Ok(Some(Body { bytes, points: entry.points, is_compressed: entry.is_compressed })),
            }
        }
        Ok(None)
    }

    /// Forgets the oldest body.
    pub(crate) fn remove_oldest(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            self.delete(&entry);
        }
    }

    fn give_up_oldest(&mut self, why: &str) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            self.give_up(&entry, why);
        }
    }

    fn give_up(&self, entry: &Entry, why: &str) {
        warn("spool damaged", &format!("a body of the spool is given up: {}: {why}", self.name(entry).display()));
        self.delete(entry);
    }

    fn delete(&self, entry: &Entry) {
        let path = self.name(entry);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            let text = format!("cannot delete {}, and the next process sends it again: {error}", path.display());
            warn("spool deletes", &text);
        }
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Returns `true` for names of bodies, whatever their format is: twenty digits and a hyphen, and something behind a point.
fn is_of_a_spool(name: &str) -> bool {
    let is_numbered = |(number, rest): (&str, &str)| {
        number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit()) && rest.contains('.')
    };
    name.split_once('-').is_some_and(is_numbered)
}

/// Returns `true` when a file will not be there later either.
fn is_lost(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, IsADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied | IsADirectory | InvalidInput)
}

/// Makes the file that a body is written to. What is in its place, begun by a process that was killed or put there by somebody, is taken away and
/// never opened: a named pipe would be waited for, and a link would lead elsewhere.
fn create(path: &Path) -> io::Result<File> {
    let open = || File::options().write(true).create_new(true).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            open()
        }
        made => made,
    }
}

/// Makes a directory that only this user may enter, where there is none.
fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
