//! The recording path: from a series to this thread's cell.
//!
//! Hot: one relaxed load says whether anything is recorded at all, one more where the series' cell is, then the thread's slab
//! and an addition. No lock, no allocation, no locked instruction.
//!
//! Functions with a parameter `HERE` have it only so that they are compiled in the crate that calls them: an executable reaches its
//! thread-locals in one instruction, a library of unknown use by something like a call.
//!
//! Whatever is the matter (the series is off, or sampled; a first use on a thread; a thread without a slab; a capture scope) shows in
//! one place: the cell is not found. Then a path is taken that finds out why, and may lock and allocate.

use crate::capture;
use crate::cells::{self, Budget, DistCell, Place, ScalarCell, Slab, Writer};
use crate::lease::{Cells, Unlimited, own_slab, shared, slab};
use crate::ring::Ring;
use crate::series::{Kind, Series, State};
use crate::{busy, limits, rate};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What is switched on: [`BACKENDS`], [`SINGLES`], and one [`CAPTURE`] for each capture scope. 0: nothing, and
/// then a recording ends here.
static SWITCH: AtomicUsize = AtomicUsize::new(0);
/// Some backend is installed.
pub(crate) const BACKENDS: usize = 1;
/// Some backend wants timer values one by one.
pub(crate) const SINGLES: usize = 2;
/// What one capture scope adds.
pub(crate) const CAPTURE: usize = 4;

/// Whether anything is recorded: a backend that wants something is installed, or a capture scope is in force somewhere.
#[inline(always)]
#[must_use]
pub fn is_on() -> bool {
    SWITCH.load(Relaxed) != 0
}

pub(crate) fn switch(bits: usize, on: bool) {
    if on {
        SWITCH.fetch_or(bits, Relaxed);
    } else {
        SWITCH.fetch_and(!bits, Relaxed);
    }
}

pub(crate) fn captures(add: bool) {
    if add {
        SWITCH.fetch_add(CAPTURE, Relaxed);
    } else {
        // A fork in between has set the switch to 0.
        let _ = SWITCH.fetch_update(Relaxed, Relaxed, |s| s.checked_sub(CAPTURE));
    }
}

pub(crate) fn switch_all_off() {
    SWITCH.store(0, Relaxed);
}

/// Adds to a counter.
#[inline(always)]
pub(crate) fn count(series: &'static Series, value: i64) {
    if is_on() {
        count_on(series, value);
    }
}

/// The same, when it is known that something is recorded. Nearly always `value` is a constant, and only one of the two stays.
#[inline(always)]
pub(crate) fn count_on(series: &'static Series, value: i64) {
    if value == 1 {
        one_on(series);
    } else {
        many_on::<true>(series, value);
    }
}

#[inline(always)]
fn one_on(series: &'static Series) {
    match slab().ones(series.state().place()) {
        Some(ones) => cells::one_more(ones),
        None => many_on::<true>(series, 1),
    }
}

#[inline(never)]
fn many_on<const HERE: bool>(series: &'static Series, value: i64) {
    let state = series.state();
    let cell = slab().scalar(state.slot());
    match cell {
        Some(cell) if state.is_sampled() => {
            if rate::is_hit(&cell.gap, || series.route_rate()) {
                cell.count(value, Writer::Single);
            }
        }
        // A single one may not have its place yet.
        Some(cell) if value != 1 && !state.is_off() => cell.count(value, Writer::Single),
        _ => count_cold(series, value),
    }
}

#[cold]
fn count_cold(series: &'static Series, value: i64) {
    let state = series.state();
    if !state.is_off() {
        scalar_cold(series, state, ScalarOp::Count(value));
    }
}

/// Moves an in-flight count, whatever has been switched off since it went up.
pub(crate) fn move_in_flight(series: &'static Series, value: i64) {
    match slab().scalar(series.slot) {
        Some(cell) => cell.count(value, Writer::Single),
        None => scalar_cold(series, State::new(Kind::InFlight, series.slot, false), ScalarOp::Move(value)),
    }
}

/// Sets a gauge.
#[inline(always)]
pub(crate) fn set(series: &'static Series, value: f64) {
    if is_on() {
        set_on(series, value);
    }
}

#[inline]
pub(crate) fn set_on(series: &'static Series, value: f64) {
    match slab().ones(series.state().place()) {
        Some(ones) if value.is_finite() => {
            series.value().store(value.to_bits(), Relaxed);
            cells::one_more(ones);
        }
        _ => set_elsewhere(series, value),
    }
}

#[inline(never)]
fn set_elsewhere(series: &'static Series, value: f64) {
    let state = series.state();
    if state.is_off() {
        return;
    }
    if !value.is_finite() {
        return invalid(series);
    }
    scalar_cold(series, state, ScalarOp::Set(value));
}

/// Adds to a gauge: lock-free, a compare-and-swap on the shared value.
pub(crate) fn add(series: &'static Series, value: f64) {
    if !is_on() {
        return;
    }
    let state = series.state();
    if state.is_off() {
        return;
    }
    if !value.is_finite() {
        return invalid(series);
    }
    match slab().scalar(state.slot()) {
        Some(cell) => apply(series, cell, ScalarOp::Add(value), Writer::Single),
        None => scalar_cold(series, state, ScalarOp::Add(value)),
    }
}

#[derive(Clone, Copy)]
enum ScalarOp {
    /// Into a counter.
    Count(i64),
    /// Into an in-flight count.
    Move(i64),
    Set(f64),
    Add(f64),
}

fn apply(series: &'static Series, cell: &ScalarCell, op: ScalarOp, writer: Writer) {
    match op {
        ScalarOp::Count(value) | ScalarOp::Move(value) => return cell.count(value, writer),
        ScalarOp::Set(value) => series.value().store(value.to_bits(), Relaxed),
        ScalarOp::Add(by) => {
            let mut overflowed = false;
            cells::float_update(series.value(), |now| {
                overflowed = !(now + by).is_finite();
                (!overflowed).then_some(now + by)
            });
            if overflowed {
                return invalid(series);
            }
        }
    }
    cell.called(writer);
}

#[cold]
fn scalar_cold(series: &'static Series, state: State, op: ScalarOp) {
    let captured = match op {
        ScalarOp::Count(value) | ScalarOp::Move(value) => capture::count(series, value),
        ScalarOp::Set(value) => capture::set(series, |_| value),
        ScalarOp::Add(by) => capture::set(series, |now| now + by),
    };
    if captured {
        return;
    }
    let Some(_busy) = busy::enter() else { return };
    let own = own_slab();
    // What is counted in ones, so that the next one finds its place.
    if !state.is_sampled()
        && matches!(op, ScalarOp::Count(1) | ScalarOp::Set(_))
        && let Some(ones) = own.and_then(|s| s.ensure_ones(state.slot(), &Cells))
    {
        if let ScalarOp::Set(value) = op {
            series.value().store(value.to_bits(), Relaxed);
        }
        return cells::one_more(ones);
    }
    if let Some(cell) = own.and_then(|s| s.ensure_scalar(state.slot(), &Cells)) {
        if !state.is_sampled() || rate::is_hit(&cell.gap, || series.route_rate()) {
            apply(series, cell, op, Writer::Single);
        }
    } else if let Some(cell) = shared().ensure_scalar(state.slot(), &Unlimited)
        && (!state.is_sampled() || rate::throw(series.route_rate()))
    {
        apply(series, cell, op, Writer::Shared);
    }
}

/// Records nanoseconds that were measured, for which sampling was decided before.
#[inline(always)]
pub(crate) fn nanos(series: &'static Series, nanos: u64) {
    match cell(series) {
        Some(cell) => cell.record_nanos(nanos, Writer::Single),
        None => decided(series, nanos),
    }
}

#[inline(never)]
fn decided(series: &'static Series, bits: u64) {
    let state = series.state();
    if is_on() && !state.is_off() {
        one_by_one(series, state, bits);
    }
}

/// Records nanoseconds, if this call is sampled. It is known that something is recorded.
#[inline(always)]
pub(crate) fn sampled_nanos(series: &'static Series, nanos: u64) {
    match cell(series) {
        Some(cell) => cell.record_nanos(nanos, Writer::Single),
        None => dist_elsewhere(series, nanos),
    }
}

/// Records a float, if this call is sampled. It is known that something is recorded.
#[inline(always)]
pub(crate) fn sampled_float(series: &'static Series, value: f64) {
    match cell(series) {
        Some(cell) if value.is_finite() => cell.record_float(value, Writer::Single),
        _ => float_elsewhere(series, value),
    }
}

#[inline(never)]
fn float_elsewhere(series: &'static Series, value: f64) {
    if value.is_finite() {
        dist_elsewhere(series, value.to_bits());
    } else if !series.state().is_off() {
        invalid(series);
    }
}

/// This thread's histogram, when that is where values of this series go now.
#[inline(always)]
fn cell(series: &'static Series) -> Option<&'static DistCell> {
    // Not while somebody wants values one by one, or everything is switched off.
    if SWITCH.load(Relaxed) & (SINGLES | BACKENDS) != BACKENDS {
        return None;
    }
    slab().dist(series.state().place())
}

#[inline(never)]
fn dist_elsewhere(series: &'static Series, bits: u64) {
    let state = series.state();
    if !state.is_off() && (!state.is_sampled() || is_sampled_hit(series, state)) {
        one_by_one(series, state, bits);
    }
}

/// The one home of a value that is to be recorded: the ring while somebody wants values one by one and there is place, else the
/// histogram.
#[inline(always)]
fn one_by_one(series: &'static Series, state: State, bits: u64) {
    let slab = slab();
    let Some(cell) = slab.dist_of(state.slot()) else { return dist_cold(series, state, bits) };
    if SWITCH.load(Relaxed) & SINGLES != 0 {
        let Some(ring) = slab.ring() else { return dist_cold(series, state, bits) };
        if ring.push(state.slot(), bits) {
            return;
        }
    }
    cell.record_bits(bits, Writer::Single);
}

/// Whether a call of a timer is recorded, before the clock is read: its logger is on, and it is a hit if it is sampled. It is known that
/// something is recorded.
#[inline(always)]
pub(crate) fn is_taken_on(series: &'static Series) -> bool {
    let state = series.state();
    state.place() != Place::NONE || (!state.is_off() && is_taken_elsewhere(series, state))
}

/// The same, as far as it can be told without a call; `None`: ask [`is_taken_on`], nothing has been decided.
#[inline(always)]
pub(crate) fn is_taken_at_once(series: &'static Series) -> Option<bool> {
    let state = series.state();
    if state.place() != Place::NONE {
        return Some(true);
    }
    if state.is_sampled() {
        let cell = slab().dist_of(state.slot())?;
        return rate::is_miss(&cell.gap).then_some(false);
    }
    state.is_off().then_some(false)
}

#[inline]
fn is_taken_elsewhere(series: &'static Series, state: State) -> bool {
    !state.is_sampled() || is_sampled_hit(series, state)
}

#[inline]
fn is_sampled_hit(series: &'static Series, state: State) -> bool {
    match slab().dist_of(state.slot()) {
        Some(cell) => rate::is_hit(&cell.gap, || series.route_rate()),
        None => hit_cold(series, state),
    }
}

#[cold]
fn hit_cold(series: &'static Series, state: State) -> bool {
    if capture::is_active() {
        return true;
    }
    let Some(_busy) = busy::enter() else { return false };
    match own_slab().and_then(|s| ensure_dist(s, series, state, &Cells)) {
        Some(cell) => rate::is_hit(&cell.gap, || series.route_rate()),
        None => rate::throw(series.route_rate()),
    }
}

fn ensure_dist<'s>(slab: &'s Slab, series: &Series, state: State, budget: &impl Budget) -> Option<&'s DistCell> {
    slab.ensure_dist(state.slot(), series.kind().scheme()?, budget)
}

#[cold]
fn dist_cold(series: &'static Series, state: State, bits: u64) {
    if capture::value(series, bits) {
        return;
    }
    let Some(_busy) = busy::enter() else { return };
    if let Some(slab) = own_slab()
        && let Some(cell) = ensure_dist(slab, series, state, &Cells)
    {
        let singles = SWITCH.load(Relaxed) & SINGLES != 0;
        if !(singles && slab.ensure_ring(new_ring).push(state.slot(), bits)) {
            cell.record_bits(bits, Writer::Single);
        }
        return;
    }
    if let Some(cell) = ensure_dist(shared(), series, state, &Unlimited) {
        cell.record_bits(bits, Writer::Shared);
    }
}

fn new_ring() -> Ring {
    let capacity = limits::in_force().timer_chunk;
    if Cells.take(Ring::bytes(capacity)) {
        return Ring::new(capacity);
    }
    // Refused for good: values of this thread are delivered merged.
    Ring::new(0)
}

/// A NaN, an infinity, or a sum that became one.
#[cold]
fn invalid(series: &'static Series) {
    if !capture::invalid(series) {
        crate::invalid::count(series.id);
    }
}

/// Adds to one of ferrometer's own counters, from any thread, whatever is switched.
pub(crate) fn count_internal(series: &'static Series, value: u64) {
    debug_assert!(series.is_internal() && series.kind() == Kind::Counter);
    if let Some(cell) = shared().ensure_scalar(series.slot, &Unlimited) {
        cells::add(&cell.inc, value, Writer::Shared);
        cell.called(Writer::Shared);
    }
}

/// Sets one of ferrometer's own gauges.
pub(crate) fn set_internal(series: &'static Series, value: f64) {
    if let Some(cell) = shared().ensure_scalar(series.slot, &Unlimited) {
        series.value().store(value.to_bits(), Relaxed);
        cell.called(Writer::Shared);
    }
}
