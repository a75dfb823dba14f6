//! Room 5: the recording path. From a series to this thread's cell, without a lock, an allocation or a locked instruction.
//!
//! - **In**: a [`Series`](crate::Series) and a number, from handles and call sites.
//! - **Out**: an addition in a cell of this thread's slab; a value in its ring of samples; or, in a test, a value in a capture scope.
//! - **Invariants**: a recording never fails, waits or panics. It is counted in exactly one place. NaN and infinities are counted apart and not recorded.
//!
//! The hot path is three steps: one relaxed load says whether anything is recorded at all, one more where the series' cell is, then the thread's
//! slab and an addition. Whatever is unusual (the series is off or sampled; a first use on a thread; a thread without a slab; a capture scope)
//! shows as a cell that is not found. A cold path then finds out why, and may lock and allocate.
//!
//! Functions with a parameter `HERE` have it only so that they are compiled in the crate that calls them: an executable reaches its
//! thread-locals in one instruction, a library of unknown use by something like a call.
//!
//! Read in this order: [`enabled`] (the switch), [`scalars`] (counters, gauges, in-flight counts), [`distributions`] (timers, histograms),
//! [`decision`] (is this call sampled?), [`sampling`] (the countdown to the next hit), [`skipped`] (misses that no hit took along), [`clock`] (time
//! stamps), [`exemplars`] and [`trace_context`] (which trace a recording belongs to), [`non_finite`] (refused values), [`absolute`] (counters that mirror another), [`capture`] (scopes of tests).

pub(crate) mod absolute;
pub(crate) mod capture;
pub(crate) mod clock;
pub(crate) mod decision;
pub(crate) mod distributions;
pub(crate) mod enabled;
pub(crate) mod exemplars;
pub(crate) mod non_finite;
pub(crate) mod sampling;
pub(crate) mod scalars;
pub(crate) mod skipped;
pub(crate) mod trace_context;
