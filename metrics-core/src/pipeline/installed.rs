//! One installed backend, as the pipeline sees it.

use crate::collect::ledger::{Amount, Cause, Ledger};
use crate::collect::snapshot::Snapshot;
use crate::deliver::backend::Wants;
use crate::deliver::mailbox::Mailbox;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct Installed {
    pub(super) name: String,
    pub(super) interval: Duration,
    pub(super) wants: Wants,
    pub(super) mail: Arc<Mailbox>,
    pub(super) due: Instant,
    /// `true` while so much is held for it that it is delivered before the interval ends.
    pub(super) is_filling: bool,
    /// The sum of all totals at the installation.
    pub(super) base: Amount,
}

impl Installed {
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.wants.totals && (self.due <= now || self.is_filling)
    }

    pub(super) fn stop(&self, snapshot: Arc<Snapshot>, until: Instant) -> Ledger {
        let request = self.mail.deliver(Arc::clone(&snapshot), Some(until), true);
        self.wait_stopped(&snapshot, request, until)
    }

    /// Waits for the last delivery. When it does not end in time, everything since the last account is dropped in it.
    pub(super) fn wait_stopped(&self, snapshot: &Snapshot, request: u64, until: Instant) -> Ledger {
        if !self.wants.totals || self.mail.wait(request, until) {
            return self.mail.ledger();
        }
        let recorded = snapshot.recorded.minus(self.base);
        self.mail.close(Box::new(|ledger| {
            let mut left = ledger.pending;
            left += recorded.minus(ledger.recorded);
            ledger.dropped[Cause::Removed] += left;
            ledger.pending = Amount::default();
            ledger.recorded = recorded;
        }))
    }
}
