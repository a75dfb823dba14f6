//! The decision whether a call is recorded: made before the call, where it is measured.

use crate::record::{capture, sampling};
use crate::registry::series::Series;
use crate::registry::series_table;
use crate::registry::state_word::StateWord;

/// Decides whether a call of a timer is recorded, before the clock is read, and returns the series for it. `None`: its logger is off, or it is sampled
/// and the call is no hit. The caller knows that something is recorded.
#[inline(always)]
pub(crate) fn decide(series: &'static Series) -> Option<&'static Series> {
    match decide_inline(series) {
        Some(taken) => taken.then_some(series),
        None => decide_sampled(series),
    }
}

/// Inlined fast path of [`decide`]. Returns `None` if the series is sampled and the countdown reached its end; the caller must then call
/// [`decide_sampled`].
#[inline(always)]
pub(crate) fn decide_inline(series: &'static Series) -> Option<bool> {
    let state = series.state();
    if state.is_sampled() {
        return sampling::is_miss(state.rate()).then_some(false);
    }
    Some(!state.is_off())
}

/// Counts down a call of a timer that is sampled, and returns whether it is a miss. If it is none, the caller must call [`decide_sampled`]. `None`:
/// the timer is not sampled, and nothing was counted.
#[inline(always)]
pub(crate) fn is_miss(series: &'static Series) -> Option<bool> {
    let state = series.state();
    state.is_sampled().then(|| sampling::is_miss(state.rate()))
}

/// Decides about a call that was counted down. Returns the series that records it.
#[inline(never)]
pub(crate) fn decide_sampled(series: &'static Series) -> Option<&'static Series> {
    let state = series.state();
    let taken = is_hit_now(series, state);
    // A rule may come, change or go before the call ends, and then its end would not tell which rate it was taken by: the series does.
    taken.then(|| if state.is_sampled() && !series.is_rated() { routed(series) } else { series })
}

/// The series of the rate that a rule gives. The rule may have gone just now.
#[cold]
fn routed(series: &'static Series) -> &'static Series {
    let rate = series.route_rate();
    let sibling = if rate < 1.0 { series_table::sibling(series, rate) } else { None };
    sibling.unwrap_or(series)
}

/// Returns whether a call of a sampled series is a hit, after it has been counted down. In a capture scope every call is.
#[inline]
pub(crate) fn is_hit_now(series: &'static Series, state: StateWord) -> bool {
    is_hit_of(series, state, state.rate())
}

/// As [`is_hit_now`], for a call that was counted down by this number.
#[inline]
pub(crate) fn is_hit_of(series: &'static Series, state: StateWord, number: u8) -> bool {
    // Where a call is counted down by what was read before, its series may be sampled no longer: what it has then is no number of a rate.
    if !state.is_sampled() {
        return !state.is_off();
    }
    capture::is_active() || sampling::is_hit_now(number, series.route_rate())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::kind::Kind;
    use crate::registry::loggers;

    #[test]
    fn a_call_whose_series_is_sampled_no_longer_is_taken() {
        sampling::number(f64::MIN_POSITIVE);
        // Where the series' cells stand would be numbers of rates.
        let logger = loggers::logger("rate.no_longer");
        for i in 0..64 {
            let series = series_table::series(logger, &format!("t{i}"), Kind::Timer, 0.0);
            assert!((0..100).all(|_| decide_sampled(series).is_some()), "{i}");
        }
    }
}
