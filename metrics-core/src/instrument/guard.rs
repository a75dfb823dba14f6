//! Guards: they record when a block is left, by return, `?`, panic or a dropped future.

use crate::record::clock::Stamp;
use crate::record::decision;
use crate::record::distributions;
use crate::record::enabled::{any_bit, enabled};
use crate::record::scalars::{self, Side};
use crate::registry::series::Series;
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

/// Measures from its making to its end. Dropping it records; see [`Timer::start`](crate::Timer::start).
#[must_use = "the time is measured until the guard is dropped; `let _ = …` drops it at once"]
pub struct TimerGuard(pub(crate) Running<Stamp>);

impl fmt::Debug for TimerGuard {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TimerGuard").field(&self.0.get()).finish()
    }
}

/// A series and what belongs to it while a call runs, or nothing.
///
/// It is two words that a function returns in registers. Where there is nothing, the first is a word of [`switch_bits`] that says so: a
/// call site that is off takes the word from its register, and makes none of its own.
pub(crate) struct Running<T> {
    /// A `&'static Series`; or a word that is [nothing](any_bit), and then `more` is not set.
    series: *const Series,
    more: MaybeUninit<T>,
}

// SAFETY: it is a reference to a series, which any thread may have, or none, and a `T` that may be sent.
unsafe impl<T: Send> Send for Running<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Running<T> {}

impl<T: Copy> Running<T> {
    #[inline(always)]
    pub(crate) fn new(series: &'static Series, more: T) -> Running<T> {
        Running { series: ptr::from_ref(series), more: MaybeUninit::new(more) }
    }

    /// Nothing, by a word of [`switch_bits`] that says that nothing is on.
    #[inline(always)]
    pub(crate) fn nothing_by(switches: usize) -> Running<T> {
        // That it is nothing is known where it is asked: this is no instruction, and what makes `get` sound.
        let nothing = if any_bit(switches) { 0 } else { switches };
        Running { series: ptr::without_provenance(nothing), more: MaybeUninit::uninit() }
    }

    /// Nothing.
    #[inline(always)]
    pub(crate) fn nothing() -> Running<T> {
        Running::nothing_by(0)
    }

    #[inline(always)]
    pub(crate) fn is_some(&self) -> bool {
        any_bit(self.series.addr())
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> Option<(&'static Series, T)> {
        // SAFETY: it was made by `new`, from a reference and with `more`: `nothing_by` takes only what is nothing.
        self.is_some().then(|| unsafe { (&*self.series, self.more.assume_init()) })
    }

    /// Takes the series and its value out; nothing is left.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Option<(&'static Series, T)> {
        let running = self.get();
        *self = Running::nothing();
        running
    }
}

impl TimerGuard {
    #[inline(always)]
    pub(crate) fn start(series: &'static Series) -> TimerGuard {
        if enabled() { TimerGuard::start_on(series) } else { TimerGuard::inert() }
    }

    #[inline(always)]
    fn start_on(series: &'static Series) -> TimerGuard {
        match decision::decide_inline(series) {
            Some(true) => TimerGuard::running(series),
            Some(false) => TimerGuard::inert(),
            None => TimerGuard::start_sampled(series),
        }
    }

    // Out of line: the series of a hit may be another one. Where nothing is sampled, the compiler keeps the one it has in a register.
    #[cold]
    #[inline(never)]
    fn start_sampled(series: &'static Series) -> TimerGuard {
        decision::decide_sampled(series).map_or_else(TimerGuard::inert, TimerGuard::running)
    }

    /// One whose call is taken.
    #[inline(always)]
    pub(crate) fn running(series: &'static Series) -> TimerGuard {
        TimerGuard(Running::new(series, Stamp::now()))
    }

    /// One that measures nothing.
    #[inline(always)]
    pub(crate) fn inert() -> TimerGuard {
        TimerGuard(Running::nothing())
    }

    /// Records now, and returns what was recorded; zero when recording is off or this call was not sampled.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// let timing = ferrometer::get_logger("parser").timer("parse").start();
    /// let took = timing.stop();
    /// assert!(took.is_zero(), "nothing is installed, so nothing was measured");
    /// ```
    #[inline]
    pub fn stop(mut self) -> Duration {
        self.0.take().map_or(Duration::ZERO, |(series, start)| Duration::from_nanos(finish::<true>(series, start)))
    }

    /// Ends without recording.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # fn find() -> Option<u32> { None }
    /// let timing = ferrometer::get_logger("cache").timer("hit").start();
    /// match find() {
    ///     Some(found) => drop(timing),        // recorded
    ///     None => timing.discard(),           // a miss is no hit
    /// }
    /// ```
    #[inline]
    pub fn discard(mut self) {
        self.0.take();
    }
}

/// The guard of a measured function. Unlike in [`TimerGuard`], the end of one that runs is cold: a call that is not measured
/// is then left without a jump. Reading the clock takes longer than whatever is lost by that; but where the start is inline too, the
/// compiler would take all that leads here for cold.
#[must_use]
pub struct CallTimer(pub(crate) Running<Stamp>);

impl Drop for CallTimer {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some((series, start)) = self.0.get() {
            finish_call::<true>(series, start);
        }
    }
}

#[cold]
#[inline(never)]
fn finish_call<const HERE: bool>(series: &'static Series, start: Stamp) {
    finish::<HERE>(series, start);
}

// Out of line, so that a guard that measures nothing is a test in the user's code. `HERE`: see `record`.
#[inline(never)]
fn finish<const HERE: bool>(series: &'static Series, start: Stamp) -> u64 {
    let nanos = start.elapsed_nanos();
    distributions::nanos(series, nanos, false);
    nanos
}

impl Drop for TimerGuard {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some((series, start)) = self.0.get() {
            finish::<true>(series, start);
        }
    }
}

/// One in progress, until dropped; see [`InFlight::enter`](crate::InFlight::enter).
#[must_use = "what is in progress is counted until the guard is dropped; `let _ = …` drops it at once"]
#[derive(Debug)]
pub struct InFlightGuard {
    /// `None` when nothing was recorded on entry: then nothing is on leaving, whatever was switched on meanwhile. Else it goes down where it went up.
    counted: Option<(&'static Series, Side)>,
}

impl InFlightGuard {
    #[inline]
    pub(crate) fn enter(series: &'static Series) -> InFlightGuard {
        if !enabled() || series.state().is_off() {
            return InFlightGuard { counted: None };
        }
        InFlightGuard { counted: scalars::go_up(series) }
    }
}

impl Drop for InFlightGuard {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some((series, side)) = &self.counted {
            scalars::go_down(series, side);
        }
    }
}
