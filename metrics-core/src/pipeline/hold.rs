//! Recording before any backend is there, for a program that learns only later where its metrics go.
//!
//! Totals are cumulative, so nothing has to be kept but the moment: a backend that is installed later begins there. Single values stay in
//! the rings of their threads; what is drained from them meanwhile is kept up to the bound that holds for a backend.

use crate::collect::ledger::{Cause, Ledger};
use crate::collect::sample_batch::SampleBatch;
use crate::collect::snapshot::Snapshot;
use crate::deliver::mailbox::Mailbox;
use crate::pipeline::state::pipeline;
use crate::registry::limits;
use std::sync::Arc;

/// The name that stands in accounts for the backends that are not there yet.
const NAME: &str = "held";

/// The moment at which backends to come begin, and the single values since.
pub(super) struct Held {
    pub(super) since: Arc<Snapshot>,
    pub(super) mail: Mailbox,
}

impl Held {
    /// Returns the account of what no backend has taken: pending.
    pub(super) fn pending(&self, now: &Snapshot) -> Ledger {
        let recorded = now.recorded.minus(self.since.recorded);
        Ledger { backend: NAME.to_owned(), recorded, pending: recorded, ..Ledger::default() }
    }

    /// Returns the account of what no backend will take: dropped.
    pub(super) fn dropped(&self, now: &Snapshot) -> Ledger {
        let mut ledger = self.pending(now);
        ledger.dropped[Cause::Removed] = std::mem::take(&mut ledger.pending);
        ledger
    }

    /// Keeps single values for the backends to come; of too many, the last.
    pub(super) fn keep(&self, segment: &Arc<SampleBatch>) {
        self.mail.buffer_samples(segment);
    }
}

/// Switches recording on though no backend is there, until [`release`]. Backends that are installed meanwhile under a name that is new see what is
/// recorded from now on. Called again, it begins anew at that moment.
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
    state.held = Some(Held { since, mail: Mailbox::new(NAME, limits::current().max_held_values) });
    state.switch();
}

/// Ends [`hold`]: backends that are installed later see what is recorded from then on. Without a backend, recording is off.
pub fn release() {
    let mut state = pipeline().lock();
    state.held = None;
    state.switch();
}
