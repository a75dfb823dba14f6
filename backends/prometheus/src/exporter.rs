//! The exporter: takes each snapshot as a [`Backend`], and hands totals to readers through [`PrometheusHandle`].

use crate::exposer::{Exposer, Moment};
use crate::filter::Filter;
use crate::format::Format;
use crate::render::{Exposition, Pieces};
use crate::settings::{Scrape, Settings};
use ferrometer_core::{Backend, BackendError, Delivery, Naming, SnapshotView, Totals};
use ferrometer_export::{Current, account, age_seconds, whole_seconds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// The writing end, to be [installed](ferrometer_core::install); see the [crate](crate) for an example.
///
/// It takes everything: apart from instruments whose name is refused, all recordings count as sent once their totals can be
/// scraped.
#[derive(Debug)]
pub struct Prometheus {
    shared: Arc<Shared>,
    /// Sequence of the newest snapshot.
    sequence: u64,
}

/// State that the exporter and its readers share. The locks are held for moments, `exposer` while an exposition is made.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    kept: Mutex<Kept>,
    /// Never taken while `kept` is held.
    exposer: Mutex<Exposer>,
}

#[derive(Debug, Default)]
struct Kept {
    /// `None` until the first snapshot, and when scrapes are fresh.
    exposition: Option<Arc<Exposition>>,
    /// The newest snapshot that was served fresh. Nobody is served an older one, in which counters would have fallen.
    fresh: u64,
    left_out: LeftOut,
}

/// The number of instruments that are not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Instruments whose name is empty, longer than 512 bytes, or belongs to another instrument; each is reported once through
    /// `tracing`.
    pub refused: usize,
    /// Instruments without a recording for [`Settings::idle_after`]. They come back with their next recording.
    pub idle: usize,
}

impl Prometheus {
    /// Creates an exporter without totals.
    #[must_use]
    pub fn new(settings: Settings) -> Prometheus {
        let exposer = Mutex::new(Exposer::new(&settings));
        Prometheus { shared: Arc::new(Shared { settings, kept: Mutex::default(), exposer }), sequence: 0 }
    }

    /// Returns the reading end.
    #[must_use]
    pub fn handle(&self) -> PrometheusHandle {
        PrometheusHandle { shared: Current::new(Arc::clone(&self.shared)) }
    }

    /// Takes the totals of a snapshot, and accounts for nothing: for a backend that has an exporter beside something else, and
    /// accounts for that. A backend of its own calls this in [`Backend::publish`].
    pub fn observe(&mut self, view: &SnapshotView<'_>) {
        let snapshot = view.snapshot();
        self.sequence = snapshot.sequence();
        self.take(snapshot.time(), age_seconds(snapshot.instant()), snapshot.totals(), view.naming());
    }

    /// Takes totals as if the system's clock stood at `time`. A simulation, or a test, that drives the time itself does it with an
    /// exporter that is not installed.
    ///
    /// ```
    /// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_prometheus as prometheus; }
    /// use ferrometer::prometheus::{Prometheus, Settings};
    /// use std::time::SystemTime;
    ///
    /// let mut exporter = Prometheus::new(Settings::default());
    /// ferrometer::get_logger("simulated").send_counter("c", 1);
    /// exporter.make(SystemTime::now(), ferrometer::snapshot().totals(), &Default::default());
    /// assert!(exporter.handle().text().contains("process_start_time_seconds"));
    /// ```
    pub fn make(&mut self, time: SystemTime, totals: Totals<'_>, naming: &Naming) {
        self.take(time, whole_seconds(time), totals, naming);
    }

    /// Makes what scrapes get until the next snapshot, unless they get fresh totals. `age` is the time by which series age.
    fn take(&mut self, time: SystemTime, age: i64, totals: Totals<'_>, naming: &Naming) {
        let moment = Moment { sequence: self.sequence, time, age, totals };
        let mut exposer = self.shared.exposer();
        let exposition = match self.shared.settings.scrape {
            Scrape::Generation => Some(exposer.expose(&moment, naming)),
            Scrape::Fresh => {
                exposer.look(&moment);
                None
            }
        };
        let left_out = LeftOut { refused: exposer.count_refused(), idle: exposer.count_idle() };
        drop(exposer);
        let mut kept = self.shared.lock();
        let old = std::mem::replace(&mut kept.exposition, exposition);
        kept.left_out = left_out;
        drop(kept);
        if let Some(old) = old {
            old.supersede();
        }
    }
}

impl Backend for Prometheus {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        self.observe(view);
        let mut exposer = self.shared.exposer();
        if self.shared.settings.scrape == Scrape::Fresh {
            // A name that the next scrape would refuse is refused now, so that the account is right.
            let snapshot = view.snapshot();
            let (time, age) = (snapshot.time(), age_seconds(snapshot.instant()));
            let moment = Moment { sequence: self.sequence, time, age, totals: snapshot.totals() };
            exposer.decide_names(&moment, view.naming());
        }
        if exposer.count_refused() == 0 {
            view.all_sent();
        } else {
            account(view, |series| exposer.refused(series));
        }
        Ok(Delivery::new(1, 0))
    }
}

impl Shared {
    fn exposer(&self) -> MutexGuard<'_, Exposer> {
        self.exposer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the exposition that a scrape gets now, unless it has to be made.
    fn made_exposition(&self) -> Option<Arc<Exposition>> {
        if self.settings.scrape == Scrape::Fresh {
            return None;
        }
        let kept = self.lock();
        kept.exposition.as_ref().filter(|exposition| exposition.sequence() >= kept.fresh).cloned()
    }

    /// Returns the exposition that a scrape gets now.
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
        kept.left_out.refused = refused;
        made
    }
}

/// The reading end of an exporter, for any thread at any time. Clones read the same exporter, and [follow](PrometheusHandle::follow) together.
#[derive(Clone, Debug)]
pub struct PrometheusHandle {
    shared: Current<Shared>,
}

impl PrometheusHandle {
    /// Returns the totals in one of Prometheus' formats, as [`Settings::scrape`] says: those of the newest snapshot, or of this
    /// moment. They are to be served as [`Format::content_type`], piece by piece.
    ///
    /// Rendered pieces are kept, and shared with other readers, until there are newer totals; with a [`Filter`] they are rendered for
    /// this reader alone.
    ///
    /// ```
    /// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_prometheus as prometheus; }
    /// use ferrometer::prometheus::{Filter, Format, Prometheus, Settings};
    ///
    /// let totals = Prometheus::new(Settings::default()).handle();
    /// let all: Vec<u8> = totals.exposition(Format::OpenMetrics, &Filter::default()).collect_bytes();
    /// assert!(all.ends_with(b"# EOF\n"));
    ///
    /// let only: Filter = ["process_open_fds"].into_iter().collect();
    /// let pieces = totals.exposition(Format::Text, &only);
    /// assert!(pieces.map(|piece| piece.len()).sum::<usize>() < all.len());
    /// ```
    #[must_use]
    pub fn exposition(&self, format: Format, filter: &Filter) -> Pieces {
        Pieces::new(self.shared.get().exposition(), format, filter)
    }

    /// Returns the same as [`exposition`](PrometheusHandle::exposition) when nothing has to be made for it first, so that the call
    /// takes no time. `None` when totals have to be collected, or filtered.
    #[must_use]
    pub fn ready_exposition(&self, format: Format, filter: &Filter) -> Option<Pieces> {
        if !filter.is_all() {
            return None;
        }
        Some(Pieces::new(self.shared.get().made_exposition()?, format, filter))
    }

    /// Returns the totals in the text format, version 0.0.4, in one string.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes = self.exposition(Format::Text, &Filter::default()).collect_bytes();
        // The text is made of strings; nothing is lost here.
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// Returns the number of instruments that are not shown, and why.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        self.shared.get().lock().left_out
    }

    /// Returns the settings that the exporter was made with.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.shared.get().settings.clone()
    }

    /// Turns this handle and its clones to the exporter of `successor`: for a program that puts another exporter in the place of one whose handle is
    /// already served. `ferrometer::init` does it for the handles that it gave out.
    pub fn follow(&self, successor: &PrometheusHandle) {
        self.shared.follow(&successor.shared);
    }
}
