//! Call sites under labels, whose keys are fixed and whose values vary.

use super::fixed::{FixedMemory, Numbers};
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
    fixed: FixedMemory,
}

impl LabelledSite {
    /// `rate` 0.0: none given.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, rate: f64) -> Self {
        Self { name, kind, rate, memory: LabelMemory::new(), fixed: FixedMemory::new() }
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

    /// The series of labels whose types have a few values each.
    #[inline(always)]
    fn numbered<'v, const N: usize, I: Numbers>(
        &'static self,
        logger: &Logger,
        keys: &'static [&'static str; N],
        numbers: &I,
        values: impl FnOnce() -> [&'v str; N],
    ) -> &'static Series {
        match self.fixed.get(logger, numbers) {
            Some(series) => series,
            None => self.number(logger, keys, numbers, I::SETS.as_ptr(), values()),
        }
    }

    #[cold]
    fn number<const N: usize, I: Numbers>(
        &'static self,
        logger: &Logger,
        keys: &'static [&'static str; N],
        numbers: &I,
        sets: *const &'static [&'static str],
        mut values: [&str; N],
    ) -> &'static Series {
        numbers.write(&mut values);
        let series = self.look_up(logger, keys, &values);
        self.fixed.put(logger.entry(), sets, I::COMBINATIONS, numbers.combination(), series);
        series
    }

    /// Adds a number to a counter.
    #[inline(always)]
    pub fn add<'v, const N: usize, I: Numbers>(
        &'static self,
        logger: &Logger,
        value: impl CounterValue,
        keys: &'static [&'static str; N],
        numbers: I,
        values: impl FnOnce() -> [&'v str; N],
    ) {
        if I::COMBINATIONS > 0 {
            return record::count_on(self.numbered(logger, keys, &numbers, values), value.to_count());
        }
        let values = values();
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
    #[inline(always)]
    pub fn set<'v, const N: usize, I: Numbers>(
        &'static self,
        logger: &Logger,
        value: impl GaugeValue,
        keys: &'static [&'static str; N],
        numbers: I,
        values: impl FnOnce() -> [&'v str; N],
    ) {
        let series = match I::COMBINATIONS {
            0 => self.texts(logger, keys, &values()),
            _ => self.numbered(logger, keys, &numbers, values),
        };
        record::set_on(series, value.to_gauge());
    }

    /// Starts measuring time.
    #[inline(always)]
    pub fn start<'v, const N: usize, I: Numbers>(
        &'static self,
        logger: &Logger,
        keys: &'static [&'static str; N],
        numbers: I,
        values: impl FnOnce() -> [&'v str; N],
    ) -> TimerGuard {
        let series = match I::COMBINATIONS {
            0 => self.texts(logger, keys, &values()),
            _ => self.numbered(logger, keys, &numbers, values),
        };
        match record::is_taken_on(series) {
            true => TimerGuard::running(series),
            false => TimerGuard::inert(),
        }
    }

    /// The series of labels of any text.
    #[inline(never)]
    fn texts<const N: usize>(
        &'static self,
        logger: &Logger,
        keys: &'static [&'static str; N],
        values: &[&str; N],
    ) -> &'static Series {
        match self.get(logger, values) {
            Some(series) => series,
            None => self.look_up(logger, keys, values),
        }
    }
}
