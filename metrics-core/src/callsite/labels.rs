//! Call sites under labels, whose keys are fixed and whose values vary.
//!
//! Values of types with a few values lead to their series by number (`fixed`). Others do by their texts: those that are literals by where they
//! stand (`addressed`), the rest by what they say (`LabelMemory`).
//!
//! To add one under one or two labels, the most frequent, the texts go one by one: an array would travel through memory.

use crate::callsite::label_value::{FixedMemory, Numbers, Sets};
use crate::instrument::guard::TimerGuard;
use crate::instrument::logger::Logger;
use crate::instrument::recordable::{CounterValue, GaugeValue};
use crate::record::decision;
use crate::record::scalars;
use crate::registry;
use crate::registry::address_cache::Addressed;
use crate::registry::label_sets::LabelMemory;
use crate::registry::rodata;
use crate::registry::series::{Kind, LoggerEntry, Series};
use crate::sync::reentrancy;
use std::ptr;

/// How many combinations of literals a call site remembers at most.
const LITERALS: usize = 64;
// What the documentation of `Limits::max_bytes` says of a call site.
#[cfg(not(ferrometer_loom))]
const _: () =
    assert!(Addressed::<6, LITERALS, Series>::BYTES <= 8 << 10 && !Addressed::<7, LITERALS, Series>::THERE_ARE);

/// A place that records under `N` labels, whose values change from call to call and whose keys do not. It is asked only when it is
/// known that something is recorded.
pub struct LabelledSite<const N: usize> {
    literals: Addressed<N, LITERALS, Series>,
    fixed: FixedMemory,
    name: &'static str,
    keys: &'static [&'static str; N],
    kind: Kind,
    rate: f64,
    texts: LabelMemory,
}

impl<const N: usize> LabelledSite<N> {
    /// `rate` 0.0: none given.
    #[must_use]
    pub const fn new(name: &'static str, keys: &'static [&'static str; N], kind: Kind, rate: f64) -> Self {
        let (literals, fixed, texts) = (Addressed::new(), FixedMemory::new(), LabelMemory::new());
        Self { literals, fixed, name, keys, kind, rate, texts }
    }

    /// The series of labels of any text, if they are literals that were seen before.
    #[inline(always)]
    fn literal(&'static self, logger: &Logger, values: &[&str; N]) -> Option<&'static Series> {
        self.literals.get(|| logger.peek().cast(), values)
    }

    /// The series of labels that are not all literals, or of literals that found no place, if they were seen before.
    #[inline(always)]
    fn text(&'static self, logger: &Logger, values: &[&str; N]) -> Option<&'static Series> {
        self.texts.get(|| logger.peek(), values)
    }

    #[inline(never)]
    fn look_up(&'static self, logger: &Logger, values: &[&str; N]) -> &'static Series {
        let parent = logger.entry();
        // Literals are remembered as such, or as texts where there is no place for them.
        let literal = values.iter().all(|value| rodata::is_constant(value)) && self.literals.has_place(values);
        let series = self.by_text(parent, values, !literal);
        // What is refused, or is found while an allocation is registered, is looked up again.
        if literal
            && series.logger.is_programs()
            && let Some(_busy) = reentrancy::try_enter()
        {
            self.literals.put(ptr::from_ref(parent).cast(), values, series);
        }
        series
    }

    fn by_text(&'static self, parent: &'static LoggerEntry, values: &[&str; N], keep: bool) -> &'static Series {
        let find = |logger| registry::static_series(logger, self.name, self.kind, self.rate, false);
        self.texts.look_up(parent, self.keys, values, keep, find)
    }

    /// The series of labels whose types have a few values each.
    #[inline(always)]
    fn numbered<'v, I: Numbers>(
        &'static self,
        logger: &Logger,
        numbers: I,
        values: impl FnOnce() -> [&'v str; N],
    ) -> &'static Series {
        match self.fixed.get(logger, &numbers) {
            Some(series) if !ptr::eq(series, registry::SENTINEL_SERIES) => series,
            _ => self.number(logger, numbers, I::SETS, values()),
        }
    }

    /// Adds 1 to the counter of labels whose types have a few values each. That there is no series yet is not asked first: there is no cell
    /// of it either.
    #[inline(always)]
    fn one_numbered<'v, I: Numbers>(&'static self, logger: &Logger, numbers: I, values: impl FnOnce() -> [&'v str; N]) {
        let series = match self.fixed.get(logger, &numbers) {
            Some(series) if scalars::try_increment(series) => return,
            Some(series) if !ptr::eq(series, registry::SENTINEL_SERIES) => series,
            _ => self.number(logger, numbers, I::SETS, values()),
        };
        scalars::count_apart(series, 1);
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
        if self.fixed.is_of_others(logger, sets) {
            return self.of_texts(logger, &values);
        }
        let parent = logger.entry();
        let series = self.by_text(parent, &values, true);
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
                value => scalars::count_on(self.numbered(logger, numbers, values), value),
            };
        }
        let values = values();
        match value.to_count() {
            1 => match *values.as_slice() {
                [a] => self.add_one(logger, a, ""),
                [a, b] => self.add_one(logger, a, b),
                _ => self.add_one_of_many(logger, &values),
            },
            value => scalars::count_on(self.of_texts(logger, &values), value),
        }
    }

    #[inline(never)]
    fn add_one(&'static self, logger: &Logger, a: &str, b: &str) {
        // Where there were never literals, nothing is looked for beside.
        let Some(places) = self.literals.places() else { return self.add_one_elsewhere(logger, a, b) };
        match Addressed::get_of(places, || logger.peek().cast(), &of_two(a, b)) {
            Some(series) => scalars::count_on(series, 1),
            None => self.add_one_beside(logger, a, b),
        }
    }

    #[inline(never)]
    fn add_one_beside(&'static self, logger: &Logger, a: &str, b: &str) {
        match self.literals.get_beside(|| logger.peek().cast(), &of_two(a, b)) {
            Some(series) => scalars::count_on(series, 1),
            None => self.add_one_elsewhere(logger, a, b),
        }
    }

    #[inline(never)]
    fn add_one_elsewhere(&'static self, logger: &Logger, a: &str, b: &str) {
        match self.text(logger, &of_two(a, b)) {
            Some(series) => scalars::count_on(series, 1),
            None => self.add_first(logger, a, b),
        }
    }

    // Whatever takes a stack is in functions of its own, so that those above need none.
    #[inline(never)]
    fn add_first(&'static self, logger: &Logger, a: &str, b: &str) {
        scalars::count_on(self.look_up(logger, &of_two(a, b)), 1);
    }

    #[inline(never)]
    fn add_one_of_many(&'static self, logger: &Logger, values: &[&str; N]) {
        match self.literal(logger, values) {
            Some(series) => scalars::count_on(series, 1),
            None => scalars::count_on(self.of_texts_elsewhere(logger, values), 1),
        }
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
        scalars::set_on(series, value.to_gauge());
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

    /// The series of labels of any text.
    #[inline(never)]
    fn of_texts(&'static self, logger: &Logger, values: &[&str; N]) -> &'static Series {
        match self.literal(logger, values) {
            Some(series) => series,
            None => self.of_texts_elsewhere(logger, values),
        }
    }

    #[inline(never)]
    fn of_texts_elsewhere(&'static self, logger: &Logger, values: &[&str; N]) -> &'static Series {
        let beside = self.literals.get_beside(|| logger.peek().cast(), values);
        beside.or_else(|| self.text(logger, values)).unwrap_or_else(|| self.look_up(logger, values))
    }
}

/// The values of one or two labels.
#[inline(always)]
fn of_two<'v, const N: usize>(a: &'v str, b: &'v str) -> [&'v str; N] {
    std::array::from_fn(|at| if at == 0 { a } else { b })
}
