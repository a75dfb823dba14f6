//! Call sites that wait for the end of the call: how it ended decides what is recorded, and where.

use crate::callsite::cached_series::Site;
use crate::callsite::label_value::{Fixed, LabelValue, Numbers, Sets};
use crate::record::clock::Stamp;
use crate::record::distributions;
use crate::record::scalars;
use crate::registry::kind::Kind;
use crate::registry::literal_cache::static_series;
use crate::registry::loggers::with_labels;
use crate::registry::series::{LoggerEntry, SENTINEL_SERIES, Series};
use std::ptr;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned something that is no `Err`.
    Ok,
    /// It returned `Err`.
    Err,
    /// It panicked.
    Panic,
    /// Its future was dropped before it was ready.
    Cancelled,
}

impl Outcome {
    /// Returns the outcome of a call that was left without saying how.
    fn of_drop() -> Outcome {
        if std::thread::panicking() { Outcome::Panic } else { Outcome::Cancelled }
    }
}

impl LabelValue for Outcome {
    const VALUES: &'static [&'static str] = &["ok", "err", "panic", "cancelled"];

    fn index(&self) -> usize {
        *self as usize
    }
}

impl AsRef<str> for Outcome {
    fn as_ref(&self) -> &str {
        Self::VALUES[self.index()]
    }
}

/// The place where a call that ends is recorded.
#[derive(Clone, Copy)]
pub(super) struct Exit {
    pub(super) site: &'static Site,
    pub(super) logger: &'static LoggerEntry,
    pub(super) kind: Kind,
    pub(super) on: Option<Outcome>,
    pub(super) label: bool,
}

impl Exit {
    /// Returns the series of an outcome; `None` where such a call is not recorded.
    pub(super) fn series(&self, outcome: Outcome) -> Option<&'static Series> {
        if self.on.is_some_and(|on| on != outcome) {
            return None;
        }
        Some(match self.label {
            true => self.labelled(outcome),
            false => self.site.memory.series(self.logger, self.site.name, self.kind, self.site.rate),
        })
    }

    fn labelled(&self, outcome: Outcome) -> &'static Series {
        let (outcomes, numbers) = (&self.site.outcomes, (Fixed::of(&outcome),));
        match outcomes.get(self.logger, &numbers) {
            Some(series) if !ptr::eq(series, SENTINEL_SERIES) => series,
            _ => {
                let logger = with_labels(self.logger, &[("outcome", outcome.as_ref())]);
                let series = static_series(logger, self.site.name, self.kind, self.site.rate, false);
                outcomes.put(self.logger, Sets::of(&numbers), numbers.combination(), series);
                series
            }
        }
    }
}

/// Counts one call by its outcome.
pub type ExitCounter = OnExit<Once>;
/// Measures one call and records it by its outcome.
pub type ExitTimer = OnExit<Since>;

/// A way to record the end of a call, with the value that is kept for it until then.
pub trait Ending: Copy {
    #[doc(hidden)]
    fn record(self, series: impl FnOnce() -> Option<&'static Series>);
}

/// Counts.
#[derive(Clone, Copy)]
pub struct Once;

impl Ending for Once {
    fn record(self, series: impl FnOnce() -> Option<&'static Series>) {
        if let Some(series) = series() {
            scalars::add_out_of_line(series, 1);
        }
    }
}

/// Measures since then.
#[derive(Clone, Copy)]
pub struct Since(pub(super) Stamp);

impl Ending for Since {
    fn record(self, series: impl FnOnce() -> Option<&'static Series>) {
        // Before the series is looked for.
        let nanos = self.0.elapsed_nanos();
        if let Some(series) = series() {
            distributions::nanos(series, nanos, true);
        }
    }
}

/// Records one call by its outcome. Dropped unfinished, the call panicked or its future was dropped.
#[must_use]
pub struct OnExit<T: Ending>(Option<(Exit, T)>);

impl<T: Ending> OnExit<T> {
    /// `None`: records nothing.
    #[inline(always)]
    pub(super) fn new(running: Option<(Exit, T)>) -> OnExit<T> {
        OnExit(running)
    }

    /// The call ended like this.
    #[inline(always)]
    pub fn finish(mut self, outcome: Outcome) {
        if self.0.is_some() {
            self.end(outcome);
        }
    }

    #[inline(never)]
    fn end(&mut self, outcome: Outcome) {
        if let Some((exit, kept)) = self.0.take() {
            kept.record(|| exit.series(outcome));
        }
    }
}

impl<T: Ending> Drop for OnExit<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.end(Outcome::of_drop());
        }
    }
}

/// Tells the outcome of a returned value by its type: `(&Probe(&value)).outcome()`. A `Result` is found first, everything
/// else is `Ok`, because one more reference is needed to reach it.
pub struct Probe<'a, T: ?Sized>(pub &'a T);

/// The outcome of a `Result`.
pub trait ResultOutcome {
    /// `Err` or `Ok`.
    fn outcome(&self) -> Outcome;
}

impl<T, E> ResultOutcome for Probe<'_, Result<T, E>> {
    #[inline]
    fn outcome(&self) -> Outcome {
        if self.0.is_err() { Outcome::Err } else { Outcome::Ok }
    }
}

/// The outcome of anything else.
pub trait AnyOutcome {
    /// Always `Ok`.
    #[inline]
    fn outcome(&self) -> Outcome {
        Outcome::Ok
    }
}

impl<T: ?Sized> AnyOutcome for &Probe<'_, T> {}
