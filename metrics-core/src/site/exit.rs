//! Call sites that wait for the end of the call: how it ended decides what is recorded, and where.

use super::Memory;
use crate::clock::Stamp;
use crate::series::{Kind, LoggerEntry, Series};
use crate::{record, registry};

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

/// Counts one call by its outcome. Dropped unfinished, the call panicked or its future was dropped.
#[must_use]
pub struct ExitCounter {
    pub(super) exit: Option<Exit>,
}

impl ExitCounter {
    #[inline(always)]
    fn is_open(&self) -> bool {
        self.exit.is_some()
    }

    /// The call ended like this.
    #[inline(always)]
    pub fn finish(mut self, outcome: Outcome) {
        if self.is_open() {
            self.end(outcome);
        }
    }

    #[inline(never)]
    fn end(&mut self, outcome: Outcome) {
        if let Some(series) = self.exit.take().and_then(|exit| exit.series(outcome)) {
            record::count_apart(series, 1);
        }
    }
}

impl Drop for ExitCounter {
    #[inline(always)]
    fn drop(&mut self) {
        if self.is_open() {
            self.end(Outcome::of_drop());
        }
    }
}

/// Measures one call and records it by its outcome. Dropped unfinished, the call panicked or its future was dropped.
#[must_use]
pub struct ExitTimer {
    pub(super) running: Option<(Exit, Stamp)>,
}

impl ExitTimer {
    #[inline(always)]
    fn is_open(&self) -> bool {
        self.running.is_some()
    }

    /// The call ended like this.
    #[inline(always)]
    pub fn finish(mut self, outcome: Outcome) {
        if self.is_open() {
            self.end(outcome);
        }
    }

    #[inline(never)]
    fn end(&mut self, outcome: Outcome) {
        if let Some((exit, start)) = self.running.take() {
            let nanos = start.elapsed_nanos();
            if let Some(series) = exit.series(outcome) {
                record::nanos(series, nanos);
            }
        }
    }
}

impl Drop for ExitTimer {
    #[inline(always)]
    fn drop(&mut self) {
        if self.is_open() {
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
