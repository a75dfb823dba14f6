//! The misses of sampled counters that no hit has taken along: a scope, a fork, the end of a thread, or a collection counts them.

use crate::record::sampling;
use crate::storage::scalar_cell::{self, Writer};
use crate::storage::thread_slab::{Cells, Unlimited, own_slab, shared};
use crate::sync::reentrancy;

/// Counts the misses of this thread since its last hits, of counters that have a countdown of their own.
pub(crate) fn count() {
    let Some(_busy) = reentrancy::try_enter() else { return };
    sampling::take_all_skipped(|slot, skipped| {
        if let Some(cell) = own_slab().and_then(|own| own.ensure_scalar(slot, &Cells)) {
            scalar_cell::add(&cell.skipped, skipped, Writer::Single);
        } else if let Some(cell) = shared().ensure_scalar(slot, &Unlimited) {
            scalar_cell::add(&cell.skipped, skipped, Writer::Shared);
        }
    });
}

/// Counts them when a thread ends.
struct AtEnd;

impl Drop for AtEnd {
    fn drop(&mut self) {
        count();
    }
}

thread_local! {
    static AT_END: AtEnd = const { AtEnd };
}

/// Has this thread count its misses when it ends.
pub(crate) fn count_at_end() {
    let _ = AT_END.try_with(|_| ());
}
