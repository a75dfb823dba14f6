//! Recording before any backend is there, for a program that learns only later where its metrics go.

use crate::pipeline::held::Held;
use crate::pipeline::state::pipeline;

/// Switches recording on though no backend is there, until [`release`]. Backends that are installed meanwhile under a name that is new see what is
/// recorded from now on. Called again, it starts over at that moment.
///
/// Nothing grows while it lasts: totals have their cells, and single values past `timer_chunk` and `max_held_values` are delivered
/// merged. Until a backend is there, [`flush`](crate::flush) reports a ledger named `held` in which all is pending, and
/// [`shutdown`](crate::shutdown) one in which it is dropped.
///
/// ```
/// use ferrometer_core::{FlushReport, get_logger, hold, is_on, release, shutdown};
/// use std::time::Duration;
///
/// hold();
/// get_logger("early").send_counter("starts", 1);
/// assert!(is_on());
/// let report: FlushReport = shutdown(Duration::ZERO);
/// assert_eq!(report.ledgers[0].dropped_in_all().recordings, 1);
/// ```
pub fn hold() {
    let mut state = pipeline().lock();
    let since = state.collect();
    state.held = Some(Held::since(since));
    state.switch();
}

/// Ends [`hold`]: backends that are installed later see what is recorded from then on. Without a backend, recording is off.
pub fn release() {
    let mut state = pipeline().lock();
    state.held = None;
    state.switch();
}
