//! The way to the program's recordings: where backends are installed, replaced and removed.

use ferrometer_core::{Backend, Ledger};
use std::time::Duration;

/// Puts backends into a running program, and takes them out. [`Core`] is the one of this process; a test may have its own.
pub trait Pipeline: Send + Sync + 'static {
    /// Installs a backend, in the place of the one with its name if there is one. The old one gets everything up to one snapshot, and the new one everything
    /// after it. Returns the old one's last account.
    ///
    /// # Errors
    /// Why it could not be started; the old one stays.
    fn put(&self, name: &str, backend: Box<dyn Backend>) -> Result<Option<Ledger>, String>;

    /// Removes a backend after its last delivery, and returns its last account; `None` when there is none of that name.
    fn take(&self, name: &str) -> Option<Ledger>;

    /// Returns the account of a backend as of its last delivery.
    fn ledger(&self, name: &str) -> Option<Ledger>;
}

/// The pipeline of this process.
#[derive(Clone, Copy, Debug)]
pub struct Core {
    interval: Duration,
    deadline: Duration,
}

impl Core {
    /// Creates the way to the pipeline: backends are called every `interval`, and have `deadline` for their last delivery.
    #[must_use]
    pub fn new(interval: Duration, deadline: Duration) -> Core {
        Core { interval, deadline }
    }
}

impl Pipeline for Core {
    fn put(&self, name: &str, backend: Box<dyn Backend>) -> Result<Option<Ledger>, String> {
        ferrometer_core::replace(name, backend, self.interval, self.deadline).map_err(|error| error.to_string())
    }

    fn take(&self, name: &str) -> Option<Ledger> {
        ferrometer_core::remove(name, self.deadline)
    }

    fn ledger(&self, name: &str) -> Option<Ledger> {
        ferrometer_core::ledgers().into_iter().find(|ledger| ledger.backend == name)
    }
}
