//! A place that remembers a series, so that a call finds it without a lookup.

use crate::registry;
use crate::registry::series::{Kind, LoggerEntry, Series};
use std::hint::assert_unchecked;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

/// The series a call site used last. A site is used with one logger nearly always; another one is looked up.
pub(super) struct Memory(AtomicPtr<Series>);

impl Memory {
    pub(super) const fn new() -> Memory {
        // Never null: the series that stands for none has a logger of its own, which is no logger a program has.
        Memory(AtomicPtr::new(ptr::from_ref(registry::SENTINEL_SERIES).cast_mut()))
    }

    /// What is remembered, if it is of this logger.
    #[inline(always)]
    pub(super) fn get(&self, logger: *const LoggerEntry) -> Option<&'static Series> {
        let series = self.0.load(Acquire);
        // SAFETY: the pointer was made from a `&'static Series`, in `new` or in `look_up`. That it is not null is said for the compiler.
        let series: &'static Series = unsafe {
            assert_unchecked(!series.is_null());
            &*series
        };
        ptr::eq(series.logger, logger).then_some(series)
    }

    #[inline(always)]
    pub(super) fn series(
        &self,
        logger: &'static LoggerEntry,
        name: &'static str,
        kind: Kind,
        rate: f64,
    ) -> &'static Series {
        match self.get(logger) {
            Some(series) => series,
            None => self.look_up(logger, name, kind, rate),
        }
    }

    #[cold]
    fn look_up(&self, logger: &'static LoggerEntry, name: &'static str, kind: Kind, rate: f64) -> &'static Series {
        let series = registry::static_series(logger, name, kind, rate, false);
        // The overflow series stands for many names: it is not this site's own, and `logger` differs.
        if ptr::eq(series.logger, logger) {
            self.0.store(ptr::from_ref(series).cast_mut(), Release);
        }
        series
    }
}
