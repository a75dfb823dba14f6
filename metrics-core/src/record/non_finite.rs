//! Refusals: a NaN or an infinity is counted by its series, or by the capture scope of the thread, and not recorded.

use crate::record::capture;
use crate::registry::series::Series;
use crate::storage::non_finite;

/// Counts a NaN, an infinity, or a sum that became one, instead of recording it.
#[cold]
pub(crate) fn refuse(series: &'static Series) {
    if !capture::invalid(series) {
        non_finite::count(series.id);
    }
}
