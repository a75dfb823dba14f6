//! Call sites of histograms: what `record!` expands to where it has no labels.

use crate::callsite::cached_series::Site;
use crate::instrument::logger::Logger;
use crate::instrument::recordable::GaugeValue;
use crate::record::distributions;
use crate::record::enabled::{any_bit, switch_bits};
use crate::registry::kind::Kind;

/// A place that records into a histogram.
pub struct HistogramSite(Site);

impl HistogramSite {
    /// `rate` 0.0: none given.
    #[must_use]
    pub const fn new(name: &'static str, rate: f64) -> Self {
        Self(Site::new(name, rate))
    }

    /// Returns the site with what the macro says of it; see [`Told`](crate::callsite::told::Told).
    #[must_use]
    pub const fn told(self, record: &'static [u8]) -> Self {
        Self(self.0.told(record))
    }

    /// Records a value.
    #[inline(always)]
    pub fn record(&'static self, logger: &Logger, value: impl GaugeValue) {
        let switches = switch_bits();
        if any_bit(switches) {
            distributions::sampled_float(self.0.series(logger, Kind::Histogram), value.to_gauge(), switches);
        }
    }
}
