//! The archives that are open in this process: a backend that replaces another of the same directory goes on with its archive.

use ferrometer_archive::{Archive, Error, Options};
use ferrometer_fork::PerProcess;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Longest that an archive which is being closed is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the archive of a directory, or returns the one that is open in this process, with the options it was opened with.
///
/// # Errors
/// Those of [`Archive::open`].
pub(crate) fn open(path: &Path, options: &Options) -> Result<Arc<Archive>, Error> {
    // The child of a fork has none of the threads that its parent's archive works with.
    static OPENED: PerProcess<Mutex<HashMap<PathBuf, Weak<Archive>>>> = PerProcess::new();
    let begun = Instant::now();
    std::fs::create_dir_all(path)?;
    let path = path.canonicalize()?;
    loop {
        let mut opened = OPENED.get().lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|known, archive| *known == path || archive.strong_count() > 0);
        let known = opened.get(&path);
        if let Some(archive) = known.and_then(Weak::upgrade) {
            return Ok(archive);
        }
        let is_closing = known.is_some() && begun.elapsed() < PATIENCE;
        match Archive::open(&path, options.clone()) {
            Ok(archive) => {
                let archive = Arc::new(archive);
                opened.insert(path, Arc::downgrade(&archive));
                return Ok(archive);
            }
            Err(Error::Busy(_)) if is_closing => {}
            Err(error) => return Err(error),
        }
        drop(opened);
        thread::sleep(Duration::from_millis(20));
    }
}
