//! The memory of a call site without labels: the series it used last.

use crate::instrument::logger::Logger;
use crate::registry::kind::Kind;
use crate::registry::literal_cache::static_series;
use crate::registry::series::{LoggerEntry, SENTINEL_SERIES, Series};
use std::hint::assert_unchecked;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

/// A site's name and rate, and what it remembers.
pub(super) struct Site {
    pub(super) name: &'static str,
    /// 0.0: none given.
    pub(super) rate: f64,
    pub(super) memory: CachedSeries,
    /// The record that a macro writes of the site; empty where none does.
    pub(super) told: &'static [u8],
}

impl Site {
    pub(super) const fn new(name: &'static str, rate: f64) -> Site {
        Site { name, rate, memory: CachedSeries::new(), told: &[] }
    }

    /// Returns the site with what a macro says of it.
    pub(super) const fn told(mut self, told: &'static [u8]) -> Site {
        self.told = told;
        self
    }

    /// Returns the remembered series, if it is of this logger.
    #[inline(always)]
    pub(super) fn get(&self, logger: &Logger) -> Option<&'static Series> {
        self.memory.get(logger.peek())
    }

    /// Returns the series of this logger, looked up if need be.
    #[inline(always)]
    pub(super) fn series(&'static self, logger: &Logger, kind: Kind) -> &'static Series {
        match self.get(logger) {
            Some(series) => series,
            None => self.first(logger, kind),
        }
    }

    /// Returns the series of a logger that is known, looked up if need be.
    #[inline(always)]
    pub(super) fn series_of(&'static self, logger: &'static LoggerEntry, kind: Kind) -> &'static Series {
        match self.memory.get(logger) {
            Some(series) => series,
            None => self.look_up(logger, kind),
        }
    }

    #[cold]
    #[inline(never)]
    fn first(&'static self, logger: &Logger, kind: Kind) -> &'static Series {
        self.look_up(logger.entry(), kind)
    }

    #[cold]
    fn look_up(&'static self, logger: &'static LoggerEntry, kind: Kind) -> &'static Series {
        let series = self.memory.look_up(logger, self.name, kind, self.rate);
        series.recorded_at(self.told);
        series
    }
}

/// The series a call site used last. A site is used with one logger nearly always; another one is looked up.
pub(super) struct CachedSeries(AtomicPtr<Series>);

impl CachedSeries {
    pub(super) const fn new() -> CachedSeries {
        CachedSeries(AtomicPtr::new(ptr::from_ref(SENTINEL_SERIES).cast_mut()))
    }

    /// Returns the remembered series, if it is of this logger.
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

    #[cold]
    fn look_up(&self, logger: &'static LoggerEntry, name: &'static str, kind: Kind, rate: f64) -> &'static Series {
        let series = static_series(logger, name, kind, rate, false);
        // The overflow series belongs to another logger: it takes many names, and is not this site's own.
        if ptr::eq(series.logger, logger) {
            self.0.store(ptr::from_ref(series).cast_mut(), Release);
        }
        series
    }
}
