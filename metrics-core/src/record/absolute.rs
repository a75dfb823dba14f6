//! Counters that mirror a counter elsewhere: they are given its total, and count the difference to the largest total before it.

use crate::record::{capture, scalars};
use crate::registry::kind::Kind;
use crate::registry::series::Series;
use crate::registry::series_table;
use crate::storage::per_series::PerSeries;
use crate::sync::reentrancy;
use std::sync::atomic::Ordering::Relaxed;

/// The part of each counter that came from totals: the largest one that was counted.
static COUNTED: PerSeries = PerSeries::new();

/// Raises a counter by what `total` has more than the largest total before it. The caller knows that something is recorded.
///
/// The largest total is raised first, and lowered again by what could not be counted: so of several threads that bring totals in any order, each
/// counts a part that no other does, and nothing is lost.
pub(crate) fn raise(series: &'static Series, total: u64) {
    // One for the counter, whatever rates its handles have.
    let series = of_rate(series, 0.0, series.is_rated());
    if series.state().is_off() || capture::raise(series, total) {
        return;
    }
    let Some(counted) = COUNTED.get(series.id).or_else(|| make(series.id)) else { return };
    let mut left = total.saturating_sub(counted.fetch_max(total, Relaxed));
    // A part of the differences would be no difference.
    let unsampled = of_rate(series, 1.0, series.state().is_sampled());
    while left > 0 {
        let part = left.min(i64::MAX as u64);
        if !scalars::add_unsampled(unsampled, part as i64) {
            counted.fetch_sub(left, Relaxed);
            return;
        }
        left -= part;
    }
}

fn of_rate(series: &'static Series, rate: f64, is_other: bool) -> &'static Series {
    match is_other {
        true => series_table::series(series.logger, series.metric_name(), Kind::Counter, rate),
        false => series,
    }
}

/// Makes the memory of a counter. `None` for an allocator that records what is allocated here.
#[cold]
fn make(id: u32) -> Option<&'static std::sync::atomic::AtomicU64> {
    let _busy = reentrancy::enter()?;
    COUNTED.make(id)
}
