//! Recordings of timers and histograms: from a series to this thread's cell, or to its ring while somebody wants values one by one.

use crate::record::enabled::{BACKENDS, SINGLES, enabled, switch_bits};
use crate::record::{capture, clock, decision, exemplars, non_finite, sampling};
use crate::registry::limits;
use crate::registry::series::Series;
use crate::registry::series_table;
use crate::registry::state_word::StateWord;
use crate::storage::bucket::{Scheme, SubSecond};
use crate::storage::histogram_cell::Dist;
use crate::storage::sample_ring::Ring;
use crate::storage::scalar_cell::Writer;
use crate::storage::slab::{Budget, Slab};
use crate::storage::thread_slab::{self, Cells, Unlimited, own_slab, shared, slab};
use crate::sync::reentrancy;
use std::time::Duration;

/// Records a finished measurement whose call was [decided](decision::decide) before, into the series that was chosen then, even if a rule has
/// redirected that series since. `routed`: the series is not known before the end, and sampling was decided in the name of another; the cell is
/// the one that its calls are routed to.
#[inline(always)]
pub(crate) fn nanos(series: &'static Series, nanos: u64, routed: bool) {
    if !cached_cell(series, switch_bits()).is_some_and(|cell| cell.record_measured(nanos)) {
        record_nanos_slow(series, nanos, routed);
    }
}

#[inline(never)]
fn record_nanos_slow(series: &'static Series, nanos: u64, routed: bool) {
    if let Some(cell) = lookup_cell(series) {
        return cell.record_nanos(nanos, Writer::Single);
    }
    let state = series.state();
    if enabled() && !state.is_off() {
        let slot = if routed { state.slot() } else { series_table::home(series).slot };
        if one_by_one(series, slot, nanos) && state.is_watched() {
            exemplars::offer_value(Scheme::Nanos, slot, nanos);
        }
    }
}

/// Records a duration, if this call is sampled. It is known that something is recorded, by what `switches` said.
#[inline(always)]
pub(crate) fn sampled_duration(series: &'static Series, duration: Duration, switches: usize) {
    match (cached_cell(series, switches), SubSecond::duration(duration)) {
        (Some(cell), Some(nanos)) => cell.record_sub_second(nanos),
        _ => duration_elsewhere(series, duration),
    }
}

#[inline(never)]
fn duration_elsewhere(series: &'static Series, duration: Duration) {
    let nanos = clock::nanos(duration);
    match lookup_cell(series) {
        Some(cell) => cell.record_nanos(nanos, Writer::Single),
        None => dist_elsewhere(series, nanos),
    }
}

/// Records a float, if this call is sampled. It is known that something is recorded, by what `switches` said.
#[inline(always)]
pub(crate) fn sampled_float(series: &'static Series, value: f64, switches: usize) {
    if !cached_cell(series, switches).is_some_and(|cell| cell.record_normal(value)) {
        float_elsewhere(series, value);
    }
}

#[inline(never)]
fn float_elsewhere(series: &'static Series, value: f64) {
    if value.is_finite() {
        match lookup_cell(series) {
            Some(cell) => cell.record_float(value, Writer::Single),
            None => dist_elsewhere(series, value.to_bits()),
        }
    } else if !series.state().is_off() {
        non_finite::refuse(series);
    }
}

/// Returns this thread's histogram, when values of this series go there now and it is cached.
#[inline(always)]
fn cached_cell(series: &'static Series, switches: usize) -> Option<Dist<'static>> {
    // Not while somebody wants values one by one, or everything is switched off. What else may be switched on goes the long way
    // too: one comparison with one number.
    if switches != BACKENDS {
        return None;
    }
    thread_slab::cached_cell(series.state().near())
}

/// Returns this thread's histogram where it exists but is not cached yet. It is from now on, if it is one of the first.
#[inline(always)]
fn lookup_cell(series: &'static Series) -> Option<Dist<'static>> {
    let state = series.state();
    let cell = if switch_bits() == BACKENDS { slab().dist(state.place()) } else { None };
    if let Some(cell) = cell {
        thread_slab::cache_cell(state.near(), cell);
    }
    cell
}

#[inline(never)]
fn dist_elsewhere(series: &'static Series, bits: u64) {
    let state = series.state();
    let is_miss = || sampling::is_miss(state.rate()) || !decision::is_hit_now(series, state);
    if state.is_off() || (state.is_sampled() && is_miss()) {
        return;
    }
    if one_by_one(series, state.slot(), bits) && state.is_watched() {
        offer(series, state.slot(), bits);
    }
}

#[inline(never)]
fn offer(series: &Series, slot: u32, bits: u64) {
    if let Some(scheme) = series.kind().scheme() {
        exemplars::offer_value(scheme, slot, bits);
    }
}

/// The one home of a value that is to be recorded: the ring while somebody wants values one by one and there is place, else the
/// histogram. Returns `false` when the recording was turned away.
#[inline(always)]
fn one_by_one(series: &'static Series, slot: u32, bits: u64) -> bool {
    let slab = slab();
    let Some(cell) = slab.dist_of(slot) else { return dist_cold(series, slot, bits) };
    if switch_bits() & SINGLES != 0 {
        let Some(ring) = slab.ring() else { return dist_cold(series, slot, bits) };
        if ring.push(slot, bits) {
            return true;
        }
    }
    cell.record_bits(bits, Writer::Single);
    true
}

/// Records a value `count` times, if the call is sampled. It goes to the histogram even while somebody wants values one by one: they would not fit.
#[inline(never)]
pub(crate) fn many(series: &'static Series, bits: u64, count: u64) {
    let state = series.state();
    let is_miss = || sampling::is_miss(state.rate()) || !decision::is_hit_now(series, state);
    if !enabled() || count == 0 || state.is_off() || (state.is_sampled() && is_miss()) {
        return;
    }
    if many_in_cells(series, state, bits, count) && state.is_watched() {
        offer(series, state.slot(), bits);
    }
}

fn many_in_cells(series: &'static Series, state: StateWord, bits: u64, count: u64) -> bool {
    if let Some(cell) = slab().dist_of(state.slot()) {
        cell.record_many(bits, count, Writer::Single);
        return true;
    }
    if capture::values(series, bits, count) {
        return true;
    }
    let Some(_busy) = reentrancy::enter() else { return false };
    if let Some(cell) = own_slab().and_then(|slab| ensure_dist(slab, series, state.slot(), &Cells)) {
        cell.record_many(bits, count, Writer::Single);
    } else if let Some(cell) = ensure_dist(shared(), series, state.slot(), &Unlimited) {
        cell.record_many(bits, count, Writer::Shared);
    }
    true
}

/// Records a float `count` times, if the call is sampled.
pub(crate) fn many_floats(series: &'static Series, value: f64, count: u64) {
    match value.is_finite() {
        true => many(series, value.to_bits(), count),
        false if !enabled() || count == 0 || series.state().is_off() => {}
        false => non_finite::refuse_many(series, count),
    }
}

fn ensure_dist<'s>(slab: &'s Slab, series: &Series, slot: u32, budget: &impl Budget) -> Option<Dist<'s>> {
    slab.ensure_dist(slot, series.kind().scheme()?, budget)
}

#[cold]
fn dist_cold(series: &'static Series, slot: u32, bits: u64) -> bool {
    if capture::values(series, bits, 1) {
        return true;
    }
    let Some(_busy) = reentrancy::enter() else { return false };
    if let Some(slab) = own_slab()
        && let Some(cell) = ensure_dist(slab, series, slot, &Cells)
    {
        let singles = switch_bits() & SINGLES != 0;
        if !(singles && slab.ensure_ring(new_ring).push(slot, bits)) {
            cell.record_bits(bits, Writer::Single);
        }
        return true;
    }
    if let Some(cell) = ensure_dist(shared(), series, slot, &Unlimited) {
        cell.record_bits(bits, Writer::Shared);
    }
    true
}

fn new_ring() -> Ring {
    let capacity = limits::current().timer_chunk;
    if Cells.take(Ring::bytes(capacity)) {
        return Ring::new(capacity);
    }
    // Refused for good: values of this thread are delivered merged.
    Ring::new(0)
}
