//! The backend: makes a generation of each snapshot, and says in the account what became of each series.

use crate::catalog::Catalog;
use crate::coding::Row;
use crate::files::{OpenError, Persistence, WriterLease};
use crate::handle::{LeftOut, PullCacheHandle, Shared};
use crate::record_values::{self, Distributions, RecordNames};
use crate::restore::{Absent, Restored, Restoring, Source};
use crate::settings::{Settings, seconds};
use crate::store::{Place, Store};
use ferrometer_core::{Backend, BackendError, Delivery, Naming, SnapshotView, Totals};
use ferrometer_export::{Current, Instruments, account, age_seconds, whole_seconds};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a history is waited for by a caller that must not wait for a long one.
const PATIENCE: Duration = Duration::from_millis(10);

/// The writing end of a pull cache, to be [installed](ferrometer_core::install); see the [crate](crate) for an example.
///
/// It takes everything: apart from instruments whose name is refused, all that was recorded counts as sent once it
/// stands in a generation.
#[derive(Debug)]
pub struct PullCacheBackend {
    shared: Arc<Shared>,
    store: Store,
    sink: Option<WriterLease>,
    /// Whose generations are taken in with the first one made here.
    earlier: Option<Arc<Shared>>,
    /// Generations that are being taken in.
    restoring: Option<Restoring>,
    /// How long a history is waited for; `None`: until it is there.
    patience: Option<Duration>,
    instruments: Instruments,
    names: RecordNames,
    catalog: Catalog,
    /// Where the interval of the newest generation began.
    before: Distributions,
    /// Where it ended when it was first made: where the next interval begins.
    newest: Distributions,
}

/// Tells that generations of an earlier process are newer than the clock says it is, by more than clocks differ.
fn ahead(newest: i64, now: i64) -> Option<String> {
    const USUAL: i64 = 60;
    let ahead = newest.saturating_sub(now);
    (ahead > USUAL).then(|| {
        format!(
            "the newest generation is from {ahead} s after this moment, by the system's clock: it was ahead then, or is behind now. New generations are \
             a second apart until the clock has caught up; a directory without these files begins at the clock"
        )
    })
}

impl PullCacheBackend {
    /// A cache that is empty or, with [`Settings::path`], goes on where an earlier process ended. Quantiles of its first generation
    /// begin here, so make it when it is to be installed.
    ///
    /// A path that cannot be used is reported through `tracing` and in
    /// [`PullCacheHandle::persistence`], and the cache keeps to memory; [`open`](PullCacheBackend::open) makes it an error.
    #[must_use]
    pub fn new(settings: Settings) -> PullCacheBackend {
        match PullCacheBackend::open(settings.clone()) {
            Ok(backend) => backend,
            Err(why) => {
                let message = format!("pull cache: generations are in memory alone: {why}");
                ferrometer_core::warn(&message, &message);
                let path = settings.path.clone().unwrap_or_default();
                let backend = PullCacheBackend::make_new(settings, None);
                let state = Persistence { path, last_error: Some(why.to_string()), ..Persistence::default() };
                backend.shared.lock().persistence = Some(state);
                backend
            }
        }
    }

    /// As [`new`](PullCacheBackend::new), for a path that must be usable.
    ///
    /// A directory that is missing is made (not those above it). One that this process writes already is taken over with the first
    /// generation.
    ///
    /// # Errors
    /// When there is a path and it is no directory, cannot be written, or is written by another process.
    pub fn open(settings: Settings) -> Result<PullCacheBackend, OpenError> {
        PullCacheBackend::open_within(settings, None)
    }

    /// As [`open`](PullCacheBackend::open), for a program that must not wait for a long history: what is not read after a hundredth of
    /// a second, and files of more than a MiB, are read beside, and [`PullCacheHandle::is_loading`] says so. Until then readers see what is made here, and
    /// [`PullCacheHandle::window`] says from when. The old generations join with the next one that is made.
    ///
    /// This holds for the generations that [`continuing_from`](PullCacheBackend::continuing_from) takes in, too.
    ///
    /// # Errors
    /// As [`open`](PullCacheBackend::open).
    pub fn open_beside(settings: Settings) -> Result<PullCacheBackend, OpenError> {
        PullCacheBackend::open_within(settings, Some(PATIENCE))
    }

    fn open_within(settings: Settings, patience: Option<Duration>) -> Result<PullCacheBackend, OpenError> {
        let path = settings.path.clone();
        let (keep, window) = (settings.generations, seconds(settings.window));
        let (sink, past) = path.map(|path| WriterLease::open(&path, keep, window)).transpose()?.unzip();
        let mut backend = PullCacheBackend::make_new(settings, sink);
        backend.patience = patience;
        if let Some(past) = past {
            let ahead = past.newest().and_then(|newest| ahead(newest, whole_seconds(SystemTime::now())));
            if let (Some(ahead), Some(path)) = (ahead, &backend.shared.settings.path) {
                let place = format!("pull cache: {}", path.display());
                ferrometer_core::warn(&format!("{place} is ahead"), &format!("{place}: {ahead}"));
            }
            backend.restore(Source::Files(past));
        }
        Ok(backend)
    }

    fn make_new(settings: Settings, sink: Option<WriterLease>) -> PullCacheBackend {
        PullCacheBackend {
            store: Store::new(settings.generations, seconds(settings.window)),
            sink,
            earlier: None,
            restoring: None,
            patience: None,
            instruments: Instruments::new(seconds(settings.idle_after)),
            shared: Arc::new(Shared::new(settings)),
            names: RecordNames::default(),
            catalog: Catalog::default(),
            before: Distributions::default(),
            newest: Distributions::of(ferrometer_core::snapshot().totals()),
        }
    }

    /// Goes on where another cache of this process ends: its generations are those before the first one made here. For a backend that
    /// takes another's place, with other settings. One that goes on with the same [`Settings::path`] has them already.
    ///
    /// ```
    /// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_pull_cache as pull_cache; }
    /// use ferrometer::pull_cache::{PullCacheBackend, Settings};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let mut first = PullCacheBackend::new(Settings::default());
    /// first.make(SystemTime::now(), ferrometer::snapshot().totals(), &Default::default());
    /// let second = PullCacheBackend::new(Settings::default().generations(360)).continuing_from(&first.handle());
    /// assert_eq!(second.handle().window(), first.handle().window());
    /// ```
    #[must_use]
    pub fn continuing_from(mut self, earlier: &PullCacheHandle) -> PullCacheBackend {
        // The state and not the handle, which may come to follow this cache.
        let earlier = earlier.shared.get();
        self.restore(Source::Cache(earlier.history(None)));
        self.earlier = Some(earlier);
        self
    }

    /// Begins to take in what an earlier process, or backend, left.
    fn restore(&mut self, source: Source) {
        self.store.follow(source.newest());
        let patience = self.patience.map(|patience| if source.is_long() { Duration::ZERO } else { patience });
        self.restoring = Some(Restoring::begin(source, &self.shared.settings));
        self.take_in(patience);
    }

    /// Takes in what was read meanwhile; waits so long for it.
    fn take_in(&mut self, patience: Option<Duration>) {
        let Some(restoring) = &self.restoring else { return };
        let restored = restoring.wait(patience);
        let is_loading = restored.as_ref().is_err_and(|absent| *absent == Absent::Yet);
        if !is_loading {
            self.restoring = None;
        }
        if let Ok(Restored { mut store, found }) = restored {
            let numbers = store.catch_up(&mut self.store);
            self.store = store;
            self.names.renumber(&numbers);
            if let Some(sink) = &mut self.sink {
                sink.renumber(&numbers);
                found.into_iter().for_each(|found| sink.found(found));
            }
        }
        let view = self.store.view().clone();
        let mut kept = self.shared.lock();
        let old = std::mem::replace(&mut kept.view, view);
        kept.is_loading = is_loading;
        kept.persistence = self.sink.as_ref().map(|sink| sink.state.clone());
        drop(kept);
        drop(old);
    }

    /// The reading end.
    #[must_use]
    pub fn handle(&self) -> PullCacheHandle {
        PullCacheHandle { shared: Current::new(Arc::clone(&self.shared)) }
    }

    /// Makes a generation of these totals, as if the system's clock stood at `time`; returns the bytes of its values. This is what the
    /// backend does at each interval; a simulation, or a test, that drives the time itself does it by hand, with a backend that is not
    /// installed.
    ///
    /// ```
    /// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_pull_cache as pull_cache; }
    /// use ferrometer::pull_cache::{PullCacheBackend, Settings};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let mut backend = PullCacheBackend::new(Settings::default());
    /// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    /// backend.make(now, ferrometer::snapshot().totals(), &Default::default());
    /// assert_eq!(backend.handle().window(), Some((1_000_000_000, 1_000_000_000)));
    /// ```
    pub fn make(&mut self, time: SystemTime, totals: Totals<'_>, naming: &Naming) -> usize {
        self.make_aged(time, None, totals, naming)
    }

    /// Makes a generation; `age`: the time by which series age, if it is not that of the generation.
    fn make_aged(&mut self, time: SystemTime, age: Option<i64>, totals: Totals<'_>, naming: &Naming) -> usize {
        // Nothing was made here yet; what was made meanwhile by the one before, this takes in too.
        if let Some(past) = self.sink.as_mut().and_then(WriterLease::take_over) {
            self.restore(Source::Files(past));
        } else if let Some(earlier) = self.earlier.take() {
            self.restore(Source::Cache(earlier.history(None)));
        } else {
            self.take_in(Some(Duration::ZERO));
        }
        let second = whole_seconds(time);
        let place = self.store.place(second);
        let before = if place == Place::New { &self.newest } else { &self.before };
        let age = age.unwrap_or_else(|| self.store.timestamp(second));
        self.instruments.update(totals, age);
        self.names.grow(self.instruments.len(), self.store.table());
        let mut row = Row::with_columns(self.store.table().columns().len());
        for (at, instrument) in self.instruments.iter().filter(|(_, i)| record_values::has_value(i, totals)) {
            if let Ok(columns) = self.names.get(at, instrument, naming, self.store.table()) {
                record_values::push(&mut row, columns, instrument, totals, before);
            }
        }
        let bytes = row.count() * size_of::<f64>();
        let catalog = self.catalog.update(&self.instruments, totals, &self.names, naming);
        let left_out = LeftOut { records: self.names.count_refused(), idle: self.instruments.count_idle() };
        let change = self.store.push(second, row);
        let newest = Arc::clone(change.newest());

        let mut kept = self.shared.lock();
        let old = kept.view.apply(change);
        kept.left_out = left_out;
        let old_catalog = std::mem::replace(&mut kept.catalog, catalog);
        drop(kept);
        drop((old, old_catalog));
        if let Some(sink) = &mut self.sink {
            sink.write(&newest, place == Place::Replace);
            self.shared.lock().persistence = Some(sink.state.clone());
        }
        if place == Place::New {
            self.before = std::mem::replace(&mut self.newest, Distributions::of(totals));
        }
        bytes
    }
}

impl Backend for PullCacheBackend {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        let snapshot = view.snapshot();
        let age = age_seconds(snapshot.instant());
        let bytes = self.make_aged(snapshot.time(), Some(age), snapshot.totals(), view.naming());
        if self.names.count_refused() == 0 {
            view.all_sent();
        } else {
            account(view, |series| self.names.refused(self.instruments.of(series)?));
        }
        Ok(Delivery::new(1, bytes as u64))
    }
}

#[cfg(test)]
mod tests;
