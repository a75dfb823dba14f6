//! Call sites that wait for the end of the call: how it ended decides what is recorded, and where.

use crate::callsite::cached_series::Site;
use crate::callsite::label_value::{Fixed, FixedMemory, LabelValue, Numbers, Sets};
use crate::instrument::logger::Logger;
use crate::record::clock::Stamp;
use crate::record::decision;
use crate::record::distributions;
use crate::record::enabled::enabled;
use crate::record::scalars;
use crate::registry::kind::Kind;
use crate::registry::literal_cache::static_series;
use crate::registry::loggers::with_labels;
use crate::registry::series::{LoggerEntry, SENTINEL_SERIES, Series};
use std::ops::ControlFlow;
use std::ptr;
use std::task::Poll;

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

/// A place that counts or measures calls by how they end: which outcomes, and whether each is a label.
pub struct ExitSite {
    site: Site,
    kind: Kind,
    on: Option<Outcome>,
    label: bool,
    /// The series of each outcome, where the outcome is a label.
    outcomes: FixedMemory,
}

impl ExitSite {
    /// Returns a site for calls that end with `on` (`None`: with any outcome). `rate` 0.0: none given; `label`: the outcome is a label.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, rate: f64, on: Option<Outcome>, label: bool) -> ExitSite {
        ExitSite { site: Site::new(name, rate), kind, on, label, outcomes: FixedMemory::new() }
    }

    /// Returns the site with what the macro says of it; see [`Told`](crate::callsite::told::Told).
    #[must_use]
    pub const fn told(mut self, record: &'static [u8]) -> Self {
        self.site.told = record;
        self
    }

    /// Counts when the call ends; see [`ExitCounter`].
    #[inline(always)]
    pub fn count(&'static self, logger: &Logger) -> ExitCounter {
        OnExit::new(if enabled() { Some(self.count_on(logger)) } else { None })
    }

    #[inline(never)]
    fn count_on(&'static self, logger: &Logger) -> Running<Once> {
        (self, logger.entry(), Once)
    }

    /// Measures until the call ends; see [`ExitTimer`].
    #[inline(always)]
    pub fn start(&'static self, logger: &Logger) -> ExitTimer {
        OnExit::new(if enabled() { self.start_on(logger) } else { None })
    }

    #[inline(never)]
    fn start_on(&'static self, logger: &Logger) -> Option<Running<Since>> {
        let logger = logger.entry();
        // The outcome is not known yet, and sampling comes before the clock: one series counts the calls down for all.
        let series = self.series(logger, self.on.unwrap_or(Outcome::Ok))?;
        decision::decide(series)?;
        Some((self, logger, Since(Stamp::now())))
    }

    /// Returns the series of an outcome; `None` where such a call is not recorded.
    fn series(&'static self, logger: &'static LoggerEntry, outcome: Outcome) -> Option<&'static Series> {
        if self.on.is_some_and(|on| on != outcome) {
            return None;
        }
        Some(match self.label {
            true => self.labelled(logger, outcome),
            false => self.site.series_of(logger, self.kind),
        })
    }

    /// Returns the series of an `Err` of this kind, which is a label. It is looked up each time: errors are few.
    fn of_error(&'static self, logger: &'static LoggerEntry, kind: &str) -> Option<&'static Series> {
        if self.on.is_some_and(|on| on != Outcome::Err) {
            return None;
        }
        let labels = [("error", kind), ("outcome", Outcome::Err.as_ref())];
        let labelled = with_labels(logger, if self.label { &labels } else { &labels[..1] });
        let series = static_series(labelled, self.site.name, self.kind, self.site.rate, false);
        series.recorded_at(self.site.told);
        Some(series)
    }

    fn labelled(&'static self, logger: &'static LoggerEntry, outcome: Outcome) -> &'static Series {
        let numbers = (Fixed::of(&outcome),);
        match self.outcomes.get(logger, &numbers) {
            Some(series) if !ptr::eq(series, SENTINEL_SERIES) => series,
            _ => {
                let labelled = with_labels(logger, &[("outcome", outcome.as_ref())]);
                let series = static_series(labelled, self.site.name, self.kind, self.site.rate, false);
                series.recorded_at(self.site.told);
                self.outcomes.put(logger, Sets::of(&numbers), numbers.combination(), series);
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
pub struct Since(Stamp);

impl Ending for Since {
    fn record(self, series: impl FnOnce() -> Option<&'static Series>) {
        // Before the series is looked for.
        let nanos = self.0.elapsed_nanos();
        if let Some(series) = series() {
            distributions::nanos(series, nanos, true);
        }
    }
}

/// Lists where the end of a call is recorded.
type Running<T> = (&'static ExitSite, &'static LoggerEntry, T);

/// Records one call by its outcome. Dropped unfinished, the call panicked or its future was dropped.
///
/// Packed, because a future holds it from its first poll to its end: an `ExitTimer` makes a future at most 32 bytes larger.
#[must_use]
#[repr(C, packed(4))]
pub struct OnExit<T: Ending> {
    running: Option<Running<T>>,
    left: Option<Outcome>,
}

impl<T: Ending> OnExit<T> {
    /// `None`: records nothing.
    #[inline(always)]
    fn new(running: Option<Running<T>>) -> OnExit<T> {
        OnExit { running, left: None }
    }

    /// Says that `?` is about to leave the call with this outcome. Recorded when this is dropped, after the locals of the call.
    #[inline(always)]
    pub fn leave(&mut self, outcome: Outcome) {
        self.left = Some(outcome);
    }

    /// Records that the call ended like this.
    #[inline(always)]
    pub fn finish(&mut self, outcome: Outcome) {
        if { self.running }.is_some() {
            self.end(outcome);
        }
    }

    /// Records that the call ended with an `Err` of this kind.
    #[cold]
    pub fn finish_error(&mut self, kind: &str) {
        let running = self.running;
        self.running = None;
        if let Some((site, logger, kept)) = running {
            kept.record(|| site.of_error(logger, kind));
        }
    }

    #[inline(never)]
    fn end(&mut self, outcome: Outcome) {
        let running = self.running;
        self.running = None;
        if let Some((site, logger, kept)) = running {
            kept.record(|| site.series(logger, outcome));
        }
    }
}

impl<T: Ending> Drop for OnExit<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if { self.running }.is_some() {
            let left = self.left;
            self.end(left.unwrap_or_else(Outcome::of_drop));
        }
    }
}

// A larger one would break the promise about futures.
const _: () = assert!(size_of::<ExitTimer>() <= 28 && align_of::<ExitTimer>() <= 4);

/// Lets an expansion look at the value in front of a `?`.
///
/// The names of this and the traits below are those that no trait of a program has: one that is implemented for every type would be found
/// before ours, or beside.
pub trait Leaving: Sized {
    /// Shows the value and returns it.
    #[inline(always)]
    fn __ferrometer_leaving(self, look: impl FnOnce(&Self)) -> Self {
        look(&self);
        self
    }
}

impl<T> Leaving for T {}

/// Tells by its type whether `?` on a value leaves the function, and with what outcome: `(&Left(&value)).__ferrometer_left()`. A type
/// that [`KnownLeft`] names is found first, because one more reference is needed to reach [`AnyLeft`].
pub struct Left<'a, T: ?Sized>(pub &'a T);

/// The types that `?` works on.
pub trait KnownLeft {
    /// Returns the outcome if `?` leaves the function with this value.
    fn __ferrometer_left(&self) -> Option<Outcome>;
}

impl<T, E> KnownLeft for Left<'_, Result<T, E>> {
    #[inline(always)]
    fn __ferrometer_left(&self) -> Option<Outcome> {
        self.0.is_err().then_some(Outcome::Err)
    }
}

impl<T> KnownLeft for Left<'_, Option<T>> {
    #[inline(always)]
    fn __ferrometer_left(&self) -> Option<Outcome> {
        self.0.is_none().then_some(Outcome::Ok)
    }
}

impl<B, C> KnownLeft for Left<'_, ControlFlow<B, C>> {
    #[inline(always)]
    fn __ferrometer_left(&self) -> Option<Outcome> {
        self.0.is_break().then_some(Outcome::Ok)
    }
}

impl<T, E> KnownLeft for Left<'_, Poll<Result<T, E>>> {
    #[inline(always)]
    fn __ferrometer_left(&self) -> Option<Outcome> {
        matches!(self.0, Poll::Ready(Err(_))).then_some(Outcome::Err)
    }
}

impl<T, E> KnownLeft for Left<'_, Poll<Option<Result<T, E>>>> {
    #[inline(always)]
    fn __ferrometer_left(&self) -> Option<Outcome> {
        matches!(self.0, Poll::Ready(Some(Err(_)))).then_some(Outcome::Err)
    }
}

/// Any other type. On stable Rust `?` works on none of them.
pub trait AnyLeft {
    /// Returns `None`.
    #[inline(always)]
    fn __ferrometer_left(&self) -> Option<Outcome> {
        None
    }
}

impl<T: ?Sized> AnyLeft for &Left<'_, T> {}

/// Tells the outcome of a returned value by its type: `(&Probe(&value)).__ferrometer_outcome()`. A `Result` is found first, everything
/// else is `Ok`, because one more reference is needed to reach it.
pub struct Probe<'a, T: ?Sized>(pub &'a T);

/// The outcome of a `Result`.
pub trait ResultOutcome {
    /// `Err` or `Ok`.
    fn __ferrometer_outcome(&self) -> Outcome;
}

impl<T, E> ResultOutcome for Probe<'_, Result<T, E>> {
    #[inline]
    fn __ferrometer_outcome(&self) -> Outcome {
        if self.0.is_err() { Outcome::Err } else { Outcome::Ok }
    }
}

/// The outcome of anything else.
pub trait AnyOutcome {
    /// Always `Ok`.
    #[inline]
    fn __ferrometer_outcome(&self) -> Outcome {
        Outcome::Ok
    }
}

impl<T: ?Sized> AnyOutcome for &Probe<'_, T> {}
