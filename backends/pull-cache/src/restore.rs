//! History that was there before, an earlier process' or backend's, is taken in beside the program: a long one takes seconds.
//!
//! Meanwhile the backend goes on with a store of its own, whose generations are all newer; see [`Store::catch_up`].

use crate::files::{Found, Past, Step};
use crate::record_values::DISTRIBUTION_PARTS;
use crate::settings::{Settings, seconds};
use crate::store::{History, Store};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Held by a test that looks at a history that is still read.
#[cfg(test)]
pub(crate) static READING: Mutex<()> = Mutex::new(());

/// Where a history comes from.
pub(crate) enum Source {
    /// The files of a directory.
    Files(Past),
    /// Another cache of this process.
    Cache(History),
}

impl Source {
    /// The timestamp of its newest generation.
    pub(crate) fn newest(&self) -> Option<i64> {
        match self {
            Source::Files(past) => past.newest(),
            Source::Cache(history) => history.window().map(|(_, newest)| newest),
        }
    }

    /// Returns whether it is known to take longer than a caller waits that must not wait for it.
    pub(crate) fn is_long(&self) -> bool {
        matches!(self, Source::Files(past) if past.is_long())
    }
}

/// A history that was taken in.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) store: Store,
    /// How the files were.
    pub(crate) found: Option<Found>,
}

/// A history that is being taken in; it is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Restoring {
    done: Receiver<Restored>,
    stop: Arc<AtomicBool>,
}

/// Why there is no history yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// It is still read.
    Yet,
    /// It will not come.
    ForEver,
}

impl Drop for Restoring {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

impl Restoring {
    /// Begins. Where there can be no thread it is done at once.
    pub(crate) fn begin(source: Source, settings: &Settings) -> Restoring {
        let (send, done) = sync_channel(1);
        let stop = Arc::new(AtomicBool::new(false));
        // Where it is taken from by who does it: a thread that cannot be made drops what it was given.
        let job = Arc::new(Mutex::new(Some(Job {
            source,
            store: Store::new(settings.generations, seconds(settings.window)),
            max_names: settings.restored_series.saturating_mul(DISTRIBUTION_PARTS),
            stop: Arc::clone(&stop),
            send,
        })));
        let run = |job: &Mutex<Option<Job>>| {
            let job = job.lock().unwrap_or_else(PoisonError::into_inner).take();
            job.into_iter().for_each(Job::run);
        };
        let there = Arc::clone(&job);
        if ferrometer_core::spawn("history", move || run(&there)).is_err() {
            run(&job);
        }
        Restoring { done, stop }
    }

    /// Waits until it is done, or for so long.
    pub(crate) fn wait(&self, most: Option<Duration>) -> Result<Restored, Absent> {
        match most {
            None => self.done.recv().map_err(|_| Absent::ForEver),
            Some(most) => self.done.recv_timeout(most).map_err(|why| match why {
                RecvTimeoutError::Timeout => Absent::Yet,
                RecvTimeoutError::Disconnected => Absent::ForEver,
            }),
        }
    }
}

struct Job {
    source: Source,
    store: Store,
    max_names: usize,
    stop: Arc<AtomicBool>,
    send: SyncSender<Restored>,
}

impl Job {
    fn run(self) {
        let Job { source, mut store, max_names, stop, send } = self;
        let found = match source {
            Source::Files(past) => {
                let step = |step| match step {
                    Step::Generation(generation) => drop(store.restore(&generation)),
                    Step::Again => store.forget(),
                };
                let Some(found) = past.load(max_names, &stop, step) else { return };
                Some(found)
            }
            Source::Cache(history) => {
                for generation in history {
                    if stop.load(Relaxed) {
                        return;
                    }
                    drop(store.restore(&generation));
                }
                None
            }
        };
        #[cfg(test)]
        drop(READING.lock().unwrap_or_else(PoisonError::into_inner));
        // Nobody waits for what was given up.
        let _ = send.send(Restored { store, found });
    }
}
