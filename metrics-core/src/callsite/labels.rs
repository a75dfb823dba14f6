//! Call sites under labels, whose keys are fixed and whose values vary.
//!
//! Values of types with a few values lead to their series by number ([`label_value`](crate::callsite::label_value)), and so do literals that stand in
//! the call. All others do by their texts (a [`TextMemory`]).
//!
//! To add one under one or two labels, the most frequent, the texts go one by one: an array would travel through memory.

use crate::callsite::label_value::{FixedMemory, Numbers, Sets};
use crate::instrument::guard::TimerGuard;
use crate::instrument::logger::Logger;
use crate::instrument::recordable::{CounterValue, GaugeValue};
use crate::record::enabled::switch_bits;
use crate::record::{decision, distributions, scalars};
use crate::registry::kind::Kind;
use crate::registry::literal_cache::static_series;
use crate::registry::loggers::with_labels;
use crate::registry::series::{SENTINEL_SERIES, Series};
use crate::registry::text_memory::TextMemory;
use std::ptr;

/// A place that records under `N` labels, whose values change from call to call and whose keys do not. It is asked only when it is
/// known that something is recorded.
pub struct LabelledSite<const N: usize> {
    fixed: FixedMemory,
    name: &'static str,
    keys: &'static [&'static str; N],
    kind: Kind,
    rate: f64,
    texts: TextMemory<Series>,
    told: &'static [u8],
}

impl<const N: usize> LabelledSite<N> {
    /// `rate` 0.0: none given.
    #[must_use]
    pub const fn new(name: &'static str, keys: &'static [&'static str; N], kind: Kind, rate: f64) -> Self {
        Self { fixed: FixedMemory::new(), name, keys, kind, rate, texts: TextMemory::new(), told: &[] }
    }

    /// Returns the site with what the macro says of it; see [`Told`](crate::callsite::told::Told).
    #[must_use]
    pub const fn told(mut self, record: &'static [u8]) -> Self {
        self.told = record;
        self
    }

    /// The series of labels whose types have a few values each.
    #[inline(always)]
    fn numbered<'v, I: Numbers>(
        &'static self,
        logger: &Logger,
        numbers: I,
        values: impl FnOnce() -> [&'v str; N],
    ) -> &'static Series {
        match self.fixed.get(logger.peek(), &numbers) {
            Some(series) if !ptr::eq(series, SENTINEL_SERIES) => series,
            _ => self.number(logger, numbers, I::SETS, values()),
        }
    }

    /// Adds 1 to the counter of labels whose types have a few values each. That there is no series yet is not asked first: there is no cell
    /// of it either.
    #[inline(always)]
    fn one_numbered<'v, I: Numbers>(&'static self, logger: &Logger, numbers: I, values: impl FnOnce() -> [&'v str; N]) {
        let series = match self.fixed.get(logger.peek(), &numbers) {
            Some(series) if scalars::try_increment(series) => return,
            Some(series) if !ptr::eq(series, SENTINEL_SERIES) => series,
            _ => self.number(logger, numbers, I::SETS, values()),
        };
        scalars::add_out_of_line(series, 1);
    }

    #[inline(never)]
    fn number<I: Numbers>(
        &'static self,
        logger: &Logger,
        // Not by reference: they would have to stand in memory in the call that needs none of this.
        numbers: I,
        sets: &'static Sets,
        mut values: [&str; N],
    ) -> &'static Series {
        numbers.write(&mut values);
        // Where there are several, as with a logger for each object, the others find theirs by text.
        if self.fixed.is_of_others(logger.peek(), sets) {
            return self.of_texts(logger, &values);
        }
        let parent = logger.entry();
        let series = self.look_up(logger, &values);
        self.fixed.put(parent, sets, numbers.combination(), series);
        series
    }

    /// Adds a number to a counter.
    #[inline(always)]
    pub fn add<'v, I: Numbers>(
        &'static self,
        logger: &Logger,
        value: impl CounterValue,
        numbers: I,
        values: impl FnOnce() -> [&'v str; N],
    ) {
        if I::COMBINATIONS > 0 {
            return match value.to_count() {
                1 => self.one_numbered(logger, numbers, values),
                value => scalars::add(self.numbered(logger, numbers, values), value),
            };
        }
        let values = values();
        match value.to_count() {
            1 => match *values.as_slice() {
                [a] => self.add_one(logger, a, ""),
                [a, b] => self.add_one(logger, a, b),
                _ => scalars::add(self.of_texts(logger, &values), 1),
            },
            value => scalars::add(self.of_texts(logger, &values), value),
        }
    }

    #[inline(never)]
    fn add_one(&'static self, logger: &Logger, a: &str, b: &str) {
        match self.texts.get(|| logger.peek(), &of_two::<N>(a, b)) {
            Some(series) => scalars::add(series, 1),
            None => self.add_first(logger, a, b),
        }
    }

    // Whatever takes a stack is in functions of its own, so that the one above needs none.
    #[inline(never)]
    fn add_first(&'static self, logger: &Logger, a: &str, b: &str) {
        scalars::add(self.look_up(logger, &of_two(a, b)), 1);
    }

    /// Sets a gauge.
    #[inline(always)]
    pub fn set<'v, I: Numbers>(
        &'static self,
        logger: &Logger,
        value: impl GaugeValue,
        numbers: I,
        values: impl FnOnce() -> [&'v str; N],
    ) {
        let series = match I::COMBINATIONS {
            0 => self.of_texts(logger, &values()),
            _ => self.numbered(logger, numbers, values),
        };
        scalars::set_enabled(series, value.to_gauge());
    }

    /// Records a value into a histogram.
    #[inline(always)]
    pub fn record<'v, I: Numbers>(
        &'static self,
        logger: &Logger,
        value: impl GaugeValue,
        numbers: I,
        values: impl FnOnce() -> [&'v str; N],
    ) {
        let series = match I::COMBINATIONS {
            0 => self.of_texts(logger, &values()),
            _ => self.numbered(logger, numbers, values),
        };
        distributions::sampled_float(series, value.to_gauge(), switch_bits());
    }

    /// Starts measuring time.
    #[inline(always)]
    pub fn start<'v, I: Numbers>(
        &'static self,
        logger: &Logger,
        numbers: I,
        values: impl FnOnce() -> [&'v str; N],
    ) -> TimerGuard {
        let series = match I::COMBINATIONS {
            0 => self.of_texts(logger, &values()),
            _ => self.numbered(logger, numbers, values),
        };
        match decision::decide(series) {
            Some(series) => TimerGuard::running(series),
            None => TimerGuard::inert(),
        }
    }

    /// Returns the series of labels of any text.
    #[inline(never)]
    fn of_texts(&'static self, logger: &Logger, values: &[&str; N]) -> &'static Series {
        self.texts.get(|| logger.peek(), values).unwrap_or_else(|| self.look_up(logger, values))
    }

    #[inline(never)]
    fn look_up(&'static self, logger: &Logger, values: &[&str; N]) -> &'static Series {
        let parent = logger.entry();
        // The overflow series takes many names, and the sentinel none: neither is remembered.
        self.texts.look_up(
            parent,
            values,
            |series| series.logger.is_programs(),
            || {
                let labels: [(&str, &str); N] = std::array::from_fn(|i| (self.keys[i], values[i]));
                let series = static_series(with_labels(parent, &labels), self.name, self.kind, self.rate, false);
                series.recorded_at(self.told);
                series
            },
        )
    }
}

/// The values of one or two labels.
#[inline(always)]
fn of_two<'v, const N: usize>(a: &'v str, b: &'v str) -> [&'v str; N] {
    std::array::from_fn(|at| if at == 0 { a } else { b })
}
