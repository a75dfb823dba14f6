//! Room 7: one thread reads all cells.
//!
//! - **In**: the slabs of all threads, and the list of series.
//! - **Out**: a [`Snapshot`](crate::Snapshot) of cumulative totals, and a batch of the single values that rings held.
//! - **Invariants**: a snapshot is immutable and shared by all backends. Everything recorded before a collection began is in it. Where nothing changed,
//!   it shares memory with the snapshot before.
//!
//! Read in this order: [`calibration`] (the rate of the CPU's counter), [`collector`], [`snapshot`], [`exact`] (counters that are sampled and known), [`exemplars`] (traces of single recordings), [`scalar_blocks`] (rows of counters and gauges), [`distribution`] (totals of timers and
//! histograms), [`sample_batch`] (single values), [`ledger`] (the account that every recording is found in).

pub(crate) mod calibration;
pub(crate) mod collector;
pub(crate) mod distribution;
pub(crate) mod exact;
pub(crate) mod exemplars;
pub(crate) mod ledger;
pub(crate) mod sample_batch;
pub(crate) mod scalar_blocks;
pub(crate) mod snapshot;
