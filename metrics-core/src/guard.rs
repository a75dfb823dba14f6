//! Guards: what records when a block is left, by return, `?`, panic or a dropped future.

use crate::clock::Stamp;
use crate::record;
use crate::series::Series;
use std::time::Duration;

/// Measures from its making to its end. Dropping it records; see [`Timer::start`](crate::Timer::start).
#[must_use = "the time is measured until the guard is dropped; `let _ = …` drops it at once"]
#[derive(Debug)]
pub struct TimerGuard {
    /// `None`: off, or not sampled.
    running: Option<(&'static Series, Stamp)>,
}

impl TimerGuard {
    #[inline(always)]
    pub(crate) fn start(series: &'static Series) -> TimerGuard {
        if record::is_on() { TimerGuard::start_on(series) } else { TimerGuard::inert() }
    }

    #[inline(always)]
    fn start_on(series: &'static Series) -> TimerGuard {
        if record::is_taken_on(series) { TimerGuard::running(series) } else { TimerGuard::inert() }
    }

    /// One whose call is taken.
    #[inline(always)]
    pub(crate) fn running(series: &'static Series) -> TimerGuard {
        TimerGuard { running: Some((series, Stamp::now())) }
    }

    /// One that has measured since then.
    #[inline(always)]
    pub(crate) fn since(series: &'static Series, start: Stamp) -> TimerGuard {
        TimerGuard { running: Some((series, start)) }
    }

    /// One that measures nothing.
    #[inline(always)]
    pub(crate) fn inert() -> TimerGuard {
        TimerGuard { running: None }
    }

    /// Records now, and returns what was recorded; zero when recording is off or this call was not sampled.
    #[inline]
    pub fn stop(mut self) -> Duration {
        self.running.take().map_or(Duration::ZERO, |(series, start)| Duration::from_nanos(finish::<true>(series, start)))
    }

    /// Ends without recording.
    #[inline]
    pub fn discard(mut self) {
        self.running = None;
    }
}

// Out of line, so that a guard that measures nothing is a test in the user's code. `HERE`: see `record`.
#[inline(never)]
fn finish<const HERE: bool>(series: &'static Series, start: Stamp) -> u64 {
    let nanos = start.elapsed_nanos();
    record::nanos(series, nanos);
    nanos
}

impl Drop for TimerGuard {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some((series, start)) = self.running.take() {
            finish::<true>(series, start);
        }
    }
}

/// One in progress, until dropped; see [`InFlight::enter`](crate::InFlight::enter).
#[must_use = "what is in progress is counted until the guard is dropped; `let _ = …` drops it at once"]
#[derive(Debug)]
pub struct InFlightGuard {
    /// `None` when nothing was recorded on entry: then nothing is on leaving, whatever was switched on meanwhile.
    counted: Option<&'static Series>,
}

impl InFlightGuard {
    #[inline]
    pub(crate) fn enter(series: &'static Series) -> InFlightGuard {
        if !record::is_on() || series.state().is_off() {
            return InFlightGuard { counted: None };
        }
        record::move_in_flight(series, 1);
        InFlightGuard { counted: Some(series) }
    }
}

impl Drop for InFlightGuard {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(series) = self.counted {
            record::move_in_flight(series, -1);
        }
    }
}
