//! Values held for backends that are not there yet: the moment at which they begin, and the single values since.
//!
//! Totals are cumulative, so nothing has to be kept of them but the moment. Single values stay in the rings of their threads; what is drained
//! from them meanwhile is kept up to the bound that holds for a backend.

use crate::collect::ledger::{Cause, Ledger};
use crate::collect::sample_batch::SampleBatch;
use crate::collect::snapshot::Snapshot;
use crate::deliver::mailbox::Mailbox;
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
    /// Begins at this moment, with nothing kept.
    pub(super) fn since(since: Arc<Snapshot>) -> Held {
        Held { since, mail: Mailbox::new(NAME, limits::current().max_held_values) }
    }

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
