//! What can be set, and how much memory follows from it.

use crate::labels::Labels;
use crate::points::DISTRIBUTION_PARTS;
use crate::prometheus::MAX_BYTES_PER_SERIES;
use crate::record::{Identity, Point};
use crate::store::Generation;
use ferrometer_core::name::MAX_NAME_BYTES;
use ferrometer_core::{Scheme, Total};
use std::time::Duration;

/// How much the cache keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many old generations are kept besides the newest. Default 180: half an hour at the default interval.
    pub generations: usize,
    /// How often a generation is made. For information: what counts is the interval given at the installation. Default 10 s.
    pub interval: Duration,
    /// What a scrape of the totals for Prometheus gets. Default [`Scrape::Generation`].
    pub scrape: Scrape,
    /// Whether the process' own metrics (`process_cpu_seconds_total`, `process_open_fds`, …) are shown to Prometheus, on Linux.
    /// Default `true`.
    pub process_metrics: bool,
}

/// Which totals are served for Prometheus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scrape {
    /// Those of the newest generation, so that everyone who asks meanwhile gets the same; before the first generation, those of the
    /// moment.
    #[default]
    Generation,
    /// Those of the moment of the scrape.
    Fresh,
}

impl Settings {
    /// The most memory the cache takes, in bytes, when the program has `series` series: generations, names, and the
    /// distributions that quantiles are computed from. Every series is taken to be a histogram with every bucket in use, and names
    /// and labels as long as they can be; usual programs take a small part of it. The Prometheus text and an HTTP answer in
    /// progress come on top, while somebody asks for them.
    ///
    /// ```
    /// use ferrometer_pull_cache::Settings;
    /// let few = Settings { generations: 10, ..Settings::default() };
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
        let names = series.saturating_mul(NAMES + DISTRIBUTIONS + TOTALS + MAX_BYTES_PER_SERIES);
        generations.saturating_mul(generation).saturating_add(names)
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            generations: 180,
            interval: Duration::from_secs(10),
            scrape: Scrape::default(),
            process_metrics: true,
        }
    }
}
