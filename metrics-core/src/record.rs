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

use crate::bucket::Brief;
use crate::capture;
use crate::cells::{self, Budget, Dist, ScalarCell, Slab, Writer};
use crate::lease::{Cells, Unlimited, own_slab, shared, slab};
use crate::ring::Ring;
use crate::series::{Kind, Series, State};
use crate::{busy, clock, lease, limits, rate, taken};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// What is switched on: [`BACKENDS`], [`SINGLES`], and one [`CAPTURE`] for each capture scope. 0: nothing, and then a recording ends here.
static SWITCH: AtomicUsize = AtomicUsize::new(0);
/// The largest word that says that nothing is on. It is not 0, so that the compiler, where it knows that nothing is on, does not know the
/// word: a guard that is inert is the word as it was read, and no instruction sets it to 0. See [`Running`](crate::guard::Running).
const NOTHING: usize = 1;
/// Some backend is installed.
pub(crate) const BACKENDS: usize = 2;
/// Some backend wants timer values one by one.
pub(crate) const SINGLES: usize = 4;
/// What one capture scope adds.
pub(crate) const CAPTURE: usize = 8;

/// Whether anything is recorded: a backend that wants something is installed, or a capture scope is in force somewhere.
#[inline(always)]
#[must_use]
pub fn is_on() -> bool {
    is_something(switches())
}

/// What is switched on now.
#[inline(always)]
pub(crate) fn switches() -> usize {
    SWITCH.load(Relaxed)
}

/// Whether a word of [`switches`] says that anything is on. The address of whatever there is looks like one that does.
#[inline(always)]
pub(crate) fn is_something(word: usize) -> bool {
    word > NOTHING
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

/// Adds to a counter, from a function of this crate that is out of line itself.
pub(crate) fn count_apart(series: &'static Series, value: i64) {
    // Not `HERE`: the copy made for this crate would serve all others too.
    if is_on() && !(value == 1 && one_at_once(series)) {
        many_on::<false>(series, value);
    }
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
    if !one_at_once(series) {
        many_on::<true>(series, 1);
    }
}

/// Adds 1 to a counter if its place is there; else nothing happens.
#[inline(always)]
pub(crate) fn one_at_once(series: &'static Series) -> bool {
    let ones = slab().ones(series.state().place());
    if let Some(ones) = ones {
        cells::one_more(ones);
    }
    ones.is_some()
}

/// Adds what [`one_at_once`] does not.
#[inline(never)]
pub(crate) fn many_on<const HERE: bool>(series: &'static Series, value: i64) {
    let state = series.state();
    if state.is_sampled() {
        if !rate::is_miss(state.rate()) {
            sampled_count(series, value, state);
        }
        return;
    }
    match slab().scalar(state.slot()) {
        // A single one may not have its place yet.
        Some(cell) if value != 1 && !state.is_off() => cell.count(value, Writer::Single),
        _ => count_cold(series, value, state),
    }
}

/// Adds 1 to a counter that is sampled in all likelihood: a miss is told in place.
#[inline(always)]
pub(crate) fn one_rated(series: &'static Series) {
    let state = series.state();
    if !state.is_sampled() {
        count_apart(series, 1);
    } else if !rate::is_miss(state.rate()) {
        sampled_count(series, 1, state);
    }
}

/// Of a series that is sampled, a call that may be a hit. What it counts for is what it was sampled by: its state is read once.
#[inline(never)]
fn sampled_count(series: &'static Series, value: i64, state: State) {
    if taken::is_hit_now(series, state) {
        match slab().scalar(state.slot()) {
            Some(cell) => cell.count(value, Writer::Single),
            None => scalar_cold(series, state, ScalarOp::Count(value)),
        }
    }
}

/// Of a series that is not sampled. Its state is the one by which that was told: the next may be one that is sampled, where this call would count
/// for many.
#[cold]
#[inline(never)]
fn count_cold(series: &'static Series, value: i64, state: State) {
    if !state.is_off() {
        scalar_cold(series, state, ScalarOp::Count(value));
    }
}

/// Moves an in-flight count, whatever has been switched off since it went up.
pub(crate) fn move_in_flight(series: &'static Series, value: i64) {
    match slab().scalar(series.slot) {
        Some(cell) => cell.count(value, Writer::Single),
        None => scalar_cold(series, State::new(Kind::InFlight, series.slot), ScalarOp::Move(value)),
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

/// What is not where it is looked for first. Of a sampled series, a hit.
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
        apply(series, cell, op, Writer::Single);
    } else if let Some(cell) = shared().ensure_scalar(state.slot(), &Unlimited) {
        apply(series, cell, op, Writer::Shared);
    }
}

/// Records nanoseconds that were measured, in the series that was [taken](taken::on) before: in its own cell, wherever its calls are routed to by now.
#[inline(always)]
pub(crate) fn nanos(series: &'static Series, nanos: u64) {
    if !cell(series, switches()).is_some_and(|cell| cell.record_measured(nanos)) {
        decided(series, nanos);
    }
}

#[inline(never)]
fn decided(series: &'static Series, bits: u64) {
    if let Some(cell) = far_cell(series) {
        return cell.record_nanos(bits, Writer::Single);
    }
    if is_on() && !series.state().is_off() {
        one_by_one(series, series.slot, bits);
    }
}

/// The same of a series that is not known before the end, for which sampling was decided in the name of another: in the cell that its calls are
/// routed to.
#[inline(always)]
pub(crate) fn nanos_routed(series: &'static Series, nanos: u64) {
    if !cell(series, switches()).is_some_and(|cell| cell.record_measured(nanos)) {
        decided_routed(series, nanos);
    }
}

#[inline(never)]
fn decided_routed(series: &'static Series, bits: u64) {
    if let Some(cell) = far_cell(series) {
        return cell.record_nanos(bits, Writer::Single);
    }
    let state = series.state();
    if is_on() && !state.is_off() {
        one_by_one(series, state.slot(), bits);
    }
}

/// Records a duration, if this call is sampled. It is known that something is recorded, by what `switches` said.
#[inline(always)]
pub(crate) fn sampled_duration(series: &'static Series, duration: Duration, switches: usize) {
    match (cell(series, switches), Brief::duration(duration)) {
        (Some(cell), Some(nanos)) => cell.record_brief(nanos),
        _ => duration_elsewhere(series, duration),
    }
}

#[inline(never)]
fn duration_elsewhere(series: &'static Series, duration: Duration) {
    let nanos = clock::nanos(duration);
    match far_cell(series) {
        Some(cell) => cell.record_nanos(nanos, Writer::Single),
        None => dist_elsewhere(series, nanos),
    }
}

/// Records a float, if this call is sampled. It is known that something is recorded, by what `switches` said.
#[inline(always)]
pub(crate) fn sampled_float(series: &'static Series, value: f64, switches: usize) {
    if !cell(series, switches).is_some_and(|cell| cell.record_usual(value)) {
        float_elsewhere(series, value);
    }
}

#[inline(never)]
fn float_elsewhere(series: &'static Series, value: f64) {
    if value.is_finite() {
        match far_cell(series) {
            Some(cell) => cell.record_float(value, Writer::Single),
            None => dist_elsewhere(series, value.to_bits()),
        }
    } else if !series.state().is_off() {
        invalid(series);
    }
}

/// This thread's histogram, when that is where values of this series go now, and it is at hand.
#[inline(always)]
fn cell(series: &'static Series, switches: usize) -> Option<Dist<'static>> {
    // Not while somebody wants values one by one, or everything is switched off. What else may be switched on goes the long way
    // too: one comparison with one number.
    if switches != BACKENDS {
        return None;
    }
    lease::near(series.state().near())
}

/// The same, when it is there but not at hand; from now on it is, if it is one of the first.
#[inline(always)]
fn far_cell(series: &'static Series) -> Option<Dist<'static>> {
    let state = series.state();
    let cell = if switches() == BACKENDS { slab().dist(state.place()) } else { None };
    if let Some(cell) = cell {
        lease::keep_near(state.near(), cell);
    }
    cell
}

#[inline(never)]
fn dist_elsewhere(series: &'static Series, bits: u64) {
    let state = series.state();
    let is_miss = || rate::is_miss(state.rate()) || !taken::is_hit_now(series, state);
    if state.is_off() || (state.is_sampled() && is_miss()) {
        return;
    }
    one_by_one(series, state.slot(), bits);
}

/// The one home of a value that is to be recorded: the ring while somebody wants values one by one and there is place, else the
/// histogram.
#[inline(always)]
fn one_by_one(series: &'static Series, slot: u32, bits: u64) {
    let slab = slab();
    let Some(cell) = slab.dist_of(slot) else { return dist_cold(series, slot, bits) };
    if switches() & SINGLES != 0 {
        let Some(ring) = slab.ring() else { return dist_cold(series, slot, bits) };
        if ring.push(slot, bits) {
            return;
        }
    }
    cell.record_bits(bits, Writer::Single);
}

fn ensure_dist<'s>(slab: &'s Slab, series: &Series, slot: u32, budget: &impl Budget) -> Option<Dist<'s>> {
    slab.ensure_dist(slot, series.kind().scheme()?, budget)
}

#[cold]
fn dist_cold(series: &'static Series, slot: u32, bits: u64) {
    if capture::value(series, bits) {
        return;
    }
    let Some(_busy) = busy::enter() else { return };
    if let Some(slab) = own_slab()
        && let Some(cell) = ensure_dist(slab, series, slot, &Cells)
    {
        let singles = switches() & SINGLES != 0;
        if !(singles && slab.ensure_ring(new_ring).push(slot, bits)) {
            cell.record_bits(bits, Writer::Single);
        }
        return;
    }
    if let Some(cell) = ensure_dist(shared(), series, slot, &Unlimited) {
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
