//! Room 9: which backends are installed, and the thread that feeds them.
//!
//! - **In**: [`install`](crate::install), [`replace`](crate::replace), [`flush`](crate::flush), [`shutdown`](crate::shutdown), and the configuration.
//! - **Out**: snapshots in the mailboxes of backends, and the switch of the recording path.
//! - **Invariants**: the pipeline's lock is held while a snapshot is taken and handed out, never while a backend works. Nothing flows back from backends but
//!   accounts. A forked child begins with nothing installed.
//!
//! Read in this order: [`control`] (the functions that a program calls), [`state`] (the backends and the collector's thread), [`installed`] (one
//! backend), [`hold`] (recording before there is one, `held` is what it keeps), [`reports`] (messages about refused names), [`readings`] (the
//! thread that asks for gauges), [`threads`] and `signals` (how a thread of ours begins), [`fork`] (the child of a fork), [`memory_bound`] (the
//! most memory that all takes), `serialized` (accounts and snapshots for `serde`).

pub(crate) mod control;
pub(crate) mod fork;
mod held;
pub(crate) mod hold;
mod installed;
mod memory_bound;
mod readings;
mod reports;
#[cfg(unix)]
mod signals;
/// Elsewhere there are none.
#[cfg(not(unix))]
mod signals {
    pub(super) fn block() {}
}
#[cfg(feature = "serde")]
mod serialized;
mod state;
pub(crate) mod threads;
