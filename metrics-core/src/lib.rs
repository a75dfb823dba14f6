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

#[cfg_attr(loom, allow(dead_code))]
mod addressed;
#[cfg_attr(loom, allow(dead_code))]
mod bucket;
#[cfg_attr(loom, allow(dead_code))]
mod cells;
mod first;
mod places;
#[cfg_attr(loom, allow(dead_code))]
mod ring;
mod sync;
mod table;
mod threads;

#[cfg(all(loom, test))]
mod models;

// Under the model checker only the modules above are compiled, with their checks: the rest stands on statics, which it
// cannot track.

macro_rules! unless_loom {
    ($($item:item)*) => { $(#[cfg(not(loom))] $item)* };
}

unless_loom! {
    mod backend;
    mod bell;
    mod block;
    mod busy;
    mod capture;
    mod clock;
    mod collector;
    mod constant;
    mod cursor;
    mod delta;
    mod describe;
    mod diagnostics;
    mod distribution;
    mod fork;
    mod guard;
    mod hash;
    mod instrument;
    mod invalid;
    mod lease;
    mod ledger;
    mod limits;
    mod logger;
    mod mail;
    pub mod name;
    pub mod object;
    mod own;
    mod pipeline;
    mod rate;
    mod record;
    mod registry;
    mod runner;
    mod series;
    mod singles;
    mod site;
    mod snapshot;
    mod taken;
    pub mod testing;
    mod value;
    mod view;

    pub use backend::{Backend, BackendError, Delivery, Wants};
    pub use bucket::Scheme;
    pub use delta::{Change, Delta, Receipt};
    pub use describe::Unit;
    pub use diagnostics::warn;
    pub use distribution::Distribution;
    pub use guard::{InFlightGuard, TimerGuard};
    pub use instrument::{Counter, Entered, Gauge, Histogram, InFlight, Timer};
    pub use ledger::{Amount, Cause, Dropped, Ledger};
    pub use limits::Limits;
    pub use logger::{Logger, Sampled, get_logger};
    pub use name::Naming;
    pub use pipeline::{
        FlushReport, InstallError, MIN_INTERVAL, configure, flush, install, ledgers, naming, remove, replace, shutdown,
        snapshot,
    };
    pub use rate::is_sample_rate;
    pub use lease::cell_bytes;
    pub use record::is_on;
    pub use registry::{LoggerRule, Refused, refused};
    pub use series::{Kind, Series};
    pub use site::LabelValue;
    pub use snapshot::{Snapshot, Total, Totals, Value};
    pub use value::{CounterValue, Dynamic, GaugeReturn, GaugeValue, MetricName};
    pub use view::SnapshotView;

    /// What the macros expand to. Not public API.
    #[doc(hidden)]
    pub mod __private {
        pub use crate::Logger;
        pub use crate::site::*;
    }
}
