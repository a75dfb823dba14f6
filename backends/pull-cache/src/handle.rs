//! The reading end: what the cache holds, for any thread at any time.

use crate::catalog::Instrument;
use crate::prometheus::Exposition;
use crate::settings::Settings;
use crate::store::{Generation, Store};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What backend and readers share. The lock is held for moments: generations are made before and freed after.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) store: Store,
    pub(crate) exposition: Arc<Exposition>,
    pub(crate) left_out: LeftOut,
    pub(crate) catalog: Arc<Vec<Instrument>>,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Shared {
        let store = Store::new(settings.generations);
        let kept = Kept { store, exposition: Arc::default(), left_out: LeftOut::default(), catalog: Arc::default() };
        Shared { settings, kept: Mutex::new(kept) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many instruments are not shown because their names are empty, longer than 512 bytes, or belong to another instrument. Each
/// is reported once through `tracing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Not in the records. Their recordings stand in the account as dropped.
    pub records: usize,
    /// Not in the Prometheus text, where other names fall together than in records. The account is about the records, so
    /// these stand here alone.
    pub prometheus: usize,
}

/// Reads the cache. Clones read the same cache, which lives as long as one of them or the backend.
#[derive(Clone, Debug)]
pub struct PullCacheHandle {
    pub(crate) shared: Arc<Shared>,
}

impl PullCacheHandle {
    /// The newest generation; `None` until the first is made.
    #[must_use]
    pub fn most_recent(&self) -> Option<Arc<Generation>> {
        self.shared.lock().store.newest().cloned()
    }

    /// The generations strictly newer than `start`, in seconds since 1970, oldest first. With the timestamp of the last generation
    /// seen, a reader gets each later one once; with a time in the future, nothing.
    ///
    /// A generation made in the same second as the newest takes its place (at a flush, or with an interval below a
    /// second). Whoever has seen the first of the two gets what was added with the next generation: totals are cumulative, and the
    /// next quantiles begin where the first of the two ended.
    #[must_use]
    pub fn since(&self, start: i64) -> Vec<Arc<Generation>> {
        self.shared.lock().store.since(start)
    }

    /// Every generation kept, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Generation>> {
        self.shared.lock().store.all()
    }

    /// The timestamps of the oldest and the newest generation kept. A reader whose last generation is older than the oldest has
    /// missed some.
    #[must_use]
    pub fn window(&self) -> Option<(i64, i64)> {
        self.shared.lock().store.window()
    }

    /// The newest totals in the Prometheus text format, version 0.0.4; empty until the first generation. Rendered when
    /// first asked for, and kept until the next generation. To be served as [`PROMETHEUS_CONTENT_TYPE`](crate::PROMETHEUS_CONTENT_TYPE).
    #[must_use]
    pub fn prometheus(&self) -> Arc<str> {
        let exposition = Arc::clone(&self.shared.lock().exposition);
        exposition.text()
    }

    /// How many instruments could not be shown.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        self.shared.lock().left_out
    }

    /// What the names of the records stand for: kind, unit and description of each instrument that was shown so far.
    #[must_use]
    pub fn instruments(&self) -> Arc<Vec<Instrument>> {
        Arc::clone(&self.shared.lock().catalog)
    }

    /// The settings the cache was made with.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.shared.settings
    }
}
