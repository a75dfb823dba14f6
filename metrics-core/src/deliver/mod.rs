//! Room 8: one backend, its view of a snapshot, its account.
//!
//! - **In**: snapshots and batches of single values, through a mailbox.
//! - **Out**: calls of a [`Backend`](crate::Backend) on a thread of its own, and a [`Ledger`](crate::Ledger) of what became of every recording.
//! - **Invariants**: nothing a backend does can slow down or fail a recording. Every recording is in exactly one term of the ledger. Memory held for
//!   a backend that blocks is bounded.
//!
//! Read in this order: [`backend`] (the trait), [`view`] (a snapshot as one backend sees it), [`delta`] (news of one series, and its receipts),
//! [`receipts`] (what is handed in, and the account), [`cursor`] (how far a backend has come), [`stretches`] (series that are compared block by block), [`walk`] (past series without news), [`samples`] (single values of a delivery), [`mailbox`] (the hand-over), [`shown`] (an answer of what would be sent), [`worker`] (the thread),
//! [`self_metrics`] (ferrometer's metrics about itself).

pub(crate) mod backend;
pub(crate) mod cursor;
pub(crate) mod delta;
pub(crate) mod mailbox;
mod receipts;
pub(crate) mod samples;
pub(crate) mod self_metrics;
pub(crate) mod shown;
mod stretches;
pub(crate) mod view;
mod walk;
pub(crate) mod worker;
