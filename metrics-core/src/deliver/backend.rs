//! The one trait behind which every server plugs in. Writing a backend begins here.
//!
//! # Life of a backend
//! [`install`](crate::install) gives it a name, an interval and a thread of its own. From then on, at each interval, the thread
//! calls [`publish`](Backend::publish) with a [`SnapshotView`]: what was recorded since the installation, seen through this
//! backend's cursor. Nothing a backend does can slow down or fail a recording: one that blocks misses snapshots and gets all
//! of it with the next one, one that panics is called again.
//!
//! One that [may rest](Backend::rests_until) is not called while nothing is recorded.
//!
//! A backend that delivers **changes** (statsd) walks [`deltas`](SnapshotView::deltas), and hands each piece's receipt in again with
//! [`sent`](SnapshotView::sent) or [`dropped`](SnapshotView::dropped); what it does not hand in is in the next delta. A backend that keeps
//! **totals** reads [`snapshot`](SnapshotView::snapshot) and calls [`all_sent`](SnapshotView::all_sent).
//!
//! # Example
//! ```
//! # mod ferrometer { pub mod backend { pub use ferrometer_core::*; } pub use ferrometer_core::*; }
//! use ferrometer::backend::{Backend, BackendError, Delivery, SnapshotView};
//! use ferrometer::get_logger;
//! use std::time::Duration;
//!
//! /// Prints what changed.
//! struct Print;
//!
//! impl Backend for Print {
//!     fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError> {
//!         for delta in view.deltas() {
//!             println!("{:?}", delta.series);
//!         }
//!         view.all_sent();
//!         Ok(Delivery::default())
//!     }
//! }
//!
//! ferrometer::install("print", Box::new(Print), Duration::from_secs(1)).unwrap();
//! get_logger("demo").send_counter("greetings", 1);
//! let report = ferrometer::flush(Duration::from_secs(2));
//! assert!(report.complete);
//! # ferrometer::remove("print", Duration::from_secs(2));
//! ```

use crate::deliver::view::SnapshotView;
use std::fmt;
use std::time::Instant;

/// Where recordings go. Object-safe; one method is required.
pub trait Backend: Send + 'static {
    /// Delivers one snapshot, seen through this backend's own view of it. Called from the backend's thread, never concurrently.
    ///
    /// # Errors
    /// The message for the log (one line per message and minute). An error changes nothing in the account: what was
    /// handed in as sent is sent, the rest is pending.
    fn publish(&mut self, view: &mut SnapshotView<'_>) -> Result<Delivery, BackendError>;

    /// Returns the data that this backend needs; without it, [`Wants::TOTALS`]. Read once, at installation.
    fn wants(&self) -> Wants {
        Wants::TOTALS
    }

    /// Returns until when this backend need not be called while nothing is recorded, so that an idle program sleeps. Asked after each delivery that
    /// ended without an error and left nothing pending: its intervals pass then without a call. The first recording ends the rest, and so does a flush.
    /// `None`, unless a backend says more: it is called at every interval.
    fn rests_until(&self) -> Option<Instant> {
        None
    }

    /// Delivers what is still held back, within `deadline`: called after [`publish`](Backend::publish) when the program flushes, and before a
    /// removal. Recordings that are pending afterwards are reported to the caller of the flush, and dropped at a removal. Without it, nothing more is
    /// done.
    ///
    /// # Errors
    /// As for [`publish`](Backend::publish).
    fn flush(&mut self, view: &mut SnapshotView<'_>, deadline: Instant) -> Result<Delivery, BackendError> {
        let _ = (view, deadline);
        Ok(Delivery::default())
    }

    /// Returns the datagrams or bodies that [`publish`](Backend::publish) would send now, byte for byte, without sending anything. `None` for a backend
    /// that sends nothing, or cannot tell, as for one without this method. Called by [`preview`](crate::preview), with a view of its own: receipts that are handed in change no account.
    fn preview(&mut self, view: &SnapshotView<'_>) -> Option<Vec<Preview>> {
        let _ = view;
        None
    }
}

/// One datagram or body of the next delivery, as [`preview`](crate::preview) shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// The bytes as they would be sent.
    pub wire: Vec<u8>,
    /// Bytes before they are compressed; empty where they are not.
    pub plain: Vec<u8>,
}

impl Preview {
    /// Creates a preview of bytes that are sent as they are.
    #[must_use]
    pub fn new(wire: Vec<u8>) -> Preview {
        Preview { wire, plain: Vec::new() }
    }

    /// Adds the bytes as they were before they were compressed.
    #[must_use]
    pub fn with_plain(mut self, plain: Vec<u8>) -> Preview {
        self.plain = plain;
        self
    }
}

/// The data that a backend needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    pub(crate) totals: bool,
    pub(crate) singles: bool,
}

impl Wants {
    /// Nothing: such a backend gets no thread, is never called, and leaves recording off.
    pub const NOTHING: Wants = Wants { totals: false, singles: false };
    /// Totals and distributions.
    pub const TOTALS: Wants = Wants { totals: true, singles: false };
    /// The values of timers and histograms one by one, as far as they can be held, and totals.
    pub const SINGLES: Wants = Wants { totals: true, singles: true };
}

/// The size of one delivery, for the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Datagrams, writes or requests.
    pub packets: u64,
    /// Bytes of payload.
    pub bytes: u64,
}

impl Delivery {
    /// Returns the size of a delivery: datagrams, writes or requests, and bytes of payload.
    #[must_use]
    pub const fn new(packets: u64, bytes: u64) -> Delivery {
        Delivery { packets, bytes }
    }
}

/// Why a delivery failed.
#[derive(Debug)]
pub struct BackendError {
    message: String,
    pub(crate) delivery: Delivery,
}

impl BackendError {
    /// An error with a message for the log. Messages that are the same are logged once a minute, so keep what changes from
    /// call to call out of it.
    #[must_use]
    pub fn new(message: impl Into<String>) -> BackendError {
        BackendError { message: message.into(), delivery: Delivery::default() }
    }

    /// Adds the part of the delivery that was sent before the error.
    ///
    /// ```
    /// # mod ferrometer { pub mod backend { pub use ferrometer_core::*; } pub use ferrometer_core::*; }
    /// use ferrometer::backend::{BackendError, Delivery};
    ///
    /// let error = BackendError::new("the server closed the connection").with_delivery(Delivery::new(3, 4_200));
    /// assert_eq!(error.to_string(), "the server closed the connection");
    /// ```
    #[must_use]
    pub fn with_delivery(mut self, delivery: Delivery) -> BackendError {
        self.delivery = delivery;
        self
    }
}

impl fmt::Display for BackendError {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BackendError {}

impl From<std::io::Error> for BackendError {
    fn from(error: std::io::Error) -> BackendError {
        BackendError::new(error.to_string())
    }
}
