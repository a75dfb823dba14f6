//! Call sites: what the attributes and verb macros expand to. Each remembers its series in a static, so that a call finds
//! it without a lookup. Not public API: the macros of the same version use it.

use crate::instrument::guard::{Running, TimerGuard};
use crate::instrument::logger::Logger;
use crate::instrument::recordable::{CounterValue, GaugeReturn, GaugeValue};
use crate::record::clock::Stamp;
use crate::record::decision;
use crate::record::enabled::{any_bit, enabled, switch_bits};
use crate::record::scalars;
use crate::registry::series::Series;

use crate::callsite::cached_series::{CachedSeries, Site};
use crate::instrument::guard::CallTimer;
use crate::registry::kind::Kind;

/// A place that counts.
pub struct CounterSite(Site);

/// A place that measures time.
pub struct TimerSite(Site);

impl CounterSite {
    /// `rate` 0.0: none given.
    #[must_use]
    pub const fn new(name: &'static str, rate: f64) -> Self {
        Self(Site::new(name, rate))
    }

    /// Adds 1.
    #[inline(always)]
    pub fn increment(&'static self, logger: &Logger) {
        if enabled() && !self.0.memory.get(logger.peek()).is_some_and(scalars::try_increment) {
            self.one_elsewhere::<true>(logger);
        }
    }

    /// Adds 1 where a rate is given: most calls are misses, and told in place.
    #[inline(always)]
    pub fn increment_rated(&'static self, logger: &Logger) {
        if enabled() {
            match self.0.memory.get(logger.peek()) {
                Some(series) => scalars::one_rated(series),
                None => self.add_first(logger, 1),
            }
        }
    }

    // One way out for all that is not at once, so that a call site carries one call. `HERE`: see `record`. Not so rare where it is
    // sampled, but what is not should pay nothing for it.
    #[cold]
    #[inline(never)]
    fn one_elsewhere<const HERE: bool>(&'static self, logger: &Logger) {
        match self.0.memory.get(logger.peek()) {
            Some(series) => scalars::many_on::<HERE>(series, 1),
            None => self.add_first(logger, 1),
        }
    }

    /// Adds a number.
    #[inline(always)]
    pub fn add(&'static self, logger: &Logger, value: impl CounterValue) {
        if enabled() {
            self.add_on(logger, value.to_count());
        }
    }

    #[inline(always)]
    fn add_on(&'static self, logger: &Logger, value: i64) {
        match self.0.memory.get(logger.peek()) {
            Some(series) => scalars::count_on(series, value),
            None => self.add_first(logger, value),
        }
    }

    #[cold]
    fn add_first(&'static self, logger: &Logger, value: i64) {
        scalars::count_apart(self.0.memory.series(logger.entry(), self.0.name, Kind::Counter, self.0.rate), value);
    }
}

/// A place that sets a gauge.
pub struct GaugeSite {
    name: &'static str,
    memory: CachedSeries,
}

impl GaugeSite {
    /// A site of this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, memory: CachedSeries::new() }
    }

    /// Sets the gauge.
    #[inline(always)]
    pub fn set(&'static self, logger: &Logger, value: impl GaugeValue) {
        if enabled() {
            self.set_on(logger, value.to_gauge());
        }
    }

    #[inline(always)]
    fn set_on(&'static self, logger: &Logger, value: f64) {
        match self.memory.get(logger.peek()) {
            Some(series) => scalars::set_on(series, value),
            None => self.set_first(logger, value),
        }
    }

    #[cold]
    fn set_first(&'static self, logger: &Logger, value: f64) {
        scalars::set_on(self.memory.series(logger.entry(), self.name, Kind::Gauge, 0.0), value);
    }

    /// Sets the gauge to what a function returned, if that is a number.
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

    /// Starts measuring a block, inline in the function where it stands.
    #[inline(always)]
    pub fn start_block(&'static self, logger: &Logger) -> TimerGuard {
        if enabled() { TimerGuard(self.start_on::<true>(logger)) } else { TimerGuard::inert() }
    }

    /// The same where a rate is given: most calls are misses, and told in place.
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
        if let Some(series) = self.0.memory.get(logger.peek())
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
        if let Some(series) = self.0.memory.get(logger.peek()) {
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

    // What takes calls stands in functions of its own, so that the one above needs no stack.
    #[inline(never)]
    fn start_sampled(series: &'static Series) -> Running<Stamp> {
        TimerSite::running(decision::decide_sampled(series))
    }

    #[cold]
    #[inline(never)]
    fn start_elsewhere(&'static self, logger: &Logger) -> Running<Stamp> {
        let series = self.0.memory.series(logger.entry(), self.0.name, Kind::Timer, self.0.rate);
        TimerSite::running(decision::decide(series))
    }
}
