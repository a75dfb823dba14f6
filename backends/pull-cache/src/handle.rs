//! The reading end: what the cache holds, for any thread at any time.

use crate::catalog::Instrument;
use crate::files::Persistence;
use crate::generation::Generation;
use crate::prometheus::{Exposer, Exposition, Filter, Format, Pieces};
use crate::settings::{Scrape, Settings, seconds};
use crate::store::{History, View};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What backend and readers share. The lock is held for moments: generations are made before and freed after.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    kept: Mutex<Kept>,
    /// Never taken while `kept` is held.
    exposer: Mutex<Exposer>,
}

#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) view: View,
    /// `None` until the first generation, and when scrapes are fresh.
    pub(crate) exposition: Option<Arc<Exposition>>,
    /// The newest snapshot that was served fresh: nobody is served an older one, in which counters would have fallen.
    fresh: u64,
    pub(crate) left_out: LeftOut,
    pub(crate) catalog: Arc<Vec<Instrument>>,
    pub(crate) persistence: Option<Persistence>,
    pub(crate) is_loading: bool,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Shared {
        let left_out = LeftOut::default();
        let catalog = Arc::default();
        let kept = Kept {
            view: View::default(),
            exposition: None,
            fresh: 0,
            left_out,
            catalog,
            persistence: None,
            is_loading: false,
        };
        let exposer = Mutex::new(Exposer::new(settings.process_metrics, seconds(settings.idle_after)));
        Shared { settings, kept: Mutex::new(kept), exposer }
    }

    pub(crate) fn exposer(&self) -> MutexGuard<'_, Exposer> {
        self.exposer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a scrape gets now, unless that has to be made.
    fn made_exposition(&self) -> Option<Arc<Exposition>> {
        if self.settings.scrape == Scrape::Fresh {
            return None;
        }
        let kept = self.lock();
        kept.exposition.as_ref().filter(|exposition| exposition.sequence() >= kept.fresh).cloned()
    }

    /// What a scrape gets now.
    fn exposition(&self) -> Arc<Exposition> {
        if let Some(there) = self.made_exposition() {
            return there;
        }
        let mut exposer = self.exposer();
        let made = exposer.fresh();
        let refused = exposer.count_refused();
        drop(exposer);
        let mut kept = self.lock();
        kept.fresh = kept.fresh.max(made.sequence());
        kept.left_out.prometheus = refused;
        made
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
    /// Not in what is shown to Prometheus, where other names fall together than in records. The account is about the records, so
    /// these stand here alone.
    pub prometheus: usize,
    /// Not in the records because nothing was recorded on them for [`Settings::idle_after`], where that is set; gauges are not shown to
    /// Prometheus either. They come back by themselves.
    pub idle: usize,
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
        self.shared.lock().view.newest().cloned()
    }

    /// The generations strictly newer than `after`, in seconds since 1970, oldest first; all that are kept with `None`. With the
    /// timestamp of the last generation seen, a reader gets each later one once; with a time in the future, nothing.
    ///
    /// They are those of this moment, each decoded when it is asked for: however long the history, the reader holds the state of
    /// one generation. The cache is not held up meanwhile.
    ///
    /// A generation made in the same second as the newest takes its place (at a flush, or with an interval below a
    /// second). Whoever has seen the first of the two gets what was added with the next generation: totals are cumulative, and the
    /// next quantiles begin where the first of the two ended.
    #[must_use]
    pub fn history(&self, after: Option<i64>) -> History {
        self.shared.lock().view.history(after)
    }

    /// The timestamps of the oldest and the newest generation kept. A reader whose last generation is older than the oldest has
    /// missed some.
    #[must_use]
    pub fn window(&self) -> Option<(i64, i64)> {
        self.shared.lock().view.window()
    }

    /// Whether generations of an earlier process, or backend, are still being read, beside the program: see
    /// [`PullCacheBackend::open_beside`](crate::PullCacheBackend::open_beside). Until they are, the [`window`](PullCacheHandle::window)
    /// begins with this program.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        self.shared.lock().is_loading
    }

    /// The totals for Prometheus in one of its formats, as [`Settings::scrape`](crate::Settings::scrape) says: those of the
    /// newest generation, or of this moment. To be served as [`Format::content_type`], piece by piece.
    ///
    /// What is rendered is kept, and shared with others who ask, until there are newer totals; with a [`Filter`] it is rendered anew.
    ///
    /// ```
    /// use ferrometer_pull_cache::{Filter, Format, PullCacheBackend, Settings};
    ///
    /// let cache = PullCacheBackend::new(Settings::default()).handle();
    /// let all: Vec<u8> = cache.exposition(Format::OpenMetrics, &Filter::default()).collect_bytes();
    /// assert!(all.ends_with(b"# EOF\n"));
    ///
    /// let only: Filter = ["process_open_fds"].into_iter().collect();
    /// let pieces = cache.exposition(Format::Text, &only);
    /// assert!(pieces.map(|piece| piece.len()).sum::<usize>() < all.len());
    /// ```
    #[must_use]
    pub fn exposition(&self, format: Format, filter: &Filter) -> Pieces {
        Pieces::new(self.shared.exposition(), format, filter)
    }

    /// The same where nothing has to be made for it, so that it takes no time.
    #[cfg(feature = "http")]
    pub(crate) fn made_exposition(&self, format: Format, filter: &Filter) -> Option<Pieces> {
        if !filter.is_all() {
            return None;
        }
        Some(Pieces::new(self.shared.made_exposition()?, format, filter))
    }

    /// The same in the text format, version 0.0.4, in one string.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let bytes = self.exposition(Format::Text, &Filter::default()).collect_bytes();
        // It is made of strings; nothing is lost here.
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// How many instruments could not be shown.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        self.shared.lock().left_out
    }

    /// How the files are doing; `None` without [`Settings::path`].
    #[must_use]
    pub fn persistence(&self) -> Option<Persistence> {
        self.shared.lock().persistence.clone()
    }

    /// What the names of the records stand for: kind, unit and description of each instrument that was shown so far.
    #[must_use]
    pub fn instruments(&self) -> Arc<Vec<Instrument>> {
        Arc::clone(&self.shared.lock().catalog)
    }

    /// The settings the cache was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }
}
