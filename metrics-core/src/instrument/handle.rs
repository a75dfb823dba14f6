//! Handles: instruments that were looked up once. `Copy`, as small as a reference, never stale.

use crate::callsite::label_text::LabelArgument;
use crate::instrument::guard::{InFlightGuard, TimerGuard};
use crate::instrument::recordable::{CounterValue, GaugeValue};
use crate::instrument::timed_future::TimedFuture;
use crate::record::distributions;
use crate::record::enabled::{any_bit, enabled, switch_bits};
use crate::record::scalars;
use crate::registry::descriptions;
use crate::registry::loggers;
use crate::registry::series::Series;
use crate::registry::series_table;
use std::future::Future;
use std::time::Duration;

/// Methods that every handle has.
macro_rules! described {
    ($handle:ident) => {
        impl $handle {
            /// Declares the unit, such as `bytes` or `rows`. The first declaration stays.
            #[must_use]
            pub fn unit(self, unit: &'static str) -> Self {
                descriptions::of_handle(self.0.logger_name(), self.0.metric_name(), unit, "");
                self
            }

            /// Says what the instrument means, for people; at most 1,024 characters are kept. The first text stays.
            #[must_use]
            pub fn description(self, text: &str) -> Self {
                descriptions::of_handle(self.0.logger_name(), self.0.metric_name(), "", text);
                self
            }

            /// Returns this instrument with one more label; see [`Logger::with`](crate::Logger::with), which is better where the
            /// instrument without the label is never recorded: here it has been registered too.
            #[must_use]
            pub fn with(self, key: &str, value: impl LabelArgument) -> Self {
                let labelled = |value: &str| loggers::with_labels(self.0.logger, &[(key, value)]);
                let logger = value.__ferrometer_with_text(labelled);
                Self(series_table::series(logger, self.0.metric_name(), self.0.kind(), self.0.given_rate()))
            }

            /// The series behind the handle.
            #[must_use]
            pub fn series(self) -> &'static Series {
                self.0
            }
        }
    };
}

/// Methods of counters and distributions, which can be sampled.
macro_rules! sampled {
    ($handle:ident) => {
        impl $handle {
            /// Returns this instrument with a sample rate: a share `rate` in (0, 1] of the calls is recorded. A rate outside is
            /// reported once, and the calls are recorded unsampled.
            #[must_use]
            pub fn sampled(self, rate: f64) -> Self {
                let rate = series_table::asked_for(rate);
                Self(series_table::series(self.0.logger, self.0.metric_name(), self.0.kind(), rate))
            }
        }
    };
}

/// A sum of whole numbers: requests, bytes, errors. Exact to 2^63.
#[derive(Clone, Copy, Debug)]
pub struct Counter(pub(crate) &'static Series);
described!(Counter);
sampled!(Counter);

impl Counter {
    /// Adds 1.
    #[inline(always)]
    pub fn increment(self) {
        if enabled() {
            scalars::add(self.0, 1);
        }
    }

    /// Adds a whole number, negative or not.
    #[inline(always)]
    pub fn add(self, value: impl CounterValue) {
        if enabled() {
            scalars::add(self.0, value.to_count());
        }
    }

    /// Counts that a block was entered: adds 1 now. What it returns does nothing when dropped; it lets a
    /// counter be written like a guard: `let _count = METRICS.counter("x").enter();`
    #[inline]
    pub fn enter(self) -> Entered {
        self.increment();
        Entered(())
    }
}

/// The result of [`Counter::enter`]. It does nothing.
#[derive(Debug)]
pub struct Entered(());

/// A value that is set: a depth, a temperature, a share.
#[derive(Clone, Copy, Debug)]
pub struct Gauge(pub(crate) &'static Series);
described!(Gauge);

impl Gauge {
    /// Sets the value. NaN and infinities are counted and not recorded.
    #[inline(always)]
    pub fn set(self, value: impl GaugeValue) {
        scalars::set(self.0, value.to_gauge());
    }

    /// Adds to the value, which is 0 before it is set; lock-free.
    #[inline]
    pub fn add(self, value: impl GaugeValue) {
        scalars::add_to_gauge(self.0, value.to_gauge());
    }

    /// Adds 1. For what a guard can count, [`InFlight`] is better: it cannot forget to subtract.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let open = ferrometer::get_logger("files").gauge("open");
    /// open.increment();
    /// open.increment();
    /// open.decrement();
    /// // The gauge is 1 more than it was.
    /// ```
    #[inline]
    pub fn increment(self) {
        scalars::add_to_gauge(self.0, 1.0);
    }

    /// Subtracts 1.
    #[inline]
    pub fn decrement(self) {
        scalars::add_to_gauge(self.0, -1.0);
    }
}

/// How many of something are in progress. Every thread counts for itself; the sum is exported as a gauge.
#[derive(Clone, Copy, Debug)]
pub struct InFlight(pub(crate) &'static Series);
described!(InFlight);

impl InFlight {
    /// Counts one more now and one less when the guard is dropped, on whichever thread.
    #[inline(always)]
    pub fn enter(self) -> InFlightGuard {
        InFlightGuard::enter(self.0)
    }
}

/// A distribution of durations.
#[derive(Clone, Copy, Debug)]
pub struct Timer(pub(crate) &'static Series);
described!(Timer);
sampled!(Timer);

impl Timer {
    /// Starts measuring; the guard records when it is stopped or dropped. Whether the call is sampled is decided here,
    /// before the clock is read.
    #[inline(always)]
    pub fn start(self) -> TimerGuard {
        TimerGuard::start(self.0)
    }

    /// Records a duration measured elsewhere.
    #[inline(always)]
    pub fn record(self, value: Duration) {
        let switches = switch_bits();
        if any_bit(switches) {
            distributions::sampled_duration(self.0, value, switches);
        }
    }

    /// Measures a closure, also when it panics.
    #[inline]
    pub fn time<T>(self, work: impl FnOnce() -> T) -> T {
        let _guard = self.start();
        work()
    }

    /// Measures a future from its first poll to its end, or to its being dropped half-way. One that is never polled records
    /// nothing.
    /// With [`busy`](TimedFuture::busy) behind it, also how much of that it was polled.
    pub fn time_future<F: Future>(self, future: F) -> TimedFuture<F> {
        TimedFuture::new(self, future)
    }
}

/// A distribution of values that are no durations.
#[derive(Clone, Copy, Debug)]
pub struct Histogram(pub(crate) &'static Series);
described!(Histogram);
sampled!(Histogram);

impl Histogram {
    /// Records a value. NaN and infinities are counted and not recorded.
    #[inline(always)]
    pub fn record(self, value: impl GaugeValue) {
        let switches = switch_bits();
        if any_bit(switches) {
            distributions::sampled_float(self.0, value.to_gauge(), switches);
        }
    }
}

// Out of line, for call sites that look their series up first. `HERE`: see `record`.
#[inline(never)]
pub(crate) fn record_duration<const HERE: bool>(series: &'static Series, value: Duration, switches: usize) {
    distributions::sampled_duration(series, value, switches);
}

#[inline(never)]
pub(crate) fn record_value<const HERE: bool>(series: &'static Series, value: f64, switches: usize) {
    distributions::sampled_float(series, value, switches);
}
