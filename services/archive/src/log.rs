//! The embedded [`Incoming`]: an append-only log with checksums, synced once for all batches that wait.
//!
//! A file is `NNNNNNNNNNNNNNNNNNNN.log`, named by the first sequence number in it. A record is
//!
//! ```text
//! magic u32 | length u32 | crc32 of the rest u32 | sequence u64 | metrics u32 | for each: uuid, points u32, points × (stamp i64, value f64)
//! ```
//!
//! The thread that finds nobody writing writes for all: those that come meanwhile wait and go together with the next sync.

pub(crate) mod look;

use crate::incoming::{Batch, Incoming, Replayed, Sink};
use crate::{Error, Point};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use uuid::Uuid;

const MAGIC: u32 = 0x676f_6c66;
const HEAD: usize = 12;
/// When an append is safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// It is on disk: a loss of power takes nothing. Batches that wait together are synced together.
    #[default]
    Group,
    /// The system has it: the end of the process takes nothing, a loss of power what the system had not written.
    None,
}

/// The log of a directory.
pub struct Log {
    directory: PathBuf,
    sync: Sync,
    /// A file of this many bytes is followed by a new one.
    file_bytes: u64,
    sink: Sink,
    state: Mutex<State>,
    written: Condvar,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("directory", &self.directory).finish_non_exhaustive()
    }
}

struct State {
    /// Records that wait for the next write, and their batches.
    waiting: Vec<u8>,
    batches: Vec<(u64, Batch)>,
    group: Arc<OnceLock<Result<(), (io::ErrorKind, String)>>>,
    writing: bool,
    next: u64,
    last: u64,
    /// The file in use; a new one is made by the first write.
    file: Option<(File, u64)>,
    /// Files in order: first sequence number, bytes.
    files: VecDeque<(u64, u64)>,
}

/// Returns the name of the file that begins with a sequence number.
fn name(first: u64) -> String {
    format!("{first:020}.log")
}

/// Returns the files of a log's directory in order: first sequence number, bytes. Names that are not ours are left alone, and so is what is no file:
/// a pipe would be waited for.
fn files(directory: &Path) -> io::Result<VecDeque<(u64, u64)>> {
    let mut files: Vec<(u64, u64)> = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let found = entry?.file_name();
        let stem = found.to_str().and_then(|name| name.strip_suffix(".log"));
        let Some(first) = stem.and_then(|stem| stem.parse().ok()).filter(|first| *found == *name(*first)) else {
            continue;
        };
        // A link to nothing is no file either.
        let metadata = std::fs::metadata(directory.join(found)).ok().filter(std::fs::Metadata::is_file);
        files.extend(metadata.map(|metadata| (first, metadata.len())));
    }
    files.sort_unstable();
    Ok(files.into())
}

impl Log {
    /// Opens the log of a directory, which is made when it is not there. A file of `file_bytes` is followed by a new one; files are
    /// deleted whole.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(directory: &Path, sync: Sync, file_bytes: u64, sink: Sink) -> Result<Log, Error> {
        std::fs::create_dir_all(directory)?;
        let files = files(directory)?;
        let first = files.front().map_or(1, |(first, _)| *first);
        let state = State {
            waiting: Vec::new(),
            batches: Vec::new(),
            group: Arc::default(),
            writing: false,
            next: first,
            last: first.saturating_sub(1),
            file: None,
            files,
        };
        Ok(Log {
            directory: directory.into(),
            sync,
            file_bytes,
            sink,
            state: Mutex::new(state),
            written: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, first: u64) -> PathBuf {
        self.directory.join(name(first))
    }

    /// Writes and syncs; on failure the file is cut back to what it was, or left behind for a new one.
    fn write(&self, file: &mut Option<(File, u64)>, first: u64, bytes: &[u8]) -> io::Result<Option<u64>> {
        let mut begun = None;
        if file.as_ref().is_none_or(|(_, length)| *length >= self.file_bytes) {
            let opened = OpenOptions::new().create_new(true).append(true).open(self.path(first))?;
            if self.sync == Sync::Group {
                File::open(&self.directory)?.sync_all()?;
            }
            *file = Some((opened, 0));
            begun = Some(first);
        }
        let Some((open, length)) = file else { return Ok(begun) };
        let result = open.write_all(bytes).and_then(|()| match self.sync {
            Sync::Group => open.sync_data(),
            Sync::None => Ok(()),
        });
        if let Err(error) = result {
            // The half of a record must not stand before whole ones. Where it cannot be cut off, the file is left, and a new one begun.
            let whole = open.set_len(*length).is_ok();
            if begun.is_some() {
                let _ = std::fs::remove_file(self.path(first));
            }
            if begun.is_some() || !whole {
                *file = None;
            }
            return Err(error);
        }
        *length += bytes.len() as u64;
        Ok(begun)
    }
}

impl Incoming for Log {
    fn append(&self, batch: Batch) -> Result<u64, Error> {
        let body = encode(&batch)?;
        let mut state = self.lock();
        let sequence = state.next;
        state.next += 1;
        frame(&mut state.waiting, sequence, &body);
        state.batches.push((sequence, batch));
        let group = Arc::clone(&state.group);
        while group.get().is_none() {
            if state.writing {
                state = self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.writing = true;
            let bytes = std::mem::take(&mut state.waiting);
            let batches = std::mem::take(&mut state.batches);
            let ours = std::mem::take(&mut state.group);
            let mut file = state.file.take();
            drop(state);
            let first = batches.first().map_or(sequence, |(first, _)| *first);
            let last = batches.last().map_or(sequence, |(last, _)| *last);
            let result = self.write(&mut file, first, &bytes);
            if result.is_ok() {
                batches.into_iter().for_each(|(sequence, batch)| (self.sink)(sequence, batch));
            }
            state = self.lock();
            state.file = file;
            state.writing = false;
            match result {
                Ok(begun) => {
                    state.last = last;
                    state.files.extend(begun.map(|first| (first, 0)));
                    if let Some((_, length)) = state.files.back_mut() {
                        *length += bytes.len() as u64;
                    }
                    let _ = ours.set(Ok(()));
                }
                Err(error) => {
                    let _ = ours.set(Err((error.kind(), error.to_string())));
                }
            }
            self.written.notify_all();
        }
        match group.get() {
            Some(Err((kind, reason))) => Err(Error::Io(io::Error::new(*kind, reason.clone()))),
            _ => Ok(sequence),
        }
    }

    fn replay(&self) -> Result<Replayed, Error> {
        let mut replayed = Replayed::default();
        let files = self.lock().files.clone();
        // The file that was read last has a record.
        let mut holds = false;
        for (at, (first, _)) in files.iter().enumerate() {
            let mut bytes = Vec::new();
            File::open(self.path(*first))?.read_to_end(&mut bytes)?;
            let mut from = 0;
            holds = false;
            while from < bytes.len() {
                let (sequence, batch, length) = match record(&bytes[from..]) {
                    Some(record) => record,
                    // Later files were begun when this one was whole, and so was every record that a whole one follows.
                    None => {
                        let next = (from + 1..bytes.len()).find(|next| record(&bytes[*next..]).is_some());
                        match next {
                            Some(next) => {
                                replayed.damaged += 1;
                                from = next;
                                continue;
                            }
                            None if at + 1 < files.len() => replayed.damaged += 1,
                            None => {
                                replayed.cut += (bytes.len() - from) as u64;
                                OpenOptions::new().write(true).open(self.path(*first))?.set_len(from as u64)?;
                            }
                        }
                        break;
                    }
                };
                (self.sink)(sequence, batch);
                holds = true;
                let mut state = self.lock();
                state.last = state.last.max(sequence);
                state.next = state.last.saturating_add(1);
                replayed.batches += 1;
                from += length;
            }
        }
        // Appends go to a new file, so that the end of the last one needs no repair. A file without a record takes no number. A damaged one that is
        // not the last stays, and the new file does not take its name.
        let mut state = self.lock();
        if let Some((first, _)) = state.files.back().copied().filter(|(first, _)| *first >= state.next && !holds) {
            std::fs::remove_file(self.path(first))?;
            state.files.pop_back();
        }
        if let Some((first, _)) = state.files.back().copied().filter(|(first, _)| *first >= state.next) {
            state.last = first;
            state.next = first.saturating_add(1);
        }
        Ok(replayed)
    }

    fn last(&self) -> u64 {
        self.lock().last
    }

    fn discard(&self, through: u64) -> Result<(), Error> {
        let mut state = self.lock();
        // The last file holds the numbers: it stays until another has begun. A full one is closed here, the next append begins a new one.
        if through >= state.last
            && !state.writing
            && state.files.back().is_some_and(|(_, bytes)| *bytes > self.file_bytes / 4)
        {
            state.file = None;
        }
        while let (Some((first, _)), Some((next, _))) = (state.files.front().copied(), state.files.get(1).copied()) {
            if next > through + 1 {
                break;
            }
            std::fs::remove_file(self.path(first))?;
            state.files.pop_front();
        }
        Ok(())
    }

    fn copy_to(&self, directory: &Path) -> Result<(), Error> {
        let files: Vec<u64> = self.lock().files.iter().map(|(first, _)| *first).collect();
        for first in files {
            // The end of the file in use may be half a record, as after the end of the machine.
            crate::files::copy_file(&self.path(first), &directory.join(name(first)))?;
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.lock().files.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Encodes a batch without its sequence number.
fn encode(batch: &Batch) -> Result<Vec<u8>, Error> {
    let points: usize = batch.iter().map(|(_, points)| points.len()).sum();
    let length = 4 + batch.len() * 20 + points * 16;
    if length > (u32::MAX - 64) as usize {
        return Err(Error::Invalid(format!("a batch of {points} measures is too large")));
    }
    let mut body = Vec::with_capacity(length);
    body.extend_from_slice(&(batch.len() as u32).to_le_bytes());
    for (metric, points) in batch {
        body.extend_from_slice(metric.as_bytes());
        body.extend_from_slice(&(points.len() as u32).to_le_bytes());
        for point in points {
            body.extend_from_slice(&point.at.to_le_bytes());
            body.extend_from_slice(&point.value.to_bits().to_le_bytes());
        }
    }
    Ok(body)
}

fn frame(out: &mut Vec<u8>, sequence: u64, body: &[u8]) {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&sequence.to_le_bytes());
    crc.update(body);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&(body.len() as u32 + 8).to_le_bytes());
    out.extend_from_slice(&crc.finalize().to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(body);
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(std::array::from_fn(|i| four[i])))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(std::array::from_fn(|i| eight[i])))
}

/// Reads the record at the start of the bytes: sequence number, batch, length.
fn record(bytes: &[u8]) -> Option<(u64, Batch, usize)> {
    if word(bytes, 0)? != MAGIC {
        return None;
    }
    let length = word(bytes, 4)? as usize;
    let rest = bytes.get(HEAD..HEAD + length)?;
    if crc32fast::hash(rest) != word(bytes, 8)? {
        return None;
    }
    let sequence = long(rest, 0)?;
    let mut at = 12;
    let mut batch = Batch::new();
    for _ in 0..word(rest, 8)? {
        let metric = Uuid::from_slice(rest.get(at..at + 16)?).ok()?;
        let count = word(rest, at + 16)? as usize;
        at += 20;
        let points = rest.get(at..at + count * 16)?;
        at += count * 16;
        let point = |p: &[u8]| Some(Point { at: long(p, 0)? as i64, value: f64::from_bits(long(p, 8)?) });
        batch.push((metric, points.chunks_exact(16).map(point).collect::<Option<_>>()?));
    }
    Some((sequence, batch, HEAD + length))
}
