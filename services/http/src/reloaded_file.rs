//! Files that are read again when they change.
//!
//! A caller that needs what the files say asks [`ReloadedFile::fresh`]. Every few seconds that begins to read the files first, on a thread
//! made for it: an `open` or a `read` may wait for ever (a network file system whose server is gone), and so may a subscriber of `tracing`.
//! Callers wait for a reading for at most a second, and are then served with what was read before.
//!
//! New and right contents take the place of the old. New and wrong contents are reported once, when they were seen twice (so that a file half
//! written, or a pair of files half replaced, is not), and the old stay. Files that are gone or empty stand for [`Gone`] contents, where
//! their owner has some.

use crate::mark::mark;
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::{File, FileType};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How often the files are looked at, at most.
pub(crate) const EVERY: Duration = Duration::from_secs(2);
/// Limit of the size: a longer file is a mistake in the path.
const MAX_BYTES: u64 = 1 << 20;
/// The longest time between two looks.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long the first reading may take, before anything is served.
const FIRST_READING: Duration = Duration::from_secs(5);
/// How long callers wait for one further reading, all together.
const FURTHER_READING: Duration = Duration::from_secs(1);
/// How long files have to be gone or empty: some programs empty a file before they write it.
const GONE_FOR: Duration = Duration::from_millis(100);

/// Why files say nothing of use.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// One of them is missing, or empty.
    Gone(String),
    /// One of them is wrong.
    Wrong(String),
}

impl Unusable {
    pub(crate) fn into_message(self) -> String {
        match self {
            Unusable::Gone(message) | Unusable::Wrong(message) => message,
        }
    }
}

/// Reads what the files say; the error says which file is wrong, and how.
type Parse<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<T, Unusable> + Send + Sync>;

/// Makes what files stand for that are gone or empty.
pub(crate) type Gone<T> = fn() -> T;

pub(crate) struct ReloadedFile<T>(Arc<Files<T>>);

struct Files<T> {
    what: &'static str,
    paths: Vec<PathBuf>,
    parse: Parse<T>,
    gone: Option<Gone<T>>,
    every: Duration,
    state: Mutex<State<T>>,
}

struct State<T> {
    current: Arc<T>,
    /// Digest of the files' contents; kept in their place, because those are secret.
    seen: [u8; 32],
    /// Error at the last look, and whether it was reported.
    wrong: Option<([u8; 32], bool)>,
    next: Instant,
    reading: Option<Reading>,
    /// True if a report is on its way; a subscriber that waits is given no further one.
    reporting: bool,
}

/// A reading in progress.
struct Reading {
    began: Instant,
    /// Closed when the reading has ended, however it did.
    ended: Arc<Semaphore>,
    /// True if it was reported that it does not end.
    reported: bool,
}

/// Closes what is waited for at the end of a reading, however that comes.
struct End(Arc<Semaphore>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<T: Send + Sync + 'static> ReloadedFile<T> {
    /// Reads the files for the first time. `gone` makes what they stand for when they are gone or empty later; without it the old
    /// stay in force then.
    pub(crate) fn new(
        what: &'static str,
        paths: Vec<PathBuf>,
        every: Duration,
        gone: Option<Gone<T>>,
        parse: impl Fn(&[Vec<u8>]) -> Result<T, Unusable> + Send + Sync + 'static,
    ) -> Result<ReloadedFile<T>, String> {
        // The clock has an end, which a longer time would be beyond.
        let every = every.min(A_YEAR);
        let contents = read_in_time(&paths, FIRST_READING)?;
        let current = Arc::new(parse(&contents).map_err(Unusable::into_message)?);
        let (seen, next) = (digest(&contents), Instant::now() + every);
        let state = Mutex::new(State { current, seen, wrong: None, next, reading: None, reporting: false });
        Ok(ReloadedFile(Arc::new(Files { what, paths, parse: Box::new(parse), gone, every, state })))
    }

    /// Returns what the files say, or said when they were last right. No file is read on the thread that asks.
    pub(crate) async fn fresh(&self) -> Arc<T> {
        if let Some((ended, left)) = self.begin() {
            // A mounted router may be driven by something else than tokio, where nothing wakes in time: then there is no waiting.
            if Handle::try_current().is_ok() {
                let _ = timeout(left, ended.acquire()).await;
            }
        }
        Arc::clone(&self.0.lock().current)
    }

    /// Begins to read when it is time. Returns how a reading in progress ends, and how long that may be waited for.
    fn begin(&self) -> Option<(Arc<Semaphore>, Duration)> {
        let mut state = self.0.lock();
        let now = Instant::now();
        if let Some(reading) = &mut state.reading {
            let left = FURTHER_READING.saturating_sub(now - reading.began);
            if left.is_zero() {
                if !std::mem::replace(&mut reading.reported, true) {
                    let files = Arc::clone(&self.0);
                    let report = move || files.report(&Report::Stuck);
                    let _ = spawn(Box::new(report));
                }
                return None;
            }
            return Some((Arc::clone(&reading.ended), left));
        }
        if now < state.next {
            return None;
        }
        state.next = now + self.0.every;
        let ended = Arc::new(Semaphore::new(0));
        let end = End(Arc::clone(&ended));
        let files = Arc::clone(&self.0);
        let read = move || {
            let report = files.look();
            files.lock().reading = None;
            // Who waited goes on: a subscriber may wait for ever.
            drop(end);
            if let Some(report) = report {
                files.report(&report);
            }
        };
        // Without a thread the old stay until the next time.
        spawn(Box::new(read)).ok()?;
        state.reading = Some(Reading { began: now, ended: Arc::clone(&ended), reported: false });
        Some((ended, FURTHER_READING))
    }
}

impl<T> Files<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> (Result<T, Unusable>, [u8; 32]) {
        match read(&self.paths) {
            Ok(contents) => ((self.parse)(&contents), digest(&contents)),
            Err(unusable) => {
                let (Unusable::Gone(message) | Unusable::Wrong(message)) = &unusable;
                let seen = digest(&[message.as_bytes().to_vec()]);
                (Err(unusable), seen)
            }
        }
    }

    /// Reads the files, and takes what they say if that is new. The lock is not held while anything is read.
    fn look(&self) -> Option<Report> {
        let (mut found, mut seen) = self.read();
        if self.gone.is_some() && matches!(found, Err(Unusable::Gone(_))) && seen != self.lock().seen {
            thread::sleep(GONE_FOR);
            (found, seen) = self.read();
        }
        let mut state = self.lock();
        if seen == state.seen {
            state.wrong = None;
            return None;
        }
        let (new, report) = match (found, self.gone) {
            (Ok(new), _) => (new, Report::New),
            (Err(Unusable::Gone(message)), Some(gone)) => (gone(), Report::Gone(message)),
            (Err(unusable), _) => return wrong(&mut state.wrong, seen).then(|| Report::Wrong(unusable.into_message())),
        };
        (state.current, state.seen, state.wrong) = (Arc::new(new), seen, None);
        Some(report)
    }

    fn report(&self, report: &Report) {
        if std::mem::replace(&mut self.lock().reporting, true) {
            return;
        }
        let what = self.what;
        match report {
            Report::New => tracing::info!(target: "ferrometer", what, "files have changed and were read again"),
            Report::Gone(message) => {
                tracing::warn!(target: "ferrometer", what, %message, "files are gone or empty; nothing of them is in force any more");
            }
            Report::Wrong(message) => {
                tracing::warn!(target: "ferrometer", what, %message, "changed files are wrong; the old stay in force");
            }
            Report::Stuck => {
                tracing::warn!(target: "ferrometer", what, "files take long to read; the old stay in force until they are read");
            }
        }
        self.lock().reporting = false;
    }
}

/// Something to be told about files.
enum Report {
    New,
    Gone(String),
    Wrong(String),
    Stuck,
}

/// Notes wrong contents. Returns `true` when they are to be reported: once, and not before they were seen twice.
fn wrong(before: &mut Option<([u8; 32], bool)>, seen: [u8; 32]) -> bool {
    match before {
        Some((wrong, reported)) if *wrong == seen => !std::mem::replace(reported, true),
        _ => {
            *before = Some((seen, false));
            false
        }
    }
}

impl<T> fmt::Debug for ReloadedFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadedFile").field("what", &self.0.what).field("paths", &self.0.paths).finish_non_exhaustive()
    }
}

/// Reads the files on a thread of its own, which is left behind when it takes too long.
fn read_in_time(paths: &[PathBuf], limit: Duration) -> Result<Vec<Vec<u8>>, String> {
    let (end, ended) = mark();
    let (mine, found) = (paths.to_vec(), Arc::new(Mutex::new(None)));
    let place = Arc::clone(&found);
    let read = move || {
        let _end = end;
        let contents = read(&mine);
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(contents);
    };
    spawn(Box::new(read))
        .map_err(|error| format!("{}: cannot be read: no thread could be started: {error}", shown(paths)))?;
    ended.within(limit);
    match found.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(contents) => contents.map_err(Unusable::into_message),
        None => Err(format!("{}: cannot be read within {} s", shown(paths), limit.as_secs_f64())),
    }
}

/// Starts a thread that nobody waits for.
fn spawn(work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    thread::Builder::new().name("ferrometer-file".into()).spawn(work).map(drop)
}

fn shown(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    shown.join(" and ")
}

fn read(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, Unusable> {
    let named = |path: &Path, why: String| format!("{}: {why}", path.display());
    let one = |path: &PathBuf| {
        bytes(path).map_err(|unusable| match unusable {
            Unusable::Gone(why) => Unusable::Gone(named(path, why)),
            Unusable::Wrong(why) => Unusable::Wrong(named(path, why)),
        })
    };
    paths.iter().map(one).collect()
}

fn bytes(path: &Path) -> Result<Vec<u8>, Unusable> {
    let cannot = |error: std::io::Error| {
        let message = format!("cannot be read: {error}");
        let gone = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
        if gone { Unusable::Gone(message) } else { Unusable::Wrong(message) }
    };
    // A named pipe would be waited for, and a device may begin to work: they are not even opened.
    must_be_regular(std::fs::metadata(path).map_err(cannot)?.file_type()).map_err(Unusable::Wrong)?;
    let file = File::open(path).map_err(cannot)?;
    must_be_regular(file.metadata().map_err(cannot)?.file_type()).map_err(Unusable::Wrong)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Unusable::Wrong("is longer than 1 MiB".into()));
    }
    Ok(bytes)
}

fn must_be_regular(found: FileType) -> Result<(), String> {
    if found.is_file() {
        return Ok(());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;

        let is_device = found.is_char_device() || found.is_block_device();
        let kinds =
            [(found.is_fifo(), "a named pipe (FIFO)"), (found.is_socket(), "a socket"), (is_device, "a device")];
        if let Some((_, kind)) = kinds.iter().find(|(is_it, _)| *is_it) {
            return Err(format!("is {kind}; it is no regular file"));
        }
    }
    Err("is no regular file".into())
}

/// Each piece with its length, so that none runs into the next.
fn digest(pieces: &[Vec<u8>]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for piece in pieces {
        hasher.update((piece.len() as u64).to_le_bytes());
        hasher.update(piece);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests;
