//! The smallest backend: wants nothing, does nothing. The one to copy for a new one.
//!
//! Installed alone it leaves recording off, and gets no thread: [`Wants::NOTHING`] says so.
//!
//! ```
//! use std::time::Duration;
//! ferrometer_core::install("noop", Box::new(ferrometer_noop::Noop), Duration::from_secs(1)).unwrap();
//! assert!(!ferrometer_core::is_on());
//! ```

#![deny(missing_docs)]

use ferrometer_core::{Backend, BackendError, Delivery, SnapshotView, Wants};

/// Delivers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noop;

impl Backend for Noop {
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
        // Never called, because nothing is wanted. A backend of your own delivers `view.deltas()` here, and says for each what
        // became of it; this one accepts everything.
        view.all_sent();
        Ok(Delivery::default())
    }

    fn wants(&self) -> Wants {
        Wants::NOTHING
    }
}
