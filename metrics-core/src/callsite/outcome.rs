//! Call sites that wait for the end of the call: how it ended decides what is recorded, and where.

use crate::callsite::cached_series::Memory;
use crate::record::clock::Stamp;
use crate::record::distributions;
use crate::record::scalars;
use crate::registry;
use crate::registry::series::{Kind, LoggerEntry, Series};

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
    const fn label(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Err => "err",
            Outcome::Panic => "panic",
            Outcome::Cancelled => "cancelled",
        }
    }

    /// Of a call that was left without saying how.
    fn of_drop() -> Outcome {
        if std::thread::panicking() { Outcome::Panic } else { Outcome::Cancelled }
    }
}

/// The series of each outcome.
pub(super) struct Exits([Memory; 4]);

impl Exits {
    pub(super) const fn new() -> Exits {
        Exits([Memory::new(), Memory::new(), Memory::new(), Memory::new()])
    }
}

/// Where a call that ends is recorded.
#[derive(Clone, Copy)]
pub(super) struct Exit {
    pub(super) site: &'static Exits,
    pub(super) logger: &'static LoggerEntry,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) rate: f64,
    pub(super) on: Option<Outcome>,
    pub(super) label: bool,
}

impl Exit {
    pub(super) fn series(&self, outcome: Outcome) -> Option<&'static Series> {
        if self.on.is_some_and(|on| on != outcome) {
            return None;
        }
        let logger = match self.label {
            true => registry::with_labels(self.logger, &[("outcome", outcome.label())]),
            false => self.logger,
        };
        Some(self.site.0[outcome as usize].series(logger, self.name, self.kind, self.rate))
    }
}

/// Counts one call by its outcome.
pub type ExitCounter = OnExit<Once>;
/// Measures one call and records it by its outcome.
pub type ExitTimer = OnExit<Since>;

/// What is recorded when a call ends, and what is kept for it until then.
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
            scalars::count_apart(series, 1);
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
            distributions::nanos_routed(series, nanos);
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
