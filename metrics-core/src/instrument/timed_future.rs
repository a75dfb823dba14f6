//! Futures that are measured from their first poll to their end: how long, and how much of it in polls.

use crate::instrument::guard::TimerGuard;
use crate::instrument::handle::Timer;
use crate::record::clock::Stamp;
use crate::record::distributions::sampled_duration;
use crate::record::enabled::{any_bit, enabled, switch_bits};
use crate::record::scalars;
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use crate::registry::series_table::series;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A future whose time is recorded; see [`Timer::time_future`].
#[must_use = "a future does nothing unless it is polled"]
pub struct TimedFuture<F> {
    inner: F,
    state: State,
}

/// How far the future is.
enum State {
    /// Not polled yet.
    New(Timer),
    /// Polled, or ready; then the guard is inert.
    Begun { _guard: TimerGuard },
}

impl Timer {
    /// Measures a future from its first poll to its end, or to its being dropped half-way. One that is never polled records
    /// nothing.
    /// With [`busy`](TimedFuture::busy) behind it, also how much of that it was polled.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// async fn fetch(url: &str) -> usize {
    ///     let request = async { url.len() };
    ///     ferrometer::get_logger("client").timer("fetch").time_future(request).await
    /// }
    /// ```
    pub fn time_future<F: Future>(self, future: F) -> TimedFuture<F> {
        TimedFuture::new(self, future)
    }
}

impl<F: Future> TimedFuture<F> {
    pub(crate) fn new(timer: Timer, inner: F) -> TimedFuture<F> {
        TimedFuture { inner, state: State::New(timer) }
    }

    /// Records beside the whole time how much of it the future was busy, which is in a poll, and how much it was idle, which is between two.
    ///
    /// | series | kind | holds |
    /// |---|---|---|
    /// | the timer itself, `fetch.time` | timer | from the first poll to the end |
    /// | `fetch.busy` | timer | in polls |
    /// | `fetch.idle` | timer | between polls; busy and idle are together the whole |
    /// | `fetch.polls` | counter | polls |
    /// | `fetch.cancelled` | counter | futures that were dropped between their first poll and their end |
    ///
    /// A timer whose name does not end with `.time` keeps it whole: `fetch`, `fetch.busy`. A future is recorded once, at its end, whichever that is: ready,
    /// panicked or dropped. The parts are given no sample rate; a rule of the configuration that samples the
    /// logger samples each of them by itself. The future is at most 32 bytes larger than the one inside.
    ///
    /// ```
    /// # use ferrometer_core as ferrometer;
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// # fn block_on<F: Future>(future: F) -> F::Output {
    /// #     let mut future = pin!(future);
    /// #     loop { if let Poll::Ready(out) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) { return out } }
    /// # }
    /// let timer = ferrometer::get_logger("shop").timer("fetch.time");
    /// let fetched = block_on(timer.time_future(async { 42 }).busy());
    /// assert_eq!(fetched, 42);
    /// ```
    pub fn busy(self) -> BusyFuture<F> {
        let meter = match self.state {
            State::New(Timer(series)) => Meter::new(series),
            // It was polled already: its guard records it, and a part is not the whole.
            State::Begun { .. } => Meter::off(),
        };
        BusyFuture::new(meter, self.inner)
    }
}

impl<F: Future> Future for TimedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `inner` is pinned as long as this is: nothing moves out of it, here or in a `Drop`, and this is `Unpin` only where `inner` is.
        let this = unsafe { self.get_unchecked_mut() };
        if let State::New(timer) = this.state {
            this.state = State::Begun { _guard: timer.start() };
        }
        // SAFETY: as above.
        let polled = unsafe { Pin::new_unchecked(&mut this.inner) }.poll(context);
        if polled.is_ready() {
            // The guard that was there records, once.
            this.state = State::Begun { _guard: TimerGuard::inert() };
        }
        polled
    }
}

impl<F> fmt::Debug for TimedFuture<F> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedFuture").finish_non_exhaustive()
    }
}

/// A future whose time is recorded, with the part of it that was spent in polls; see [`TimedFuture::busy`].
#[must_use = "a future does nothing unless it is polled"]
pub struct BusyFuture<F> {
    // Dropped first: what it does then belongs to its time.
    inner: F,
    meter: Meter,
}

impl<F: Future> BusyFuture<F> {
    /// Not public API: `#[timer(busy)]` uses it.
    #[doc(hidden)]
    pub fn new(meter: Meter, inner: F) -> BusyFuture<F> {
        BusyFuture { inner, meter }
    }
}

impl<F: Future> Future for BusyFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `inner` is pinned as long as this is: nothing moves out of it, here or in a `Drop`, and this is `Unpin` only where `inner` is.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let inner = unsafe { Pin::new_unchecked(&mut this.inner) };
        this.meter.poll(|| inner.poll(context))
    }
}

impl<F> fmt::Debug for BusyFuture<F> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusyFuture").field("timer", &{ self.meter.timer }).finish_non_exhaustive()
    }
}

/// Measurements of one future. Packed, because the future holds it.
#[repr(C, packed(4))]
pub struct Meter {
    /// `None`: nothing is recorded, or all is.
    timer: Option<&'static Series>,
    /// The first poll; not set while there is none.
    start: Stamp,
    /// Nanoseconds in polls that are over.
    busy: u64,
    polls: u32,
}

// A larger one would break the promise about futures.
const _: () = assert!(size_of::<Meter>() <= 28);

impl Meter {
    pub(crate) fn new(timer: &'static Series) -> Meter {
        Meter { timer: Some(timer), start: Stamp::UNSET, busy: 0, polls: 0 }
    }

    /// Returns one that records nothing.
    #[must_use]
    pub fn off() -> Meter {
        Meter { timer: None, start: Stamp::UNSET, busy: 0, polls: 0 }
    }

    #[inline]
    fn poll<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let Some(timer) = self.timer else { return poll() };
        if self.polls == 0 && (!enabled() || timer.state().is_off()) {
            self.timer = None;
            return poll();
        }
        let begin = self.begin(timer);
        let panicked = Panicked { meter: &mut *self, begin };
        let polled = poll();
        std::mem::forget(panicked);
        self.busy += begin.elapsed_nanos();
        if polled.is_ready() {
            self.end(false);
        }
        polled
    }

    fn begin(&mut self, timer: &'static Series) -> Stamp {
        let begin = Stamp::now();
        match self.polls {
            0 => self.start = begin,
            // More than the counter holds: what was counted is recorded now.
            u32::MAX => {
                if let Some([_, _, polls, _]) = parts(timer) {
                    scalars::add_out_of_line(polls, i64::from(u32::MAX - 1));
                }
                self.polls = 1;
            }
            _ => {}
        }
        self.polls += 1;
        begin
    }

    /// Records what was measured.
    #[inline(never)]
    fn end(&mut self, is_cancelled: bool) {
        let Some(timer) = self.timer else { return };
        self.timer = None;
        let whole = { self.start }.elapsed_nanos();
        // Two readings of a clock may be a little apart.
        let busy = self.busy.min(whole);
        let record = |series, nanos| {
            let switches = switch_bits();
            if any_bit(switches) {
                sampled_duration(series, Duration::from_nanos(nanos), switches);
            }
        };
        record(timer, whole);
        let Some([in_polls, idle, polls, cancelled]) = parts(timer) else { return };
        record(in_polls, busy);
        record(idle, whole - busy);
        scalars::add_out_of_line(polls, i64::from(self.polls));
        if is_cancelled {
            scalars::add_out_of_line(cancelled, 1);
        }
    }
}

impl Drop for Meter {
    #[inline]
    fn drop(&mut self) {
        if { self.timer }.is_some() && self.polls > 0 {
            self.end(true);
        }
    }
}

/// Dropped only where a poll panics.
struct Panicked<'m> {
    meter: &'m mut Meter,
    begin: Stamp,
}

impl Drop for Panicked<'_> {
    #[cold]
    fn drop(&mut self) {
        self.meter.busy += self.begin.elapsed_nanos();
        self.meter.end(false);
    }
}

/// The endings of the names of a timer's parts, and their kinds.
pub(crate) const PARTS: [(&str, Kind); 4] =
    [("busy", Kind::Timer), ("idle", Kind::Timer), ("polls", Kind::Counter), ("cancelled", Kind::Counter)];

/// Returns the name of a part of a timer.
pub(crate) fn part_name(timer: &str, part: &str) -> String {
    format!("{}.{part}", timer.strip_suffix(".time").unwrap_or(timer))
}

/// Returns the series of a timer's parts, in the order of [`PARTS`]. `None` for the overflow series, which has none.
fn parts(timer: &'static Series) -> Option<[&'static Series; 4]> {
    if !timer.logger.is_programs() {
        return None;
    }
    if let Some(parts) = timer.parts() {
        return Some(*parts);
    }
    let found = PARTS.map(|(part, kind)| {
        let rate = if kind == Kind::Timer { timer.given_rate() } else { 0.0 };
        series(timer.logger, &part_name(timer.metric_name(), part), kind, rate)
    });
    // The overflow series takes many names, and the sentinel none: neither is remembered.
    if found.iter().all(|series| series.logger.is_programs()) {
        timer.remember_parts(found);
    }
    Some(found)
}
