//! ferrometer: instrumentation facade.

#![deny(missing_docs)]

pub mod config;

pub use config::Config;
pub use ferrometer_core::{
    Backend, BackendError, Cause, Change, Counter, Delivery, Delta, Dynamic, Entered, FlushReport, Gauge, Histogram,
    InFlight, InFlightGuard, Ledger, Logger, MetricName, Sampled, Snapshot, SnapshotView, Timer, TimerGuard, Wants, flush,
    get_logger, install, ledgers, logger, remove, replace, snapshot, testing,
};
#[cfg(feature = "macros")]
pub use ferrometer_macros::{count, counter, gauge, set_gauge, time, timer};

/// What the macros expand to. Not public API.
#[doc(hidden)]
pub use ferrometer_core::__private;
