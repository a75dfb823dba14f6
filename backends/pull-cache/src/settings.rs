//! Settings, and how much memory follows from them.

use crate::coding::Coder;
use crate::generation::Columns;
use crate::record::{Head, Identity};
use crate::record_values::DISTRIBUTION_PARTS;
use ferrometer_core::Scheme;
use ferrometer_core::name::MAX_NAME_BYTES;
use ferrometer_core::object::MAX_OBJECT_BYTES;
use ferrometer_export::Labels;
use std::path::PathBuf;
use std::time::Duration;

const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);

/// How much the cache keeps, and where.
///
/// ```
/// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_pull_cache as pull_cache; }
/// use ferrometer::pull_cache::Settings;
/// use std::time::Duration;
/// let settings = Settings::default().generations(360).interval(Duration::from_secs(5));
/// assert_eq!(settings.window, Duration::from_secs(1800));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How many old generations are kept besides the newest. Default 180: half an hour at the default interval.
    pub generations: usize,
    /// How often a generation is made. For information: what counts is the interval given at the installation. Default 10 s.
    pub interval: Duration,
    /// How much older than the newest a generation may be; what is older falls out, whatever `generations` says. Whole seconds
    /// count. Default 30 minutes.
    pub window: Duration,
    /// After how long without a recording a series with labels, or of an object, is no longer in new generations; it is again with its next
    /// recording. Series without labels, gauges that were set once and ferrometer's own stay, and for Prometheus so does all that counts.
    /// Default zero: never.
    pub idle_after: Duration,
    /// A directory in which the generations are kept too, for other processes and for after the end of this one. Default none.
    pub path: Option<PathBuf>,
    /// How many series of earlier processes are taken in from [`path`](Settings::path), at most; of more, the oldest generations stay
    /// out. Default 10,000.
    pub restored_series: usize,
}

impl Settings {
    /// Sets [`generations`](Settings::generations).
    #[must_use]
    pub fn generations(mut self, generations: usize) -> Settings {
        self.generations = generations;
        self
    }

    /// Sets [`interval`](Settings::interval).
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Settings {
        self.interval = interval;
        self
    }

    /// Sets [`window`](Settings::window).
    #[must_use]
    pub fn window(mut self, window: Duration) -> Settings {
        self.window = window;
        self
    }

    /// Sets [`idle_after`](Settings::idle_after).
    #[must_use]
    pub fn idle_after(mut self, idle_after: Duration) -> Settings {
        self.idle_after = idle_after;
        self
    }

    /// Sets [`path`](Settings::path).
    #[must_use]
    pub fn path(mut self, path: impl Into<PathBuf>) -> Settings {
        self.path = Some(path.into());
        self
    }

    /// Sets [`restored_series`](Settings::restored_series).
    #[must_use]
    pub fn restored_series(mut self, restored_series: usize) -> Settings {
        self.restored_series = restored_series;
        self
    }

    /// The most memory the cache takes, in bytes, when the program has `series` series: generations, names, and the
    /// distributions that quantiles are computed from. Every series is taken to be a histogram with every bucket in use, names
    /// and labels as long as they can be, and every value as hard to code as can be; usual programs take a small part of it. 33 bytes a
    /// record for each reader who walks the history come on top. With a path, [`restored_series`](Settings::restored_series) of other names
    /// are taken to be there from earlier processes.
    ///
    /// ```
    /// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_pull_cache as pull_cache; }
    /// use ferrometer::pull_cache::Settings;
    /// let few = Settings::default().generations(10);
    /// assert!(few.max_bytes(100) < Settings::default().max_bytes(100));
    /// ```
    #[must_use]
    pub fn max_bytes(&self, series: usize) -> usize {
        const COUNTS: usize = 2 * size_of::<usize>();
        const HEAD: usize = COUNTS + size_of::<Head>() + MAX_NAME_BYTES + MAX_OBJECT_BYTES;
        const IDENTITY: usize = COUNTS + size_of::<Identity>() + HEAD;
        // With the tables that say whose they are.
        const NAMES: usize =
            DISTRIBUTION_PARTS * (IDENTITY + 192) + 2 * Labels::MAX_BYTES + 2 * (MAX_NAME_BYTES + 128) + 1024;
        // At the last generation, at the one before, and in the newest snapshot.
        const DISTRIBUTIONS: usize = 3 * (Scheme::Float.len() * size_of::<(u16, u64)>() + 128);
        // The states of coding: before the oldest, the one that takes its place, before the newest, in the file; the newest, the one
        // being made, and one that a reader still holds; with the tables of columns, which may be made again.
        const STATES: usize = 4 * Coder::COLUMN_BYTES + 3 * 2 * (size_of::<f64>() + 1) + 3 * Columns::COLUMN_BYTES;
        const GENERATION: usize = 128;
        // A name of an earlier process, and while its files are read the same again, as it stands there.
        const RESTORED: usize = DISTRIBUTION_PARTS * (IDENTITY + 192) + Labels::MAX_BYTES;
        const READ: usize =
            DISTRIBUTION_PARTS * (Coder::COLUMN_BYTES + 2 * (size_of::<f64>() + 1) + 2 * Columns::COLUMN_BYTES);
        let restored = if self.path.is_some() { self.restored_series } else { 0 };
        let points = series.saturating_add(restored).saturating_mul(DISTRIBUTION_PARTS);
        let restored = restored.saturating_mul(2 * RESTORED + READ);
        let generation = points.saturating_mul(Coder::LONGEST_POINT).saturating_add(GENERATION);
        // One more is coded before the oldest goes.
        let generations = self.generations.saturating_add(1).saturating_mul(generation);
        let states = points.saturating_mul(STATES).saturating_add(4 * Coder::FIXED_BYTES);
        let names = series.saturating_mul(NAMES + DISTRIBUTIONS);
        generations.saturating_add(states).saturating_add(names).saturating_add(restored)
    }
}

/// Whole seconds of a duration, rounded up.
pub(crate) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX).saturating_add(i64::from(duration.subsec_nanos() > 0))
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            generations: 180,
            interval: Duration::from_secs(10),
            window: HALF_AN_HOUR,
            idle_after: Duration::ZERO,
            path: None,
            restored_series: ferrometer_core::Limits::DEFAULT.max_instruments,
        }
    }
}
