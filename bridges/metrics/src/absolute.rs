//! Counters that mirror a counter elsewhere: `absolute` gives their total, and ferrometer counts the difference.

use ferrometer_core::Counter;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Last total of each series that was set. The core bounds the number of series, and so this table.
static LAST: Mutex<Option<HashMap<usize, u64>>> = Mutex::new(None);

/// Raises a counter to at least `total`. A smaller total, which another thread read earlier, changes nothing.
pub(crate) fn raise(counter: Counter, total: u64) {
    if !ferrometer_core::is_on() {
        // The total is not lost: a later call, while recording is on, counts from where the last one counted.
        return;
    }
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let last = last.get_or_insert_default().entry(counter.series().id()).or_insert(0);
    if let Some(more) = total.checked_sub(*last).filter(|more| *more > 0) {
        counter.add(more);
        *last = total;
    }
}
