//! Guards: what records when a block is left, by return, `?`, panic or a dropped future.

use crate::clock::Stamp;
use crate::record;
use crate::series::Series;
use std::time::Duration;

/// Measures from its making to its end. Dropping it records; see [`Timer::start`].
#[must_use = "the time is measured until the guard is dropped; `let _ = …` drops it at once"]
#[derive(Debug)]
pub struct TimerGuard {
    /// `None`: off, or not sampled.
    running: Option<(&'static Series, Stamp)>,
}

impl TimerGuard {
    #[inline]
    pub(crate) fn start(series: &'static Series) -> TimerGuard {
        TimerGuard { running: record::is_taken(series).then(|| (series, Stamp::now())) }
    }

    /// One that measures nothing.
    #[inline]
    pub(crate) fn inert() -> TimerGuard {
        TimerGuard { running: None }
    }

    /// Records now, and returns what was recorded; zero when recording is off or this call was not sampled.
    #[inline]
    pub fn stop(mut self) -> Duration {
        self.finish()
    }

    /// Ends without recording.
    #[inline]
    pub fn discard(mut self) {
        self.running = None;
    }

    #[inline]
    fn finish(&mut self) -> Duration {
        let Some((series, start)) = self.running.take() else { return Duration::ZERO };
        let nanos = start.elapsed_nanos();
        record::nanos(series, nanos);
        Duration::from_nanos(nanos)
    }
}

impl Drop for TimerGuard {
    #[inline]
    fn drop(&mut self) {
        self.finish();
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
    #[inline]
    fn drop(&mut self) {
        if let Some(series) = self.counted {
            record::move_in_flight(series, -1);
        }
    }
}
