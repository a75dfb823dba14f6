//! Call sites under labels, whose keys are fixed and whose values vary.

use crate::guard::TimerGuard;
use crate::logger::Logger;
use crate::registry::LabelMemory;
use crate::series::{Kind, Series};
use crate::value::{CounterValue, GaugeValue};
use crate::{record, registry};

/// A place that records under labels, whose values change from call to call and whose keys do not. It is asked only when it is
/// known that something is recorded.
pub struct LabelledSite {
    name: &'static str,
    kind: Kind,
    rate: f64,
    memory: LabelMemory,
}

impl LabelledSite {
    /// `rate` 0.0: none given.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, rate: f64) -> Self {
        Self { name, kind, rate, memory: LabelMemory::new() }
    }

    #[inline(always)]
    fn get<const N: usize>(&'static self, logger: &Logger, values: &[&str; N]) -> Option<&'static Series> {
        self.memory.get(logger.peek(), values)
    }

    fn look_up<const N: usize>(
        &'static self,
        logger: &Logger,
        keys: &'static [&'static str; N],
        values: &[&str; N],
    ) -> &'static Series {
        let find = |logger| registry::static_series(logger, self.name, self.kind, self.rate, false);
        self.memory.look_up(logger.entry(), keys, values, find)
    }

    /// Adds a number to a counter.
    #[inline(always)]
    pub fn add<const N: usize>(
        &'static self,
        logger: &Logger,
        value: impl CounterValue,
        keys: &'static [&'static str; N],
        values: [&str; N],
    ) {
        match value.to_count() {
            1 => self.add_one(logger, keys, &values),
            value => record::count_on(self.look_up(logger, keys, &values), value),
        }
    }

    #[inline(never)]
    fn add_one<const N: usize>(
        &'static self,
        logger: &Logger,
        keys: &'static [&'static str; N],
        values: &[&str; N],
    ) {
        match self.get(logger, values) {
            Some(series) => record::count_on(series, 1),
            None => self.add_one_elsewhere(logger, keys, values),
        }
    }

    #[inline(never)]
    fn add_one_elsewhere<const N: usize>(
        &'static self,
        logger: &Logger,
        keys: &'static [&'static str; N],
        values: &[&str; N],
    ) {
        record::count_on(self.look_up(logger, keys, values), 1);
    }

    /// Sets a gauge.
    #[inline(never)]
    pub fn set<const N: usize>(
        &'static self,
        logger: &Logger,
        value: impl GaugeValue,
        keys: &'static [&'static str; N],
        values: [&str; N],
    ) {
        record::set_on(self.look_up(logger, keys, &values), value.to_gauge());
    }

    /// Starts measuring time.
    #[inline(always)]
    pub fn start<const N: usize>(
        &'static self,
        logger: &Logger,
        keys: &'static [&'static str; N],
        values: [&str; N],
    ) -> TimerGuard {
        match self.taken(logger, keys, &values) {
            Some(series) => TimerGuard::running(series),
            None => TimerGuard::inert(),
        }
    }

    #[inline(never)]
    fn taken<const N: usize>(
        &'static self,
        logger: &Logger,
        keys: &'static [&'static str; N],
        values: &[&str; N],
    ) -> Option<&'static Series> {
        let series = match self.get(logger, values) {
            Some(series) => series,
            None => self.look_up(logger, keys, values),
        };
        record::is_taken_on(series).then_some(series)
    }
}
