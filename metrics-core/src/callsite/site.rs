//! Call sites without labels: the statics of attributes and verb macros. Each remembers its series, so that a call finds
//! it without a lookup. Not public API: the macros of the same version use it.

use crate::instrument::guard::{Running, TimerGuard};
use crate::instrument::logger::Logger;
use crate::instrument::recordable::{CounterValue, GaugeReturn, GaugeValue};
use crate::record::clock::Stamp;
use crate::record::decision;
use crate::record::enabled::{any_bit, enabled, switch_bits};
use crate::record::scalars;
use crate::registry::series::Series;

use crate::callsite::cached_series::Site;
use crate::instrument::guard::CallTimer;
use crate::instrument::timed_future::Meter;
use crate::registry::kind::Kind;

/// A place that counts.
pub struct CounterSite(Site);

/// A place that sets a gauge.
pub struct GaugeSite(Site);

/// A place that measures time.
pub struct TimerSite(Site);

impl CounterSite {
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

    /// Adds 1.
    #[inline(always)]
    pub fn increment(&'static self, logger: &Logger) {
        if enabled() && !self.0.get(logger).is_some_and(scalars::try_increment) {
            self.one_elsewhere::<true>(logger);
        }
    }

    /// Adds 1 where a rate is given: most calls are misses, and told in place.
    #[inline(always)]
    pub fn increment_rated(&'static self, logger: &Logger) {
        if enabled() {
            scalars::increment_rated(self.0.series(logger, Kind::Counter));
        }
    }

    // One way out for all that is not at once, so that a call site carries one call. `HERE`: see `record`. Not so rare where it is
    // sampled, but an unsampled call should pay nothing for it.
    #[cold]
    #[inline(never)]
    fn one_elsewhere<const HERE: bool>(&'static self, logger: &Logger) {
        scalars::increment_slow::<HERE>(self.0.series(logger, Kind::Counter));
    }

    /// Adds a number.
    #[inline(always)]
    pub fn add(&'static self, logger: &Logger, value: impl CounterValue) {
        if enabled() {
            scalars::add(self.0.series(logger, Kind::Counter), value.to_count());
        }
    }
}

impl GaugeSite {
    /// A site of this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Site::new(name, 0.0))
    }

    /// Returns the site with what the macro says of it; see [`Told`](crate::callsite::told::Told).
    #[must_use]
    pub const fn told(self, record: &'static [u8]) -> Self {
        Self(self.0.told(record))
    }

    /// Sets the gauge.
    #[inline(always)]
    pub fn set(&'static self, logger: &Logger, value: impl GaugeValue) {
        if enabled() {
            scalars::set_enabled(self.0.series(logger, Kind::Gauge), value.to_gauge());
        }
    }

    /// Sets the gauge to the value that a function returned, if that is a number.
    #[inline]
    pub fn set_return(&'static self, logger: &Logger, value: &impl GaugeReturn) {
        if enabled()
            && let Some(value) = value.gauge_return()
        {
            self.set(logger, value);
        }
    }
}

impl TimerSite {
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

    /// Measures a future, with its polls.
    #[inline]
    pub fn meter(&'static self, logger: &Logger) -> Meter {
        if enabled() { Meter::new(self.0.series(logger, Kind::Timer)) } else { Meter::off() }
    }

    /// Starts measuring a block, inline in the function around it.
    #[inline(always)]
    pub fn start_block(&'static self, logger: &Logger) -> TimerGuard {
        if enabled() { TimerGuard(self.start_on::<true>(logger)) } else { TimerGuard::inert() }
    }

    /// Starts measuring a block where a rate is given: most calls are misses, and told in place.
    #[inline(always)]
    pub fn start_block_rated(&'static self, logger: &Logger) -> TimerGuard {
        if enabled() { TimerGuard(self.start_rated_on(logger)) } else { TimerGuard::inert() }
    }

    /// Starts measuring a function's body.
    #[inline(always)]
    pub fn start(&'static self, logger: &Logger) -> CallTimer {
        let switches = switch_bits();
        let on = any_bit(switches);
        CallTimer(if on { self.start_on::<true>(logger) } else { Running::nothing_by(switches) })
    }

    /// Starts measuring a function's body where a rate is given: most calls are misses, and told in place.
    #[inline(always)]
    pub fn start_rated(&'static self, logger: &Logger) -> CallTimer {
        let switches = switch_bits();
        let on = any_bit(switches);
        CallTimer(if on { self.start_rated_on(logger) } else { Running::nothing_by(switches) })
    }

    #[inline(always)]
    fn start_rated_on(&'static self, logger: &Logger) -> Running<Stamp> {
        if let Some(series) = self.0.get(logger)
            && let Some(missed) = decision::is_miss(series)
        {
            return if missed { Running::nothing() } else { TimerSite::start_sampled(series) };
        }
        self.start_on::<true>(logger)
    }

    // Out of line: what a call site that is off carries is the test of the switch, and of what this returns, in registers. `HERE`: see
    // `record`.
    #[inline(never)]
    fn start_on<const HERE: bool>(&'static self, logger: &Logger) -> Running<Stamp> {
        if let Some(series) = self.0.get(logger) {
            match decision::decide_inline(series) {
                Some(true) => {
                    if let Some(start) = Stamp::at_once() {
                        return Running::new(series, start);
                    }
                }
                Some(false) => return Running::nothing(),
                None => return TimerSite::start_sampled(series),
            }
        }
        self.start_elsewhere(logger)
    }

    #[inline(always)]
    fn running(taken: Option<&'static Series>) -> Running<Stamp> {
        taken.map_or_else(Running::nothing, |series| Running::new(series, Stamp::now()))
    }

    // Code that calls others is in functions of its own, so that the one above needs no stack.
    #[inline(never)]
    fn start_sampled(series: &'static Series) -> Running<Stamp> {
        TimerSite::running(decision::decide_sampled(series))
    }

    #[cold]
    #[inline(never)]
    fn start_elsewhere(&'static self, logger: &Logger) -> Running<Stamp> {
        TimerSite::running(decision::decide(self.0.series(logger, Kind::Timer)))
    }
}
