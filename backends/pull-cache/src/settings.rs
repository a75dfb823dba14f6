//! What can be set, and how much memory follows from it.

use crate::labels::Labels;
use crate::points::DISTRIBUTION_PARTS;
use crate::record::{Identity, Point};
use crate::store::Generation;
use ferrometer_core::name::MAX_NAME_BYTES;
use ferrometer_core::{Scheme, Total};
use std::path::PathBuf;
use std::time::Duration;

const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);

/// How much the cache keeps, and where.
///
/// ```
/// use ferrometer_pull_cache::Settings;
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
    /// After how long without a recording a series is no longer in new generations; it is again with its next recording. Default
    /// 30 minutes; zero: never.
    pub idle_after: Duration,
    /// A directory in which the generations are kept too, for other processes and for after the end of this one. Default none.
    pub path: Option<PathBuf>,
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

    /// The most memory the cache takes, in bytes, when the program has `series` series: generations, names, and the
    /// distributions that quantiles are computed from. Every series is taken to be a histogram with every bucket in use, and names
    /// and labels as long as they can be; usual programs take a small part of it. The Prometheus text and an HTTP answer in
    /// progress come on top, while somebody asks for them.
    ///
    /// ```
    /// use ferrometer_pull_cache::Settings;
    /// let few = Settings::default().generations(10);
    /// assert!(few.max_bytes(100) < Settings::default().max_bytes(100));
    /// ```
    #[must_use]
    pub fn max_bytes(&self, series: usize) -> usize {
        const COUNTS: usize = 2 * size_of::<usize>();
        const IDENTITY: usize = COUNTS + size_of::<Identity>() + COUNTS + MAX_NAME_BYTES;
        // For records and for Prometheus, with the tables that say whose they are.
        const NAMES: usize =
            DISTRIBUTION_PARTS * (IDENTITY + 128) + 2 * Labels::MAX_BYTES + 4 * (MAX_NAME_BYTES + 128) + 1024;
        // At the last generation, at the one before, and in the newest snapshot.
        const DISTRIBUTIONS: usize = 3 * (Scheme::Float.len() * size_of::<(u16, u64)>() + 128);
        // What the Prometheus text is rendered from: the newest, and the one that takes its place.
        const TOTALS: usize = 2 * 2 * size_of::<Total>() + 256;
        // Kept, the one being made (a vector may have twice the room it needs), and one that a reader still holds.
        let generations = self.generations.saturating_add(4);
        let points = series.saturating_mul(DISTRIBUTION_PARTS * size_of::<Point>());
        let generation = points.saturating_add(COUNTS + size_of::<Generation>());
        let names = series.saturating_mul(NAMES + DISTRIBUTIONS + TOTALS);
        generations.saturating_mul(generation).saturating_add(names)
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            generations: 180,
            interval: Duration::from_secs(10),
            window: HALF_AN_HOUR,
            idle_after: HALF_AN_HOUR,
            path: None,
        }
    }
}
