//! Room 6: the memory that recordings are written to. Every thread has a slab of its own.
//!
//! - **In**: numbers of the recording path, at the address of a cell.
//! - **Out**: sums, maxima, buckets and rings that the collector reads at any moment.
//! - **Invariants**: one thread writes a slab, with plain stores; the shared slab, for threads that have none, is written with atomic additions. Cells
//!   of counters and timers only grow, from zero. A chunk lives as long as its slab. Memory is taken only from a budget.
//!
//! Read in this order: [`cell_address`], [`scalar_cell`], [`bucket`] (which bucket a value is in), [`histogram_cell`], [`slab`] (chunks of
//! cells), [`sample_ring`] (single timer values), [`chunked`] and [`per_series`] (numbers by a series' id), [`non_finite`] (counts of what was refused), [`exemplar_slot`] and [`exemplar_slots`] (places for exemplars), [`collector_waker`] (called when a ring is half full), [`thread_slab`] (which slab a thread writes).
//!
//! **The thread boundary runs behind this room**: a program's threads write here, the collector's thread reads.

pub(crate) mod bucket;
pub(crate) mod cell_address;
#[cfg(not(ferrometer_loom))]
pub(crate) mod chunked;
pub(crate) mod collector_waker;
pub(crate) mod exemplar_slot;
#[cfg(not(ferrometer_loom))]
pub(crate) mod exemplar_slots;
pub(crate) mod histogram_cell;
#[cfg(not(ferrometer_loom))]
pub(crate) mod non_finite;
#[cfg(not(ferrometer_loom))]
pub(crate) mod per_series;
pub(crate) mod sample_ring;
pub(crate) mod scalar_cell;
pub(crate) mod slab;
pub(crate) mod thread_slab;
