//! Refusals: a NaN or an infinity is counted by its series, or by the capture scope of the thread, and not recorded.

use crate::record::capture;
use crate::registry::series::Series;
use crate::registry::series_table;
use crate::storage::non_finite;

/// Counts a NaN, an infinity, or a sum that became one, instead of recording it.
#[cold]
pub(crate) fn refuse(series: &'static Series) {
    refuse_many(series, 1);
}

/// As [`refuse`], for a value that was recorded `times` at once.
#[cold]
pub(crate) fn refuse_many(series: &'static Series, times: u64) {
    if !capture::invalid(series, times) {
        non_finite::count(series_table::home(series).id, times);
    }
}
