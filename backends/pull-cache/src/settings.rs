//! What can be set, and how much memory follows from it.

use crate::labels::Labels;
use crate::points::DISTRIBUTION_PARTS;
use crate::record::{Identity, Point};
use crate::store::Generation;
use ferrometer_core::Scheme;
use ferrometer_core::name::MAX_NAME_BYTES;
use std::time::Duration;

/// How much the cache keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many old generations are kept besides the newest. Default 180: half an hour at the default interval.
    pub generations: usize,
    /// How often a generation is made. For information: what counts is the interval given at the installation. Default 10 s.
    pub interval: Duration,
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
        // Kept, the one being made, and one that a reader still holds.
        let generations = self.generations.saturating_add(3);
        let generation =
            COUNTS + size_of::<Generation>() + series.saturating_mul(DISTRIBUTION_PARTS * size_of::<Point>());
        let identity = COUNTS + size_of::<Identity>() + COUNTS + MAX_NAME_BYTES + 2 * size_of::<(Identity, usize)>();
        // For records and for Prometheus.
        let names = DISTRIBUTION_PARTS * identity + 2 * Labels::MAX_BYTES + 4 * MAX_NAME_BYTES;
        // At the last generation, at the one before, and in the newest snapshot.
        let distributions = 3 * (Scheme::Float.len() * size_of::<(u16, u64)>() + 128);
        generations.saturating_mul(generation).saturating_add(series.saturating_mul(names + distributions))
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { generations: 180, interval: Duration::from_secs(10) }
    }
}
