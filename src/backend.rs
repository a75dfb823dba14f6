//! Everything that the author of a backend needs: the trait, what a backend is given, and the account it keeps.
//!
//! A program that only records and configures needs none of it. [`Backend`] has the life of a backend and an example; `examples/own_backend.rs` is a whole
//! one. [`install`](crate::install) puts it beside those of the configuration.
//!
//! ```
//! use ferrometer::backend::{Backend, BackendError, Change, Delivery, SnapshotView, full_name};
//! use ferrometer::get_logger;
//! use std::sync::mpsc::{Sender, channel};
//! use std::time::Duration;
//!
//! /// Sends the name and the increments of each counter down a channel.
//! struct Counters(Sender<(String, u64)>);
//!
//! impl Backend for Counters {
//!     fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
//!         for delta in view.deltas() {
//!             if let Change::Counter { increments, .. } = delta.change
//!                 && !delta.series.is_internal()
//!             {
//!                 let name = full_name(view.naming(), delta.series);
//!                 self.0.send((name, increments)).map_err(|_| BackendError::new("nobody listens"))?;
//!             }
//!             view.delta_sent(&delta);
//!         }
//!         Ok(Delivery::default())
//!     }
//! }
//!
//! let (sender, receiver) = channel();
//! ferrometer::install("counters", Box::new(Counters(sender)), Duration::from_secs(10)).unwrap();
//! get_logger("shop").send_counter("sold", 3);
//! assert!(ferrometer::flush(Duration::from_secs(2)).complete);
//! assert_eq!(receiver.recv().unwrap(), ("shop.sold".to_owned(), 3));
//! # ferrometer::remove("counters", Duration::from_secs(2));
//! ```

pub use ferrometer_core::{
    Backend, BackendError, Change, CounterPlace, Delivery, Delta, Distribution, Kind, MIN_INTERVAL, Naming, Receipt,
    Scheme, Series, Snapshot, SnapshotView, Total, Totals, Value, Wants, naming, spawn, warn, without_signals,
};
pub use ferrometer_export::{NameTable, folded_name, full_name};
