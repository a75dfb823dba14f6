//! The reading end: what the cache holds, for any thread at any time.

use crate::catalog::Instrument;
use crate::files::Persistence;
use crate::generation::Generation;
use crate::settings::Settings;
use crate::store::{History, View};
use ferrometer_export::Current;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// State that backend and readers share. The lock is held for moments: generations are made before and freed after.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) view: View,
    pub(crate) left_out: LeftOut,
    pub(crate) catalog: Arc<Vec<Instrument>>,
    pub(crate) persistence: Option<Persistence>,
    pub(crate) is_loading: bool,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Shared {
        let left_out = LeftOut::default();
        let catalog = Arc::default();
        let kept = Kept { view: View::default(), left_out, catalog, persistence: None, is_loading: false };
        Shared { settings, kept: Mutex::new(kept) }
    }

    /// Returns the generations that are newer than `after`, as they stand now.
    pub(crate) fn history(&self, after: Option<i64>) -> History {
        self.lock().view.history(after)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many instruments are not shown: because their names are empty, longer than 512 bytes, or belong to another instrument (each
/// is reported once through `tracing`), or because they are idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Not in the records. Their recordings stand in the account as dropped.
    pub records: usize,
    /// Not in them because nothing was recorded on them for [`Settings::idle_after`], where that is set. They come back by themselves.
    pub idle: usize,
}

/// Reads the cache. Clones read the same cache, which lives as long as one of them or the backend, and [follow](PullCacheHandle::follow) together.
#[derive(Clone, Debug)]
pub struct PullCacheHandle {
    pub(crate) shared: Current<Shared>,
}

impl PullCacheHandle {
    /// The newest generation; `None` until the first is made.
    #[must_use]
    pub fn most_recent(&self) -> Option<Arc<Generation>> {
        self.shared.get().lock().view.newest().cloned()
    }

    /// The generations strictly newer than `after`, in seconds since 1970, oldest first; all that are kept with `None`. With the
    /// timestamp of the last generation seen, a reader gets each later one once; with a time in the future, nothing.
    ///
    /// They are those of this moment, each decoded when it is asked for: however long the history, the reader holds the state of
    /// one generation. The cache is not held up meanwhile.
    ///
    /// A generation made in the same second as the newest takes its place (at a flush, or with an interval below a
    /// second). Anyone who has seen the first of the two gets what was added with the next generation: totals are cumulative, and the
    /// next quantiles begin where the first of the two ended.
    #[must_use]
    pub fn history(&self, after: Option<i64>) -> History {
        self.shared.get().history(after)
    }

    /// The timestamps of the oldest and the newest generation kept. A reader whose last generation is older than the oldest has
    /// missed some.
    #[must_use]
    pub fn window(&self) -> Option<(i64, i64)> {
        self.shared.get().lock().view.window()
    }

    /// Returns whether generations of an earlier process, or backend, are still being read, beside the program: see
    /// [`PullCacheBackend::open_beside`](crate::PullCacheBackend::open_beside). Until they are, the [`window`](PullCacheHandle::window)
    /// begins with this program.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        self.shared.get().lock().is_loading
    }

    /// How many instruments could not be shown.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        self.shared.get().lock().left_out
    }

    /// How the files are doing; `None` without [`Settings::path`].
    #[must_use]
    pub fn persistence(&self) -> Option<Persistence> {
        self.shared.get().lock().persistence.clone()
    }

    /// Returns the kind, unit and description of each instrument that was shown so far.
    #[must_use]
    pub fn instruments(&self) -> Arc<Vec<Instrument>> {
        Arc::clone(&self.shared.get().lock().catalog)
    }

    /// The settings the cache was made with.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.shared.get().settings.clone()
    }

    /// Turns this handle and its clones to the cache of `successor`, which should [go on](crate::PullCacheBackend::continuing_from) with the generations of
    /// this one. `ferrometer::init` does it for the handles that it gave out.
    pub fn follow(&self, successor: &PullCacheHandle) {
        self.shared.follow(&successor.shared);
    }
}
