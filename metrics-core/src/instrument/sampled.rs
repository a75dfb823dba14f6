//! A logger seen through a sample rate.

use crate::instrument::handle::{self, Counter, Histogram, Timer};
use crate::instrument::logger::Logger;
use crate::instrument::recordable::{CounterValue, GaugeValue, MetricName};
use crate::record::enabled::{any_bit, enabled, switch_bits};
use crate::record::scalars;
use crate::registry::kind::Kind;
use crate::registry::series_table;
use std::time::Duration;

/// A logger seen through a sample rate; see [`Logger::sampled`].
#[derive(Clone, Copy, Debug)]
pub struct Sampled<'l> {
    logger: &'l Logger,
    rate: f64,
}

impl Logger {
    /// Returns this logger with a sample rate: its counters and timers record only a share of the calls, `rate` in (0, 1].
    ///
    /// Each call is recorded with probability `rate`; statsd gets the rate; the pull cache shows value ÷ rate,
    /// or the exact number where it is [known](crate::Total::increments). A rate outside (0, 1] is
    /// reported once, and the calls are recorded unsampled.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let cache = ferrometer::get_logger("cache");
    /// for _ in 0..1000 {
    ///     cache.sampled(0.01).send_counter("hits", 1);    // ten of these are recorded, more or less, and count for a hundred each
    /// }
    /// ```
    #[must_use]
    pub fn sampled(&self, rate: f64) -> Sampled<'_> {
        Sampled { logger: self, rate: series_table::asked_for(rate) }
    }
}

impl Sampled<'_> {
    /// Adds to a counter, if this call is sampled.
    #[inline(always)]
    pub fn send_counter(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
        value: impl CounterValue,
    ) {
        if enabled() {
            scalars::add(self.logger.series(name, Kind::Counter, self.rate), value.to_count());
        }
    }

    /// Records a duration, if this call is sampled.
    #[inline(always)]
    pub fn send_timer(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
        value: Duration,
    ) {
        let switches = switch_bits();
        if any_bit(switches) {
            handle::record_duration::<true>(self.logger.series(name, Kind::Timer, self.rate), value, switches);
        }
    }

    /// Records a value, if this call is sampled.
    #[inline(always)]
    pub fn send_histogram(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
        value: impl GaugeValue,
    ) {
        let switches = switch_bits();
        if any_bit(switches) {
            handle::record_value::<true>(
                self.logger.series(name, Kind::Histogram, self.rate),
                value.to_gauge(),
                switches,
            );
        }
    }

    /// A handle on the sampled counter.
    #[inline]
    pub fn counter(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
    ) -> Counter {
        Counter(self.logger.handle(name, Kind::Counter, self.rate))
    }

    /// A handle on the sampled timer.
    #[inline]
    pub fn timer(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
    ) -> Timer {
        Timer(self.logger.handle(name, Kind::Timer, self.rate))
    }

    /// A handle on the sampled histogram.
    #[inline]
    pub fn histogram(
        &self,
        name: impl MetricName, // a literal; text made at run time: `String`, or `Dynamic(&text)`
    ) -> Histogram {
        Histogram(self.logger.handle(name, Kind::Histogram, self.rate))
    }
}
