//! Settings of the exporter, and the memory that it takes under them.

use crate::buckets::Buckets;
use ferrometer_core::name::MAX_NAME_BYTES;
use ferrometer_core::{Scheme, Total};
use ferrometer_export::Labels;
use std::time::Duration;

/// Maximum number of expositions in use at a time that were made for a scrape.
pub(crate) const MAX_FRESH: usize = 8;

/// Settings of a [`Prometheus`](crate::Prometheus) exporter.
///
/// ```
/// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_prometheus as prometheus; }
/// use ferrometer::prometheus::{Scrape, Settings};
/// use std::time::Duration;
///
/// let settings = Settings::default().scrape(Scrape::Fresh).idle_after(Duration::from_secs(600));
/// assert!(settings.process_metrics);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Time without a recording after which a gauge with labels, or of an object, is not shown until its next recording. Gauges that were
    /// set once and ferrometer's own stay, and so does everything that counts. Default zero: never.
    pub idle_after: Duration,
    /// Which totals a scrape gets. Default [`Scrape::Generation`].
    pub scrape: Scrape,
    /// `true` shows the process' own metrics too (`process_cpu_seconds_total`, `process_open_fds`, …), on Linux. Default `true`.
    pub process_metrics: bool,
    /// Upper bounds of the buckets of timers, in seconds. Default `None`: 100 µs to 10 s, three to a power of ten. A bound that is none of
    /// the core's own edges may count a value up to 12.5 % below it at the next bound.
    pub timer_buckets: Option<Buckets>,
    /// Upper bounds of the buckets of histograms, in their own unit. Default `None`: the powers of two over the range that occurs.
    pub histogram_buckets: Option<Buckets>,
}

/// Which totals a scrape gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scrape {
    /// The totals of the newest snapshot that was delivered, so that all readers get the same until the next one. Before the first
    /// delivery, the totals of the moment.
    #[default]
    Generation,
    /// The totals of the moment of the scrape.
    Fresh,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            idle_after: Duration::ZERO,
            scrape: Scrape::default(),
            process_metrics: true,
            timer_buckets: None,
            histogram_buckets: None,
        }
    }
}

impl Settings {
    /// Sets [`idle_after`](Settings::idle_after).
    #[must_use]
    pub fn idle_after(mut self, idle_after: Duration) -> Settings {
        self.idle_after = idle_after;
        self
    }

    /// Sets [`scrape`](Settings::scrape).
    #[must_use]
    pub fn scrape(mut self, scrape: Scrape) -> Settings {
        self.scrape = scrape;
        self
    }

    /// Sets [`process_metrics`](Settings::process_metrics).
    #[must_use]
    pub fn process_metrics(mut self, process_metrics: bool) -> Settings {
        self.process_metrics = process_metrics;
        self
    }

    /// Sets [`timer_buckets`](Settings::timer_buckets).
    #[must_use]
    pub fn timer_buckets(mut self, buckets: Buckets) -> Settings {
        self.timer_buckets = Some(buckets);
        self
    }

    /// Sets [`histogram_buckets`](Settings::histogram_buckets).
    #[must_use]
    pub fn histogram_buckets(mut self, buckets: Buckets) -> Settings {
        self.histogram_buckets = Some(buckets);
        self
    }

    /// Returns the most memory that an exporter takes, in bytes, when the program has `series` series: names and labels where they are
    /// claimed and in the layout, the layout being made included, and the numbers. Every series is taken to be a histogram with every
    /// bucket in use, and names and labels as long as they can be. Rendered text comes on top while somebody asks for it.
    ///
    /// ```
    /// # mod ferrometer { pub use ferrometer_core::*; pub use ferrometer_prometheus as prometheus; }
    /// use ferrometer::prometheus::Settings;
    /// assert!(Settings::default().max_bytes(100) < Settings::default().max_bytes(200));
    /// ```
    #[must_use]
    pub fn max_bytes(&self, series: usize) -> usize {
        // A character of a label's value may be escaped with another.
        const LINE: usize = MAX_NAME_BYTES + 2 * Labels::MAX_BYTES + 16;
        const PLACES: usize = 3 * LINE + MAX_FRESH * 64 + 1024;
        // The text is rendered from the newest totals, and from those that take their place.
        const TOTALS: usize = 2 * 2 * size_of::<Total>() + 256;
        const DISTRIBUTION: usize = Scheme::Float.len() * size_of::<(u16, u64)>() + 128;
        series.saturating_mul(PLACES + TOTALS + DISTRIBUTION)
    }

    /// Whole seconds of [`idle_after`](Settings::idle_after), rounded up.
    pub(crate) fn idle_seconds(&self) -> i64 {
        let idle = self.idle_after;
        i64::try_from(idle.as_secs()).unwrap_or(i64::MAX).saturating_add(i64::from(idle.subsec_nanos() > 0))
    }
}
