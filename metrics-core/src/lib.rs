//! The core of ferrometer: loggers, instruments, the recording path, the collector, and the [`Backend`] trait behind which
//! every server plugs in. Programs use the facade, `ferrometer`; authors of backends use this crate.
//!
//! # The life of one recording
//! Data moves in one direction, through the rooms of this crate in the order in which they are numbered:
//!
//! ```text
//!   program's threads                                             ferrometer's threads
//!
//!   count!(LOG, "hits")     LOG.counter("hits")
//!          |                        |
//!   2 callsite                1 instrument     3 naming      |   7 collect: one thread
//!     a static that  -------->  logger,         the gate of  |     reads every slab into a
//!     remembers a series        handle, guard   every name   |     Snapshot of totals
//!          |                        |              |         |          |
//!          |      at the first use  |              |         |          v  mailbox
//!          |      +-----------------+--> 4 registry          |   8 deliver: one thread for each
//!          |      |                      name -> Series,     |     backend; a SnapshotView is
//!          v      v                      once, for ever      |     what it has not sent yet
//!        5 record                                            |          |
//!          enabled? sampled? which cell?                     |          v
//!          |                                                 |     Backend::publish
//!          v                                                 |          |
//!        6 storage                                           |          v
//!          this thread's slab: load, add, store  ------------>     Ledger: where every
//!                                                thread          recording went
//!                                                boundary
//!   9 pipeline: which backends are installed, the switch, flush, shutdown, fork
//! ```
//!
//! 1. A program calls a handle ([`Counter`], [`Gauge`], [`Timer`], [`Histogram`], [`InFlight`]), or a macro expands to a **call site**: a static that
//!    remembers its series. While nothing is recorded, the call reads one word and returns.
//! 2. At the first use the **registry** turns logger, name, labels and kind into a [`Series`], which lives as long as the program. Names are kept as given;
//!    the gate of [`name`] is passed when they are rendered.
//! 3. The **recording path** reads the state of the series: off, sampled, or the address of a cell. It takes no lock and allocates nothing.
//! 4. Every thread has a **slab** of cells of its own. A recording is a load, an addition and a store.
//! 5. The **collector** reads all slabs at each interval. Its [`Snapshot`] holds the totals of every series since the program started.
//! 6. Each backend has a thread and a cursor. A [`SnapshotView`] is the difference between snapshot and cursor; the backend sends it and hands in
//!    receipts.
//! 7. The [`Ledger`] of each backend says where every recording went: `recorded = sent + pending + superseded + dropped`.
//!
//! The rooms are folders of the source, and each opens with what comes in, what goes out, and what always holds there. `docs/architecture.md` follows one
//! counter from the call to the datagram.
//!
//! # Not supported
//! Recording from a signal handler. After `fork`, recording is off in the child until it installs backends of its own.

#![deny(missing_docs)]
// The model checker needs a part of the rooms alone.
#![cfg_attr(ferrometer_loom, allow(dead_code, unused_imports))]

#[cfg(not(target_has_atomic = "64"))]
compile_error!(
    "ferrometer needs a target with 64-bit atomics, and this one has none (32-bit MIPS and PowerPC, and most microcontrollers): \
     what is recorded is 64 bits wide. See docs/platforms.md."
);

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

/// The part of the registry that the model checker runs. The rest uses statics, which it cannot track.
#[cfg(ferrometer_loom)]
mod registry {
    pub(crate) mod append_table;
    pub(crate) mod hash_index;
}

#[cfg(not(ferrometer_loom))]
pub use self::{
    callsite::LabelValue,
    callsite::call_site::{CallSite, call_sites},
    callsite::label_text::LabelArgument,
    collect::distribution::Distribution,
    collect::ledger::{Amount, Cause, Dropped, Ledger},
    collect::snapshot::{CounterPlace, Snapshot, Total, Totals, Value},
    deliver::backend::{Backend, BackendError, Delivery, Preview, Wants},
    deliver::delta::{Change, Delta, Receipt},
    deliver::view::SnapshotView,
    instrument::guard::{InFlightGuard, TimerGuard},
    instrument::handle::{Counter, Entered, Gauge, Histogram, InFlight, Timer},
    instrument::logger::{Logger, get_logger},
    instrument::observed::Observed,
    instrument::recordable::{CounterValue, Dynamic, GaugeReturn, GaugeValue, MetricName},
    instrument::sampled::Sampled,
    instrument::timed_future::{BusyFuture, TimedFuture},
    naming::prefix::Naming,
    naming::{name, object},
    pipeline::control::{
        FlushReport, InstallError, MIN_INTERVAL, PreviewError, flush, install, ledgers, naming, preview, remove,
        replace, shutdown, snapshot, spawn,
    },
    pipeline::hold::{hold, release},
    pipeline::threads::without_signals,
    record::enabled::enabled as is_on,
    registry::descriptions::Unit,
    registry::kind::Kind,
    registry::limits::Limits,
    registry::overflow::{Refused, refused},
    registry::rules::{LoggerRule, is_at_or_below},
    registry::series::Series,
    registry::views::{View, ViewLabels},
    storage::bucket::Scheme,
    sync::diagnostics::warn,
};

/// Exemplars: with the total of a counter, timer or histogram, the trace of one recording that is in it, so that one gets from a curve to a request.
///
/// A configuration says which metrics have them, and a function of the program's [tells](exemplars::provide) the trace. A counter has place for one, and a timer
/// or histogram for 16: one for each power of two of its values, of which every sixteenth shares a place. The first recording in a trace fills a
/// place, and each collection empties it. [`Totals::exemplars`] has the last of each place, and [`SnapshotView::new_exemplars`] those that a backend has not
/// delivered.
///
/// A recording by a metric without exemplars costs what it did. By one with them it takes a slower way; what asks for the trace is asked at most until it has
/// told one, and at most 1,024 times, for each place and collection. Nothing is allocated, and no recording waits for another.
#[cfg(not(ferrometer_loom))]
pub mod exemplars {
    pub use crate::collect::exemplars::Exemplar;
    pub use crate::record::trace_context::{AlreadyProvided, TraceContext, is_provided, provide};
}

/// For the facade, which has a configuration for this, and for tests. Not public API.
#[cfg(not(ferrometer_loom))]
#[doc(hidden)]
pub use self::{
    pipeline::control::{configure, configure_with_exemplars, configure_with_views},
    storage::thread_slab::cell_bytes,
};

/// The names that expansions of the macros use. Not public API.
#[cfg(not(ferrometer_loom))]
#[doc(hidden)]
pub mod __private {
    pub use crate::Logger;
    pub use crate::callsite::*;

    /// Capture scopes, for the facade's `testing`.
    pub mod capture {
        pub use crate::record::capture::{Captured, Entered, Store, enter};
    }
}
