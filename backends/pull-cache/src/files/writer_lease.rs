//! Who writes a directory: one process, which the directory's lock sees to, and in it one backend, the one installed last.
//!
//! A configuration that is replaced by one with the same path needs both for a moment: the new backend takes the writer over with its
//! first generation, and the old one does not write any more.

use super::damage::Damage;
use super::past::{Found, Past};
use super::survey;
use super::writer::{Bounds, OpenError, Writer};
use crate::generation::Generation;
use ferrometer_fork::PerProcess;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How the files of a cache are doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Persistence {
    /// The directory.
    pub path: PathBuf,
    /// How many generations were written.
    pub written: u64,
    /// How many could not be; they are in memory alone.
    pub failed: u64,
    /// Why the last of these, or the directory, could not be written.
    pub last_error: Option<String>,
    /// Damage found at the start. Each file was renamed to `….damaged`; its whole part is in use.
    pub set_aside: Vec<Damage>,
    /// Things found in the place of a file of ours, or that could not be tidied: a directory, a named pipe, a file that may not be renamed.
    /// It was left as it is.
    pub left: Vec<Damage>,
}

#[derive(Debug)]
struct Slot {
    /// Which sink writes.
    owner: u64,
    writer: Writer,
}

type Shared = Mutex<Slot>;

/// The directories that this process writes.
static OPEN: PerProcess<Mutex<Open>> = PerProcess::new();

#[derive(Default)]
struct Open {
    /// How many sinks there were.
    sinks: u64,
    slots: Vec<(PathBuf, Weak<Shared>)>,
}

impl Open {
    /// Those of this process.
    fn here() -> MutexGuard<'static, Open> {
        lock(OPEN.get())
    }

    fn find(&self, path: &Path) -> Option<Arc<Shared>> {
        let path = path.canonicalize().ok()?;
        let found = self.slots.iter().find(|(there, _)| *there == path);
        found.and_then(|(_, slot)| slot.upgrade())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The writing end of one backend.
#[derive(Debug)]
pub(crate) struct WriterLease {
    slot: Arc<Shared>,
    me: u64,
    bounds: Bounds,
    /// True if another backend of this process may still write.
    waits: bool,
    pub(crate) state: Persistence,
    reported: Option<Instant>,
    unreported: u64,
}

impl WriterLease {
    /// Takes a directory for writing; if this process writes it already, at the first generation. What is there is to be read beside.
    pub(crate) fn open(path: &Path, keep: usize, window: i64) -> Result<(WriterLease, Past), OpenError> {
        let bounds = Bounds { keep, window };
        let mut open = Open::here();
        open.sinks += 1;
        let me = open.sinks;
        open.slots.retain(|(_, slot)| slot.strong_count() > 0);
        let sink = |slot, waits| WriterLease {
            slot,
            me,
            bounds,
            waits,
            state: Persistence { path: path.to_owned(), ..Persistence::default() },
            reported: None,
            unreported: 0,
        };
        if let Some(slot) = open.find(path) {
            // Generations that exist now are seen at once; later ones, when it is taken over.
            let newest = survey::newest(path).unwrap_or(None);
            let past = Past { directory: path.to_owned(), before: u64::MAX, keep, newest, lock: None };
            return Ok((sink(slot, true), past));
        }
        let (writer, past) = Writer::open(path, bounds)?;
        let canonical = writer.directory().canonicalize();
        let canonical = canonical.map_err(|cause| OpenError::Io { path: path.to_owned(), cause })?;
        let slot = Arc::new(Mutex::new(Slot { owner: me, writer }));
        open.slots.push((canonical, Arc::downgrade(&slot)));
        drop(open);
        Ok((sink(slot, false), past))
    }

    /// Takes the result of reading the earlier generations.
    pub(crate) fn found(&mut self, found: Found) {
        // Until it writes, all this is another's.
        if self.waits {
            return;
        }
        let mut slot = lock(&self.slot);
        if slot.owner == self.me {
            slot.writer.adopt(found.before, found.kept);
        }
        drop(slot);
        for damage in &found.damage {
            let message =
                format!("pull cache: {damage}; the file was renamed to ….damaged, what is whole of it stays in use");
            ferrometer_core::warn(&message, &message);
        }
        for left in &found.left {
            let message = format!("pull cache: {left}; it was left as it is");
            ferrometer_core::warn(&message, &message);
        }
        if found.too_many_names > 0 {
            let message = format!(
                "pull cache: {}: the oldest {} files were not taken in, their metrics are more than the limits allow",
                self.state.path.display(),
                found.too_many_names
            );
            ferrometer_core::warn(&message, &message);
        }
        self.state.set_aside.extend(found.damage);
        self.state.left.extend(found.left);
    }

    /// Returns whether another backend of this process was the writer until now; then all that was written before this one writes, which may be
    /// more than when it was opened.
    pub(crate) fn take_over(&mut self) -> Option<Past> {
        if !std::mem::take(&mut self.waits) {
            return None;
        }
        let mut slot = lock(&self.slot);
        slot.owner = self.me;
        let (past, begun) = slot.writer.hand_over(self.bounds);
        drop(slot);
        if let Err(why) = begun {
            self.complain(&why.to_string());
        }
        Some(past)
    }

    /// Columns of the store have other numbers from now on.
    pub(crate) fn renumber(&mut self, numbers: &[u32]) {
        let mut slot = lock(&self.slot);
        if slot.owner == self.me {
            slot.writer.renumber(numbers);
        }
    }

    /// Writes a generation; what cannot be written is counted, and reported once a minute.
    pub(crate) fn write(&mut self, generation: &Generation, replaces: bool) {
        let mut slot = lock(&self.slot);
        if slot.owner != self.me {
            return;
        }
        let written = slot.writer.write(generation, replaces);
        drop(slot);
        match written {
            Ok(()) => self.state.written += 1,
            Err(why) => {
                self.state.failed += 1;
                self.complain(&why.to_string());
            }
        }
    }

    fn complain(&mut self, why: &str) {
        self.state.last_error = Some(why.to_owned());
        self.unreported += 1;
        let now = Instant::now();
        if self.reported.is_some_and(|last| now.saturating_duration_since(last) < Duration::from_secs(60)) {
            return;
        }
        self.reported = Some(now);
        let times = std::mem::take(&mut self.unreported);
        let path = self.state.path.display();
        let message = format!(
            "pull cache: {path} cannot be written ({times} times since the last report), generations are in memory alone: {why}"
        );
        ferrometer_core::warn(&format!("cannot write {path}"), &message);
    }
}
