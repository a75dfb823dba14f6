//! The core of ferrometer: loggers, instruments, the recording path, the collector, and the [`Backend`] trait behind which
//! every server plugs in. Programs use the facade, `ferrometer`; authors of backends use this crate.
//!
//! The modules in the order in which data flows through them:
//!
//! | step | modules |
//! |---|---|
//! | what is recorded | [`Logger`], handles ([`Counter`], [`Gauge`], [`Timer`], [`Histogram`], [`InFlight`]), guards, call sites |
//! | who it is | [`name`] (the gate), `series`, `registry` over `table` and its `places` |
//! | where it is written | `record` (the hot path), with a slab by `lease`, into `cells`, `ring`, `bucket`, one slab for each of the `threads` |
//! | who reads it | `collector` into a [`Snapshot`] of `block`s and `distribution`s, called by the `bell` where rings fill; the pipeline ([`install`], [`flush`], [`remove`]) |
//! | who delivers it | a [`Backend`], handed a [`SnapshotView`] (with the `singles` of its delivery), on its own thread; the [`Ledger`] is the account |
//!
//! # Not supported
//! Recording from a signal handler. After `fork`, recording is off in the child until it installs backends of its own.

#![deny(missing_docs)]
// The model checker needs a part of the rooms alone.
#![cfg_attr(ferrometer_loom, allow(dead_code, unused_imports))]

mod storage;
mod sync;

#[cfg(not(ferrometer_loom))]
mod callsite;
#[cfg(not(ferrometer_loom))]
mod collect;
#[cfg(not(ferrometer_loom))]
mod deliver;
#[cfg(not(ferrometer_loom))]
mod instrument;
#[cfg(not(ferrometer_loom))]
mod naming;
#[cfg(not(ferrometer_loom))]
mod pipeline;
#[cfg(not(ferrometer_loom))]
mod record;
#[cfg(not(ferrometer_loom))]
mod registry;
#[cfg(not(ferrometer_loom))]
pub mod testing;

/// The part of the registry that the model checker runs: the rest stands on statics, which it cannot track.
#[cfg(ferrometer_loom)]
mod registry {
    pub(crate) mod append_table;
    pub(crate) mod hash_index;
}

#[cfg(not(ferrometer_loom))]
pub use self::{
    callsite::LabelValue,
    callsite::label_text::LabelArgument,
    collect::distribution::Distribution,
    collect::ledger::{Amount, Cause, Dropped, Ledger},
    collect::snapshot::{Snapshot, Total, Totals, Value},
    deliver::backend::{Backend, BackendError, Delivery, Wants},
    deliver::delta::{Change, Delta, Receipt},
    deliver::view::SnapshotView,
    instrument::guard::{InFlightGuard, TimerGuard},
    instrument::handle::{Counter, Entered, Gauge, Histogram, InFlight, Timer},
    instrument::logger::{Logger, Sampled, get_logger},
    instrument::recordable::{CounterValue, Dynamic, GaugeReturn, GaugeValue, MetricName},
    naming::name::Naming,
    naming::{name, object},
    pipeline::control::{
        FlushReport, InstallError, MIN_INTERVAL, configure, flush, install, ledgers, naming, remove, replace, shutdown,
        snapshot,
    },
    record::enabled::enabled as is_on,
    record::sampling::is_sample_rate,
    registry::descriptions::Unit,
    registry::kind::Kind,
    registry::limits::Limits,
    registry::overflow::{Refused, refused},
    registry::rules::LoggerRule,
    registry::series::Series,
    storage::bucket::Scheme,
    storage::thread_slab::cell_bytes,
    sync::diagnostics::warn,
};

/// What the macros expand to. Not public API.
#[cfg(not(ferrometer_loom))]
#[doc(hidden)]
pub mod __private {
    pub use crate::Logger;
    pub use crate::callsite::*;
}
